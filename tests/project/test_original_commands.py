"""Commands of the original's documentation and help are accepted: names of scripts, flags, values."""

from pathlib import Path

import pytest

from tests.conftest import run_main

LAUNCHED = " --local_rank 1"  # what the launcher of that time adds
TRAIN, FUSION, S2M = (
    "train.run_training",
    "scripts.train_fusion.run_training",
    "scripts.train_s2m.run_training",
)
TRACK, GENERATE = "scripts.eval_interactive_davis.evaluate", "scripts.generate_fusion.generate"
ANNOTATE = "scripts.annotate.annotate"
READERS = {"eval_davis": "davis_2017", "eval_davis_2016": "davis_2016", "eval_youtube": "youtube_vos"}
COMMANDS = [  # what a script calls with its settings, the command's flags, and settings
    (TRAIN, LAUNCHED, {"stage": 0, "batch_size": 7, "iterations": 300_000, "steps": [250_000], "lr": 1e-5}),
    (TRAIN, "--stage 1", {"batch_size": 4, "iterations": 500_000, "steps": [450_000]}),
    (TRAIN, "--stage 2", {"batch_size": 4, "iterations": 150_000, "steps": [125_000]}),
    (TRAIN, "--id s01 --load_network s.pth --stage 1", {"stage": 1, "load_network": Path("s.pth")}),
    (TRAIN, "--stage 2 -i 300000 --steps 250000", {"iterations": 300_000, "steps": [250_000]}),  # of s02
    (TRAIN, "--stage 2 -i 300000 --steps", {"steps": []}),
    (TRAIN, "--id NULL --debug --benchmark", {"id": "NULL", "debug": True, "benchmark": True}),
    (TRAIN, "--load_model c.pth --davis_root ../DAVIS", {"load_model": Path("c.pth")}),
    (
        TRAIN,
        "--batch_size 4 --iterations 9 --steps 3 6 --lr 1e-4 --gamma 0.5",
        {"steps": [3, 6], "gamma": 0.5},
    ),
    ("eval_davis.evaluate", "--output o --no_top --model m.pth", {"no_top": True, "split": "val"}),
    ("eval_davis_2016.evaluate", "--output o --davis D --use_km", {"davis": Path("D"), "km_sigma": 5.6}),
    ("eval_youtube.evaluate", "--output o --yv Y --split valid", {"yv": Path("Y"), "mem_every": 5}),
    (TRACK, "--davis D --output out --save_mask", {"davis": Path("D"), "save_masks": True}),
    (TRACK, "--output o --prop_model p --s2m_model s --mem_freq 3", {"s2m": Path("s"), "mem_every": 3}),
    (FUSION, "--load_prop p.pth --stage 0 --id a" + LAUNCHED, {"lr": 1e-4, "iterations": 30_000}),
    (FUSION, "--load_prop p.pth --stage 1 --id a" + LAUNCHED, {"model": Path("p.pth"), "steps": [7_500]}),
    (FUSION, "--stage 0 --fusion_bl_root ../f/bl" + LAUNCHED, {"fusion_bl_root": Path("../f/bl")}),
    (S2M, "--id a --load_deeplab d.pth" + LAUNCHED, {"load_deeplab": Path("d.pth"), "batch_size": 16}),
    (GENERATE, "--dataset BL --output o --range 30 --end 20", {"bl_root": Path("../BL30K"), "range": 30}),
    (GENERATE, "--davis_root D --output o --prop_model p.pth", {"model": Path("p.pth"), "end": None}),
    (
        ANNOTATE,
        "--num_objects 2 --video a.mp4 --resolution 320 --no_amp",
        {"size": 320, "precision": "float32"},
    ),
    (ANNOTATE, "--video a.mp4 --prop_model p.pth", {"model": Path("p.pth")}),
]


@pytest.mark.parametrize(("called", "flags", "expected"), COMMANDS)
def test_a_command_of_the_original_is_accepted(called, flags, expected, monkeypatch):
    module, seen = called.rpartition(".")[0], {}

    def call(*arguments, **options):
        seen.update(vars(next(each for each in arguments if hasattr(each, "__dict__"))))

    monkeypatch.setattr(called, call)
    if module in READERS:
        monkeypatch.setattr(f"{module}.{READERS[module]}", lambda *args, **options: [])
    run_main(monkeypatch, "interactive_gui" if called == ANNOTATE else module, *flags.split())
    assert {name: seen[name] for name in expected} == expected

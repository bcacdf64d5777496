"""Commands of the original interactive scripts are accepted with their flags."""

import sys
from pathlib import Path

import pytest

import interactive_gui
from scripts import annotate, eval_interactive_davis, generate_fusion, train_fusion, train_s2m

LAUNCHED = " --local_rank 1"  # the old launcher adds it
TRACK = eval_interactive_davis, "evaluate"
FUSION, S2M = (train_fusion, "run_training"), (train_s2m, "run_training")
GENERATE = generate_fusion, "generate"
COMMANDS = [
    (TRACK, "--davis D --output out --save_mask", {"davis": Path("D"), "save_masks": True}),
    (
        TRACK,
        "--output o --prop_model p.pth --s2m_model s.pth --mem_freq 3",
        {"s2m": Path("s.pth"), "mem_every": 3},
    ),
    (FUSION, "--load_prop p.pth --stage 0 --id a" + LAUNCHED, {"lr": 1e-4, "iterations": 30_000}),
    (FUSION, "--load_prop p.pth --stage 1 --id a" + LAUNCHED, {"model": Path("p.pth"), "steps": [7_500]}),
    (FUSION, "--stage 0 --fusion_bl_root ../f/bl" + LAUNCHED, {"fusion_bl_root": Path("../f/bl")}),
    (S2M, "--id a --load_deeplab d.pth" + LAUNCHED, {"load_deeplab": Path("d.pth"), "batch_size": 16}),
    (GENERATE, "--dataset BL --output o --range 30 --end 20", {"bl_root": Path("../BL30K"), "range": 30}),
    (GENERATE, "--davis_root D --output o --prop_model p.pth", {"model": Path("p.pth"), "end": None}),
]


@pytest.mark.parametrize(("script", "command", "expected"), COMMANDS)
def test_flags_of_the_original_scripts(script, command, expected, monkeypatch):
    module, taker = script
    seen = {}
    monkeypatch.setattr(module, taker, lambda settings, *others: seen.update(vars(settings)))
    monkeypatch.setattr(sys, "argv", [module.__name__, *command.split()])
    module.main()
    assert {name: seen[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("--num_objects 2 --video a.mp4 --resolution 320 --no_amp", {"size": 320, "precision": "float32"}),
        ("--video a.mp4 --prop_model p.pth", {"model": Path("p.pth")}),
    ],
)
def test_the_original_window_starts_the_annotator(command, expected, monkeypatch):
    seen = {}
    monkeypatch.setattr(annotate, "annotate", lambda args, port: seen.update(vars(args)))
    monkeypatch.setattr(sys, "argv", ["interactive_gui.py", *command.split()])
    interactive_gui.main()
    assert {name: seen[name] for name in expected} == expected

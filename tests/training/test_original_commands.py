"""Commands of the original's documentation and help are accepted: names of scripts, flags, values."""

import sys
from pathlib import Path

import pytest

import eval_davis
import eval_davis_2016
import eval_youtube
from util.hyper_para import training_settings

LAUNCHED = "--local_rank 1"  # what the launcher of that time adds


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("", {"stage": 0, "batch_size": 7, "iterations": 300_000, "steps": [250_000], "lr": 1e-5}),
        ("--id retrain_s0 --stage 0", {"id": "retrain_s0", "stage": 0}),
        ("--id retrain_s01 --load_network s0.pth --stage 1", {"stage": 1, "load_network": Path("s0.pth")}),
        ("--stage 2 -i 300000 --steps 250000", {"iterations": 300_000, "steps": [250_000]}),  # of s02
        ("--id NULL --debug --benchmark", {"id": "NULL", "debug": True, "benchmark": True}),
        ("--load_model old_checkpoint.pth --id a", {"load_model": Path("old_checkpoint.pth")}),
        ("--yv_root ../YouTube --davis_root ../DAVIS", {"davis_root": Path("../DAVIS")}),
        ("--batch_size 4 --iterations 9 --steps 3 6 --lr 1e-4 --gamma 0.5", {"steps": [3, 6], "gamma": 0.5}),
    ],
)
def test_training(command, expected):
    settings = vars(training_settings([*command.split(), *LAUNCHED.split()]))
    assert {name: settings[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("script", "flags", "expected"),
    [
        (eval_davis, "--output out", {"davis": Path("../DAVIS/2017"), "split": "val", "top_k": 50}),
        (eval_davis, "--output out --no_top --model m.pth", {"no_top": True, "model": Path("m.pth")}),
        (eval_davis_2016, "--output out --davis D --no_top --use_km", {"davis": Path("D"), "km_sigma": 5.6}),
        (eval_youtube, "--output out --yv ../YouTube --split valid --use_km", {"yv": Path("../YouTube")}),
        (eval_youtube, "--output out", {"split": "valid", "mem_every": 5, "output": Path("out")}),
    ],
)
def test_evaluation(script, flags, expected, monkeypatch):
    reader = next(name for name in ("davis_2017", "davis_2016", "youtube_vos") if hasattr(script, name))
    seen = {}
    monkeypatch.setattr(script, reader, lambda *args, **kwargs: [])
    monkeypatch.setattr(script, "evaluate", lambda videos, args, **kwargs: seen.update(vars(args)))
    monkeypatch.setattr(sys, "argv", [f"{script.__name__}.py", *flags.split()])
    script.main()
    assert {name: seen[name] for name in expected} == expected

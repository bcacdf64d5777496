"""Commands of the original's documentation and help are accepted: names of scripts, flags, values."""

from pathlib import Path

import pytest

import eval_davis
import eval_davis_2016
import eval_youtube
from tests.conftest import run_main
from util.hyper_para import parse_training_settings

LAUNCHED = "--local_rank 1"  # what the launcher of that time adds


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("", {"stage": 0, "batch_size": 7, "iterations": 300_000, "steps": [250_000], "lr": 1e-5}),
        ("--id retrain_s01 --load_network s0.pth --stage 1", {"stage": 1, "load_network": Path("s0.pth")}),
        ("--stage 2 -i 300000 --steps 250000", {"iterations": 300_000, "steps": [250_000]}),  # of s02
        ("--id NULL --debug --benchmark", {"id": "NULL", "debug": True, "benchmark": True}),
        ("--load_model c.pth --davis_root ../DAVIS", {"load_model": Path("c.pth")}),
        ("--batch_size 4 --iterations 9 --steps 3 6 --lr 1e-4 --gamma 0.5", {"steps": [3, 6], "gamma": 0.5}),
    ],
)
def test_training(command, expected):
    settings = vars(parse_training_settings([*command.split(), *LAUNCHED.split()]))
    assert {name: settings[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("script", "reader", "flags", "expected"),
    [
        (eval_davis, "davis_2017", "--output o --no_top --model m.pth", {"no_top": True, "split": "val"}),
        (
            eval_davis_2016,
            "davis_2016",
            "--output o --davis D --use_km",
            {"davis": Path("D"), "km_sigma": 5.6},
        ),
        (eval_youtube, "youtube_vos", "--output o --yv Y --split valid", {"yv": Path("Y"), "mem_every": 5}),
    ],
)
def test_evaluation(script, reader, flags, expected, monkeypatch):
    seen = {}
    monkeypatch.setattr(script, reader, lambda *args, **kwargs: [])
    monkeypatch.setattr(script, "evaluate", lambda videos, args, **kwargs: seen.update(vars(args)))
    run_main(monkeypatch, script.__name__, *flags.split())
    assert {name: seen[name] for name in expected} == expected

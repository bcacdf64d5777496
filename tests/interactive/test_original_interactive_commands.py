"""Commands of the originals' documentation and help, of the interactive half, are read as meant there."""

import sys
from pathlib import Path

import pytest

import interactive_gui
from dataset.training.interactive_sets import generated_data
from scripts import annotate, generate_fusion, train_fusion, train_s2m
from scripts.eval_interactive_davis import parse_args as parse_track_args

LAUNCHED = "--local_rank 1"  # what the launcher of that time adds


def settings_of(main, taker, command, monkeypatch):
    """The flags that a script hands on when it is started with a command."""
    seen = {}
    module = sys.modules[main.__module__]
    monkeypatch.setattr(module, taker, lambda settings, *others: seen.update(vars(settings)))
    monkeypatch.setattr(sys, "argv", [module.__name__, *command.split()])
    main()
    return seen


def assert_read(found, expected):
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("--video example/example.mp4", {"input": Path("example/example.mp4")}),
        ("--num_objects 2 --video a.mp4 --resolution 320 --no_amp", {"size": 320, "precision": "float32"}),
        ("--video a.mp4 --prop_model p.pth", {"model": Path("p.pth")}),
    ],
)
def test_the_window_becomes_the_annotator(command, expected, monkeypatch):
    found = {}
    monkeypatch.setattr(annotate, "annotate", lambda args, port: found.update(vars(args)))
    monkeypatch.setattr(sys, "argv", ["interactive_gui.py", *command.split()])
    interactive_gui.main()
    assert_read(found, expected)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("--davis D --output out --save_mask", {"davis": Path("D"), "save_masks": True}),
        ("--output o --prop_model p.pth --mem_freq 3", {"model": Path("p.pth"), "mem_every": 3}),
        (
            "--output o --s2m_model s.pth --fusion_model f.pth",
            {"s2m": Path("s.pth"), "fusion": Path("f.pth")},
        ),
    ],
)
def test_the_interactive_track(command, expected, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["eval_interactive_davis.py", *command.split()])
    assert_read(vars(parse_track_args()), expected)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            "--load_prop saves/propagation_model.pth --stage 0 --id retrain_s0",
            {"lr": 1e-4, "iterations": 30_000},
        ),
        ("--load_prop p.pth --stage 1 --id a", {"model": Path("p.pth"), "steps": [7_500]}),
        ("--stage 0 --fusion_bl_root ../fusion_data/bl", {"fusion_bl_root": Path("../fusion_data/bl")}),
    ],
)
def test_training_of_fusion(command, expected, monkeypatch):
    command = f"{command} {LAUNCHED}"
    assert_read(settings_of(train_fusion.main, "run_training", command, monkeypatch), expected)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            "--id s2m --load_deeplab d.pth",
            {"load_deeplab": Path("d.pth"), "batch_size": 16, "log_interval": 50},
        ),
        ("--id s2m --log_interval 7 --lvis_root ../lvis", {"log_interval": 7, "iterations": 80_000}),
    ],
)
def test_training_of_s2m(command, expected, monkeypatch):
    command = f"{command} {LAUNCHED}"
    assert_read(settings_of(train_s2m.main, "run_training", command, monkeypatch), expected)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("--dataset BL --output o --range 30 --start 10 --end 20", {"range": 30, "start": 10, "end": 20}),
        ("--dataset BL --output o", {"bl_root": Path("../BL30K"), "davis_root": None}),
        ("--davis_root D --output o --prop_model p.pth", {"model": Path("p.pth"), "end": None}),
    ],
)
def test_data_for_fusion(command, expected, monkeypatch):
    assert_read(settings_of(generate_fusion.main, "generate", command, monkeypatch), expected)


@pytest.mark.parametrize("root", ["", "davis"])
def test_the_root_of_generated_data_is_one_for_both_stages_or_one_for_each(root, tmp_path):
    (tmp_path / "davis/run/video").mkdir(parents=True)
    assert generated_data(tmp_path / root, stage=1) == tmp_path / "davis"

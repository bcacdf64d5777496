import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from functools import cache

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from model import load_network
from model.correspondence import Correspondence, encode_source, encode_target
from scripts.correspondence.drawing import join_views
from scripts.correspondence.results import Selection, draw_source, draw_target, look_up, read_shown
from tests.conftest import ROOT, read_png, run_main
from tests.interactive.xvfb import PATIENCE, Hands, needs_xvfb, virtual_screen, wait_for
from tests.model.matching_network import matching_network, texture
from util.errors import InputError

SCALE = 640 / 192  # screen pixels per pixel of the source
SHIFT = 32, 16  # from source to target, x and y


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures and a mask: b is a, shifted by SHIFT and cropped to another size; c has the size of a."""
    folder = tmp_path_factory.mktemp("pictures")
    big = texture(224, 256, seed=1)
    frames = {"a": big[32:192, 32:224], "b": big[16:176, 0:240], "c": texture(160, 192, seed=2)}
    (folder / "frames").mkdir()
    for name, picture in frames.items():
        Image.fromarray(picture).save(folder / f"frames/{name}.png")
    mask = np.zeros((160, 192), np.uint8)
    mask[48:96, 64:128] = 3
    Image.fromarray(mask).save(folder / "mask.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 not a picture")
    return folder


@pytest.fixture(scope="module")
def matching(network):
    return matching_network(network)


@pytest.fixture(scope="module")
def model(matching, tmp_path_factory):
    path = tmp_path_factory.mktemp("matching") / "weights.pth"
    torch.save(matching.state_dict(), path)
    return path


_loaded = cache(load_network)


@pytest.fixture
def loaded_once(monkeypatch):
    """Let the program load the network only once for all tests."""
    monkeypatch.setattr("interactive_gui.load_network", _loaded)


@pytest.fixture(scope="module")
def pictures(folder):
    return [read_shown(folder / f"frames/{name}.png") for name in "ab"]


@pytest.fixture(scope="module")
def pair(matching, pictures):
    return Correspondence(
        encode_source(matching, pictures[0].picture), encode_target(matching, pictures[1].picture)
    )


def pair_flags(folder, target="b.png"):
    return ["--src_image", folder / "frames/a.png", "--tar_image", folder / "frames" / target]


def saved(output, name):
    return json.loads((output / f"{name}.json").read_text()), read_png(output / f"{name}.png")


def assert_views(picture, pictures, selection, answer):
    """Compare a saved picture with both views, up to rounding, which depends on the number of threads."""
    views = join_views(draw_source(pictures[0], selection), draw_target(pictures[1], answer))
    assert picture.shape == views.shape
    assert np.abs(picture.astype(int) - views).max() <= 2


@pytest.mark.usefixtures("loaded_once")
def test_clicks_without_a_display(folder, model, tmp_path, pictures, pair, monkeypatch, capsys):
    points = (80.0, 60.0), (120.0, 100.0)
    monkeypatch.setenv("DISPLAY", "")
    flags = ["--click", "80,60", "120,100", "--model", model, "--output", tmp_path / "out", "--device", "cpu"]
    run_main(monkeypatch, "interactive_gui", *pair_flags(folder), *flags)
    said = capsys.readouterr().out
    content, picture = saved(tmp_path / "out", "views")
    for (x, y), match in zip(points, content["matches"], strict=True):
        assert match["source"] == [x, y]
        assert match["target"] == pytest.approx([x + SHIFT[0], y + SHIFT[1]], abs=16)
        assert 0 < match["score"] <= 1
        assert f"({match['target'][0]:.1f}" in said
    assert content["target_size"] == [240, 160]
    selection = Selection(points)
    assert_views(picture, pictures, selection, look_up(pair, selection, 1.0))


@pytest.mark.usefixtures("loaded_once")
def test_a_mask_without_a_display(folder, model, tmp_path, monkeypatch, capsys):
    flags = ["--mask", folder / "mask.png", "--model", model, "--output", tmp_path, "--device", "cpu"]
    run_main(monkeypatch, "interactive_gui", *pair_flags(folder), *flags, "--temperature", 0.5)
    content, picture = saved(tmp_path, "views")
    [match] = content["matches"]
    assert match["region_pixels"] == 48 * 64
    assert content["temperature"] == 0.5
    x, y = match["target"]
    assert 64 <= x - SHIFT[0] <= 128
    assert 48 <= y - SHIFT[1] <= 96
    assert "best match" in capsys.readouterr().out
    assert picture.shape[2] == 3


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (["--click", "192,10"], ["192,10 lies outside", "a.png, which is 192 x 160", "X from 0 to 191"]),
        (["--mask", "frames/b.png"], ["b.png is 240 x 160, the source 192 x 160"]),
        (["--click", "1,1", "--tar_image", "broken.jpg"], ["broken.jpg cannot be read as a picture"]),
        (["--frames", "frames"], ["leave them out"]),
    ],
)
def test_invalid_input_is_refused(folder, tmp_path, monkeypatch, flags, parts):
    monkeypatch.chdir(folder)
    with pytest.raises(InputError) as error:
        run_main(monkeypatch, "interactive_gui", *pair_flags(folder), "--output", tmp_path / "out", *flags)
    assert all(part in str(error.value) for part in parts), error.value
    assert not (tmp_path / "out").exists()


def test_without_a_display_the_message_names_flags_that_need_none(folder, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":65000")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(InputError, match=r"no display.*--click X,Y or --mask M\.png with --output OUT"):
        run_main(monkeypatch, "interactive_gui", *pair_flags(folder))


@contextmanager
def windows(output, model, shown, *flags):
    """Run the program on a virtual screen until it shows a target; yield hands and the ids of both windows.

    On a busy machine without a window manager, Qt can leave a window empty: then the program starts again.
    """
    command = [sys.executable, "interactive_gui.py", *flags, "--model", model, "--output", output]
    command += ["--device", "cpu"]
    with virtual_screen() as display, ExitStack() as running:
        environment = {**os.environ, "DISPLAY": display}

        def start():
            how = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
            process = subprocess.Popen([*map(str, command)], cwd=ROOT, env=environment, **how)
            running.enter_context(process)
            running.callback(process.kill)
            hands = Hands(display, process)
            return hands, hands.window("Source"), hands.window("Target")

        for last in (False, False, True):
            hands, source, target = start()
            try:
                wait_for(shows(hands, target, shown), hands.process, deadline=6 * PATIENCE)
                break
            except AssertionError:
                if last or hands.process.poll() is not None:
                    raise
                hands.process.kill()
        yield hands, source, target


def says(hands, window, text):
    """Return a function that tells whether a window has a text in its title."""
    return lambda: text in hands.do("getwindowname", window)


def shows(hands, window, picture):
    """Return a function that tells whether a window shows a picture, at the size of the window."""

    def is_shown():
        x, y, width, height = hands.place(window)
        seen = cv2.resize(
            hands.screen()[y : y + height, x : x + width], picture.shape[1::-1], interpolation=cv2.INTER_AREA
        )
        return (np.abs(seen.astype(int) - picture) > 40).mean() < 1e-3

    return is_shown


def save(hands, source, output):
    """Press s until a new file is there; return the newest. OpenCV drops keys while it draws."""
    known = set(output.glob("views_*.json"))

    def new():
        return sorted(set(output.glob("views_*.json")) - known)

    hands.key_until("s", new)
    wait_for(lambda: says(hands, source, f"saved {new()[-1].stem}.png")(), hands.process)
    return saved(output, new()[-1].stem)


@needs_xvfb
def test_points_regions_and_keys_in_the_windows(folder, model, tmp_path, pictures, pair):
    with windows(tmp_path, model, pictures[1].picture, *pair_flags(folder)) as (hands, source, target):
        # a click
        for _ in range(3):  # a busy window can lose a click
            hands.click(source, 80 * SCALE, 60 * SCALE)
            content, picture = save(hands, source, tmp_path)
            if content["matches"]:
                break
        [match] = content["matches"]
        point = tuple(match["source"])
        assert point == pytest.approx((80, 60), abs=1)
        assert match["target"] == pytest.approx([point[0] + SHIFT[0], point[1] + SHIFT[1]], abs=16)
        selection = Selection((point,))
        assert_views(picture, pictures, selection, look_up(pair, selection, 1.0))

        # the windows show what was saved
        wait_for(shows(hands, source, picture[:, :192]), hands.process)
        wait_for(shows(hands, target, picture[:, -240:]), hands.process)

        # a drag moves the point inside of the picture; shift and a click add a point
        hands.drag(source, (100, 100), (240, 200), (250, 225), (250, 600))
        hands.do("keydown", "shift")
        hands.click(source, 300, 100)
        hands.do("keyup", "shift")
        content, _ = save(hands, source, tmp_path)
        points = [place / SCALE for place in (250, 225, 300, 100)]
        found = [number for match in content["matches"] for number in match["source"]]
        assert found == pytest.approx(points, abs=1)

        # a region, at another temperature
        hands.key_until("m", says(hands, source, "a.png: paint a region, h: help"))
        hands.drag(source, (150, 150), (250, 150), (250, 200))
        hands.key_until("t", says(hands, target, "temperature 0.5"))
        content, picture = save(hands, source, tmp_path)
        [match] = content["matches"]
        assert content["temperature"] == 0.5
        length, width = 150 / SCALE, 0.06 * 192
        assert match["region_pixels"] == pytest.approx(length * width + width**2, rel=0.25)
        rows, columns = np.nonzero((picture[:, :192] != pictures[0].picture).any(axis=2))
        assert (rows.min(), columns.min()) == pytest.approx((45 - width / 2, 45 - width / 2), abs=2)
        assert (rows.max(), columns.max()) == pytest.approx((60 + width / 2, 75 + width / 2), abs=2)

        # reset
        hands.key_until("r", shows(hands, source, pictures[0].picture))
        content, picture = save(hands, source, tmp_path)
        assert content["matches"] == []
        assert_views(picture, pictures, Selection(), None)

        # a key ends the program
        hands.key("q")
        assert hands.process.wait(60) == 0

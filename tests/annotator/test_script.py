"""Starting the annotator: wrong flags are refused, and masks and objects of flags are imported."""

import socket

import numpy as np
import pytest

from tests.annotator.parts import disc, session
from tests.conftest import read_png, run_main, write_labels
from util.errors import InputError


@pytest.fixture
def start(video, tmp_path, monkeypatch):
    """Start the annotator in a workspace `w`, and end it when it would listen."""
    monkeypatch.setattr("scripts.annotator.server.serve", lambda *_: None)
    given = [video, "--workspace", tmp_path / "w", "--no_browser", "--device", "cpu"]
    return lambda *flags: run_main(monkeypatch, "scripts.annotate", *given, *flags)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--output", "x"], "--output needs --export"),
        (["--export", "png"], "nothing has been annotated in"),
        (["--masks", "m.png", "--export", "png"], "give one of them"),
        (["--masks", "nowhere"], "there are no masks at nowhere"),
        (["--click_model", "sam9"], "there is no promptable model 'sam9': choose one of efficientsam:10m"),
        (["--host", "192.0.2.1"], "cannot listen on"),
        (["--host", "a..b"], "cannot listen on"),
    ],
)
def test_bad_flags_are_refused(flags, message, start):
    with pytest.raises(InputError, match=message):
        start(*flags)


@pytest.mark.parametrize("port", ["80000", "0"])
def test_wrong_ports_are_refused(port, start, capsys):
    with pytest.raises(SystemExit) as end:
        start("--port", port)
    assert end.value.code == 2
    assert f"argument --port: {port} is " in capsys.readouterr().err


def test_a_path_without_a_video_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_text("no video")
    for path in (tmp_path / "a.mp4", tmp_path / "none.mp4", tmp_path):
        with pytest.raises(InputError):
            run_main(monkeypatch, "scripts.annotate", path, "--workspace", tmp_path / "w")
    assert not (tmp_path / "w").exists()


def test_a_new_workspace_has_the_number_of_objects_of_the_flag(start, video, tmp_path):
    for count in (2, 3):  # the second time there are edits already
        start("--num_objects", count)
    with session(video, tmp_path / "w") as opened:
        assert [each.name for each in opened.document.objects] == ["Object 1", "Object 2"]


def test_the_flag_sets_the_frame_rate_of_a_folder(start, monkeypatch):
    rates = []
    serve = "scripts.annotator.server.serve"
    monkeypatch.setattr(serve, lambda session, *_: rates.append(session.state()["video"]["fps"]))
    start("--fps", 5)
    assert rates == [5]


def test_masks_of_the_flag_are_imported_once_and_do_not_count_as_drawn(start, video, tmp_path, capsys):
    for index in range(12):
        write_labels(tmp_path / f"masks/{index}.png", (read_png(video / "00003.png")[..., 0] > 200) * 3)
    start("--masks", tmp_path / "masks")
    with session(video, tmp_path / "w") as opened:
        assert len(opened.document.touched) == 12
        assert opened.document.given == []
        assert [each.label for each in opened.document.objects] == [3]
    begun = (tmp_path / "w/edits.jsonl").read_bytes()
    start("--masks", tmp_path / "masks")
    assert "has edits already: --masks is left out" in capsys.readouterr().out
    assert (tmp_path / "w/edits.jsonl").read_bytes() == begun


def test_nothing_is_imported_when_the_port_is_taken(start, tmp_path):
    write_labels(tmp_path / "m.png", disc(0).astype(np.uint8))
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="cannot listen on"):
        start("--masks", tmp_path / "m.png", "--port", taken.getsockname()[1])
    assert len((tmp_path / "w/edits.jsonl").read_text().splitlines()) == 1

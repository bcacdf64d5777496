"""Starting the annotator: what is refused before the work, and what ends it."""

import pytest

from tests.annotator.parts import Server, session, write_frames
from tests.conftest import read_png, run_main, write_labels
from util.errors import InputError

SCRIPT = "scripts.annotate"


@pytest.fixture
def video(tmp_path):
    return write_frames(tmp_path / "clip")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--output", "x"], "--output is the folder of --export"),
        (["--export", "png"], "nothing has been annotated in"),
        (["--masks", "nowhere"], "there are no masks at nowhere"),
        (["--host", "192.0.2.1", "--no_browser"], "cannot be listened on"),
        (["--host", "a..b", "--no_browser"], "cannot be listened on"),
    ],
)
def test_bad_flags_are_refused(flags, message, video, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=message):
        run_main(monkeypatch, SCRIPT, video, "--workspace", tmp_path / "w", *flags)


@pytest.mark.parametrize("port", ["80000", "0"])
def test_what_is_no_port_is_refused(port, video, monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        run_main(monkeypatch, SCRIPT, video, "--port", port)
    assert end.value.code == 2
    assert f"argument --port: {port} is " in capsys.readouterr().err


def test_what_is_no_video_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_text("no film")
    for path in (tmp_path / "a.mp4", tmp_path / "none.mp4", tmp_path):
        with pytest.raises(InputError):
            run_main(monkeypatch, SCRIPT, path, "--workspace", tmp_path / "w")
    assert not (tmp_path / "w").exists()


def test_a_new_workspace_begins_with_as_many_objects_as_are_asked_for(video, tmp_path):
    for count in (2, 3):  # the second time there are edits already
        assert Server(video, "--workspace", tmp_path / "w", "--num_objects", count).stop() == 143
    with session(video, tmp_path / "w") as opened:
        assert [each.name for each in opened.document.objects] == ["Object 1", "Object 2"]


def test_masks_to_begin_with_are_a_result_to_mend(video, tmp_path):
    for index in range(12):
        write_labels(tmp_path / f"masks/{index}.png", (read_png(video / "00003.png")[..., 0] > 200) * 3)
    server = Server(video, "--workspace", tmp_path / "w", "--masks", tmp_path / "masks")
    assert server.stop() == 143
    with session(video, tmp_path / "w") as opened:
        assert len(opened.document.touched) == 12
        assert opened.document.given == []
        assert [each.label for each in opened.document.objects] == [3]

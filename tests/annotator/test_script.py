"""Starting the annotator: flags, workspaces of other videos, lost and edited logs, and full disks."""

import json
import socket

import numpy as np
import pytest
from PIL import Image

from tests.annotator.browser import Annotator
from tests.annotator.parts import add, disc, frames, mask_files, session, stroke, write_frames
from tests.annotator.test_access import ask
from tests.conftest import largest_file, read_png, run_main, write_labels, write_video
from util.errors import InputError


@pytest.fixture
def video(tmp_path):
    return write_frames(tmp_path / "clip")


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


LINE = [[20.2, 30.0], [60.7, 41.5]]


def test_two_videos_of_one_name_do_not_share_a_workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    second = tmp_path / "clip.mov"
    write_video(tmp_path / "clip.mp4", frames(), "mp4v")
    write_video(second, frames()[:, ::-1], "mp4v")
    workspace = tmp_path / "output/annotate/clip"
    with session(tmp_path / "clip.mp4", workspace) as opened:
        add(opened, "a")
    before = (workspace / "edits.jsonl").read_bytes()
    with pytest.raises(InputError, match=r"belongs to another video, .*: give another --workspace"):
        run_main(monkeypatch, "scripts.annotate", second, "--no_browser")
    assert (workspace / "edits.jsonl").read_bytes() == before


def test_a_video_that_was_moved_and_a_workspace_of_an_earlier_version_open(video, tmp_path):
    with session(video, tmp_path / "w") as opened:
        add(opened, "a")
        identity = opened.workspace.identity
    video.rename(tmp_path / "moved")
    with session(tmp_path / "moved", tmp_path / "w") as opened:
        assert len(opened.document.objects) == 1
        assert opened.workspace.identity != identity  # browsers load masks again: the log may have changed
    (tmp_path / "w/video").unlink()
    with session(tmp_path / "moved", tmp_path / "w") as opened:
        assert len(opened.document.objects) == 1


@pytest.mark.parametrize("log", [None, '{"n":1,"ki'])
def test_masks_without_their_log_stay(log, video, tmp_path):
    with session(video, tmp_path / "w") as opened:
        add(opened, "a")
        opened.write_masks({"kind": "masks", "frames": {}, "objects": []}, {2: opened.label_map(2)})
    before, path = mask_files(tmp_path / "w"), tmp_path / "w/edits.jsonl"
    path.unlink() if log is None else path.write_text(log)
    with pytest.raises(InputError, match="is missing or empty, and"), session(video, tmp_path / "w"):
        pass
    assert mask_files(tmp_path / "w") == before
    assert len(before) == 1


@pytest.fixture
def server(video, tmp_path):
    running = Annotator(video, tmp_path / "w")
    yield running
    running.close()


def test_after_a_full_disk_changes_are_saved_again(server, tmp_path):
    log = tmp_path / "w/edits.jsonl"

    def send(body):
        answer, content = ask(server, "/api/edit", "POST", body)
        return answer.status, json.loads(content)

    assert send({"kind": "add", "name": "a", "colour": "#e69f00"})[0] == 200
    before = log.read_bytes()
    guess = {"kind": "guess", "frame": 0, "object": 1, "points": [[25, 22], [76, 75]]}
    with largest_file(len(before) + 20):
        for edit in (stroke(LINE), guess):
            status, said = send({**edit, "id": edit["kind"]})
            assert status == 507
            assert said["error"].startswith("Not saved: the disk is full")
            assert log.read_bytes() == before
    assert list((tmp_path / "w").glob("masks/*/*")) == []
    assert json.loads(ask(server, "/api/state")[1])["frames"] == []
    status, said = send({**stroke(LINE), "id": "stroke"})
    assert (status, len(said["frames"])) == (200, 1)
    assert [json.loads(line)["n"] for line in log.read_text().splitlines()] == [1, 2, 3]


def test_frames_of_several_sizes_are_refused_at_the_start(video, tmp_path, monkeypatch):
    Image.fromarray(frames()[2][:48]).save(video / "00002.png")
    with pytest.raises(InputError, match=r"00002: a frame is 160 x 48, those before it 160 x 96"):
        run_main(monkeypatch, "scripts.annotate", video, "--workspace", tmp_path / "w", "--no_browser")
    assert not (tmp_path / "w").exists()

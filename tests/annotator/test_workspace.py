"""Workspaces of other videos, lost and edited logs, and full disks."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.annotator.browser import Annotator
from tests.annotator.parts import add, frames, mask_files, session, stroke, write_frames
from tests.annotator.test_access import ask
from tests.conftest import largest_file, run_main, write_video
from util.errors import InputError

LINE = [[20.2, 30.0], [60.7, 41.5]]
HOOK = [[50.0, 20.0], [50.0, 70.0], [90.0, 70.0]]


@pytest.fixture
def video(tmp_path):
    return write_frames(tmp_path / "clip")


def turned(path):
    """A video like that of `write_frames`, but for its pixels."""
    if path.suffix in (".mp4", ".mov"):
        write_video(path, frames()[:, ::-1], "mp4v")
        return path
    for picture in write_frames(path).iterdir():
        Image.fromarray(np.asarray(Image.open(picture))[::-1]).save(picture)
    return path


@pytest.mark.parametrize(
    ("one", "other"),
    [("day1/frames", "day2/frames"), ("shot.v1", "shot.v2"), ("clip.mp4", "clip.mov")],
)
def test_two_videos_of_one_name_do_not_share_a_workspace(one, other, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = tmp_path / one, tmp_path / other
    (write_video(first, frames(), "mp4v") if first.suffix == ".mp4" else write_frames(first))
    turned(second)
    workspace = tmp_path / "output/annotate" / first.stem
    with session(first, workspace) as opened:
        add(opened, "a")
    before = (workspace / "edits.jsonl").read_bytes()
    with pytest.raises(InputError, match=r"belongs to another video, .*: give another --workspace"):
        run_main(monkeypatch, "scripts.annotate", second, "--no_browser")
    assert (workspace / "edits.jsonl").read_bytes() == before


def test_a_video_that_was_moved_and_a_workspace_of_an_earlier_version_open(video, tmp_path):
    with session(video, tmp_path / "w") as opened:
        add(opened, "a")
    video.rename(tmp_path / "moved")
    with session(tmp_path / "moved", tmp_path / "w") as opened:
        assert len(opened.document.objects) == 1
    (tmp_path / "w/video").unlink()
    with session(tmp_path / "moved", tmp_path / "w") as opened:
        assert len(opened.document.objects) == 1


@pytest.mark.parametrize("damage", ["missing", "empty", "cut off"])
def test_masks_without_their_log_stay(damage, video, tmp_path):
    with session(video, tmp_path / "w") as opened:
        add(opened, "a")
        opened.write({"kind": "propagate", "first": 0, "last": 3, "forward": True, "backward": True})
        opened.add_result(3, 2, np.ones(opened.pictures.size, np.uint8))
    before, log = mask_files(tmp_path / "w"), tmp_path / "w/edits.jsonl"
    if damage == "missing":
        log.unlink()
    else:
        log.write_text("" if damage == "empty" else '{"n":1,"ki')
    with pytest.raises(InputError, match="is missing or empty, and"), session(video, log.parent):
        pass
    assert mask_files(tmp_path / "w") == before
    assert len(before) == 1
    assert damage == "missing" or log.read_text() == ("" if damage == "empty" else '{"n":1,"ki')


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


def test_edits_that_were_removed_from_the_log_are_not_shown(video, tmp_path):
    """Their numbers are used again: snapshots are deleted, and browsers load masks again."""
    log = tmp_path / "w/edits.jsonl"
    with session(video, tmp_path / "w") as opened:
        identity = opened.workspace.identity
        add(opened, "a")
        for _ in range(70):
            opened.edit(stroke(HOOK))
    with session(video, tmp_path / "w") as opened:
        opened.label_map(0)
    assert list((tmp_path / "w/masks/snapshots").iterdir())
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:40]))
    with session(video, tmp_path / "w") as opened:
        for _ in range(32):
            opened.edit(stroke([[100.0, 50.0]], frame=0))
        expected = opened.label_map(0).copy()
        assert opened.workspace.identity != identity
        assert opened.document.state(0).version == 72
    with session(video, tmp_path / "w") as opened:
        assert np.array_equal(opened.label_map(0), expected)
        assert opened.label_map(0)[50, 100]


def test_frames_of_several_sizes_are_refused_at_the_start(video, tmp_path, monkeypatch):
    Image.fromarray(frames()[2][:48]).save(video / "00002.png")
    with pytest.raises(InputError, match=r"00002: a frame is 160 x 48, those before it 160 x 96"):
        run_main(monkeypatch, "scripts.annotate", video, "--workspace", tmp_path / "w", "--no_browser")
    assert not (tmp_path / "w").exists()

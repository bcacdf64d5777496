"""Videos that are damaged, oddly named or of PNG files, through the server to the exports."""

import json
import os
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import av
import numpy as np
import pytest

from scripts.annotator.export import export
from scripts.annotator.gaps import gaps
from scripts.annotator.pictures import Pictures
from scripts.annotator.rounds import Rounds
from scripts.annotator.settings import WorkerSettings
from tests.annotator.browser import PATIENCE, Annotator
from tests.annotator.parts import FRAMES, add, disc, frames, session, stroke, write_frames
from tests.annotator.test_access import ask
from tests.conftest import run_main, write_video
from tests.dataset.encoded_videos import packets_of
from util.errors import InputError

NO_UTF8 = os.fsdecode(b"caf\xe9")
MISSING = [4, 5]


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A video of twelve key frames, two of which are wiped out."""
    path = tmp_path_factory.mktemp("damaged") / "clip.avi"
    write_video(path, frames(), "MJPG")
    wipe_out(path, MISSING)
    pictures = Pictures(path)
    assert [index for index in range(FRAMES) if pictures.is_missing(index)] == MISSING
    return path


def wipe_out(path, missing):
    packets = packets_of(path)
    with path.open("r+b") as file:
        for index in missing:
            file.seek(packets[index].pos + 8)  # the next one's header stays
            file.write(bytes(packets[index].size - 16))


def test_missing_frames_of_a_damaged_video_get_no_masks(damaged, tmp_path, loaded, weights_file, monkeypatch):
    monkeypatch.setattr("scripts.annotator.rounds.load_network", lambda *_: loaded)
    rounds = Rounds(WorkerSettings(damaged, tmp_path, tmp_path, 48, "cpu", "float32", False))
    given = {3: (disc(3).astype(np.uint8), [1])}
    request = {"weights": weights_file, "remember_previous": True, "given": given, "labels": [1]}
    request["gaps"] = gaps({3: [1]}, [1], 3, 6)
    found = {frame: mask for _, frame, mask in rounds.run(request, lambda: False)}
    assert [bool(found[frame].any()) for frame in (4, 5, 6)] == [False, False, True]


def test_missing_frames_of_a_damaged_video_are_left_out_of_exports(damaged, tmp_path):
    kinds = "png", "davis", "youtube", "coco", "overlay"
    with session(damaged, tmp_path / "w") as opened:
        add(opened, "disc")
        opened.edit(stroke([[50, 48], [60, 48]], radius=15.0))
        found = {kind: export(kind, opened, tmp_path / "out", lambda *_: None) for kind in kinds}
    left = [f"{index:05}" for index in range(FRAMES) if index not in MISSING]
    davis, youtube = found["davis"] / "trainval/JPEGImages/480p/clip", found["youtube"] / "Annotations/clip"
    for folder in (found["png"], davis, youtube):
        assert sorted(path.stem for path in folder.iterdir()) == left
    images = json.loads(found["coco"].read_text())["images"]
    assert [image["id"] for image in images] == [int(name) for name in left]
    with av.open(str(found["overlay"])) as result:
        assert sum(1 for _ in result.decode(video=0)) == len(left)


def test_a_video_whose_first_frame_is_damaged_opens(damaged, tmp_path):
    path = tmp_path / "clip.avi"
    path.write_bytes(damaged.read_bytes())
    wipe_out(path, [0])
    with session(path, tmp_path / "w") as opened:
        assert opened.pictures.size == frames().shape[1:3]


@pytest.mark.parametrize("name", [f"{NO_UTF8}{'x' * 238}.mp4", ".clip"])
def test_odd_names_of_videos_reach_the_page_and_the_exports(name, tmp_path):
    video = tmp_path / "in" / name
    if name.endswith(".mp4"):
        write_video(tmp_path / "clip.mp4", frames(), "mp4v")
        video.parent.mkdir()
        (tmp_path / "clip.mp4").rename(video)
    else:
        write_frames(video)
    with closing(Annotator(video, tmp_path / "w", size=48)) as server:
        assert json.loads(ask(server, "/api/state")[1])["video"]["name"] == name
        for kind in ("davis", "overlay", "coco"):
            assert ask(server, "/api/export", "POST", {"kind": kind})[0].status == 200
            job = server.session.jobs.current
            assert job.ended.wait(PATIENCE) and job.state == "done", job.text
            assert ask(server, f"/exports/{quote(job.result['name'])}")[0].status == 200
    images = json.loads(Path(job.result["path"]).read_text())["images"]
    if video.is_dir():
        assert [image["file_name"] for image in images] == sorted(path.name for path in video.iterdir())


def test_pictures_whose_names_are_no_utf8_are_refused_at_the_start(tmp_path, monkeypatch):
    video = write_frames(tmp_path / "clip")
    (video / "00003.png").rename(video / f"{NO_UTF8}.png")
    with pytest.raises(InputError, match="has a picture whose name is not UTF-8"):
        run_main(monkeypatch, "scripts.annotate", video, "--workspace", tmp_path / "w", "--no_browser")

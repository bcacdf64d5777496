"""Videos that are damaged, oddly named or of PNG files, through the server to the exports."""

import json
import os
import time
import zipfile
from pathlib import Path
from urllib.parse import quote

import av
import numpy as np
import pytest

from scripts.annotator.gaps import gaps
from scripts.annotator.pictures import Pictures
from scripts.annotator.rounds import Rounds
from scripts.annotator.settings import WorkerSettings
from tests.annotator.browser import PATIENCE, Annotator
from tests.annotator.parts import FRAMES, disc, frames, session, stroke, write_frames
from tests.annotator.test_access import ask
from tests.conftest import run_main, write_video
from tests.dataset.encoded_videos import packets_of
from util.errors import InputError

NO_UTF8 = os.fsdecode(b"caf\xe9")
MISSING = [4, 5]


@pytest.fixture
def started():
    """Start servers; `post` returns an answer, or the job that was started when it is over."""
    running = []

    def start(video, workspace):
        server = Annotator(video, workspace, size=48)
        running.append(server)

        def post(path, body):
            answer, content = ask(server, path, "POST", body)
            assert answer.status == 200, content
            job = json.loads(content)
            end = time.monotonic() + PATIENCE
            while job.get("state") == "running":
                assert time.monotonic() < end
                job = json.loads(ask(server, "/api/state")[1])["job"]
                time.sleep(0.02)
            return job

        post("/api/edit", {"kind": "add", "name": "disc", "colour": "#e69f00"})
        post("/api/edit", stroke([[50, 48], [60, 48]], radius=15.0))
        return server, post

    yield start
    for server in running:
        server.close()


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


def test_missing_frames_of_a_damaged_video_are_left_out_of_exports(damaged, started, tmp_path):
    _, post = started(damaged, tmp_path / "w")
    kinds = "png", "davis", "youtube", "coco", "overlay"
    exports = {kind: post("/api/export", {"kind": kind}) for kind in kinds}
    assert {job["state"] for job in exports.values()} == {"done"}
    left = [f"{index:05}" for index in range(FRAMES) if index not in MISSING]
    for kind, folder in (("png", ""), ("davis", "JPEGImages/480p/clip/"), ("youtube", "Annotations/clip/")):
        with zipfile.ZipFile(exports[kind]["result"]["path"]) as archive:
            names = archive.namelist()
        assert sorted(Path(name).stem for name in names if folder in name and not name.endswith("/")) == left
    images = json.loads(Path(exports["coco"]["result"]["path"]).read_text())["images"]
    assert [image["id"] for image in images] == [int(name) for name in left]
    with av.open(exports["overlay"]["result"]["path"]) as film:
        assert sum(1 for _ in film.decode(video=0)) == len(left)


def test_a_video_whose_first_frame_is_damaged_opens(damaged, tmp_path):
    path = tmp_path / "clip.avi"
    path.write_bytes(damaged.read_bytes())
    wipe_out(path, [0])
    with session(path, tmp_path / "w") as opened:
        assert opened.pictures.size == frames().shape[1:3]


@pytest.mark.parametrize("name", [f"{NO_UTF8}.mp4", f"{'x' * 242}.mp4", ".clip"])
def test_odd_names_of_videos_reach_the_page_and_the_exports(name, started, tmp_path):
    video = tmp_path / "in" / name
    if name.endswith(".mp4"):
        write_video(tmp_path / "clip.mp4", frames(), "mp4v")
        video.parent.mkdir()
        (tmp_path / "clip.mp4").rename(video)
    else:
        write_frames(video)
    server, post = started(video, tmp_path / "w")
    assert json.loads(ask(server, "/api/state")[1])["video"]["name"] == name
    for kind in ("davis", "overlay", "coco"):
        job = post("/api/export", {"kind": kind})
        assert job["state"] == "done", job
        assert ask(server, f"/exports/{quote(job['result']['name'])}")[0].status == 200
    images = json.loads(Path(job["result"]["path"]).read_text())["images"]
    if video.is_dir():
        assert [image["file_name"] for image in images] == sorted(path.name for path in video.iterdir())


def test_pictures_whose_names_are_no_utf8_are_refused_at_the_start(tmp_path, monkeypatch):
    video = write_frames(tmp_path / "clip")
    (video / "00003.png").rename(video / f"{NO_UTF8}.png")
    with pytest.raises(InputError, match="has a picture whose name is not UTF-8"):
        run_main(monkeypatch, "scripts.annotate", video, "--workspace", tmp_path / "w", "--no_browser")

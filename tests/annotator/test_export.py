import json
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
from pycocotools import mask as coco

from dataset.davis_test_dataset import davis_2017
from scripts.annotator.export import KINDS, export
from tests.annotator.parts import FRAMES, HEIGHT, WIDTH, add, disc, frames, session, stroke, write_frames
from tests.conftest import read_png, run_main
from tests.evaluation.test_propagate_video import write_video

FPS = 12.5
LINE = [[20.2, 30.0], [60.7, 41.5]]


@pytest.fixture(scope="module")
def expected():
    """Labels 12 x 96 x 160: the disc on all frames but two, and another object on one."""
    labels = np.stack([disc(index) for index in range(FRAMES)]).astype(np.uint8)
    labels[7:9] = 0
    labels[2, 80:, :30] = 4
    return labels


@pytest.fixture(scope="module")
def annotated(tmp_path_factory, expected):
    """A video file and the workspace in which it has been annotated."""
    folder = tmp_path_factory.mktemp("annotated")
    write_video(folder / "clip.mp4", frames(), "mp4v")
    with session(folder / "clip.mp4", folder / "w") as opened:
        add(opened, "ball", "x", "y", "corner")
        opened.edit({"kind": "change", "object": 4, "colour": "#010203"})
        opened.write_masks(
            {
                "kind": "masks",
                "frames": {
                    str(i): {"labels": np.unique(m)[1:].tolist(), "drawn": [1]}
                    for i, m in enumerate(expected)
                },
                "objects": [],
            },
            dict(enumerate(expected)),
        )
    return folder / "clip.mp4", folder / "w"


@pytest.fixture(scope="module")
def exported(annotated, tmp_path_factory):
    """Every kind, as the command line writes it."""
    video, workspace = annotated
    output = tmp_path_factory.mktemp("exports")
    flags = ["--workspace", workspace, "--export", *KINDS, "--output", output]
    with pytest.MonkeyPatch.context() as patch:
        run_main(patch, "scripts.annotate", video, *flags)
    return output


def pictures_of(path, form):
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        rate = float(stream.average_rate)
        if stream.codec_context.name == "vp9":  # FFmpeg's own decoder leaves the alpha out
            context = av.CodecContext.create("libvpx-vp9", "r")
            context.extradata = stream.codec_context.extradata
            decoded = [
                frame
                for packet in film.demux(stream)
                for frame in context.decode(packet if packet.size else None)
            ]
        else:
            decoded = list(film.decode(stream))
        return np.stack([frame.to_ndarray(format=form) for frame in decoded]), rate


def test_masks_as_pngs(exported, expected):
    for index in range(FRAMES):
        path = exported / f"clip_png/{index:05}.png"
        assert np.array_equal(read_png(path), expected[index])
    from PIL import Image

    palette = Image.open(path).getpalette()
    assert palette[3:6] == [0xE6, 0x9F, 0x00]
    assert palette[12:15] == [1, 2, 3]


def test_the_overlay_film(exported, expected):
    pictures, rate = pictures_of(exported / "clip_overlay.mp4", "rgb24")
    assert (pictures.shape, rate) == ((FRAMES, HEIGHT, WIDTH, 3), FPS)
    change = np.abs(pictures.astype(int) - frames()).sum(axis=3)
    assert change[expected > 0].mean() > 5 * change[expected == 0].mean()


@pytest.mark.parametrize("name", ["clip_alpha.mov", "clip_webm.webm"])
def test_cut_out_films_have_the_masks_as_alpha(name, exported, expected):
    pictures, rate = pictures_of(exported / name, "rgba")
    assert (pictures.shape, rate) == ((FRAMES, HEIGHT, WIDTH, 4), FPS)
    opaque = pictures[..., 3] > 127
    assert (opaque == (expected > 0)).mean() > 0.999
    inside = expected > 0
    assert np.abs(pictures[..., :3].astype(int) - frames())[inside].mean() < 12
    assert pictures[7, ..., :3].max() < 16  # nothing of the background is left where no object is


def test_the_film_before_green(exported, expected):
    pictures, rate = pictures_of(exported / "clip_green.mp4", "rgb24")
    assert (pictures.shape, rate) == ((FRAMES, HEIGHT, WIDTH, 3), FPS)
    far = np.abs(pictures.astype(int) - (0, 177, 64)).sum(axis=3)
    assert far[7].max() < 40
    assert np.median(far[0][expected[0] > 0]) > 150


def test_the_layout_of_davis_is_read_back(exported, expected):
    (video,) = davis_2017(exported / "clip_davis", "val", late_objects=True)
    assert (video.name, len(video)) == ("clip", FRAMES)
    for index in range(FRAMES):
        labels = video.read_labels(video.ground_truth[f"{index:05}"])
        assert np.array_equal(labels, expected[index])
        assert np.abs(video.frames.read(index).astype(int) - frames()[index]).mean() < 8


def test_the_layout_of_youtube_says_what_is_where(exported, expected):
    root = exported / "clip_youtube"
    for index in range(FRAMES):
        assert np.array_equal(read_png(root / f"Annotations/clip/{index:05}.png"), expected[index])
        assert (root / f"JPEGImages/clip/{index:05}.jpg").is_file()
    objects = json.loads((root / "meta.json").read_text())["videos"]["clip"]["objects"]
    assert objects == {
        "1": {"category": "ball", "frames": [f"{i:05}" for i in range(FRAMES) if (expected[i] == 1).any()]},
        "4": {"category": "corner", "frames": ["00002"]},
    }


def test_coco_is_read_back(exported, expected):
    from pycocotools.coco import COCO

    data = COCO(str(exported / "clip_coco.json"))
    assert {each["name"] for each in data.cats.values()} == {"ball", "x", "y", "corner"}
    found = np.zeros_like(expected)
    for each in data.anns.values():
        mask = coco.decode(each["segmentation"]).astype(bool)
        assert each["area"] == mask.sum()
        assert (each["track_id"], each["category_id"]) == (each["track_id"],) * 2
        found[each["image_id"]][mask] = each["category_id"]
    assert np.array_equal(found, expected)
    assert [data.imgs[i]["file_name"] for i in range(FRAMES)] == [f"{i:05}.jpg" for i in range(FRAMES)]


def test_a_stopped_export_leaves_nothing_and_folders_become_archives(annotated, tmp_path, expected):
    class StopError(Exception):
        pass

    def stop(done, total, text):
        if done == 5:
            raise StopError

    with session(*annotated) as opened:
        for kind in KINDS:
            with pytest.raises(StopError):
                export(kind, opened, tmp_path / "out", stop)
        assert list((tmp_path / "out").iterdir()) == []
        path = export("png", opened, tmp_path / "out", lambda *_: None, archive=True)
    with zipfile.ZipFile(path) as archive, archive.open("00002.png") as file:
        assert np.array_equal(read_png(file), expected[2])


def test_an_export_is_of_the_moment_at_which_it_began(tmp_path):
    """What is drawn, undone and removed while frames are written does not come into it."""
    with session(write_frames(tmp_path / "clip"), tmp_path / "w") as opened:
        add(opened, "a", "b")
        for index in range(FRAMES):
            opened.edit(stroke(LINE, frame=index, label=1 + index % 2))

        def edit(done, total, text):
            if done == 3:
                opened.undo()
                opened.edit({"kind": "remove", "object": 2})
                opened.edit({"kind": "clear", "frame": 6})
                opened.edit(stroke(LINE, frame=5, radius=9.0))

        expected = [opened.label_map(index).copy() for index in range(FRAMES)]
        kinds = ("png", "youtube", "coco")
        wanted = {kind: export(kind, opened, tmp_path / "quiet", lambda *_: None) for kind in kinds}
        for kind in kinds:
            found = export(kind, opened, tmp_path / kind, edit)
            if found.is_dir():
                names = sorted(path.relative_to(found) for path in found.rglob("*.*"))
                assert names == sorted(path.relative_to(wanted[kind]) for path in wanted[kind].rglob("*.*"))
                assert all((found / n).read_bytes() == (wanted[kind] / n).read_bytes() for n in names)
            else:
                assert json.loads(found.read_text()) == json.loads(wanted[kind].read_text())
            assert not np.array_equal(opened.label_map(5), expected[5])
            for _ in range(3):
                opened.undo()
            opened.edit(stroke(LINE, frame=FRAMES - 1, label=2))  # what was undone first
    for index in range(FRAMES):
        assert np.array_equal(read_png(wanted["png"] / f"{index:05}.png"), expected[index])


def test_an_export_stays_until_another_takes_its_place(annotated, tmp_path, monkeypatch):
    with session(*annotated) as opened:
        path = export("png", opened, tmp_path, lambda *_: None)
        (path / "mark").touch()
        rename = Path.replace

        def failing(source, target):
            if source.name.endswith(".part"):
                raise OSError(28, "No space left on device")
            return rename(source, target)

        with monkeypatch.context() as patched, pytest.raises(OSError, match="No space"):
            patched.setattr(Path, "replace", failing)
            export("png", opened, tmp_path, lambda *_: None)
        assert (path / "mark").is_file()
        export("png", opened, tmp_path, lambda *_: None)
    assert not (path / "mark").exists()
    assert list(tmp_path.iterdir()) == [path]

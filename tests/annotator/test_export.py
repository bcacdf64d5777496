import json
import shutil
import zipfile
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from pycocotools.coco import COCO

from dataset.davis_test_dataset import davis_2017
from scripts.annotator.cut_out import Edge, opacity
from scripts.annotator.export import KINDS, export
from scripts.annotator.jobs import Cancelled
from tests.annotator.parts import (
    FRAMES,
    HEIGHT,
    WIDTH,
    add,
    disc,
    frames,
    give,
    session,
    stroke,
    write_frames,
)
from tests.conftest import read_png, run_main, write_video
from tests.dataset.test_overlays import add_sound
from util.errors import InputError

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
        opened.edit({"kind": "change", "object": 4, "colour": "#010203", "category": "place"})
        give(opened, dict(enumerate(expected)))
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
    with av.open(str(path)) as result:
        stream = result.streams.video[0]
        rate = float(stream.average_rate)
        if stream.codec_context.name == "vp9":  # FFmpeg's own decoder leaves the alpha out
            context = av.CodecContext.create("libvpx-vp9", "r")
            context.extradata = stream.codec_context.extradata
            packets = (packet if packet.size else None for packet in result.demux(stream))
            decoded = [frame for packet in packets for frame in context.decode(packet)]
        else:
            decoded = list(result.decode(stream))
        return np.stack([frame.to_ndarray(format=form) for frame in decoded]), rate


def test_masks_as_pngs(exported, expected):
    for index in range(FRAMES):
        path = exported / f"clip_png/{index:05}.png"
        assert np.array_equal(read_png(path), expected[index])
    palette = Image.open(path).getpalette()
    assert palette[3:6] == [0xE6, 0x9F, 0x00]
    assert palette[12:15] == [1, 2, 3]


def test_the_overlay_video_and_the_one_on_green(exported, expected):
    for name, ground in (("overlay", frames()), ("green", (0, 177, 64))):
        pictures, rate = pictures_of(exported / f"clip_{name}.mp4", "rgb24")
        assert (pictures.shape, rate) == ((FRAMES, HEIGHT, WIDTH, 3), FPS)
        change = np.abs(pictures.astype(int) - ground).sum(axis=3)
        assert change[expected > 0].mean() > 5 * change[expected == 0].mean()


def test_the_layout_of_davis_is_read_back(exported, expected):
    (video,) = davis_2017(exported / "clip_davis", "val", late_objects=True)
    assert (video.name, len(video)) == ("clip", FRAMES)
    for index in range(FRAMES):
        labels = video.read_labels(video.ground_truth[f"{index:05}"])
        assert np.array_equal(labels, expected[index])
        assert np.abs(video.frames.read(index).astype(int) - frames()[index]).mean() < 8


def test_the_layout_of_youtube_lists_the_frames_of_objects(exported, expected):
    root = exported / "clip_youtube"
    for index in range(FRAMES):
        assert np.array_equal(read_png(root / f"Annotations/clip/{index:05}.png"), expected[index])
        assert (root / f"JPEGImages/clip/{index:05}.jpg").is_file()
    objects = json.loads((root / "meta.json").read_text())["videos"]["clip"]["objects"]
    assert objects == {
        "1": {"category": "ball", "frames": [f"{i:05}" for i in range(FRAMES) if (expected[i] == 1).any()]},
        "4": {"category": "place", "frames": ["00002"]},
    }


def test_coco_is_read_back(exported, expected):
    data = COCO(str(exported / "clip_coco.json"))
    assert {each["name"] for each in data.cats.values()} == {"ball", "x", "y", "place"}
    found = np.zeros_like(expected)
    for each in data.anns.values():
        mask = coco.decode(each["segmentation"]).astype(bool)
        assert each["area"] == mask.sum()
        assert (each["track_id"], each["category_id"]) == (each["track_id"],) * 2
        found[each["image_id"]][mask] = each["category_id"]
    assert np.array_equal(found, expected)
    assert [data.imgs[i]["file_name"] for i in range(FRAMES)] == [f"{i:05}.jpg" for i in range(FRAMES)]


def test_opacity_falls_across_the_outline():
    inside = np.zeros((30, 40), bool)
    inside[8:20, 10:31] = inside[3:9, 25:28] = True
    y, x = np.mgrid[:30, :40]
    places = np.stack([y, x], axis=2)
    others = places[:, :, None]
    gaps = [np.linalg.norm(others - places[at], axis=3).min(axis=2) for at in (inside, ~inside)]
    to_outline = np.where(inside, gaps[1] - 0.5, 0.5 - gaps[0])
    assert np.array_equal(opacity(inside, Edge()), inside * 255)
    assert np.array_equal(opacity(inside, Edge(choke=2)) > 0, to_outline > 2)
    assert np.array_equal(opacity(inside, Edge(choke=-3)) > 0, to_outline > -3)
    soft = opacity(inside, Edge(feather=8, choke=1)).astype(int)
    assert np.abs(soft - 255 * np.clip(0.5 + (to_outline - 1) / 8, 0, 1)).max() <= 0.51


@pytest.fixture(scope="module")
def chosen(annotated, tmp_path_factory):
    """Frames 2 to 5 of two objects, apart and with soft edges, of a video with sound and a third object."""
    _, workspace = annotated
    folder = tmp_path_factory.mktemp("chosen")
    loud = add_sound(folder / "clip.mp4", "aac", "mp4", frames(), Fraction(FPS))
    shutil.copytree(workspace, folder / "w")
    (folder / "w/video").unlink()
    flags = ["--first", 2, "--last", 5, "--objects", 1, 4, "--feather", 6, "--choke", 1, "--apart"]
    args = [loud, "--workspace", folder / "w", "--output", folder / "out", "--export", "png", "coco"]
    with pytest.MonkeyPatch.context() as patch:
        run_main(patch, "scripts.annotate", *args, "overlay", "alpha", "webm", "green", *flags)
    return folder / "out"


def test_chosen_frames_and_objects_are_exported(chosen, expected):
    kept = np.where(np.isin(expected, (1, 4)), expected, 0)
    names = [f"{index:05}.png" for index in range(2, 6)]
    assert sorted(path.name for path in (chosen / "clip_png").iterdir()) == names
    for index in range(2, 6):
        assert np.array_equal(read_png(chosen / "clip_png" / names[index - 2]), kept[index])
    data = json.loads((chosen / "clip_coco.json").read_text())
    assert [each["name"] for each in data["categories"]] == ["ball", "place"]
    assert {each["image_id"] for each in data["annotations"]} == {2, 3, 4, 5}


@pytest.mark.parametrize("folder", ["alpha", "webm", "green", "overlay"])
def test_each_object_has_a_video_with_sound_and_colour_tags(folder, chosen, expected):
    ball, corner = sorted((chosen / f"clip_{folder}").iterdir())
    assert (ball.stem, corner.stem) == ("001_ball", "004_corner")
    with av.open(str(ball)) as result:
        context = result.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace) == (1, 1, 1)
        assert result.streams.audio[0].codec_context.name == ("opus" if folder == "webm" else "aac")
        heard = sum(frame.samples / frame.sample_rate for frame in result.decode(audio=0))
        assert heard == pytest.approx(4 / FPS, abs=0.07)
    if folder not in ("alpha", "webm"):
        return
    pictures, _ = pictures_of(ball, "rgba")
    assert len(pictures) == 4
    for index, picture in enumerate(pictures, start=2):
        wanted = opacity(expected[index] == 1, Edge(6, 1)).astype(int)
        assert np.abs(picture[..., 3] - wanted).mean() < 2
    assert pictures_of(corner, "rgba")[0][1:, ..., 3].max() < 10


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--first", "12"], "first must be from 0 to 11"),
        (["--objects", "9"], "there is no object 9"),
        (["--feather", "21"], "feather of export is wrong: Input should be less than or equal to 20"),
    ],
)
def test_wrong_choices_are_refused(flags, why, annotated, tmp_path, monkeypatch):
    video, workspace = annotated
    arguments = [video, "--workspace", workspace, "--export", "png", "--output", tmp_path / "out"]
    with pytest.raises(InputError, match=why):
        run_main(monkeypatch, "scripts.annotate", *arguments, *flags)
    assert not (tmp_path / "out").exists()


def test_an_export_shows_the_masks_of_its_start(tmp_path):
    """Edits that are made while frames are written do not change the export."""
    with session(write_frames(tmp_path / "clip"), tmp_path / "w") as opened:
        add(opened, "a", "b")
        for index in range(FRAMES):
            opened.edit(stroke(LINE, frame=index, label=1 + index % 2))

        def edit(done, total, text):
            if done == 3:
                opened.edit({"kind": "undo"})
                opened.edit({"kind": "remove", "object": 2})
                opened.edit({"kind": "clear", "frame": 6})
                opened.edit(stroke(LINE, frame=5, radius=9.0))

        expected = [opened.label_map(index).copy() for index in range(FRAMES)]
        found = export("png", opened, tmp_path / "out", edit)
        assert not np.array_equal(opened.label_map(5), expected[5])
    for index in range(FRAMES):
        assert np.array_equal(read_png(found / f"{index:05}.png"), expected[index])


def test_a_stopped_export_leaves_nothing_and_folders_become_archives(annotated, tmp_path, expected):
    def stop(done, total, text):
        if done == 5:
            raise Cancelled

    with session(*annotated) as opened:
        for kind in KINDS:
            with pytest.raises(Cancelled):
                export(kind, opened, tmp_path / "out", stop)
        assert list((tmp_path / "out").iterdir()) == []
        path = export("png", opened, tmp_path / "out", lambda *_: None, archive=True)
    with zipfile.ZipFile(path) as archive, archive.open("00002.png") as file:
        assert np.array_equal(read_png(file), expected[2])


@pytest.mark.parametrize("name", ["clip_alpha.mov", "clip_webm.webm"])
def test_videos_with_alpha_have_the_masks_as_alpha(name, exported, expected):
    pictures, rate = pictures_of(exported / name, "rgba")
    assert (pictures.shape, rate) == ((FRAMES, HEIGHT, WIDTH, 4), FPS)
    opaque = pictures[..., 3] > 127
    assert (opaque == (expected > 0)).mean() > 0.999
    inside = expected > 0
    assert np.abs(pictures[..., :3].astype(int) - frames())[inside].mean() < 12
    assert pictures[7, ..., :3].max() < 16  # nothing of the background is left where no object is

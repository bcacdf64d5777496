"""Names of files that are long, not text, or composed in another way."""

import os
from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image

from dataset.video_dataset import open_user_video
from tests.conftest import slow, write_labels, written
from tests.small_data import boxes, noise

LABELS = boxes(32, 48, {1: np.s_[4:20, 4:30]})

STEMS = {
    "no_text": [os.fsdecode(b"\xff\xfe%d" % number) for number in range(3)],
    "long": ["é" * 122 + f"{number:02}" for number in range(3)],  # 246 bytes: 250 with the suffix
    "odd": ["a:b %d 'c'", "%03d", "-n"],
}


def write_pictures(folder, stems):
    folder.mkdir(parents=True)
    for stem, picture in zip(stems, noise(3, 32, 48), strict=True):
        Image.fromarray(picture).save(folder / f"{stem}.jpg")
    return folder


@pytest.mark.usefixtures("preloaded")
@pytest.mark.parametrize("kind", [slow("no_text"), "long", slow("odd")])
def test_results_are_written_under_the_names_of_the_frames(kind, propagate, tmp_path):
    stems = STEMS[kind]
    frames = write_pictures(tmp_path / stems[1], stems)
    write_labels(tmp_path / "m.png", LABELS)
    overlay, sheet = tmp_path / f"{stems[0]}.mp4", tmp_path / f"{stems[0]}.jpg"
    flags = ["--overlay", overlay, "--contact_sheet", sheet, "--save_probs", tmp_path / "probs"]
    propagate(*flags, input=frames)
    assert {*written(tmp_path / "out")} == {f"{stem}.png" for stem in stems}
    assert {*written(tmp_path / "probs")} == {f"{stem}.npz" for stem in stems}
    assert overlay.is_file() and sheet.is_file()


@pytest.mark.parametrize("numbered", [True, False])
def test_names_of_masks_and_frames_match_in_any_unicode_form(numbered, tmp_path):
    stems = [normalize("NFD", f"Prüfung {number}" if numbered else "äöü"[number]) for number in range(3)]
    frames = write_pictures(tmp_path / "frames", stems)
    write_labels(tmp_path / "masks" / f"{normalize('NFC', stems[1])}.png", LABELS)
    video = open_user_video(frames, tmp_path / "masks", short_side=480).forward
    assert video.frames.names == stems[1:]

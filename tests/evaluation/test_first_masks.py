"""First masks of `propagate_video` by clicks, a box and a word."""

import numpy as np
import pytest
from PIL import Image

from dataset.video_dataset import open_user_video
from tests.annotator.parts import disc, frames, write_frames
from tests.conftest import read_png, refused, run_main
from tests.promptable_models import Colours, Flood, cache
from util.errors import InputError

SCRIPT = "scripts.propagate_video"


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_frames(tmp_path_factory.mktemp("video") / "clip")


@pytest.fixture
def first(tmp_path, monkeypatch, video):
    """Return a function that makes first masks and returns the label map."""

    def run(*flags, at=0, source=video):
        names = ["--click_model", "flood", "--find_model", "colours"]
        flags = ["--input", source, "--output", tmp_path / "out", *names, *flags, "--first_only"]
        run_main(monkeypatch, SCRIPT, *flags)
        return read_png(tmp_path / f"out_first_masks/{at:05}.png")

    with cache(tmp_path / "home", Flood, Colours):
        yield run


def test_clicks_a_box_and_a_word_give_objects(first):
    ground = first("--click", "10,10")
    assert ground[10, 10] == 1
    both = first("--click", "50,48", "55,48", "--unclick", "100,90", "--click", "10,10", "--overwrite")
    assert np.array_equal(both == 1, disc(0))
    assert np.array_equal(both == 2, ground == 1)
    at_five = first("--box", "92,76,46,20", "--at", 5, at=5)
    assert np.array_equal(at_five == 1, disc(5))
    assert np.array_equal(first("--find", "red", "--at", 5, at=5), at_five)


def test_first_masks_are_propagated_and_not_replaced(first, tmp_path, monkeypatch, video, preloaded):
    first("--click", "10,10")
    flags = [
        "--input",
        video,
        "--output",
        tmp_path / "out",
        *preloaded,
        "--click",
        "50,48",
        "--click_model",
        "flood",
        "--end",
        2,
    ]
    assert "another mask: give --overwrite" in refused(run_main, monkeypatch, SCRIPT, *flags)
    run_main(monkeypatch, SCRIPT, *flags, "--overwrite")
    assert np.array_equal(read_png(tmp_path / "out/00000.png") == 1, disc(0))
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == ["00000.png", "00001.png"]
    drawn = np.asarray(Image.open(tmp_path / "out_first_masks.jpg"))
    assert np.abs(drawn.astype(int) - frames()[0])[disc(0)].mean() > 20
    taken = open_user_video(video, tmp_path / "out_first_masks", short_side=480).forward
    assert np.array_equal(taken.read_given(0, disc(0).shape) == 1, disc(0))


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "give either --masks or --click"),
        (["--masks", "m.png", "--click", "3,3"], "give either --masks or --click"),
        (["--masks", "m.png"], "--at and --first_only are for"),
        (["--unclick", "3,3"], "give it after --click or --box"),
        (["--find", "dog"], "nothing is found on the frame by --find dog"),
        (["--click", "3,3", "--at", 12], "--at 12 is behind the last frame"),
    ],
)
def test_bad_prompts_are_refused_and_write_nothing(flags, sentence, first, tmp_path):
    with pytest.raises(InputError, match=sentence):
        first(*flags)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]

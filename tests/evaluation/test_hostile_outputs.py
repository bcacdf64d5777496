"""Results that cannot be written, would replace input, or are written by two runs at once."""

import numpy as np
import pytest

from tests.conftest import contents, largest_file, run_main, write_davis, write_frames, write_labels, written
from tests.small_data import boxes, noise
from util.errors import InputError, run_script
from util.lock import LOCK_FILE, lock_folder

FRAMES = noise(2, 32, 48)
LABELS = boxes(32, 48, {1: np.s_[4:20, 4:30]})
pytestmark = pytest.mark.usefixtures("preloaded")


@pytest.fixture(autouse=True)
def data(tmp_path):
    """Frames, a mask, and the same as DAVIS 2016 with its annotations."""
    write_davis(tmp_path, "v", FRAMES, [LABELS], "2016/val")
    write_frames(tmp_path / "frames", FRAMES)
    write_labels(tmp_path / "m.png", LABELS)
    return tmp_path


def refused(propagate, **changed):
    """Return the one sentence with which the script ends; Python prints it, with exit status 1."""
    with pytest.raises(SystemExit, match=r"^error: .") as end:
        run_script(lambda: propagate(**changed))
    assert "\n" not in end.value.code
    return end.value.code


@pytest.mark.parametrize(
    ("flag", "path", "message"),
    [
        ("output", "frames", "is where the frames or masks are read: give another --output"),
        ("output", "m.png/deep", "a file is in the way of a folder: give another place"),
        ("masks", "frames/00000.jpg", "is a JPEG"),
        ("contact_sheet", "frames/new.jpg", "is or lies in --input or --masks: give another place"),
    ],
)
def test_input_is_never_overwritten(flag, path, message, propagate, data):
    before = contents(data)
    assert message in refused(propagate, **{flag: data / path})
    assert contents(data) == before


def test_benchmarks_do_not_write_over_their_annotations(data, monkeypatch):
    before = contents(data)
    for folder in ("Annotations/480p", "JPEGImages/480p"):
        with pytest.raises(InputError, match="is where the frames or masks are read"):
            run_main(monkeypatch, "eval_davis_2016", "--davis", data, "--output", data / folder)
    assert contents(data) == before


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(propagate, tmp_path):
    with largest_file(60):
        assert "free disk space, then run the same command again" in refused(propagate)
    assert not list(tmp_path.glob("out/*"))


def test_a_second_run_at_the_same_time_is_refused(propagate, tmp_path):
    out = tmp_path / "out"
    with lock_folder(out, "run"):
        assert f"another run is at work in {out}: wait until it has ended" in refused(propagate)
        assert [path.name for path in out.iterdir()] == [LOCK_FILE]
    assert not out.exists()
    out.mkdir()
    (out / LOCK_FILE).touch()  # of a run that was killed: the lock ended with it
    propagate()
    assert len(written(out)) == 2

"""Results that cannot be written, would replace input, or are written by two runs at once."""

import numpy as np
import pytest

from tests.conftest import contents, largest_file, run_main, write_davis, write_frames, write_labels
from util.errors import InputError, run_script
from util.lock import LOCK_FILE, lock_folder

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 3), np.uint8)
LABELS = np.zeros((32, 48), np.uint8)
LABELS[4:20, 4:30] = 1


@pytest.fixture
def data(tmp_path):
    """Frames, a mask, a folder of masks, and the same as DAVIS 2016 with its annotations."""
    data = tmp_path / "data"
    write_davis(data, "v", FRAMES, [LABELS], "2016/val")
    write_frames(data / "frames", FRAMES)
    write_labels(data / "m.png", LABELS)
    write_labels(data / "masks/00000.png", LABELS)
    return data


@pytest.fixture
def propagate(data, tmp_path, preloaded, monkeypatch):
    """Run the script as a user does, but with a network that is loaded already."""
    given = {"--input": data / "frames", "--masks": data / "m.png", "--output": tmp_path / "out"}

    def run(**changed):
        flags = given | {f"--{name}": value for name, value in changed.items()}
        parts = [*preloaded, *(part for flag in flags.items() for part in flag)]
        run_script(lambda: run_main(monkeypatch, "scripts.propagate_video", *parts))

    return run


def refused(propagate, **changed):
    """Return the one sentence with which a run ends; Python prints it, with exit status 1."""
    with pytest.raises(SystemExit, match=r"^error: .") as end:
        propagate(**changed)
    assert "\n" not in end.value.code
    return end.value.code


@pytest.mark.parametrize(
    ("flag", "place", "message"),
    [
        ("output", "frames", "is where the frames or masks are read: give another --output"),
        ("output", "m.png/deep", "a file is in the way of a folder: give another place"),
        ("masks", "frames/00000.jpg", "is a JPEG"),
        ("contact_sheet", "frames/new.jpg", "is or lies in --input or --masks: give another place"),
    ],
)
def test_input_is_never_overwritten(flag, place, message, propagate, data):
    before = contents(data)
    assert message in refused(propagate, **{flag: data / place})
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
    assert not list((tmp_path / "out").glob("*"))


def test_the_second_of_two_runs_is_refused(propagate, tmp_path):
    out = tmp_path / "out"
    with lock_folder(out, "run"):
        assert f"another run is at work in {out}: wait until it has ended" in refused(propagate)
        assert [path.name for path in out.iterdir()] == [LOCK_FILE]
    assert not out.exists()
    out.mkdir()
    (out / LOCK_FILE).touch()  # of a run that was killed: the lock ended with it
    propagate()
    assert len(list(out.glob("[!.]*"))) == 3

import os
import time

import pytest

from util.files import HOST, QUIET, atomic_path, remove_leftovers

GONE = 99_999_999  # above all process numbers


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new/a.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        assert temporary.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "half"
    with pytest.raises(KeyError), atomic_path(path) as temporary:
        temporary.write_text("other")
        raise KeyError
    assert [p.read_text() for p in path.parent.iterdir()] == ["half"]


@pytest.mark.parametrize(
    ("writer", "seconds", "stays"),
    [
        (f"{HOST}.{GONE}", 0, False),
        (f"{HOST}.{os.getppid()}", 10 * QUIET, True),
        (f"{HOST}.{os.getpid()}", 0, False),
        (f"elsewhere.{os.getppid()}", 0, True),
        (f"elsewhere.{os.getppid()}", 10 * QUIET, False),
    ],
    ids=["killed", "another run", "killed with this number", "on another host", "killed on another host"],
)
def test_leftovers_of_killed_runs_are_removed_and_no_others(writer, seconds, stays, tmp_path):
    path = tmp_path / f".00001.{writer}.part.png"
    path.write_bytes(b"half")
    os.utime(path, (time.time() - seconds,) * 2)
    (tmp_path / ".notes.part2.txt").write_text("mine")
    remove_leftovers(tmp_path)
    assert path.exists() == stays
    assert (tmp_path / ".notes.part2.txt").exists()

import os
import time

import pytest

from util.files import HOST, QUIET, atomic_path, remove_leftovers


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


@pytest.mark.parametrize(("quiet", "stays"), [(0.5 * QUIET, True), (2 * QUIET, False)])
def test_leftovers_of_killed_runs_are_removed_and_no_others(quiet, stays, tmp_path):
    leftover, other = tmp_path / f".00001.{HOST}.99999999.part.png", tmp_path / ".notes.part2.txt"
    for path in (leftover, other):
        path.write_text("half")
        os.utime(path, (time.time() - quiet,) * 2)
    remove_leftovers(tmp_path)
    assert leftover.exists() == stays
    assert other.exists()

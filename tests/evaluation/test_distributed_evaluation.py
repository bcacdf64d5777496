import pytest

from tests.conftest import contents, run_script, slow, write_davis
from tests.forked_runs import run_two_ranks
from util.ranks import share

LENGTHS = {"a": 2, "b": 4, "c": 3}


@pytest.fixture(scope="module")
def davis(tmp_path_factory, clip):
    root = tmp_path_factory.mktemp("davis")
    for name, count in LENGTHS.items():
        frames, truth = clip["frames"][:count, :48, :64], [clip["labels"][1, :48, :64]]
        write_davis(root, name, frames, truth, "2016/val")
    return root


@pytest.fixture(scope="module")
def flags(davis, weights_file):
    return ["--davis", davis, "--model", weights_file, "--device", "cpu"]


@pytest.fixture(scope="module")
def alone(flags, tmp_path_factory):
    """The files of one undisturbed process."""
    out = tmp_path_factory.mktemp("alone")
    run_script("eval_davis_2016.py", *flags, "--output", out)
    return contents(out, "*.png")


def test_longest_first_to_the_least_loaded():
    assert share([3, 6, 4, 5], 2) == [[1, 0], [3, 2]]
    assert share([1, 1], 3) == [[0], [1], []]
    assert share([], 2) == [[], []]


def launched(log, *flags):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    return run_script(*launcher, "eval_davis_2016.py", *flags).stdout


def forked(log, *flags):
    return run_two_ranks(log, "eval_davis_2016", *flags)


@pytest.mark.parametrize("start", [forked, slow(launched)])
def test_two_ranks_write_the_same_files_as_one(start, alone, flags, tmp_path):
    said = start(tmp_path / "log", *flags, "--output", tmp_path / "out")
    assert contents(tmp_path / "out", "*.png") == alone
    assert said.count("Total processed frames: 9") == 1  # rank 0 speaks for all

import re

import numpy as np
import pytest
import torch

from tests.conftest import ROOT, write_frames, write_labels

README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKS = sorted(
    {(page, link) for page in PAGES for link in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text())}
)


def test_the_python_examples_run(tmp_path, monkeypatch, clip, weights_file):
    (tmp_path / "saves").mkdir()
    (tmp_path / "saves/propagation_model.pth").symlink_to(weights_file)
    write_frames(tmp_path / "frames", clip["frames"][:3, :48, :80])
    write_labels(tmp_path / "mask.png", clip["labels"][1, :48, :80])
    monkeypatch.chdir(tmp_path)
    names = {}
    engine, rounds = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(engine, names)
    assert names["labels"].shape == (48, 80)
    assert set(np.unique(names["labels"])) <= {0, 1, 2}
    exec(rounds, names)
    assert names["core"].labels == [1]  # the correction was undone
    assert names["last_round"] == [1]


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_files_that_pages_point_to_exist(page, link):
    assert (page.parent / link).exists()


def test_every_script_is_described():
    files = [*ROOT.glob("*.py"), *ROOT.glob("scripts/*.py")]
    scripts = [path.stem for path in files if "__main__" in path.read_text()]
    scripts += [f"scripts.{path.parent.name}" for path in ROOT.glob("scripts/*/__main__.py")]
    assert [name for name in scripts if name not in README] == []


def test_the_conversion_of_weights_runs(tmp_path, monkeypatch):
    (tmp_path / "saves").mkdir()
    torch.save({"network": {"module.a": torch.ones(2).half()}, "it": 3}, tmp_path / "saves/old.pth")
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", (ROOT / "saves/README.md").read_text(), re.DOTALL)[1], {})
    state = torch.load("saves/new.pth", weights_only=True)
    assert {name: (tensor.dtype, tensor.tolist()) for name, tensor in state.items()} == {
        "a": (torch.float32, [1, 1])
    }


def test_every_flag_in_a_command_exists():
    patterns = ("*.py", "scripts/**/*.py", "util/*.py")
    sources = "".join(path.read_text() for pattern in patterns for path in ROOT.glob(pattern))
    lines = [line for page in PAGES for line in page.read_text().splitlines()]
    commands = [line for line in lines if re.match(r"    (python|torchrun) ", line)]
    flags = {flag for line in commands for flag in re.findall(r" (--\w+)", line)}
    assert [flag for flag in sorted(flags - {"--nproc_per_node"}) if f'"{flag}"' not in sources] == []

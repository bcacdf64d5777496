"""README.md and docs/: every command parses, every link and path resolves, every Python example runs."""

import argparse
import importlib
import re
import shlex
import sys

import numpy as np
import pytest
import torch

from tests.conftest import ROOT, write_frames, write_labels

PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (ROOT / "README.md", ROOT / "saves/README.md", *sorted(ROOT.glob("docs/*.md")))
}
LAUNCHERS = r"(?:torchrun|python -m torch\.distributed\.\w+)(?: --nproc_per_node=\d+)? (?:-m )?"
COMMANDS = sorted(
    {
        re.sub(rf"^{LAUNCHERS}", "python ", line)
        for text in PAGES.values()
        for line in re.findall(rf"^    ((?:python|bash|{LAUNCHERS}) .*)$", text, re.MULTILINE)
    }
)


SCRIPTS = [
    path for path in (*ROOT.glob("*.py"), *ROOT.glob("scripts/*.py")) if "__main__" in path.read_text()
]


class ParsedError(Exception):
    """A script's flags were parsed."""


def parse(name, flags, monkeypatch):
    """Let a module's main parse flags, and no more; return its parser."""
    parse_args = argparse.ArgumentParser.parse_args
    parsers = []

    def parsed(parser, *_):
        parsers.append(parser)
        if flags is not None:
            parse_args(parser, flags)
        raise ParsedError

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parsed)
        patch.setattr(sys, "argv", [name, *(flags or ())])
        with pytest.raises(ParsedError):
            importlib.import_module(name).main()
    return parsers[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse(command, monkeypatch):
    program, *arguments = shlex.split(command, comments=True)
    if program == "bash":
        assert (ROOT / arguments[0]).is_file()
        return
    if arguments[:2] == ["-m", "pytest"]:
        assert all((ROOT / each).exists() for each in arguments if each.startswith("tests/"))
        return
    name, *flags = arguments[1:] if arguments[0] == "-m" else arguments
    if name == "pytest":
        assert (ROOT / flags[-1]).is_file()
        return
    name = name.removesuffix(".py")
    if not (ROOT / f"{name.replace('.', '/')}.py").is_file():
        name += ".__main__"
    parse(name, flags, monkeypatch)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_example_of_each_help_parses(script, monkeypatch):
    name = ".".join(script.relative_to(ROOT).with_suffix("").parts)
    parser = parse(name, None, monkeypatch)
    example = parser.epilog.removeprefix("example:\n  ")
    assert example.startswith(parser.prog)
    parse(name, shlex.split(example.removeprefix(parser.prog)), monkeypatch)


def anchors(text):
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_and_paths_resolve(page):
    for link in re.findall(r"\]\((?!http)([^)]+)\)", PAGES[page]):
        name, _, anchor = link.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), link
        assert not anchor or anchor in anchors(path.read_text()), link
    for path in re.findall(r"`((?:model|dataset|scripts|util|tests|docs)/[\w/.]*)`", PAGES[page]):
        assert (ROOT / path).exists(), path


def test_the_readme_is_short_and_describes_every_script_with_the_pages():
    assert len(PAGES["README.md"].splitlines()) <= 220
    scripts = [path.stem for path in SCRIPTS]
    scripts += [f"scripts.{path.parent.name}" for path in ROOT.glob("scripts/*/__main__.py")]
    everything = "".join(PAGES.values())
    assert [name for name in scripts if name not in everything] == []


@pytest.fixture
def project(tmp_path, monkeypatch, clip, weights_file):
    """A folder with what the Python examples read."""
    (tmp_path / "saves").mkdir()
    (tmp_path / "saves/propagation_model.pth").symlink_to(weights_file)
    torch.save({"network": {"a": torch.ones(2).half()}, "it": 3}, tmp_path / "saves/old.pth")
    write_frames(tmp_path / "frames", clip["frames"][:3, :48, :80])
    write_labels(tmp_path / "mask.png", clip["labels"][1, :48, :80])
    monkeypatch.chdir(tmp_path)


def run_example(page):
    names = {}
    exec(re.search(r"```python\n(.*?)```", PAGES[page], re.DOTALL)[1], names)
    return names


def test_the_engine_example_runs(project):
    labels = run_example("README.md")["labels"]
    assert labels.shape == (48, 80)
    assert set(np.unique(labels)) <= {0, 1, 2}


def test_the_interactive_example_runs(project):
    names = run_example("docs/INTERACTIVE.md")
    assert names["core"].labels == [1, 2]  # the correction shows another object
    assert names["last_round"] == [1]


def test_the_conversion_of_weights_runs(project):
    run_example("saves/README.md")
    state = torch.load("saves/new.pth", weights_only=True)
    assert {name: (tensor.dtype, tensor.tolist()) for name, tensor in state.items()} == {
        "a": (torch.float32, [1, 1])
    }

"""README.md and docs/: commands parse, flags exist, links and paths resolve, fenced Python examples run."""

import argparse
import functools
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
        for pattern in (rf"^    ((?:python|bash|{LAUNCHERS}) .*)$", r"`(python [^`]+)`")
        for line in re.findall(pattern, text, re.MULTILINE)
    }
)
SCRIPTS = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for pattern in ("*.py", "scripts/*.py", "scripts/*/__main__.py")
    for path in ROOT.glob(pattern)
    if "__main__" in path.read_text()
]
FOREIGN_FLAGS = {"--logdir", "--nproc_per_node"}  # of tensorboard and torchrun


class ParsedError(Exception):
    """A script's flags were parsed."""


def parse(name, flags):
    """Let a module's main parse flags, and no more; return its parser."""
    parse_args = argparse.ArgumentParser.parse_args
    parsers = []

    def parsed(parser, *_):
        parsers.append(parser)
        if flags is not None:
            parse_args(parser, flags)
        raise ParsedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parsed)
        patch.setattr(sys, "argv", [name, *(flags or ())])
        with pytest.raises(ParsedError):
            importlib.import_module(name).main()
    return parsers[0]


@functools.cache
def parsers_of(name):
    """The parser of a script, and those of its subcommands."""
    parser = parse(name, None)
    commands = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    return [parser, *(choice for each in commands for choice in each.choices.values())]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse(command):
    program, *arguments = shlex.split(command, comments=True)
    if program == "bash":
        assert (ROOT / arguments[0]).is_file()
        return
    if arguments[:2] == ["-m", "pytest"]:
        assert all((ROOT / each).exists() for each in arguments if each.startswith("tests/"))
        return
    name, *flags = arguments[1:] if arguments[0] == "-m" else arguments
    name = name.removesuffix(".py")
    parse(name if name in SCRIPTS else f"{name}.__main__", flags)


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_examples_of_each_help_parse(script):
    first, *others = parsers_of(script)
    for parser in (first, *others):
        title, *examples = parser.epilog.split("\n  ")
        assert title == "example:" and examples
        for example in examples:
            assert example.startswith(parser.prog)
            parse(script, shlex.split(example.removeprefix(first.prog)))


@pytest.mark.parametrize("page", PAGES)
def test_flags_exist(page):
    parsers = [parser for script in SCRIPTS for parser in parsers_of(script)]
    known = FOREIGN_FLAGS.union(*(parser._option_string_actions for parser in parsers))
    assert set(re.findall(r"(?<![\w-])--[a-z]\w*", PAGES[page])) <= known


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


def test_the_readme_is_short():
    assert len(PAGES["README.md"].splitlines()) <= 220


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_pages_describe_every_script(script):
    name = script.removesuffix(".__main__") if "." in script else f"{script}.py"
    assert re.search(rf"(?<!\w){re.escape(name)}(?!\w)", "".join(PAGES.values()))


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

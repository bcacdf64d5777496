"""How the annotator starts: with masks to be mended, once, and not where it cannot listen."""

import socket

import numpy as np
import pytest

from tests.annotator.parts import Server, disc, write_frames
from tests.conftest import run_main, write_labels
from util.errors import InputError


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    write_labels(folder / "first.png", disc(0).astype(np.uint8))
    return [write_frames(folder / "clip"), "--masks", folder / "first.png"]


def entries(workspace):
    return (workspace / "edits.jsonl").read_text().splitlines()


def test_masks_are_brought_in_once_and_what_was_made_of_them_stays(given, tmp_path):
    workspace = tmp_path / "w"
    first = Server(*given, "--workspace", workspace)
    assert first.stop() == 143
    begun = entries(workspace)
    assert len(begun) == 2
    again = Server(*given, "--workspace", workspace)
    assert again.stop() == 143
    assert "has edits already: --masks is left out" in again.output
    assert entries(workspace) == begun


def test_where_it_cannot_listen_nothing_is_brought_in(given, tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        flags = ["--workspace", tmp_path / "w", "--port", taken.getsockname()[1], "--no_browser"]
        with pytest.raises(InputError, match="cannot be listened on"):
            run_main(monkeypatch, "scripts.annotate", *given, *flags)
    assert len(entries(tmp_path / "w")) == 1


def test_masks_are_not_for_an_export(given, tmp_path, monkeypatch):
    flags = ["--workspace", tmp_path / "w", "--export", "png"]
    with pytest.raises(InputError, match="give one of them"):
        run_main(monkeypatch, "scripts.annotate", *given, *flags)

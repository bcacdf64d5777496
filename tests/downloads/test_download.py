import random
import re
import shutil
from contextlib import suppress
from types import SimpleNamespace

import pytest
import requests

from scripts.downloads.sources import MODELS, RemoteFile
from scripts.downloads.transfer import download
from tests.conftest import refused
from tests.downloads.http_files import Cut, Page, serving
from util.errors import InputError

NAME = "data.zip"
CHUNK = 1 << 19  # what gdown writes at a time: a cut loses less
CONTENT = random.Random(0).randbytes(10 * CHUNK)
DRIVE = "https://drive.google.com"


@pytest.fixture
def server():
    with serving() as server:
        server.files[NAME] = CONTENT
        yield server


@pytest.fixture
def file(server):
    return RemoteFile("data", NAME, f"{server.url}/{NAME}", "https://example.org/page")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "in" / NAME


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def ranges(server):
    """The requested ranges. gdown first sends requests without a range."""
    return [asked for _, asked in server.requests if asked]


def leave_part(server, file, path):
    """End a run after two chunks; return its message."""
    server.faults[NAME].append(Cut(2 * CHUNK))
    with pytest.raises(InputError) as error:
        download(file, path, retries=0)
    server.faults[NAME].clear()
    server.requests.clear()
    return str(error.value)


def test_the_next_run_continues(file, path, server):
    assert "continues where it was, or open https://example.org/page in a browser" in leave_part(
        server, file, path
    )
    download(file, path)
    assert path.read_bytes() == CONTENT
    assert ranges(server) == [f"bytes={2 * CHUNK}-"]
    assert names(path.parent) == [NAME]


@pytest.mark.parametrize("change", ["shorter", "no ranges"])
def test_a_transfer_that_cannot_continue_begins_again(change, file, path, server):
    leave_part(server, file, path)
    if change == "shorter":
        server.files[NAME] = CONTENT[:CHUNK]
    else:
        server.with_ranges = False
    with suppress(InputError):  # the second command does it
        download(file, path)
    download(file, path)
    assert path.read_bytes() == server.files[NAME]
    assert names(path.parent) == [NAME]


def test_a_missing_file_is_reported_at_once(file, path, server):
    del server.files[NAME]
    assert re.search(r"404 .*open https://example.org/page in a browser", refused(download, file, path))
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [200, 403])
def test_the_quota_page_of_google_drive_is_explained_with_link_and_path(status, path, server, monkeypatch):
    get, file = requests.Session.get, MODELS["s012"]
    monkeypatch.setattr(
        requests.Session, "get", lambda self, url, **more: get(self, url.replace(DRIVE, server.url), **more)
    )
    html = '<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p>'
    server.faults["uc"].append(Page(html, status))
    with pytest.raises(InputError) as error:
        download(file, path)
    for part in ("quota", f"open {file.page} in a browser", f"save the file as {path}"):
        assert part in str(error.value)
    assert names(path.parent) == []


def test_space_is_checked_before_the_first_bytes_are_kept(file, path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=8 * CHUNK))
    assert re.search(r"needs .*MB on the disk of .* free disk space", refused(download, file, path))

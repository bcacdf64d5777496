import random
import shutil
from contextlib import suppress
from types import SimpleNamespace

import pytest
import requests

from scripts.downloads.sources import MODELS, RemoteFile
from scripts.downloads.transfer import download
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
    return RemoteFile(NAME, f"{server.url}/{NAME}", "https://example.org/page")


@pytest.fixture
def drives_file(server, monkeypatch):
    """A file whose requests to Google Drive reach the server instead, as `uc`."""
    get = requests.Session.get
    monkeypatch.setattr(
        requests.Session, "get", lambda self, url, **more: get(self, url.replace(DRIVE, server.url), **more)
    )
    return MODELS["s012"]


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


def test_a_cut_transfer_continues(file, path, server):
    server.faults[NAME].append(Cut(2 * CHUNK))
    download(file, path)
    assert path.read_bytes() == CONTENT
    assert ranges(server) == [f"bytes={2 * CHUNK}-"]


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


def test_a_server_that_does_not_answer_is_reported(path):
    with pytest.raises(InputError, match=r"127\.0\.0\.1.*check the connection"):
        download(RemoteFile(NAME, "http://127.0.0.1:9/x", "https://example.org/page"), path, retries=1)


def test_a_missing_file_is_reported_at_once(file, path, server):
    del server.files[NAME]
    with pytest.raises(InputError, match=r"404 .*open https://example.org/page in a browser"):
        download(file, path)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [200, 403])
def test_the_quota_page_of_google_drive_is_explained_with_link_and_path(status, drives_file, path, server):
    html = '<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p>'
    server.faults["uc"].append(Page(html, status))
    with pytest.raises(InputError) as error:
        download(drives_file, path)
    for part in ("quota", f"open {drives_file.page} in a browser", f"save the file as {path}"):
        assert part in str(error.value)
    assert names(path.parent) == []


def test_the_confirmation_page_of_google_drive_is_passed(drives_file, path, server):
    form = (
        "<html><body>Google Drive can't scan this file for viruses."
        f'<form id="download-form" action="{server.url}/{NAME}" method="get">'
        '<input type="hidden" name="id" value="abc"><input type="hidden" name="confirm" value="t"></form>'
    )
    server.faults["uc"] += [Page(form)] * 2
    server.faults[NAME].append(Cut(CHUNK))
    download(drives_file, path)
    assert path.read_bytes() == CONTENT
    assert "confirm=t" in server.requests[-1][0]
    assert ranges(server) == [f"bytes={CHUNK}-"]


@pytest.mark.parametrize("unpacked", [False, True])
def test_space_is_checked_before_the_first_bytes_are_kept(unpacked, file, path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=8 * CHUNK))
    with pytest.raises(InputError, match=r"needs .* MB on the disk of .* free disk space"):
        download(file, path, path.parents[1] / "new" if unpacked else None)


def test_a_wrong_file_is_not_taken(file, path):
    def check(arrived):
        raise InputError("it is wrong.")

    path.parent.mkdir()
    path.write_bytes(b"good")
    with pytest.raises(InputError, match="it is wrong"):
        download(file, path, check=check)
    assert path.read_bytes() == b"good"
    assert names(path.parent) == [NAME]

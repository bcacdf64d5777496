import json
import random
import shutil
from collections import namedtuple

import pytest

from scripts.downloads import transfer as module
from scripts.downloads.sources import RemoteFile
from scripts.downloads.transfer import TRIES, download, remove_remains
from tests.conftest import largest_file
from tests.http_files import Cut, Page, serving
from util.errors import InputError
from util.files import HOST

NAME = "data.zip"
CONTENT = random.Random(0).randbytes(3_000_000)
QUOTA = Page(
    "<html><head><title>Google Drive - Quota exceeded</title></head><body>"
    '<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p>'
)


@pytest.fixture
def server():
    with serving() as server:
        server.files[NAME] = CONTENT
        yield server


@pytest.fixture
def file(server):
    return RemoteFile(NAME, f"{server.url}/{NAME}", "https://example.org/page")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "in" / NAME


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """The pauses between tries, which are not waited for."""
    waits = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    return waits


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def ranges(server):
    return [asked for _, asked in server.requests]


def test_a_whole_file_arrives(file, path, server, waits):
    download(file, path)
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == [NAME]
    assert (ranges(server), waits) == ([None], [])


def test_a_cut_transfer_continues_where_it_was(file, path, server):
    server.faults[NAME] += [Cut(1_000_000), Cut(500_000)]
    download(file, path)
    assert path.read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=1000000-", "bytes=1500000-"]
    assert server.sent == len(CONTENT)


def test_the_next_run_continues_too(file, path, server, waits):
    server.faults[NAME] += [Cut(2_000_000), *[Cut(0)] * TRIES]
    with pytest.raises(InputError, match=r"continues at 2\.0 MB.*example\.org/page"):
        download(file, path)
    assert names(path.parent) == [f"{NAME}.part", f"{NAME}.part.version"]
    server.faults[NAME].clear()
    download(file, path)
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == [NAME]
    assert server.sent == len(CONTENT)


def test_a_whole_part_of_a_run_that_was_killed_is_not_fetched_again(file, path, server):
    server.faults[NAME] += [Cut(2_000_000), *[Cut(0)] * TRIES]
    with pytest.raises(InputError):
        download(file, path)
    path.with_name(f"{NAME}.part").write_bytes(CONTENT)
    server.requests.clear()
    download(file, path)
    assert path.read_bytes() == CONTENT
    assert server.requests == []


def test_a_whole_file_whose_check_was_stopped_is_not_fetched_again(file, path, server):
    def stop(part):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(file, path, check=stop)
    server.requests.clear()
    download(file, path)
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == [NAME]
    assert server.requests == []


@pytest.mark.parametrize("there", [True, False])
def test_the_next_run_removes_what_it_cannot_use(there, tmp_path):
    (tmp_path / f"{NAME}.part.version").write_text("{}")
    (tmp_path / f".{NAME}.part.{HOST}.99999999.part.version").write_text("{")
    if there:
        (tmp_path / f"{NAME}.part").write_bytes(b"x")
    remove_remains(tmp_path)
    assert names(tmp_path) == ([f"{NAME}.part", f"{NAME}.part.version"] if there else [])


@pytest.mark.parametrize("change", ["replaced", "shorter", "no ranges", "version lost"])
def test_what_cannot_be_continued_begins_again(change, file, path, server):
    server.faults[NAME] += [Cut(2_000_000), *[Cut(0)] * TRIES]
    with pytest.raises(InputError):
        download(file, path)
    server.faults[NAME].clear()
    if change == "replaced":
        server.files[NAME] = CONTENT[::-1]
    elif change == "shorter":
        server.files[NAME] = CONTENT[:1_000_000]
    elif change == "no ranges":
        server.with_ranges = False
    else:
        path.with_name(f"{NAME}.part.version").unlink()
    download(file, path)
    assert path.read_bytes() == server.files[NAME]
    assert names(path.parent) == [NAME]


def test_a_file_of_unknown_length_arrives(file, path, server):
    server.with_length = False
    download(file, path)
    assert path.read_bytes() == CONTENT


def test_a_server_error_is_tried_again_after_growing_pauses(file, path, server, waits):
    server.faults[NAME] += [503, 500, 429]
    download(file, path)
    assert path.read_bytes() == CONTENT
    assert waits == [2, 4, 8]


def test_a_server_that_stays_down_is_given_up(file, path, server, waits):
    server.faults[NAME] += [503] * 100
    with pytest.raises(InputError, match=r"answers 503.*check the connection"):
        download(file, path)
    assert len(server.requests) == TRIES
    assert waits == sorted(waits)
    assert len(waits) == TRIES - 1
    assert names(path.parent) == []


def test_nobody_there_is_tried_again_and_reported(path, waits):
    with pytest.raises(InputError, match=r"no answer: .*refused"):
        download(RemoteFile(NAME, "http://127.0.0.1:9/x", "https://example.org/page"), path)
    assert len(waits) == TRIES - 1


def test_a_file_that_is_not_there_is_reported_at_once(file, path, server):
    del server.files[NAME]
    with pytest.raises(InputError, match=r"answers 404 .*open https://example.org/page in a browser"):
        download(file, path)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [200, 403, 429])
def test_the_quota_page_is_explained_with_link_and_place(status, file, path, server):
    server.faults[NAME].append(Page(QUOTA.html, status))
    with pytest.raises(InputError) as error:
        download(file, path)
    for part in ("quota", "https://example.org/page", str(path)):
        assert part in str(error.value)
    assert len(server.requests) == 1
    assert names(path.parent) == []


def test_another_page_is_not_taken_for_the_file(file, path, server):
    server.faults[NAME].append(Page("<html><body>Please sign in.</body></html>"))
    with pytest.raises(InputError, match=r"web page instead of data\.zip: open https://example.org/page"):
        download(file, path)
    assert names(path.parent) == []


def test_google_drives_page_before_a_large_file_is_passed_also_when_continuing(file, path, server):
    form = (
        "<html><body>Google Drive can't scan this file for viruses."
        f'<form id="download-form" action="{server.url}/large.bin" method="get">'
        '<input type="hidden" name="id" value="abc"><input type="hidden" name="confirm" value="t"></form>'
    )
    server.files["large.bin"] = CONTENT
    server.faults[NAME] += [Page(form, cookie="seen=1")] * 2
    server.faults["large.bin"].append(Cut(1_000_000))
    download(file, path)
    assert path.read_bytes() == CONTENT
    assert server.requests[1][0].startswith("/large.bin?")
    assert "confirm=t" in server.requests[1][0]
    assert server.requests[-1][1] == "bytes=1000000-"


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("free", "unpacked", "enough"),
    [(3e6, False, True), (2.9e6, False, False), (6e6, True, True), (5.9e6, True, False)],
)
def test_room_is_asked_for_before_anything_is_written(free, unpacked, enough, file, path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(1e9, 1e9 - free, free))
    unpack_in = path.parents[1] / "new" if unpacked else None
    if enough:
        download(file, path, unpack_in)
        assert path.read_bytes() == CONTENT
    else:
        with pytest.raises(InputError, match=r"needs .* MB on the disk of .* make room"):
            download(file, path, unpack_in)
        assert names(path.parent) == []


def test_a_disk_that_fills_up_is_explained_and_the_next_run_continues(file, path, server):
    with largest_file(1_000_000), pytest.raises(InputError, match="make room"):
        download(file, path)
    assert not path.exists()
    server.requests.clear()
    download(file, path)
    assert path.read_bytes() == CONTENT
    assert ranges(server) == ["bytes=1000000-"]


def test_a_wrong_file_is_kept_aside_and_a_good_one_stays(file, path):
    def check(arrived):
        assert arrived.read_bytes() == CONTENT
        raise InputError("it is wrong.")

    path.parent.mkdir()
    path.write_bytes(b"good")
    with pytest.raises(InputError, match=rf"it is wrong\. It is kept as .*{NAME}\.wrong"):
        download(file, path, check=check)
    assert path.read_bytes() == b"good"
    assert path.with_name(f"{NAME}.wrong").read_bytes() == CONTENT
    assert names(path.parent) == [NAME, f"{NAME}.wrong"]


def test_the_version_of_a_partial_file_is_readable(file, path, server):
    server.faults[NAME] += [Cut(10), *[Cut(0)] * TRIES]
    with pytest.raises(InputError):
        download(file, path)
    version = json.loads(path.with_name(f"{NAME}.part.version").read_text())
    assert version["size"] == len(CONTENT)

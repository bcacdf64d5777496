import json
import re
from dataclasses import replace
from hashlib import md5

import pytest

from scripts import download_bl30k as bl30k
from tests.conftest import contents, refused, run_main
from tests.downloads.http_files import Cut, serving, tarred


def videos(*segments: str) -> dict[str, bytes]:
    return {
        f"{kind}/{segment}{number}/00000.{suffix}": f"{kind} {segment}{number}".encode()
        for segment in segments
        for number in range(3)
        for kind, suffix in (("Annotations", "png"), ("JPEGImages", "jpg"))
    }


@pytest.fixture
def server(monkeypatch):
    with serving() as server:
        wrappers = dict(zip("abcdef", ("", "", "BL30K_c/", "", "BL30K/e/", ""), strict=True))
        for segment, wrapper in wrappers.items():
            files = {wrapper + name: content for name, content in videos(segment).items()}
            server.files[f"BL30K_{segment}.tar"] = tarred(files)
        for segment, file in bl30k.BL30K.items():
            sums = md5(server.files[file.name]).hexdigest()
            monkeypatch.setitem(bl30k.BL30K, segment, replace(file, md5=sums))
        yield server


@pytest.fixture
def fetch(server, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    command = ["scripts.download_bl30k", "--root", tmp_path, "--mirror", server.url, "--yes"]
    return lambda *flags: run_main(monkeypatch, *command, *flags)


def test_all_segments_become_one_folder_and_a_second_run_does_nothing(fetch, server, tmp_path, capsys):
    server.faults["BL30K_b.tar"].append(Cut(3000))
    fetch()
    assert contents(tmp_path) == {f"BL30K/{name}": data for name, data in videos(*"abcdef").items()}
    assert not (tmp_path / "downloads").exists()
    assert "117 GB a segment" in capsys.readouterr().out
    server.requests.clear()
    fetch()
    assert "Nothing to do" in capsys.readouterr().out
    assert server.requests == []


def test_an_archive_with_another_md5_is_refused(fetch, server, tmp_path, caplog):
    good = server.files["BL30K_a.tar"]
    bad = good.replace(b"JPEGImages a1", b"JPEGImages a9")  # as whole a tar as before
    assert bad != good
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/BL30K_a.tar").write_bytes(bad)
    assert "1 of 1 are missing" in refused(fetch, "--segments", "a")
    assert re.search(f"MD5 is {md5(bad).hexdigest()} .* {md5(good).hexdigest()}.*remove it", caplog.text)
    assert server.requests == []
    (tmp_path / "downloads/BL30K_a.tar").unlink()
    fetch("--segments", "a")
    assert contents(tmp_path / "BL30K") == videos("a")


def test_addresses_are_those_of_the_data_bank_and_without_them_the_message_explains_what_to_do(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr(bl30k, "LISTING", f"{server.url}/listing.json")
    monkeypatch.setattr(bl30k, "ADDRESS", f"{server.url}/datafiles/{{}}/download")
    command = ["scripts.download_bl30k", "--root", tmp_path, "--yes", "--segments", "a"]
    files = [{"web_id": "zz", "binary_name": "readme.txt"}]
    server.files["listing.json"] = json.dumps({"key": "x", "datafiles": files}).encode()
    message = rf"10\.13012/B2IDB-1702934_V1 in a browser.*{tmp_path / 'downloads/BL30K_a.tar'}"
    assert re.search(message, refused(run_main, monkeypatch, *command))
    files.append({"web_id": "aa", "binary_name": "BL30K_a.tar", "binary_size": 1})
    server.files["listing.json"] = json.dumps({"key": "x", "datafiles": files}).encode()
    server.files["datafiles/aa/download"] = server.files["BL30K_a.tar"]
    run_main(monkeypatch, *command)
    assert contents(tmp_path / "BL30K") == videos("a")

import io
import tarfile
import zipfile

import pytest

from scripts.downloads.installation import unpack
from tests.downloads.test_download_datasets import tree
from util.errors import InputError

FILES = {"DAVIS/a.txt": b"one", "DAVIS/deep/er/b.bin": bytes(range(256)) * 500, "DAVIS/empty": b""}


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path, files):
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


WRITERS = {"a.zip": write_zip, "a.tar": write_tar}


def test_a_tar_with_an_entry_that_leaves_the_folder_is_refused(tmp_path):
    path = write_tar(tmp_path / "a.tar", {"../evil": b"2"})
    with pytest.raises(InputError, match="evil"):
        unpack(path, tmp_path / "in/out")
    assert tree(tmp_path) == {"a.tar": path.read_bytes()}


def test_no_entry_of_a_zip_leaves_the_folder(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"x/../../evil": b"1", "/evil-of-a-zip": b"2"})
    unpack(path, tmp_path / "in/out")
    assert tree(tmp_path / "in/out").keys() == {"x/evil", "evil-of-a-zip"}


@pytest.mark.parametrize("part", [0, 0.9])
def test_a_cut_zip_is_recognised_before_it_is_unpacked(part, tmp_path):
    path = write_zip(tmp_path / "a.zip", FILES)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(InputError, match="is no whole"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", WRITERS)
def test_a_web_page_is_no_archive(name, tmp_path):
    (tmp_path / name).write_bytes(b"<!DOCTYPE html><html>Quota exceeded</html>" * 100)
    with pytest.raises(InputError, match="web page"):
        unpack(tmp_path / name, tmp_path / "out")

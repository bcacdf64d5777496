import io
import stat
import tarfile
import zipfile

import pytest

from scripts.downloads.installation import ArchiveError, unpack

FILES = {"DAVIS/a.txt": b"one", "DAVIS/deep/er/b.bin": bytes(range(256)) * 500, "DAVIS/empty": b""}


def write_zip(path, files, modes=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (modes or {}).get(name, 0) << 16
            archive.writestr(info, content)
    return path


def write_tar(path, files, kinds=None):
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            kind = (kinds or {}).get(name)
            if kind is not None:
                info.type, info.linkname = kind, content.decode()
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


WRITERS = {"a.zip": write_zip, "a.tar": write_tar}


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", WRITERS)
def test_what_was_packed_is_unpacked(name, tmp_path):
    unpack(WRITERS[name](tmp_path / name, FILES), tmp_path / "out")
    assert tree(tmp_path / "out") == FILES


def test_the_clutter_of_a_mac_is_left_out(tmp_path):
    path = write_zip(tmp_path / "a.zip", FILES | {"__MACOSX/x": b"-", "DAVIS/.DS_Store": b"-"})
    unpack(path, tmp_path / "out")
    assert tree(tmp_path / "out") == FILES


UNSAFE = {
    "tar parent": ({"../evil": b"2"}, None),
    "tar link": ({"l": b"/etc/passwd"}, {"l": tarfile.SYMTYPE}),
    "tar link, then through it": ({"l": b"..", "l/evil": b"2"}, {"l": tarfile.SYMTYPE}),
    "tar hard link": ({"l": b"/etc/passwd"}, {"l": tarfile.LNKTYPE}),
    "tar device": ({"d": b""}, {"d": tarfile.CHRTYPE}),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_a_tar_with_entries_that_leave_the_folder_is_refused(case, tmp_path):
    path = write_tar(tmp_path / "a.tar", *UNSAFE[case])
    with pytest.raises(ArchiveError):
        unpack(path, tmp_path / "in/out")
    assert tree(tmp_path) == {"a.tar": path.read_bytes()}


def test_no_entry_of_a_zip_leaves_the_folder(tmp_path):
    evil = {"x/../../evil": b"1", "/tmp/evil-of-a-zip": b"2", "l": b"..", "l2/evil": b"3"}
    path = write_zip(tmp_path / "a.zip", evil, {"l": stat.S_IFLNK | 0o777})
    unpack(path, tmp_path / "in/out")
    assert all(p.is_relative_to(tmp_path / "in") or p == path for p in tmp_path.rglob("*"))
    assert not any(p.is_symlink() for p in tmp_path.rglob("*"))


@pytest.mark.parametrize("part", [0, 0.3, 0.9])
def test_a_cut_zip_is_recognised_before_it_is_unpacked(part, tmp_path):
    path = write_zip(tmp_path / "a.zip", FILES)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(ArchiveError, match="is no whole"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", WRITERS)
def test_a_web_page_is_no_archive(name, tmp_path):
    (tmp_path / name).write_bytes(b"<!DOCTYPE html><html>Quota exceeded</html>" * 100)
    with pytest.raises(ArchiveError, match="web page"):
        unpack(tmp_path / name, tmp_path / "out")


def test_a_damaged_entry_is_recognised_while_it_is_unpacked(tmp_path):
    path = write_zip(tmp_path / "a.zip", FILES)
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"DAVIS/deep") + 30] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ArchiveError, match="damaged"):
        unpack(path, tmp_path / "out")

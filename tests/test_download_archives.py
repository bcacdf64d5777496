import io
import stat
import tarfile
import zipfile

import pytest

from scripts.downloads.archives import ArchiveError, check_archive, unpack

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


def unpack_checked(path, folder):
    unpack(path, folder, check_archive(path))


@pytest.mark.parametrize("name", WRITERS)
def test_what_was_packed_is_unpacked(name, tmp_path):
    path = WRITERS[name](tmp_path / name, FILES | {"__MACOSX/x": b"-", "DAVIS/.DS_Store": b"-"})
    assert check_archive(path) == sum(map(len, FILES.values())) + 2
    unpack_checked(path, tmp_path / "out")
    assert tree(tmp_path / "out") == FILES


def test_a_folder_entry_makes_a_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x/y/", b"")
    unpack_checked(tmp_path / "a.zip", tmp_path / "out")
    assert (tmp_path / "out/x/y").is_dir()


UNSAFE = {
    "parent": ("a.zip", {"ok": b"1", "../evil": b"2"}, None),
    "parent, later": ("a.zip", {"x/../../evil": b"2"}, None),
    "absolute": ("a.zip", {"/tmp/evil-of-a-zip": b"2"}, None),
    "link": ("a.zip", {"l": b"../out-of-here"}, {"l": stat.S_IFLNK | 0o777}),
    "link, then through it": (
        "a.zip",
        {"l": b"..", "l/evil": b"2"},
        {"l": stat.S_IFLNK | 0o777},
    ),
    "fifo": ("a.zip", {"f": b""}, {"f": stat.S_IFIFO | 0o666}),
    "tar parent": ("a.tar", {"ok": b"1", "../evil": b"2"}, None),
    "tar absolute": ("a.tar", {"/tmp/evil-of-a-tar": b"2"}, None),
    "tar link": ("a.tar", {"l": b"/etc/passwd"}, {"l": tarfile.SYMTYPE}),
    "tar link, then through it": ("a.tar", {"l": b"..", "l/evil": b"2"}, {"l": tarfile.SYMTYPE}),
    "tar hard link": ("a.tar", {"l": b"/etc/passwd"}, {"l": tarfile.LNKTYPE}),
    "tar device": ("a.tar", {"d": b""}, {"d": tarfile.CHRTYPE}),
    "tar fifo": ("a.tar", {"f": b""}, {"f": tarfile.FIFOTYPE}),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_entries_that_leave_the_folder_are_refused(case, tmp_path):
    name, files, marks = UNSAFE[case]
    path = WRITERS[name](tmp_path / name, files, marks)
    with pytest.raises(ArchiveError, match="is refused"):
        check_archive(path)
    with pytest.raises(ArchiveError, match="is refused"):  # unpacking checks for itself
        unpack(path, tmp_path / "in/out", 1000)
    left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")}
    assert left <= {name, "in", "in/out", "in/out/ok"}
    assert not any(p.is_symlink() for p in tmp_path.rglob("*"))


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("part", [0, 0.3, 0.7, 0.9])
def test_a_cut_archive_is_recognised_before_it_is_unpacked(name, part, tmp_path):
    path = WRITERS[name](tmp_path / name, FILES)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(ArchiveError, match="is no whole"):
        check_archive(path)


@pytest.mark.parametrize("name", WRITERS)
def test_a_web_page_is_no_archive(name, tmp_path):
    (tmp_path / name).write_bytes(b"<!DOCTYPE html><html>Quota exceeded</html>" * 100)
    with pytest.raises(ArchiveError, match="web page"):
        check_archive(tmp_path / name)


def test_a_tar_cut_between_two_entries_is_recognised(tmp_path):
    path = write_tar(tmp_path / "a.tar", {"a": b"x" * 512, "b": b"x" * 512})
    path.write_bytes(path.read_bytes()[:1024])
    with pytest.raises(ArchiveError, match="is no whole"):
        check_archive(path)


def test_a_damaged_entry_is_recognised_while_it_is_unpacked(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"A" * 10_000)
    damaged = bytearray(path.read_bytes())
    damaged[5_000] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ArchiveError, match="damaged"):
        unpack_checked(path, tmp_path / "out")

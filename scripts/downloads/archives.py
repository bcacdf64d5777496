"""Zip and tar archives: checked first, then unpacked without leaving the given folder.

No library's extract-all is used: zipfile renames suspicious entries silently, and tarfile follows
links where its filters are missing. An archive with such an entry is refused as a whole.
"""

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from scripts.downloads.free_space import full_disk_explained
from util.errors import InputError
from util.progress import ByteProgress

CHUNK = 1 << 20
CLUTTER = {"__MACOSX", ".DS_Store"}
TAR_END = 1024  # bytes of zeros that end a tar
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError)


class ArchiveError(InputError):
    """An archive is damaged, unsafe, or another one than expected."""


@dataclass(frozen=True)
class Member:
    """A file or folder in an archive."""

    name: str
    size: int
    kind: str  # "file", "folder", or what else it is, for the error message
    open: Callable[[], IO[bytes]]

    @property
    def parts(self) -> tuple[str, ...]:
        """Its path below the folder it is unpacked in."""
        return PurePosixPath(self.name).parts


def check_archive(path: Path) -> int:
    """Read an archive's table of contents; return the bytes that its files have unpacked.

    It must be whole, and no entry may leave the folder it is unpacked in. The contents are checked
    against their checksums while they are unpacked, so that large archives are read only once.

    Raises:
        ArchiveError: it is not so.
    """
    if path.suffix == ".tar" and not _has_tar_end(path):
        raise ArchiveError(f"{path} is no whole tar archive (cut off, or a web page).")
    size = 0
    with _members(path) as members:
        for member in members:
            _check_safe(member, path)
            size += member.size
    return size


def unpack(path: Path, folder: Path, size: int) -> None:
    """Unpack a checked archive.

    Args:
        path: a .zip or .tar.
        folder: made; must not be there before.
        size: what `check_archive` returned.

    Raises:
        ArchiveError: it is damaged.
        InputError: the disk is full.
    """
    folder.mkdir(parents=True)
    with (
        full_disk_explained(folder),
        _members(path) as members,
        ByteProgress(f"unpacking {path.name}", size) as bar,
    ):
        for member in members:
            _check_safe(member, path)
            if not CLUTTER.isdisjoint(member.parts):
                bar.advance(member.size)
                continue
            target = folder.joinpath(*member.parts)
            if member.kind == "folder":
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, target.open("wb") as out:
                while chunk := source.read(CHUNK):
                    out.write(chunk)
                    bar.advance(len(chunk))
            if target.stat().st_size != member.size:
                raise ArchiveError(f"{path} is damaged: {member.name} is shorter than it says.")


def _check_safe(member: Member, path: Path) -> None:
    if member.kind not in ("file", "folder"):
        raise ArchiveError(f"{path} is refused: its entry {member.name} is a {member.kind}.")
    if member.name.startswith("/") or ".." in member.parts:
        raise ArchiveError(f"{path} is refused: its entry {member.name} leaves the folder of the archive.")


@contextmanager
def _members(path: Path) -> Iterator[Iterator[Member]]:
    """Open an archive by its suffix; damage found inside the block is raised as ArchiveError."""
    try:
        if path.suffix == ".tar":
            with _Tar.open(path, "r:") as archive:
                yield _tar_members(archive)
        else:
            with zipfile.ZipFile(path) as archive:
                yield _zip_members(archive)
    except DAMAGE as error:
        raise ArchiveError(
            f"{path} is no whole {path.suffix[1:]} archive (damaged, cut off, or a web page): {error}."
        ) from error


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        mode = info.external_attr >> 16  # of Unix; 0 from other systems
        kind = "folder" if info.is_dir() else "file"
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            kind = "link" if stat.S_ISLNK(mode) else "special file"
        yield Member(info.filename, info.file_size, kind, partial(archive.open, info))


class _Tar(tarfile.TarFile):
    members: list[tarfile.TarInfo]  # what tarfile calls the entries that it has seen


def _tar_members(archive: _Tar) -> Iterator[Member]:
    while (info := archive.next()) is not None:
        archive.members.clear()  # tarfile remembers every entry: gigabytes for the largest archives
        kind = "link" if info.issym() or info.islnk() else "special file"
        if info.isfile() or info.isdir():
            kind = "file" if info.isfile() else "folder"
        yield Member(info.name, info.size, kind, partial(_tar_file, archive, info))


def _tar_file(archive: _Tar, info: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(info)
    if file is None:
        raise tarfile.ReadError(f"{info.name} has no content")
    return file


def _has_tar_end(path: Path) -> bool:
    if path.stat().st_size < TAR_END:
        return False
    with path.open("rb") as file:
        file.seek(-TAR_END, 2)
        return not any(file.read())

"""Turns a remote archive into a folder of the data tree, which is there whole or not at all."""

import logging
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scripts.downloads.free_space import require_space
from scripts.downloads.sources import Archive
from scripts.downloads.transfer import download
from util.errors import InputError
from util.files import md5, set_aside
from util.progress import ByteProgress

log = logging.getLogger(__name__)

DEPTH = 3  # folders that may lie around the wanted one in an archive
CLUTTER = {"__MACOSX", ".DS_Store"}
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError)


class ArchiveError(InputError):
    """An archive is damaged, unsafe, or another one than expected."""


def is_installed(archive: Archive, root: Path) -> bool:
    """Tell whether an archive's folder is there with what it must have."""
    return not _missing(root / archive.target, archive.contains)


def install(archive: Archive, root: Path, packed: Path, keep: bool) -> None:
    """Fetch an archive and make it the folder `root/<target>`, unless that is done.

    Args:
        archive: what to install.
        root: the folder of the data tree.
        packed: the archive's path on this disk; an archive that is there is not fetched.
        keep: keep the archive afterwards.

    Raises:
        InputError: the folder has other content, or a step failed.
    """
    if is_installed(archive, root):
        return
    target = (root / archive.target).resolve()  # a link to another disk stays a link
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(
            f"{target} is there but lacks {', '.join(_missing(target, archive.contains))}: move it away (or "
            "complete it), then run the same command again."
        )
    if archive.after is not None and not (root / archive.after).is_dir():
        raise InputError(f"{archive.name} goes into {root / archive.after}: fetch that first.")
    with unpacked(archive, packed, target, keep) as content:
        content.rename(target)
    log.info("%s is there.", root / archive.target)


@contextmanager
def unpacked(archive: Archive, packed: Path, target: Path, keep: bool) -> Iterator[Path]:
    """Fetch an archive and unpack it beside `target`; yield its folder that has all of `archive.contains`.

    The archive is removed after the block, unless it is to be kept.

    Raises:
        InputError: a step failed. An archive that cannot be used is kept as `<packed>.wrong`.
    """
    staging = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
    if not packed.is_file():
        download(archive, packed, unpack_in=target.parent)
    try:
        try:
            _check_sum(packed, archive.md5)
            unpack(packed, staging)
            content = _folder_with(archive.contains, staging, packed)
        except ArchiveError as error:
            aside = set_aside(packed)
            raise InputError(f"{error} It is kept as {aside}; run the same command again.") from error
        yield content
        if not keep:
            packed.unlink()
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check_sum(packed: Path, expected: str | None) -> None:
    if expected is not None:
        with ByteProgress(f"checking {packed.name}", packed.stat().st_size) as bar:
            found = md5(packed, bar.advance)
        if found != expected:
            raise ArchiveError(f"{packed} is damaged: its MD5 is {found} instead of {expected}.")


def unpack(path: Path, folder: Path) -> None:
    """Unpack a .zip or .tar into a new folder; no entry can leave it.

    Raises:
        ArchiveError: the archive is damaged, or a tar has a link or path that leads out of the folder.
        InputError: too little space.
    """
    try:
        (_unpack_tar if path.suffix == ".tar" else _unpack_zip)(path, folder)
    except DAMAGE as error:
        raise ArchiveError(
            f"{path} is no whole {path.suffix[1:]} archive (damaged, cut off, or a web page): {error}."
        ) from error


def _unpack_zip(path: Path, folder: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = [each for each in archive.infolist() if CLUTTER.isdisjoint(each.filename.split("/"))]
        size = sum(member.file_size for member in members)
        require_space({folder: size}, f"unpacking {path.name}")
        with ByteProgress(f"unpacking {path.name}", size) as bar:
            for member in members:
                archive.extract(member, folder)  # which drops "..", roots and links from names
                bar.advance(member.file_size)


class _Tar(tarfile.TarFile):
    members: list[tarfile.TarInfo]  # the entries that it has seen


def _unpack_tar(path: Path, folder: Path) -> None:
    size = path.stat().st_size  # about as large as unpacked
    require_space({folder: size}, f"unpacking {path.name}")
    with _Tar.open(path, "r:") as archive, ByteProgress(f"unpacking {path.name}", size) as bar:
        while (member := archive.next()) is not None:
            archive.members.clear()  # they would take gigabytes for the largest archives
            archive.extract(member, folder, filter="data")
            bar.advance(member.size)


def _folder_with(contains: Sequence[str], staging: Path, packed: Path) -> Path:
    """Return the outermost folder that has all of `contains`: archives wrap their content differently."""
    level = [staging]
    for _ in range(DEPTH):
        for folder in level:
            if not _missing(folder, contains):
                return folder
        level = sorted(child for folder in level for child in folder.iterdir() if child.is_dir())
    raise ArchiveError(f"{packed} is another archive than expected: it has no {', '.join(contains)}.")


def _missing(folder: Path, contains: Sequence[str]) -> list[str]:
    return [name for name in contains if not (folder / name).is_dir()]

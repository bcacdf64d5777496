"""From a remote archive to a folder of the data tree, which is there whole or not at all."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scripts.downloads.archives import ArchiveError, check_archive, unpack
from scripts.downloads.free_space import require_space
from scripts.downloads.sources import Archive, RemoteFile
from scripts.downloads.transfer import download
from util.errors import InputError
from util.files import md5, set_aside
from util.progress import ByteProgress

log = logging.getLogger(__name__)

DEPTH = 3  # folders that may lie around the wanted one in an archive


def is_installed(archive: Archive, root: Path) -> bool:
    """Tell whether an archive's folder is there with what it must have."""
    return _has(root / archive.target, archive.contains)


def remove_rest(archive: Archive, root: Path) -> None:
    """Remove what is left of the unpacking of an archive whose folder is there."""
    if is_installed(archive, root):
        shutil.rmtree(staging_folder((root / archive.target).resolve()), ignore_errors=True)


def install(archive: Archive, root: Path, packed: Path, keep: bool) -> None:
    """Fetch an archive and make it the folder `root/<target>`, unless that is done.

    Args:
        archive: what to install; `file.url` is where it is fetched.
        root: the folder of the data tree.
        packed: the archive's place here; one that is there already is not fetched.
        keep: leave the archive there afterwards.

    Raises:
        InputError: the folder is there with something else in it, or a step failed. An archive that
            cannot be used is kept as `<packed>.wrong`.
    """
    if is_installed(archive, root):
        return
    target = (root / archive.target).resolve()  # a link to another disk stays a link
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(
            f"{target} is there but lacks {_missing(target, archive.contains)}: move it away (or complete "
            f"it), then run the same command again."
        )
    if archive.after is not None and not (root / archive.after).is_dir():
        raise InputError(f"{archive.file.name} goes into {root / archive.after}: fetch that first.")
    with unpacked(archive.file, packed, target, archive.contains) as content:
        content.rename(target)
        if not keep:
            packed.unlink()
    log.info("%s is there.", root / archive.target)


@contextmanager
def unpacked(file: RemoteFile, packed: Path, target: Path, contains: Sequence[str]) -> Iterator[Path]:
    """Fetch and unpack an archive beside `target`; give the folder in it that has all of `contains`.

    Raises:
        InputError: a step failed. An archive that cannot be used is kept as `<packed>.wrong`.
    """
    if not packed.is_file():
        download(file, packed, unpack_in=target.parent)
    staging = staging_folder(target)
    if staging.exists():  # of a run that was killed
        shutil.rmtree(staging)
    try:
        try:
            check_sum(packed, file.md5)
            size = check_archive(packed)
            require_space({staging.parent: size}, f"unpacking {packed.name}")
            unpack(packed, staging, size)
            content = _folder_with(contains, staging, packed)
        except ArchiveError as error:
            aside = set_aside(packed)
            raise InputError(
                f"{error} It is kept as {aside}; run the same command again to fetch it anew."
            ) from error
        yield content
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def check_sum(packed: Path, expected: str | None) -> None:
    """Check a file's MD5, unless none is expected.

    Raises:
        ArchiveError: it is another.
    """
    if expected is None:
        return
    with ByteProgress(f"checking {packed.name}", packed.stat().st_size) as bar:
        found = md5(packed, bar.advance)
    if found != expected:
        raise ArchiveError(
            f"{packed} is not what was published (MD5 {found} instead of {expected}): it is damaged."
        )


def staging_folder(target: Path) -> Path:
    """Return where an archive is unpacked that becomes `target`.

    A run that is killed just after it moved the content to its target leaves the empty rest there.
    """
    return target.with_name(f".{target.name}.unpacking")


def _folder_with(contains: Sequence[str], staging: Path, packed: Path) -> Path:
    """Return the outermost folder that has all of `contains`: archives wrap their content differently."""
    level = [staging]
    for _ in range(DEPTH):
        for folder in level:
            if _has(folder, contains):
                return folder
        level = sorted(child for folder in level for child in folder.iterdir() if child.is_dir())
    raise ArchiveError(f"{packed} is another archive than expected: it has no {', '.join(contains)}.")


def _has(folder: Path, contains: Sequence[str]) -> bool:
    return folder.is_dir() and all((folder / name).is_dir() for name in contains)


def _missing(folder: Path, contains: Sequence[str]) -> str:
    return ", ".join(name for name in contains if not (folder / name).is_dir())

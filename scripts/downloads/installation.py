"""Downloads and unpacks an archive into a folder of the data tree, which appears when it is complete."""

import hashlib
import logging
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from scripts.downloads.sources import Archive
from scripts.downloads.transfer import download, require_space
from util.errors import InputError

log = logging.getLogger(__name__)

DEPTH = 3  # levels of an archive that are searched for the wanted folder
BLOCK = 1 << 20  # bytes
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError)


def is_installed(archive: Archive, root: Path) -> bool:
    """Return whether an archive's folder exists and is complete."""
    return not _missing(root / archive.target, archive.contains)


def install(archive: Archive, root: Path, packed: Path, keep: bool) -> None:
    """Download an archive and unpack it to `root/<target>`, unless it is installed.

    Args:
        archive: archive to install.
        root: folder of the data tree.
        packed: local path of the archive; an existing one is not downloaded.
        keep: whether to keep the archive afterwards.

    Raises:
        InputError: the folder has other content, or a step failed.
    """
    if is_installed(archive, root):
        return
    target = (root / archive.target).resolve()  # a link to another disk stays a link
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(
            f"{target} exists but lacks {', '.join(_missing(target, archive.contains))}: move it away (or "
            "complete it), then run the same command again."
        )
    if archive.after is not None and not (root / archive.after).is_dir():
        raise InputError(f"{archive.name} goes into {root / archive.after}: download that first.")
    with unpacked(archive, packed, target, keep) as content:
        content.rename(target)
    log.info("%s is there.", root / archive.target)


@contextmanager
def unpacked(archive: Archive, packed: Path, target: Path, keep: bool) -> Iterator[Path]:
    """Download an archive and unpack it beside `target`; yield the folder that has all of `archive.contains`.

    The archive is removed after the block, unless `keep` is True.

    Raises:
        InputError: a step failed; the archive stays.
    """
    staging = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
    if not packed.is_file():
        download(archive, packed, unpack_in=target.parent)
    try:
        _check_sum(packed, archive.md5)
        unpack(packed, staging)
        yield _folder_with(archive.contains, staging, packed)
        if not keep:
            packed.unlink()
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check_sum(packed: Path, expected: str | None) -> None:
    if expected is None:
        return
    digest = hashlib.md5(usedforsecurity=False)
    with packed.open("rb") as file, _shown(file, packed, "checking") as read:
        while block := read.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != expected:
        raise _unusable(packed, f"is damaged (its MD5 is {digest.hexdigest()} instead of {expected})")


def unpack(path: Path, folder: Path) -> None:
    """Unpack a .zip or .tar into a new folder; no entry can leave it.

    Raises:
        InputError: too little space, or the archive is damaged, or a tar has a link or path that leads out of
            the folder.
    """
    try:
        with path.open("rb") as file, _shown(file, path, "unpacking") as read:
            if path.suffix == ".tar":
                require_space(folder, path.stat().st_size, f"unpacking {path.name}")
                with _Tar.open(fileobj=read, mode="r|") as tar:
                    for member in iter(tar.next, None):
                        tar.members.clear()  # would take gigabytes for the largest archives
                        tar.extract(member, folder, filter="data")
            else:
                with zipfile.ZipFile(read) as archive:
                    size = sum(member.file_size for member in archive.infolist())
                    require_space(folder, size, f"unpacking {path.name}")
                    archive.extractall(folder)  # drops "..", roots and links from names
    except DAMAGE as error:
        kind = path.suffix[1:]
        raise _unusable(path, f"is no whole {kind} archive (damaged, or a web page): {error}") from error


class _Tar(tarfile.TarFile):
    members: list[tarfile.TarInfo]  # entries read so far


def _shown(file: BinaryIO, path: Path, work: str) -> AbstractContextManager[BinaryIO]:
    """Return an open file with a progress bar of its reads."""
    return tqdm.wrapattr(file, "read", total=path.stat().st_size, desc=f"{work} {path.name}")


def _folder_with(contains: Sequence[str], staging: Path, packed: Path) -> Path:
    """Return the outermost unpacked folder that has all of `contains`."""
    level = [staging]
    for _ in range(DEPTH):
        for folder in level:
            if not _missing(folder, contains):
                return folder
        level = sorted(child for folder in level for child in folder.iterdir() if child.is_dir())
    raise _unusable(packed, f"is another archive than expected: it has no {', '.join(contains)}")


def _missing(folder: Path, contains: Sequence[str]) -> list[str]:
    return [name for name in contains if not (folder / name).is_dir()]


def _unusable(path: Path, why: str) -> InputError:
    return InputError(f"{path} {why}; remove it, then run the same command again.")

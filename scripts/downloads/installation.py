"""Downloads archives and unpacks them into the data tree, where a folder appears when it is complete."""

import argparse
import hashlib
import logging
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from scripts.downloads.sources import Archive
from scripts.downloads.transfer import download, require_space
from util.errors import InputError
from util.lock import exclusive

log = logging.getLogger(__name__)

BLOCK = 1 << 20  # bytes
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError)


def is_installed(archive: Archive, root: Path) -> bool:
    """Return whether the content of an archive is in the data tree."""
    target = root / archive.target
    return not _missing(target, (archive.mark,) if archive.mark else archive.contains)


def downloads_folder(args: argparse.Namespace) -> Path:
    """Return the folder of the archives, from the flags of `add_fetch_flags`."""
    return args.downloads or args.root / "downloads"


def install_all(archives: Sequence[Archive], args: argparse.Namespace) -> None:
    """Install archives one after another; an error of one does not stop the others.

    Args:
        archives: archives that are not installed.
        args: flags of `add_fetch_flags`.

    Raises:
        InputError: some archives could not be installed; their errors are logged.
    """
    with exclusive(downloads_folder(args), "download"):
        failed = [archive.name for archive in archives if not _try_to_install(archive, args)]
    if failed:
        raise InputError(f"{len(failed)} of {len(archives)} are missing ({', '.join(failed)}): see above.")


def _try_to_install(archive: Archive, args: argparse.Namespace) -> bool:
    try:
        install(archive.at(args.mirror), args.root, downloads_folder(args) / archive.name, args.keep)
    except InputError as error:
        log.error("%s", error)
        return False
    return True


def install(archive: Archive, root: Path, packed: Path, keep: bool) -> None:
    """Download an archive, unpack it, and move its content to `root/<target>`; what is there stays.

    Args:
        archive: archive to install.
        root: folder of the data tree.
        packed: local path of the archive; an existing one is not downloaded.
        keep: whether to keep the archive afterwards.

    Raises:
        InputError: the download failed, the archive is damaged or another one, or there is too little space.
    """
    target = (root / archive.target).resolve()  # a link to another disk stays a link
    staging = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
    if not packed.is_file():
        download(archive, packed, unpack_in=target.parent)
    try:
        _check_sum(packed, archive.md5)
        log.info("Unpacking %s.", packed)
        unpack(packed, staging)
        _move_into(target, _folder_with(archive.contains, staging, packed))
        if archive.mark:
            (target / archive.mark).mkdir(parents=True)
        if not keep:
            packed.unlink()
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    log.info("%s is in %s.", archive.name, root / archive.target)


def unpack(path: Path, folder: Path) -> None:
    """Unpack a .zip or .tar into a new folder; no entry can leave it.

    Raises:
        InputError: there is too little space, or the archive is damaged or has a path out of the folder.
    """
    require_space(folder, path.stat().st_size, f"unpacking {path.name}")
    try:
        if path.suffix == ".tar":
            with tarfile.open(path) as tar:
                tar.extractall(folder, filter="data")
        else:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)  # drops "..", roots and links from names
    except DAMAGE as error:
        kind = path.suffix[1:]
        raise _unusable(path, f"is no whole {kind} archive (damaged, or a web page): {error}") from error


def _check_sum(packed: Path, expected: str | None) -> None:
    if expected is None:
        return
    digest = hashlib.md5(usedforsecurity=False)
    with packed.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != expected:
        raise _unusable(packed, f"is damaged (its MD5 is {digest.hexdigest()} instead of {expected})")


def _folder_with(contains: Sequence[str], staging: Path, packed: Path) -> Path:
    """Return the outermost unpacked folder that has all of `contains`."""
    for folder in (staging, *sorted(staging.glob("*/")), *sorted(staging.glob("*/*/"))):
        if not _missing(folder, contains):
            return folder
    raise _unusable(packed, f"is another archive than expected: it has no {', '.join(contains)}")


def _move_into(target: Path, content: Path) -> None:
    """Move a file or folder to `target`; join folders in order of their names, and keep what is there.

    The order puts the masks of a video (Annotations) before its frames, by which a video is found.
    """
    if not target.exists():
        content.rename(target)
    elif target.is_dir() and content.is_dir():
        for path in sorted(content.iterdir()):
            _move_into(target / path.name, path)


def _missing(folder: Path, contains: Sequence[str]) -> list[str]:
    return [name for name in contains if not (folder / name).is_dir()]


def _unusable(path: Path, why: str) -> InputError:
    return InputError(f"{path} {why}; remove it, then run the same command again.")

"""Downloads archives and unpacks them into the data tree, where a folder appears when it is complete."""

import argparse
import logging
import shutil
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from scripts.downloads.sources import RemoteFile
from scripts.downloads.transfer import MIRROR_HELP, download, require_space
from util.errors import InputError
from util.files import file_digest
from util.lock import lock_folder

log = logging.getLogger(__name__)

DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError)


def add_fetch_flags(add: Callable[..., object]) -> None:
    """Add the flags of downloads into the data tree; `add` is the `add_argument` of a parser."""
    add("--root", type=Path, default=Path(".."), help="folder of the data tree (default: %(default)s)")
    add("--downloads", type=Path, help="folder of the archives (default: ROOT/downloads)")
    add("--mirror", metavar="URL", help=MIRROR_HELP)
    add("--keep", action="store_true", help="keep the archives after they are unpacked")
    add("--yes", action="store_true", help="agree to the terms without being asked")


def find_missing(archives: Iterable[RemoteFile], root: Path) -> list[RemoteFile]:
    """Return the archives whose content is not in the data tree."""
    return [
        each for each in archives if not _has(root / each.target, [each.mark] if each.mark else each.contains)
    ]


def install_all(archives: Sequence[RemoteFile], args: argparse.Namespace) -> None:
    """Show the terms, and install missing archives; an error of one does not stop the others.

    Raises:
        InputError: the user does not agree, or archives could not be installed; their errors are logged.
    """
    if not archives:
        print(f"Nothing to do: all of it is in {args.root} already.")
        return
    confirm_terms(archives, args.yes)
    failed = []
    downloads = args.downloads or args.root / "downloads"
    with lock_folder(downloads, "download"):
        for archive in archives:
            packed = downloads / archive.name
            try:
                install(archive.at(args.mirror), args.root, packed)
                if not args.keep:
                    packed.unlink()
            except InputError as error:
                log.error("%s", error)
                failed.append(archive.name)
    if failed:
        raise InputError(f"{len(failed)} of {len(archives)} are missing ({', '.join(failed)}): see above.")


def confirm_terms(archives: Iterable[RemoteFile], agreed: bool) -> None:
    """Print the terms of archives; raise InputError unless the user has agreed or agrees now."""
    print("These belong to their authors; by downloading them you agree to their terms:")
    for terms in dict.fromkeys(archive.terms for archive in archives):
        print(f"- {terms}")
    if agreed:
        return
    if not sys.stdin.isatty():
        raise InputError("there is no terminal to ask: run with --yes to agree to the terms.")
    if input("Do you agree? [y/N] ").strip().lower() not in ("y", "yes"):
        raise InputError("nothing was downloaded, because the terms were not agreed to.")


def install(archive: RemoteFile, root: Path, packed: Path) -> None:
    """Download an archive unless `packed` exists, and unpack it to `root/<target>`; what is there stays.

    Raises InputError when the download or the archive is not usable, or there is too little space.
    """
    target = (root / archive.target).resolve()  # a link to another disk stays a link
    staging = target.with_name(f".{target.name}.unpacking")
    if not packed.is_file():
        download(archive, packed)
    if archive.md5 and (md5 := file_digest(packed, "md5")) != archive.md5:
        raise _unusable(packed, f"is damaged (its MD5 is {md5} instead of {archive.md5})")
    log.info("Unpacking %s.", packed)
    try:
        unpack(packed, staging)
        _move_into(target, _folder_with(archive.contains, staging, packed))
        if archive.mark:
            (target / archive.mark).mkdir(parents=True)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    log.info("%s is in %s.", archive.name, target)


def unpack(path: Path, folder: Path) -> None:
    """Unpack a .zip or .tar into a new folder; no entry can leave it.

    Raises:
        InputError: there is too little space, or the archive is damaged or has a path out of the folder.
    """
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir(parents=True)
    require_space(folder, path.stat().st_size, f"unpacking {path.name}")
    try:
        if path.suffix == ".tar":
            with tarfile.open(path) as tar:
                tar.extractall(folder, filter="data")
        else:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)  # drops "..", roots and links from names
    except DAMAGE as error:
        why = str(error).partition("\n")[0]  # tarfile lists every format that it tried
        raise _unusable(
            path, f"is no whole {path.suffix[1:]} archive (damaged, or a web page): {why}"
        ) from error


def _folder_with(contains: Sequence[str], staging: Path, packed: Path) -> Path:
    """Return the outermost unpacked folder that has all of `contains`."""
    for folder in (staging, *sorted(staging.glob("*/")), *sorted(staging.glob("*/*/"))):
        if _has(folder, contains):
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


def _has(folder: Path, contains: Iterable[str]) -> bool:
    return all((folder / name).is_dir() for name in contains)


def _unusable(path: Path, why: str) -> InputError:
    return InputError(f"{path} {why}; remove it, then run the same command again.")

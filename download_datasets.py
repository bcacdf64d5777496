"""Download the training and evaluation data into the data tree."""

import argparse
import logging
from pathlib import Path

from scripts.downloads.installation import install, is_installed
from scripts.downloads.sources import DATA_SETS, Archive, confirm_terms
from util.errors import InputError, run_script
from util.lock import exclusive

log = logging.getLogger(__name__)


def main() -> None:
    """Parse the flags, show the terms and install what is missing."""
    args = parse_args()
    unfinished = [
        data_set
        for data_set in map(DATA_SETS.__getitem__, args.only)
        if not all(is_installed(archive, args.root) for archive in data_set.archives)
    ]
    if not unfinished:
        print(f"Nothing to do: all of it is in {args.root} already.")
        return
    confirm_terms({data_set.title: data_set.terms for data_set in unfinished}, args.yes)
    downloads = args.downloads or args.root / "downloads"
    with exclusive(downloads, "download"):
        install_all([archive for data_set in unfinished for archive in data_set.archives], downloads, args)


def parse_args() -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--only", nargs="+", choices=DATA_SETS, default=list(DATA_SETS), help="default: all of them")
    add("--root", type=Path, default=Path(".."), help="folder of the data tree (default: %(default)s)")
    add("--downloads", type=Path, help="folder for the archives (default: ROOT/downloads)")
    add("--mirror", metavar="URL", help="fetch MIRROR/<archive> instead of the files on Google Drive")
    add("--keep", action="store_true", help="keep the archives after they are unpacked")
    add("--yes", action="store_true", help="agree to the terms without being asked")
    return parser.parse_args()


def install_all(archives: list[Archive], downloads: Path, args: argparse.Namespace) -> None:
    """Install archives one by one; one that fails does not stop the others.

    Raises:
        InputError: names those that failed.
    """
    failed = []
    for archive in archives:
        packed = downloads / archive.name
        try:
            install(archive.at(args.mirror), args.root, packed, args.keep)
        except InputError as error:
            log.error("%s", error)
            failed.append(archive.target)
    if failed:
        raise InputError(f"{len(failed)} of {len(archives)} are missing ({', '.join(failed)}): see above.")


if __name__ == "__main__":
    run_script(main)

"""Download the training and evaluation data into the data tree."""

import argparse
import logging
from pathlib import Path

from scripts.downloads.installation import install, is_installed
from scripts.downloads.sources import DATA_SETS, Archive, add_fetch_flags, confirm_terms
from util.errors import InputError, run_script
from util.flag_types import script_parser
from util.lock import exclusive

log = logging.getLogger(__name__)


def main() -> None:
    """Parse the flags, show the terms and install the missing archives."""
    parser = script_parser(__doc__, "python download_datasets.py --only davis17 youtube")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=DATA_SETS,
        default=list(DATA_SETS),
        metavar="NAME",
        help=f"data sets to download: {', '.join(DATA_SETS)} (default: all)",
    )
    add_fetch_flags(parser.add_argument)
    args = parser.parse_args()
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
    archives = [archive for data_set in unfinished for archive in data_set.archives]
    with exclusive(downloads, "download"):
        failed = [archive.target for archive in archives if not installed(archive, downloads, args)]
    if failed:
        raise InputError(f"{len(failed)} of {len(archives)} are missing ({', '.join(failed)}): see above.")


def installed(archive: Archive, downloads: Path, args: argparse.Namespace) -> bool:
    """Install an archive; on an error log it, so that the other archives are still downloaded."""
    try:
        install(archive.at(args.mirror), args.root, downloads / archive.name, args.keep)
    except InputError as error:
        log.error("%s", error)
        return False
    return True


if __name__ == "__main__":
    run_script(main)

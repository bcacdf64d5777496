"""Download BL30K, the synthetic training videos of stage 1, segment by segment.

There are six archives of about 115 GB each. A segment is downloaded, unpacked and moved into ROOT/BL30K
before the next one. A stopped run continues, and finished segments are not downloaded again.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from scripts.downloads.installation import add_fetch_flags, find_missing, install_all
from scripts.downloads.sources import BL30K, RemoteFile
from scripts.downloads.transfer import advise_browser
from util.errors import InputError, run_script
from util.flag_types import script_parser

# The Illinois Data Bank lists the identifier of each file of BL30K.
LISTING = "https://databank.illinois.edu/datasets/IDB-1702934.json"
ADDRESS = "https://databank.illinois.edu/datafiles/{}/download"


def main() -> None:
    """Parse the flags and install the missing segments."""
    parser = script_parser(__doc__, "python -m scripts.download_bl30k --segments a b")
    names = list(BL30K)
    which = f"segments to download: {', '.join(names)} (default: all)"
    parser.add_argument("--segments", nargs="+", choices=names, default=names, metavar="NAME", help=which)
    add_fetch_flags(parser.add_argument)
    args = parser.parse_args()
    segments = find_missing((BL30K[name] for name in args.segments), args.root)
    if not args.mirror:
        segments = with_addresses(segments, args.downloads or args.root / "downloads")
    install_all(segments, args)


def with_addresses(archives: Sequence[RemoteFile], downloads: Path) -> list[RemoteFile]:
    """Return the archives with the addresses that the Illinois Data Bank lists.

    Raises:
        InputError: it does not list an archive that is not in the folder `downloads` yet.
    """
    wanted = [archive for archive in archives if not (downloads / archive.name).is_file()]
    entries: list[dict[str, Any]] = []
    try:
        if wanted:
            json.loads(requests.get(LISTING, timeout=60).text, object_hook=entries.append)
        identifiers = {
            archive.name: next(e["web_id"] for e in entries if "web_id" in e and archive.name in e.values())
            for archive in wanted
        }
    except (requests.RequestException, ValueError, StopIteration) as error:
        raise InputError(
            "the Illinois Data Bank did not tell where the segments are: "
            f"{advise_browser(wanted[0], downloads / wanted[0].name)}"
        ) from error
    return [
        replace(each, url=ADDRESS.format(identifiers[each.name])) if each in wanted else each
        for each in archives
    ]


if __name__ == "__main__":
    run_script(main)

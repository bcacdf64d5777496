"""Download BL30K, the synthetic training videos of stage 1, segment by segment.

There are six archives of about 115 GB each. A segment is downloaded, unpacked and moved into ROOT/BL30K
before the next one. A stopped run continues, and finished segments are not downloaded again.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scripts.downloads.installation import downloads_folder, install_all, is_installed
from scripts.downloads.sources import (
    BL30K,
    BL30K_ADDRESS,
    BL30K_LISTING,
    BL30K_PAGE,
    BL30K_SEGMENT_SIZE,
    Archive,
    add_fetch_flags,
    confirm_terms,
)
from scripts.downloads.transfer import by_hand, download, free_space, gigabytes
from util.errors import InputError, run_script
from util.flag_types import script_parser


def main() -> None:
    """Parse the flags, show disk space and terms, and install the missing segments."""
    parser = script_parser(__doc__, "python -m scripts.download_bl30k --segments a b")
    parser.add_argument(
        "--segments",
        nargs="+",
        choices=BL30K,
        default=list(BL30K),
        metavar="SEGMENT",
        help=f"segments to download: {', '.join(BL30K)} (default: all)",
    )
    add_fetch_flags(parser.add_argument)
    args = parser.parse_args()
    missing = [BL30K[name] for name in args.segments if not is_installed(BL30K[name], args.root)]
    place, downloads = args.root / "BL30K", downloads_folder(args)
    if not missing:
        print(f"Nothing to do: all of it is in {place} already.")
        return
    whole = BL30K_SEGMENT_SIZE * len(missing)
    packed = whole if args.keep else BL30K_SEGMENT_SIZE
    print(
        f"{len(missing)} of {len(BL30K)} segments are to be downloaded. They need about {gigabytes(whole)} "
        f"in {place} ({gigabytes(free_space(place))} free) and meanwhile {gigabytes(packed)} in {downloads} "
        f"({gigabytes(free_space(downloads))} free)."
    )
    confirm_terms({"BL30K": f"see {BL30K_PAGE}"}, args.yes)
    install_all(missing if args.mirror else with_addresses(missing, downloads), args)


def with_addresses(archives: Sequence[Archive], downloads: Path) -> list[Archive]:
    """Return the archives with their addresses, which the Illinois Data Bank lists.

    Raises:
        InputError: it does not list an archive that is not in the folder `downloads` yet.
    """
    wanted = [archive for archive in archives if not (downloads / archive.name).is_file()]
    if not wanted:
        return list(archives)
    try:
        with TemporaryDirectory() as folder:
            listing = Path(folder) / BL30K_LISTING.name
            download(BL30K_LISTING, listing)
            urls = {archive.name: address_in(listing.read_text(), archive.name) for archive in wanted}
    except (InputError, ValueError, LookupError) as error:
        raise InputError(
            "the Illinois Data Bank did not tell where the segments are: "
            f"{by_hand(wanted[0], downloads / wanted[0].name)}"
        ) from error
    return [replace(archive, url=urls.get(archive.name, archive.url)) for archive in archives]


def address_in(listing: str, name: str) -> str:
    """Return the address of an archive in the Data Bank's listing of the data set, as JSON.

    Raises:
        ValueError: the listing is not JSON.
        LookupError: no file in it has the name and an identifier.
    """
    entries: list[dict[str, Any]] = []
    json.loads(listing, object_hook=entries.append)
    for entry in entries:
        if "web_id" in entry and name in entry.values():
            return BL30K_ADDRESS.format(identifier=entry["web_id"])
    raise LookupError(name)


if __name__ == "__main__":
    run_script(main)

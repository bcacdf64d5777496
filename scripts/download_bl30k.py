"""Download BL30K, the synthetic training videos of stage 1, segment by segment.

There are six archives of about 115 GB each. A segment is downloaded, unpacked and moved into ROOT/BL30K
before the next one. A stopped run continues, and finished segments are not downloaded again.
"""

import json
import logging
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scripts.downloads.installation import unpacked
from scripts.downloads.sources import (
    BL30K,
    BL30K_ADDRESS,
    BL30K_LISTING,
    BL30K_PAGE,
    BL30K_SEGMENT_SIZE,
    add_fetch_flags,
    confirm_terms,
)
from scripts.downloads.transfer import by_hand, download, free_space, gigabytes
from util.errors import InputError, run_script
from util.flag_types import script_parser
from util.lock import exclusive

log = logging.getLogger(__name__)


def main() -> None:
    """Parse the flags, show disk space and terms, and download the missing segments."""
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
    place = args.root / "BL30K"
    downloads = args.downloads or args.root / "downloads"
    missing = [segment for segment in args.segments if not done_folder(place, segment).is_dir()]
    if not missing:
        print(f"Nothing to do: all of it is in {place} already.")
        return
    whole, packed = (BL30K_SEGMENT_SIZE * count for count in (len(missing), len(missing) if args.keep else 1))
    print(
        f"{len(missing)} of {len(BL30K)} segments are to be fetched. They need about {gigabytes(whole)} in "
        f"{place} ({gigabytes(free_space(place))} free) and meanwhile {gigabytes(packed)} in {downloads} "
        f"({gigabytes(free_space(downloads))} free)."
    )
    confirm_terms({"BL30K": f"see {BL30K_PAGE}"}, args.yes)
    with exclusive(downloads, "download"):
        for segment in missing:
            fetch_segment(segment, place, downloads, args.mirror, args.keep)


def fetch_segment(segment: str, place: Path, downloads: Path, mirror: str | None, keep: bool) -> None:
    """Download a segment, unpack it, and move its videos into the data set.

    Raises:
        InputError: a step failed.
    """
    packed = downloads / BL30K[segment].name
    archive = BL30K[segment].at(mirror)
    if mirror is None and not packed.is_file():
        archive = replace(archive, url=find_address(segment, packed))
    with unpacked(archive, packed, place / segment, keep) as content:
        move_videos(content, place)
        done_folder(place, segment).mkdir(parents=True)
    log.info("Segment %s is in %s.", segment, place)


def move_videos(content: Path, place: Path) -> None:
    """Move each video's folders from an unpacked segment into the data set; one that is there stays."""
    for kind in ("Annotations", "JPEGImages"):  # a video is found by its frames, so these come last
        (place / kind).mkdir(parents=True, exist_ok=True)
        for video in sorted((content / kind).iterdir()):
            target = place / kind / video.name
            if not target.exists():
                video.rename(target)


def done_folder(place: Path, segment: str) -> Path:
    """Return the empty folder that tells that a segment is finished."""
    return place / ".segments" / f"{segment}.done"


def find_address(segment: str, packed: Path) -> str:
    """Ask the Illinois Data Bank for the address of a segment's archive.

    Raises:
        InputError: it does not tell.
    """
    try:
        with TemporaryDirectory() as folder:
            listing = Path(folder) / BL30K_LISTING.name
            download(BL30K_LISTING, listing)
            return address_in(listing.read_text(), segment)
    except (InputError, ValueError, LookupError) as error:
        raise InputError(
            f"the Illinois Data Bank did not tell where segment {segment} is: "
            f"{by_hand(BL30K[segment], packed)}"
        ) from error


def address_in(listing: str, segment: str) -> str:
    """Return the address of a segment in the Data Bank's listing of the data set, as JSON.

    Raises:
        ValueError: the listing is not JSON.
        LookupError: no file in it has the segment's letter and an identifier.
    """
    entries: list[dict[str, Any]] = []
    json.loads(listing, object_hook=entries.append)
    for entry in entries:
        if "web_id" in entry and any(str(value).endswith(f"_{segment}.tar") for value in entry.values()):
            return BL30K_ADDRESS.format(identifier=entry["web_id"])
    raise LookupError(segment)


if __name__ == "__main__":
    run_script(main)

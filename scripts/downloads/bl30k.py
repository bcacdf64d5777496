"""BL30K, segment by segment: found, fetched, unpacked, and its videos moved among the others."""

import argparse
import json
import logging
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scripts.downloads.free_space import free_space, readable
from scripts.downloads.installation import staging_folder, unpacked
from scripts.downloads.sources import BL30K, BL30K_ADDRESS, BL30K_LISTING, BL30K_SEGMENT_SIZE, BL30K_TERMS
from scripts.downloads.terms import confirm_terms
from scripts.downloads.transfer import download, downloads_in
from util.errors import InputError

log = logging.getLogger(__name__)

KINDS = ("Annotations", "JPEGImages")  # moved in this order: a video is found by its frames


def fetch_bl30k(args: argparse.Namespace) -> None:
    """State the room that is needed and fetch what is missing.

    Args:
        args: flags of `scripts/download_bl30k.py`.
    """
    place = args.root / "BL30K"
    downloads = args.downloads or args.root / "downloads"
    missing = [segment for segment in args.segments if not done_folder(place, segment).is_dir()]
    if not missing:
        print(f"Nothing to do: all of it is in {place} already.")
        return
    state_space(missing, place, downloads, args.keep)
    confirm_terms({"BL30K": BL30K_TERMS}, args.yes)
    with downloads_in(downloads):
        for segment in missing:
            fetch_segment(segment, place, downloads, args.mirror, args.keep)


def state_space(segments: list[str], place: Path, downloads: Path, keep: bool) -> None:
    """Print the room that the segments need and what is free; each is checked when its turn comes."""
    packed = BL30K_SEGMENT_SIZE * (len(segments) if keep else 1)
    print(
        f"{len(segments)} of {len(BL30K)} segments are to be fetched. They need about "
        f"{readable(BL30K_SEGMENT_SIZE * len(segments))} in {place} ({readable(free_space(place))} free) and "
        f"meanwhile {readable(packed)} in {downloads} ({readable(free_space(downloads))} free)."
    )


def fetch_segment(segment: str, place: Path, downloads: Path, mirror: str | None, keep: bool) -> None:
    """Fetch a segment, unpack it beside the others and move its videos in among theirs.

    Raises:
        InputError: a step failed.
    """
    ready = done_folder(place, segment).with_suffix("")
    if not ready.is_dir():
        packed = downloads / BL30K[segment].name
        file = BL30K[segment].at(mirror)
        if mirror is None and not packed.is_file():
            file = replace(file, url=find_address(segment, packed))
        with unpacked(file, packed, ready, KINDS) as content:
            content.rename(ready)
    shutil.rmtree(staging_folder(ready), ignore_errors=True)
    if not keep:
        (downloads / BL30K[segment].name).unlink(missing_ok=True)
    move_videos(ready, place)
    ready.rename(done_folder(place, segment))
    log.info("Segment %s is in %s.", segment, place)


def move_videos(ready: Path, place: Path) -> None:
    """Move each video's folders from an unpacked segment into the data set; one that is there stays."""
    for kind in KINDS:
        (place / kind).mkdir(parents=True, exist_ok=True)
        for video in sorted((ready / kind).iterdir()):
            target = place / kind / video.name
            if target.exists():
                shutil.rmtree(video)
            else:
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
            return address_in(json.loads(listing.read_text()), segment)
    except (InputError, ValueError, LookupError) as error:
        raise InputError(
            f"the Illinois Data Bank did not tell where segment {segment} is: open {BL30K[segment].page} in "
            f"a browser, save the archive as {packed}, and run the same command again."
        ) from error


def address_in(listing: Any, segment: str) -> str:
    """Return the address of a segment in the Data Bank's listing of the data set.

    Raises:
        LookupError: no file in it has the segment's letter and an identifier.
    """
    pattern = re.compile(rf"(^|[^a-z]){segment}\.tar$", re.IGNORECASE)
    for entry in entries_in(listing):
        if "web_id" in entry and any(pattern.search(str(value)) for value in entry.values()):
            return BL30K_ADDRESS.format(identifier=entry["web_id"])
    raise LookupError(segment)


def entries_in(listing: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a JSON document, the outer before the inner."""
    if isinstance(listing, dict):
        yield listing
    if isinstance(listing, (dict, list)):
        for value in listing.values() if isinstance(listing, dict) else listing:
            yield from entries_in(value)

"""Records which run wrote a folder of results, so that runs are never mixed.

A run records its settings (script, data, frames, given masks, weights, flags) and the files that it writes. A
later run continues in the folder only with equal settings and without other files. --overwrite removes the
recorded files, and files with the names of the new run's results.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset.fingerprint import frames_fingerprint, masks_fingerprint
from dataset.video import Video
from model.fast_inference.trials import choices
from util.errors import InputError
from util.files import check_name
from util.settings_record import check_same, read_record, write_record

log = logging.getLogger(__name__)

FILES, PLACE, WAYS = "written", "place", "ways"  # entries of the record beside the settings
ADVICE = "give another --output, or --overwrite to replace what the run before made."
OWN_FOLDER, OF_VIDEOS = "[!.]*.png", "*/[!.]*.png"  # where in its folder a run writes masks


@dataclass(frozen=True)
class Run:
    """A run, and the files that it may write."""

    output: Path  # folder of the results and of the record
    settings: Mapping[str, Any]  # plain values that determine the results, in order of comparison
    files: Iterable[Path]
    masks: str = OF_VIDEOS  # pattern of the masks in `output`


def collect_settings(
    script: str, data: Path, videos: Sequence[Video], others: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings that determine a benchmark's results, in the order in which they are compared."""
    return {
        "script": script,
        "data": str(data.resolve()),
        **others,
        "list of videos": [video.name for video in videos],
        "frame set": {video.name: frames_fingerprint(video.frames) for video in videos},
        "given mask": {video.name: masks_fingerprint(video) for video in videos},
    }


def begin_run(run: Run, overwrite: bool) -> None:
    """Check that a folder, which the run has locked, has no files of other runs, and record the run in it.

    A record without existing files is ignored. `overwrite` removes the files of the earlier run, and those
    with the names of this run's results.

    Raises InputError when the folder has files of another run or of none, or a file name is too long.
    """
    place = run.output.resolve()
    paths = dict.fromkeys(path.parent.resolve() / path.name for path in run.files)
    for path in paths:
        check_name(path)
    before: dict[str, Any] = {}
    with suppress(*((InputError,) if overwrite else ())):  # a damaged record may be replaced
        before = read_record(run.output, ADVICE) or {}
    recorded = _recorded_files(place, before)
    if overwrite:
        _remove(place, {*recorded, *filter(Path.is_file, paths)})
        recorded = []
    elif recorded:
        check_same(run.output, before, run.settings, ADVICE)
    present = dict.fromkeys([*filter(Path.is_file, paths), *sorted(place.glob(run.masks))])
    if others := [path for path in present if path not in recorded]:
        which = f"{others[0]}" + f" (and {len(others) - 1} more)" * (len(others) > 1)
        if not overwrite:
            raise InputError(
                f"{which} was made by no run recorded in {run.output}: give another folder, move it away, "
                "or --overwrite to replace files with the names of this run's results."
            )
        log.warning("%s stays: no run recorded it.", which)
    # relative inside of the folder, which may be moved
    written = dict.fromkeys((*recorded, *paths))
    files = [str(path.relative_to(place) if path.is_relative_to(place) else path) for path in written]
    write_record(run.output, {**run.settings, PLACE: str(place), FILES: files, WAYS: choices()})


def _recorded_files(place: Path, record: Mapping[str, Any]) -> list[Path]:
    """Return the recorded files that exist; files outside a copied folder are ignored."""
    copied = record.get(PLACE) != str(place)
    names = [name for name in record.get(FILES, ()) if not (copied and Path(name).is_absolute())]
    return [place / name for name in names if (place / name).is_file()]


def _remove(place: Path, paths: Collection[Path]) -> None:
    for path in paths:
        path.unlink()
    for folder in {path.parent for path in paths} - {place}:
        with suppress(OSError):  # the folder is not empty
            folder.rmdir()
    if paths:
        log.info("--overwrite: removed %d files from %s.", len(paths), place)

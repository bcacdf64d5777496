"""One rule for every folder of results: files of two runs never mix.

A run records in its folder what makes its results (script, data, frames, masks given, weights, settings) and
which files it writes. A later run goes on with a folder only when the settings are the same and nobody else
has put files there. --overwrite removes what the record lists, and files of the new run's names.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset.fingerprint import frames_fingerprint, masks_fingerprint
from dataset.video import Video
from dataset.video_files.frame_source import FrameSource
from model.fast_inference.trials import choices
from util.errors import InputError
from util.files import check_name
from util.settings_record import check_same, read_record, write_record

log = logging.getLogger(__name__)

FILES, PLACE, WAYS = "written", "place", "ways"  # entries of the record beside the settings
ADVICE = "give another --output, or --overwrite to replace what the run before made."


@dataclass(frozen=True)
class FileSet:
    """Files of one kind in one folder: `folder/<name><suffix>`."""

    folder: Path
    suffix: str
    names: Sequence[str]


@dataclass(frozen=True)
class Run:
    """What a run is and what it writes.

    Attributes:
        output: folder of its results, where it is recorded.
        settings: plain values that make its results, in the order in which a difference is looked for.
        files: masks and probabilities, as many as it may write.
        products: single files made of them: films, contact sheets, tables.
    """

    output: Path
    settings: Mapping[str, Any]
    files: Sequence[FileSet]
    products: Sequence[Path] = ()

    @property
    def paths(self) -> list[Path]:
        """All files that it may write."""
        masks = [each.folder.resolve() / f"{name}{each.suffix}" for each in self.files for name in each.names]
        return [*masks, *(path.resolve() for path in self.products)]


def benchmark_settings(
    script: str, data: Path, videos: Sequence[Video], others: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a benchmark's results depend on, in the order in which a difference is looked for.

    Args:
        script: its name.
        data: root of the benchmark's data.
        videos: as they are used, cut or whole.
        others: flags and weights.
    """
    return {
        "script": script,
        "data": str(data.resolve()),
        **others,
        "list of videos": [video.name for video in videos],
        "frame set": {video.name: frames_fingerprint(video.frames) for video in videos},
        "given mask": {video.name: masks_fingerprint(video) for video in videos},
    }


def range_of(frames: FrameSource) -> str:
    """Return which frames were chosen, to be read."""
    return f"{len(frames.names)} frames, {frames.names[0]} to {frames.names[-1]}"


def begin_run(run: Run, overwrite: bool) -> None:
    """Make sure that a run's folder holds nothing but its own files, and record the run there.

    A record whose files are all gone is ignored.

    Args:
        run: what is about to write; no other may be at work in its folder.
        overwrite: remove what the run before made, and files of this run's names.

    Raises:
        InputError: the folder belongs to another run, or has files that no run recorded, or a result
            would have too long a name.
    """
    paths = dict.fromkeys(run.paths)
    for path in paths:
        check_name(path)
    try:
        before = read_record(run.output, ADVICE) or {}
    except InputError:
        if not overwrite:
            raise
        before = {}
    recorded = _recorded_files(run.output, before)
    others = [path for path in _present(run) if path not in recorded]
    if overwrite:
        _remove(run, [*recorded, *(path for path in others if path in paths)])
        recorded = []
        if left := [path for path in others if path.is_file()]:
            log.warning("%s%s stays: no run recorded it.", left[0], _and_more(left))
    else:
        if recorded:
            check_same(run.output, before, run.settings, ADVICE)
        if others:
            raise InputError(
                f"{others[0]}{_and_more(others)} was made by no run recorded in {run.output}: give another "
                "place, move it away, or --overwrite to replace what has the names of this run's results."
            )
    place = run.output.resolve()
    files = [_within(place, path) for path in dict.fromkeys((*recorded, *paths))]
    write_record(run.output, {**run.settings, PLACE: str(place), FILES: files, WAYS: choices()})


def _recorded_files(output: Path, record: Mapping[str, Any]) -> list[Path]:
    """Return the recorded files that are there; a copy of a folder does not own what lies outside it."""
    place = output.resolve()
    moved = record.get(PLACE) != str(place)
    names = [name for name in record.get(FILES, ()) if not (moved and Path(name).is_absolute())]
    return [place / name for name in names if (place / name).is_file()]


def _present(run: Run) -> list[Path]:
    """Return the files that are there, or lie where they would be taken for the run's."""
    found = [path for path in run.paths if path.is_file()]
    for each in run.files:
        found += sorted(each.folder.resolve().glob(f"[!.]*{each.suffix}"))
        if each.folder.parent == run.output:  # other videos would be handed in with these
            found += sorted(run.output.resolve().glob(f"*/[!.]*{each.suffix}"))
    return list(dict.fromkeys(found))


def _remove(run: Run, paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink()
    for folder in {path.parent for path in paths} - {run.output.resolve()}:
        with suppress(OSError):  # something else is in it
            folder.rmdir()
    if paths:
        log.info("--overwrite: removed %d files from %s.", len(paths), run.output)


def _and_more(paths: Sequence[Path]) -> str:
    return f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""


def _within(place: Path, path: Path) -> str:
    """Return a path relative to a folder if it lies in it, so that the folder can be moved."""
    return str(path.relative_to(place) if path.is_relative_to(place) else path)

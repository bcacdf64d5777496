"""Records which run wrote a folder of results, so that runs are never mixed.

A run records its settings (script, data, frames, given masks, weights, flags) and the files that it writes. A
later run continues in the folder only with equal settings and without other files. --overwrite removes the
recorded files, and files with the names of the new run's results.
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
    """A run and its files.

    Attributes:
        output: folder of the results and of the record.
        settings: plain values that determine the results, in the order in which they are compared.
        files: masks and probabilities that the run may write.
        products: files made from them: videos, contact sheets, tables.
    """

    output: Path
    settings: Mapping[str, Any]
    files: Sequence[FileSet]
    products: Sequence[Path] = ()

    @property
    def paths(self) -> list[Path]:
        """Paths of all files that the run may write."""
        masks = [each.folder.resolve() / f"{name}{each.suffix}" for each in self.files for name in each.names]
        return [*masks, *(path.resolve() for path in self.products)]


def benchmark_settings(
    script: str, data: Path, videos: Sequence[Video], others: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings that determine a benchmark's results, in the order in which they are compared.

    Args:
        script: name of the script.
        data: root of the benchmark's data.
        videos: videos, possibly cut by --max_frames.
        others: flags and digest of the weights.
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
    """Return a readable text of the chosen frames."""
    return f"{len(frames.names)} frames, {frames.names[0]} to {frames.names[-1]}"


def begin_run(run: Run, overwrite: bool) -> None:
    """Check that a folder has no files of other runs, and record the run in it.

    A record without existing files is ignored.

    Args:
        run: the run, which holds the lock of its folder.
        overwrite: whether to remove the files of the earlier run, and files with the names of this run's
            results.

    Raises:
        InputError: the folder belongs to another run, has files without a record, or the name of a result is
            too long.
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
                "folder, move it away, or --overwrite to replace files with the names of this run's results."
            )
    place = run.output.resolve()
    files = [_within(place, path) for path in dict.fromkeys((*recorded, *paths))]
    write_record(run.output, {**run.settings, PLACE: str(place), FILES: files, WAYS: choices()})


def _recorded_files(output: Path, record: Mapping[str, Any]) -> list[Path]:
    """Return the recorded files that exist; a copied folder does not own files outside of it."""
    place = output.resolve()
    moved = record.get(PLACE) != str(place)
    names = [name for name in record.get(FILES, ()) if not (moved and Path(name).is_absolute())]
    return [place / name for name in names if (place / name).is_file()]


def _present(run: Run) -> list[Path]:
    """Return existing files with the names of the run's results, or that would be used as its results."""
    found = [path for path in run.paths if path.is_file()]
    for each in run.files:
        found += sorted(each.folder.resolve().glob(f"[!.]*{each.suffix}"))
        if each.folder.parent == run.output:  # other videos would be submitted with these
            found += sorted(run.output.resolve().glob(f"*/[!.]*{each.suffix}"))
    return list(dict.fromkeys(found))


def _remove(run: Run, paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink()
    for folder in {path.parent for path in paths} - {run.output.resolve()}:
        with suppress(OSError):  # the folder is not empty
            folder.rmdir()
    if paths:
        log.info("--overwrite: removed %d files from %s.", len(paths), run.output)


def _and_more(paths: Sequence[Path]) -> str:
    return f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""


def _within(place: Path, path: Path) -> str:
    """Return a path relative to a folder if it is inside, so that the folder can be moved."""
    return str(path.relative_to(place) if path.is_relative_to(place) else path)

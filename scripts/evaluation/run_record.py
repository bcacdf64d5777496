"""One rule for every folder of results: what a run made is told from all else, and never mixed with it.

A run records in its folder what makes its results (script, data, frames, masks given, weights, settings) and
which files it writes. A later run goes on with a folder only when all of that is the same. What nobody
recorded is neither taken for the run's own nor replaced, unless --overwrite asks for it; and then files that
neither a recorded run made nor this one will write stay where they are.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from dataset.fingerprint import frames_fingerprint, masks_fingerprint
from dataset.video import Video
from dataset.video_files.frame_source import FrameSource
from util.errors import InputError
from util.files import check_name, sha256
from util.settings_record import check_same, plain, read_settings, write_settings

log = logging.getLogger(__name__)

FILES, PRODUCTS, PLACE = "files", "products", "place"  # entries of the record beside the settings


@dataclass(frozen=True)
class FileSet:
    """Files of one kind in one folder: `folder/<name><suffix>`."""

    folder: Path
    suffix: str
    names: Sequence[str]

    @property
    def paths(self) -> Iterator[Path]:
        """All files, whether they are there or not."""
        return (self.folder / f"{name}{self.suffix}" for name in self.names)


@dataclass(frozen=True)
class Run:
    """What a run is and what it writes.

    Attributes:
        output: folder of its results, where it is recorded.
        settings: plain values that make its results.
        files: masks and probabilities, as many as it may write.
        products: single files made of them: films, contact sheets, tables.
    """

    output: Path
    settings: Mapping[str, Any]
    files: Sequence[FileSet]
    products: Sequence[Path] = ()

    @property
    def advice(self) -> str:
        """What a user can do when the folder is not this run's."""
        return "give another --output, or --overwrite to replace what the run before made."


def benchmark_settings(
    script: str, data: Path, videos: Sequence[Video], others: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a benchmark's results depend on, in the order in which differences are named.

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

    A record whose files are all gone binds nobody.

    Args:
        run: what is about to write; no other may be at work in its folder.
        overwrite: remove what the run before made, and what has the names of this run's files.

    Raises:
        InputError: the folder belongs to another run, or has files that no run recorded, or a result
            would have too long a name.
    """
    for path in chain(run.products, *(each.paths for each in run.files)):
        check_name(path)
    try:
        before = read_settings(run.output, run.advice)
    except InputError:
        if not overwrite:
            raise
        before = None
    own_files = [
        path for each in _recorded_files(run.output, before) for path in each.paths if path.is_file()
    ]
    own_products = _recorded_products(run.output, before)
    others = _others(run, {*own_files, *own_products})
    settings = plain(run.settings)
    if overwrite:
        _remove(run, [*own_files, *own_products], others)
        before, own_products = None, {}
    elif own_files or own_products:
        _check_same_run(run, before or {}, settings)
    elif others and before is not None and FILES not in before:
        check_same(run.output, before, settings, run.advice)  # of an earlier version of the program
    else:
        before = None
    if others and not overwrite:
        raise InputError(
            f"{others[0]}{_and_more(others)} was made by no run recorded in {run.output}: give another "
            "place, move it away, or --overwrite to replace what has the names of this run's results."
        )
    _write_record(run, settings, before, own_products)


def end_run(output: Path) -> None:
    """Record which products a run has made: one that someone changes later is not taken for its own."""
    record = read_settings(output, "")
    if record is not None:
        paths = {name: output / name for name in record[PRODUCTS]}
        record[PRODUCTS] = {name: sha256(path) for name, path in paths.items() if path.is_file()}
        write_settings(output, record)


def _check_same_run(run: Run, before: dict[str, Any], settings: dict[str, Any]) -> None:
    script = {"script": settings["script"]}  # other scripts have other settings: more would be confusing
    check_same(run.output, before, script, run.advice)
    check_same(run.output, before, settings, run.advice)


def _write_record(
    run: Run, settings: dict[str, Any], before: dict[str, Any] | None, own_products: Mapping[Path, str | None]
) -> None:
    """Record a run; what the same run has made before stays its own."""
    files = {(each.folder.resolve(), each.suffix): list(each.names) for each in run.files}
    for each in _recorded_files(run.output, before):
        files.setdefault((each.folder.resolve(), each.suffix), list(each.names))
    products = {path.resolve(): digest for path, digest in own_products.items()}
    products |= {path.resolve(): None for path in run.products}  # about to be made anew
    recorded_files = [
        [_within(run.output, folder), suffix, names] for (folder, suffix), names in files.items()
    ]
    recorded_products = {_within(run.output, path): digest for path, digest in products.items()}
    record = {PLACE: str(run.output.resolve()), FILES: recorded_files, PRODUCTS: recorded_products}
    write_settings(run.output, {**settings, **record})


def _recorded_files(output: Path, record: dict[str, Any] | None) -> list[FileSet]:
    """Return the sets of files in a record; an earlier version of the program has recorded none."""
    recorded = [] if record is None else record.get(FILES, [])
    return [
        FileSet(output / folder, suffix, names)
        for folder, suffix, names in recorded
        if _is_still_there(output, record, folder)
    ]


def _recorded_products(output: Path, record: dict[str, Any] | None) -> dict[Path, str | None]:
    """Return the products in a record that are there as they were made, with their SHA-256.

    One without was begun by a run that was stopped: nothing was there before, so what is there is its own.
    """
    recorded = {} if record is None else record.get(PRODUCTS, {})
    found = {
        output / name: digest for name, digest in recorded.items() if _is_still_there(output, record, name)
    }
    return {
        path: digest
        for path, digest in found.items()
        if path.is_file() and (digest is None or sha256(path) == digest)
    }


def _is_still_there(output: Path, record: dict[str, Any] | None, path: str) -> bool:
    """Tell whether a recorded path is to be trusted: a copy of a folder does not own what lies elsewhere."""
    in_place = record is not None and record.get(PLACE) == str(output.resolve())
    return in_place or not Path(path).is_absolute()


def _others(run: Run, own: set[Path]) -> list[Path]:
    """Return the files that would be taken for the run's, or replaced by it, and are not its `own`."""
    folders = {(each.folder, each.suffix) for each in run.files}
    if any(each.folder.parent == run.output and each.suffix == ".png" for each in run.files):
        # a folder of a video that this run does not have would be handed in with the others
        folders |= {(path, ".png") for path in run.output.iterdir() if path.is_dir()}
    found = [
        path
        for folder, suffix in sorted(folders)
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.suffix.lower() == suffix and not path.name.startswith(".")
    ]
    found += [path for path in run.products if path.is_file()]
    known = {path.resolve() for path in own}
    return [path for path in dict.fromkeys(found) if path.resolve() not in known]


def _remove(run: Run, own: Sequence[Path], others: Sequence[Path]) -> None:
    """Remove what a recorded run made and what has this run's names; say so, and what stays."""
    names = {path.resolve() for each in run.files for path in each.paths}
    names |= {path.resolve() for path in run.products}
    replaced = [path for path in others if path.resolve() in names]
    removed = list(dict.fromkeys(path.resolve() for path in [*own, *replaced]))
    for path in removed:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in removed} - {run.output.resolve()}:
        with suppress(OSError):  # something else is in it
            folder.rmdir()
    if removed:
        log.info("--overwrite: removed %d files of the run before from %s.", len(removed), run.output)
    staying = [path for path in others if path.resolve() not in names]
    if staying:
        log.warning(
            "%s%s stays: no run recorded it, and this one has no file of its name.",
            *(staying[0], _and_more(staying)),
        )


def _and_more(paths: Sequence[Path]) -> str:
    return f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""


def _within(output: Path, path: Path) -> str:
    """Return a path relative to the output where it lies in it, so that the folder can be moved."""
    path = path.resolve()
    return str(path.relative_to(output.resolve()) if path.is_relative_to(output.resolve()) else path)

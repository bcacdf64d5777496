"""The requests of pages, and thumbnails, which are made without a request."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from scripts.annotator.edits import (
    BRUSH_RADIUS,
    FROM_HINTS,
    LARGEST_LABEL,
    MOST_CHOKE,
    REMAKES,
    WIDEST_FEATHER,
    checked,
    checked_edit,
)
from scripts.annotator.export import KINDS, export
from scripts.annotator.import_masks import read_masks
from scripts.annotator.jobs import Job
from scripts.annotator.masks import replaced
from scripts.annotator.propagation import propagate
from scripts.annotator.remaking import Remaking
from scripts.annotator.segmentation import Segmentation
from scripts.annotator.session import Change, Session, labels_in
from scripts.annotator.settings import WorkerSettings
from scripts.annotator.snapshot import checked_choice
from scripts.annotator.weights import Weights, fetch_network
from scripts.annotator.worker import Worker
from util.errors import InputError

PROPAGATION_NICENESS = 15  # clicks and scribbles are answered first


class Tasks:
    """Does what pages ask for."""

    def __init__(self, session: Session, weights: Weights, settings: WorkerSettings) -> None:
        self.session = session
        self.weights = weights
        self.propagating = Worker(settings, PROPAGATION_NICENESS)
        self.segmentation = Segmentation(settings)
        self.remaking = Remaking(session)
        self._closing = threading.Event()
        self._maker = threading.Thread(target=self._make_thumbnails, name="thumbnails", daemon=True)

    def start(self) -> None:
        """Start to make thumbnails."""
        self._maker.start()

    def close(self) -> None:
        """Stop thumbnails, jobs and processes."""
        self._closing.set()
        if self._maker.is_alive():
            self._maker.join()
        self.session.jobs.cancel(wait=True)
        self.propagating.close()
        self.segmentation.close()

    def edit(self, raw: Mapping[str, Any]) -> Change:
        """Check and save an edit of a page."""
        edit = checked_edit(raw, len(self.session.pictures))
        if edit["kind"] in FROM_HINTS:
            return self.segmentation.edit(self.session, edit)
        return (self.remaking if edit["kind"] in REMAKES else self.session).edit(edit)

    def propagate(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Start to propagate masks from all drawn frames through a range."""
        request = checked("propagate", body, len(self.session.pictures))
        if not self.session.document.given:
            raise InputError("draw an object on some frame first: there is nothing to propagate yet.")
        path = self.weights.path()
        # the small mistakes of a fitted network would add up
        network = {"weights": path, "remember_previous": path != self.weights.fitted}
        given = self.session, self.propagating, request, network
        return self.session.jobs.start("propagate", lambda job: propagate(job, *given)).as_json()

    def export(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Start to export one kind of result; see `snapshot.py`."""
        kind = str(body.get("kind"))
        if kind not in KINDS:
            raise InputError(f"there is no export {kind}; choose one of {', '.join(KINDS)}.")
        choice = checked_choice(body, self.session)

        def work(job: Job) -> str:
            folder = self.session.workspace.exports
            path = export(kind, self.session, folder, job.show, choice, archive=True)
            job.result = {"name": path.name, "path": str(path.resolve())}
            return f"Written: {path}"

        return self.session.jobs.start("export", work).as_json()

    def fit(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Start a one-shot fit to the drawn masks."""
        minutes = checked("fit", body, len(self.session.pictures))["minutes"]
        if not any(self.session.document.state(frame).present for frame in self.session.document.given):
            raise InputError("draw an object on some frame first: the network is fitted to it.")
        fit, start = self.weights.fit, self.session.jobs.start
        return start("fit", lambda job: self._then_tell(fit(job, self.session, minutes))).as_json()

    def download(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Start to download the published weights, or the promptable "network" "click" or "find"."""
        settings, network = self.segmentation.settings, body.get("network")
        if network is None:
            work = self.weights.download
        else:
            name = settings.click_model if network == "click" else settings.find_model
            work = partial(fetch_network, name=name)
        kind = "download" if network is None else "fetch"
        return self.session.jobs.start(kind, lambda job: self._then_tell(work(job))).as_json()

    def model_state(self) -> dict[str, Any]:
        """Return the state of all networks, for pages."""
        return {**self.weights.as_json(), **self.segmentation.as_json()}

    def settings(self) -> dict[str, Any]:
        """Return the kinds of export and the limits, for pages."""
        exports = [
            {"kind": kind, "name": form.name, "what": form.what, "cuts": form.cuts, "video": form.is_video}
            for kind, form in KINDS.items()
        ]
        edges = {"feather": WIDEST_FEATHER, "choke": MOST_CHOKE}
        return {"exports": exports, "limits": {**edges, "radius": BRUSH_RADIUS, "objects": LARGEST_LABEL}}

    def import_masks(self, files: Sequence[tuple[str, bytes]], frame: int, to_correct: bool) -> Change:
        """Import masks from files (see `import_masks.read_masks`); objects that a file does not show stay.

        Args:
            files: name and content of each file.
            frame: frame index for a single file not named after a frame.
            to_correct: whether the masks are predictions; otherwise they count as annotation.
        """
        session = self.session
        masks_by_frame = read_masks(files, frame, session.pictures)
        with session.lock:
            locked = session.document.locked
            masks, about = {}, {}
            for index, mask in masks_by_frame.items():
                about[index] = labels_in(mask)
                masks[index] = replaced(session.label_map(index), mask, about[index], locked)
            known = {each.label for each in session.document.objects}
            new = sorted(set().union(*about.values()) - known)
            entry = {
                "kind": "masks",
                "frames": {
                    str(index): {"labels": labels_in(mask), "drawn": [] if to_correct else about[index]}
                    for index, mask in masks.items()
                },
                "objects": [session.document.new_object(label, offset) for offset, label in enumerate(new)],
            }
            return session.write_masks(entry, masks)

    def find(self, body: Mapping[str, Any]) -> Change:
        """Make an object of each thing that a word names on a frame, where there is no object yet."""
        session = self.session
        frame, word = checked("find", body, len(session.pictures)).values()
        masks = self.segmentation.find(frame, word, session.label_map(frame) > 0)
        with session.lock:
            now = session.label_map(frame)
            free = session.document.free_labels()
            names = {each.name for each in session.document.objects}
            unused = (name for name in map(f"{word} {{}}".format, count(1)) if name not in names)
            found, labels = [mask & (now == 0) for mask in masks], now.copy()
            objects: list[dict[str, Any]] = []
            for mask, label, name in zip([mask for mask in found if mask.any()], free, unused, strict=False):
                labels[mask] = label
                objects.append({**session.document.new_object(label, len(objects)), "name": name})
            if not objects:
                raise InputError(f"found no new object for '{word}' on frame {frame}.")
            drawn = [each["label"] for each in objects]
            entry = {"kind": "masks", "frames": {str(frame): {"labels": labels_in(labels), "drawn": drawn}}}
            return session.write_masks({**entry, "objects": objects}, {frame: labels})

    @property
    def thumbnails(self) -> Path:
        """Folder of the video's thumbnails, each named after its frame."""
        return self.session.workspace.folder / "thumbnails" / self.session.pictures.fingerprint

    def _then_tell(self, said: str) -> str:
        self.session.events.send({"model": self.model_state()})
        return said

    def _make_thumbnails(self) -> None:
        for index in self.session.pictures.thumbnail_frames():
            path = self.thumbnails / f"{index}.jpg"
            if self._closing.is_set():
                return
            if not path.is_file():
                with suppress(OSError):  # they are a convenience
                    self.session.pictures.write_thumbnail(index, path)
            self.session.events.send({"thumbnail": index})

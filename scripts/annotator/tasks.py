"""The requests of pages, and thumbnails, which are made without a request."""

import io
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scripts.annotator.cut_out import MOST_CHOKE, WIDEST_FEATHER
from scripts.annotator.document import COLOURS
from scripts.annotator.edits import FROM_HINTS, REMAKES, checked_edit, text, whole_number
from scripts.annotator.export import KINDS, export
from scripts.annotator.import_masks import read_masks
from scripts.annotator.jobs import Job
from scripts.annotator.masks import replaced
from scripts.annotator.propagation import Propagation
from scripts.annotator.remaking import Remaking
from scripts.annotator.segmentation import Segmentation
from scripts.annotator.session import Change, Session, labels_in
from scripts.annotator.snapshot import checked_choice
from scripts.annotator.weights import Weights, fetch_network
from util.errors import InputError


class Tasks:
    """Does what pages ask for.

    Args:
        session: the annotation.
        weights: the weights for propagation.
        propagation: propagates masks.
        segmentation: computes masks from scribbles, clicks, boxes and words.
    """

    def __init__(
        self, session: Session, weights: Weights, propagation: Propagation, segmentation: Segmentation
    ) -> None:
        self.session = session
        self.weights = weights
        self.propagation = propagation
        self.segmentation = segmentation
        self.remaking = Remaking(session)
        self._closing = threading.Event()
        self._thumbnails = threading.Thread(target=self._make_thumbnails, name="thumbnails", daemon=True)

    def start(self) -> None:
        """Start to make thumbnails."""
        self._thumbnails.start()

    def close(self) -> None:
        """Stop thumbnails, jobs and processes."""
        self._closing.set()
        if self._thumbnails.is_alive():
            self._thumbnails.join()
        self.session.jobs.cancel(wait=True)
        self.propagation.close()
        self.segmentation.close()

    def edit(self, raw: Any) -> Change:
        """Check and save an edit of a page."""
        kind = raw.get("kind") if isinstance(raw, Mapping) else None
        if kind in FROM_HINTS:
            return self.segmentation.edit(self.session, checked_edit(raw, len(self.session.pictures)))
        return self.remaking.edit(raw) if kind in REMAKES else self.session.edit(raw)

    def propagate(self, body: Any) -> dict[str, Any]:
        """Start to propagate masks from all drawn frames through a range."""
        last = len(self.session.pictures) - 1
        request = {
            "first": whole_number(body.get("first", 0), "first", last),
            "last": whole_number(body.get("last", last), "last", last),
            "forward": body.get("forward", True) is True,
            "backward": body.get("backward", True) is True,
        }
        if request["first"] > request["last"] or not (request["forward"] or request["backward"]):
            raise InputError("choose a range and a direction to propagate.")
        if not self.session.document.given:
            raise InputError("draw an object on some frame first: there is nothing to propagate yet.")
        path = self.weights.path()
        remember_previous = path != self.weights.fitted  # a fitted network's small mistakes would add up
        job = self.session.jobs.start(
            "propagate",
            lambda job: self.propagation.run(job, self.session, request, path, remember_previous),
        )
        return job.as_json()

    def export(self, body: Any) -> dict[str, Any]:
        """Start to export one kind of result; see `snapshot.py`."""
        kind = body.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            raise InputError(f"there is no export {kind}; choose one of {', '.join(KINDS)}.")

        labels = [each.label for each in self.session.document.objects]
        choice = checked_choice(body, len(self.session.pictures), labels)

        def work(job: Job) -> str:
            folder = self.session.workspace.exports
            path = export(kind, self.session, folder, job.show, choice, archive=True)
            job.result = {"name": path.name, "path": str(path.resolve())}
            return f"Written: {path}"

        return self.session.jobs.start("export", work).as_json()

    def fit(self, body: Any) -> dict[str, Any]:
        """Start a one-shot fit to the drawn masks."""
        minutes = body.get("minutes", 3)
        if not isinstance(minutes, int | float) or not 0 < minutes <= 24 * 60:
            raise InputError("minutes must be a number above 0.")
        if not any(self.session.document.state(frame).present for frame in self.session.document.given):
            raise InputError("draw an object on some frame first: the network is fitted to it.")
        return self.session.jobs.start(
            "fit", lambda job: self._then_tell(self.weights.fit(job, self.session, minutes))
        ).as_json()

    def download(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Start to download the published weights, or the promptable "network" "click" or "find"."""
        settings = self.segmentation.settings
        networks = {"click": settings.click_model, "find": settings.find_model}
        if body.get("network") in networks:
            name = networks[body["network"]]
            return self.session.jobs.start(
                "fetch", lambda job: self._then_tell(fetch_network(job, name))
            ).as_json()
        return self.session.jobs.start(
            "download", lambda job: self._then_tell(self.weights.download(job))
        ).as_json()

    def model_state(self) -> dict[str, Any]:
        """Return the state of all networks, for pages."""
        return {**self.weights.as_json(), **self.segmentation.as_json()}

    def settings(self) -> dict[str, Any]:
        """Return the kinds of export and the limits, for pages."""
        exports = [
            {"kind": kind, "name": form.name, "what": form.what, "cuts": form.cuts, "film": form.is_film}
            for kind, form in KINDS.items()
        ]
        return {"exports": exports, "limits": {"feather": WIDEST_FEATHER, "choke": MOST_CHOKE}}

    def import_masks(self, files: Sequence[tuple[str, bytes]], frame: int, mend: bool) -> Change:
        """Import masks from files (see `import_masks.read_masks`); objects that a file does not show stay.

        Args:
            files: name and content of each file.
            frame: frame of a single file whose name is no frame's.
            mend: the masks are a result to correct; else they count as drawn.
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
                    str(index): {"labels": labels_in(mask), "drawn": [] if mend else about[index]}
                    for index, mask in masks.items()
                },
                "objects": [self._new_object(label, place) for place, label in enumerate(new)],
            }
            return session.write_masks(entry, masks)

    def find(self, body: Mapping[str, Any]) -> Change:
        """Make an object of each thing that a word names on a frame, where there is no object yet.

        Args:
            body: "frame" and "word".

        Raises:
            InputError: no object is found.
        """
        session = self.session
        frame = whole_number(body.get("frame"), "frame", len(session.pictures) - 1)
        word = text(body.get("word"), "the word")
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
                objects.append({**self._new_object(label, len(objects)), "name": name})
            if not objects:
                raise InputError(f"nothing is found on frame {frame} by '{word}' that is no object yet.")
            drawn = [each["label"] for each in objects]
            entry = {"kind": "masks", "frames": {str(frame): {"labels": labels_in(labels), "drawn": drawn}}}
            return session.write_masks({**entry, "objects": objects}, {frame: labels})

    def preview(self, body: Mapping[str, Any]) -> bytes:
        """Return what clicks would add, as PNG: transparent outside of the mask."""
        mask = self.segmentation.preview(self.session, body)
        image = Image.fromarray(mask.astype(np.uint8))
        image.putpalette([0, 0, 0, 255, 255, 255])
        buffer = io.BytesIO()
        image.save(buffer, "PNG", transparency=0, compress_level=1)
        return buffer.getvalue()

    def thumbnail_path(self, index: int) -> Path:
        """Return the path of a frame's thumbnail."""
        folder = self.session.workspace.folder / "thumbnails" / self.session.pictures.fingerprint
        return folder / f"{index:06}.jpg"

    def _new_object(self, label: int, place: int) -> dict[str, Any]:
        used = len(self.session.document.objects) + place
        return {"label": label, "name": f"Object {label}", "colour": COLOURS[used % len(COLOURS)]}

    def _then_tell(self, said: str) -> str:
        self.session.events.send({"model": self.model_state()})
        return said

    def _make_thumbnails(self) -> None:
        for index in self.session.pictures.thumbnail_frames():
            path = self.thumbnail_path(index)
            if self._closing.is_set():
                return
            if not path.is_file():
                with suppress(OSError):  # they are a convenience
                    self.session.pictures.write_thumbnail(index, path)
            self.session.events.send({"thumbnail": index})

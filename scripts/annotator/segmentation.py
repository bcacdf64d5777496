"""Masks from scribbles, clicks, boxes and words, on the server's side."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.interactive.promptable import is_here, model_type
from scripts.annotator.edits import Edit, checked_edit
from scripts.annotator.masks import SCRIBBLES, Labels, counting_scribbles, merged
from scripts.annotator.session import Change, Session, labels_in
from scripts.annotator.settings import WorkerSettings
from scripts.annotator.worker import Worker
from util.errors import InputError
from util.promptable import GRAB_CUT, MEGABYTES

S2M_FILE = "s2m.pth"
NICENESS = 5  # behind the server, which answers the page
CORNERS = (2, 3)  # labels of a box, as of `PointSegmenter`

Mask = NDArray[np.bool_]  # H x W


class Segmentation:
    """Computes the masks of scribbles, clicks and boxes, and saves them; finds objects by words."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.weights = settings.models / S2M_FILE
        self.worker = Worker(settings, NICENESS)

    def as_json(self) -> dict[str, Any]:
        """Return what pages show: what segments scribbles, and the networks for clicks and for words."""
        scribbles = "by the scribble-to-mask network" if self.weights.is_file() else "by GrabCut"
        click = None if self.settings.click_model == GRAB_CUT else network_state(self.settings.click_model)
        return {"scribbles": scribbles, "click": click, "find": network_state(self.settings.find_model)}

    def has_network(self) -> bool:
        """Tell whether a promptable network answers clicks."""
        return self.settings.click_model != GRAB_CUT and is_here(self.settings.click_model)

    def edit(self, session: Session, edit: Edit) -> Change:
        """Compute the mask that an edit asks for, and save both.

        Raises:
            InputError: the mask cannot be computed, or the object is locked.
        """
        frame = edit["frame"]
        with session.lock:
            known = session.known(edit)
            if known is not None:
                return known
            session.check_object(edit)
            request = _request(session, edit)
        mask = request["mask"] if "mask" in request else self._mask(request)
        with session.lock:
            known = session.known(edit)  # another page may have sent the edit or locked the object
            if known is not None:
                return known
            session.check_object(edit)
            labels = _labels(session, edit, mask)
            return session.write_masks({**edit, "labels": labels_in(labels)}, {frame: labels})

    def preview(self, session: Session, raw: Mapping[str, Any]) -> Mask:
        """Return the mask `H x W` that clicks would make.

        Raises:
            InputError: the mask cannot be computed.
        """
        edit = checked_edit({**raw, "kind": "click"}, len(session.pictures))
        with session.lock:
            session.check_object(edit)
            request = _request(session, edit)
        if not self.has_network():
            raise InputError("previews need the network for clicks.")
        return self._mask(request)

    def find(self, frame: int, word: str, taken: Mask) -> list[Mask]:
        """Return the masks `H x W` of what a word names on a frame; see `WordFinder.find`."""
        request = {"kind": "find", "frame": frame, "word": word, "taken": taken}
        return [mask for _, mask in self.worker.ask({**request, "network": self.has_network()})]

    def close(self) -> None:
        """End the computing process."""
        self.worker.close()

    def _mask(self, request: Mapping[str, Any]) -> Mask:
        weights = self.weights if self.weights.is_file() else None
        asked = self.worker.ask({**request, "weights": weights, "network": self.has_network()})
        ((_, mask),) = asked
        if not mask.any() and request.get("labels") == CORNERS:
            raise InputError("no object was found in the box: draw it around the whole object.")
        return mask


def network_state(name: str) -> dict[str, Any]:
    """Return what pages show of a promptable network."""
    known = model_type(name).metadata
    size = {"megabytes": MEGABYTES.get(name, MEGABYTES.get(f"{name}:latest"))}
    about = {"licence": known.license_name, "licence_url": known.license_url, "source": known.source_url}
    return {"name": name, "here": is_here(name), **size, **about}


def _request(session: Session, edit: Edit) -> dict[str, Any]:
    """Return the request to the computing process (see `Segmenters.run`), or "mask" if that is known."""
    frame, label = edit["frame"], edit["object"]
    if edit["kind"] in SCRIBBLES:
        scribbles = counting_scribbles([*session.document.history(frame), edit])
        strokes = [(each["points"], each["object"] if each["positive"] else 0) for each in scribbles]
        removes = edit["kind"] == "unscribble"
        old = session.masks.unscribbled(frame, edit["of"]) if removes else session.label_map(frame)
        if removes and label not in (of for _, of in strokes):
            return {"mask": old == label}
        return {"kind": "segment", "frame": frame, "strokes": strokes, "old": old, "label": label}
    if edit["kind"] == "guess":
        corners = np.sort(np.array(edit["points"]), axis=0)
        points, labels, previous = corners, CORNERS, None
    else:
        clicks = np.array(edit["clicks"]).reshape(-1, 3)
        points, labels = clicks[:, :2], tuple(clicks[:, 2].astype(int).tolist())
        previous = _before(session, edit) == label
        if not edit["clicks"]:
            return {"mask": previous}
    return {"kind": "click", "frame": frame, "points": points - 0.5, "labels": labels, "previous": previous}


def _before(session: Session, edit: Edit) -> Labels:
    """Return the label map that clicks start from: that before the clicks which they replace."""
    frame = edit["frame"]
    return session.masks.after(frame, session.document.before_clicks(frame, edit["object"]))


def _labels(session: Session, edit: Edit, mask: Mask) -> Labels:
    """Return the label map of an edit's frame in which the object has a new mask `H x W`."""
    label = edit["object"]
    now = _before(session, edit) if edit["kind"] == "click" else session.label_map(edit["frame"])
    adds = edit["kind"] == "guess" and not edit.get("replace", False)
    rest = now if adds else np.where(now == label, np.uint8(0), now)
    return merged(now, np.where(mask, np.uint8(label), rest), session.document.locked - {label})

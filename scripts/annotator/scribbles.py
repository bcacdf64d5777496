"""Which scribbles of a frame count, worked out of the entries that changed it."""

from collections.abc import Iterable

from scripts.annotator.document import relabelled
from scripts.annotator.edit_log import Entry
from scripts.annotator.edits import DRAWN_REMAKES


def counting_scribbles(history: Iterable[Entry]) -> list[Entry]:
    """Return a frame's scribbles that still count.

    Clearing the frame ends them all; taking an object off it or copying or moving its mask, those of it.
    """
    counting: list[Entry] = []
    for entry in history:
        if entry["kind"] == "clear":
            counting = []
        elif entry["kind"] in ("erase", "remove", *DRAWN_REMAKES):
            counting = [each for each in counting if entry["object"] not in (0, each["object"])]
        elif entry["kind"] in ("merge", "swap"):
            counting = [{**each, "object": relabelled(entry, each["object"])} for each in counting]
        elif entry["kind"] == "unscribble":
            counting = [each for each in counting if each["n"] != entry["of"]]
        elif entry["kind"] == "scribble":
            counting.append(entry)
    return counting

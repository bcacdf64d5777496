"""The two windows of interactive_gui.py.

Everything on screen follows from one immutable `State`. Events replace the state, and the loop draws a new
state.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from model.correspondence import Correspondence, encode_source, encode_target
from model.network import PropagationNetwork
from scripts.correspondence.drawing import Point, to_picture, with_caption
from scripts.correspondence.results import (
    NOTHING,
    Answer,
    Selection,
    look_up,
    read_shown,
    source_view,
    target_view,
    write_results,
)
from util.errors import InputError

SOURCE, TARGET = "Source", "Target"  # window names
POLL_MS = 15  # milliseconds to wait for an event
KEPT_FRAMES = 32  # cached pictures, and cached keys (0.8 MB each at 480p)
KEYS = """click, drag     ask for a point, or paint a region
shift + click   ask for one more point
left, right     target frame (--frames)
up, down        source frame (--frames)
m               point or region
t               next temperature of the map
r               reset
s               save both views
q, Esc          quit"""
BRUSH = 14  # radius in view pixels
TEMPERATURES = (2.0, 1.0, 0.5, 0.25, 0.1)
LEFT, UP, RIGHT, DOWN = 65361, 65362, 65363, 65364  # key codes of X11, as waitKeyEx returns them
STEPS = {LEFT: (0, -1), RIGHT: (0, 1), UP: (-1, 0), DOWN: (1, 0)}  # source and target frame
ESCAPE = 27


@dataclass(frozen=True, eq=False)
class State:
    """The state that the windows show."""

    source: int  # index of a frame
    target: int
    temperature: float
    selection: Selection = NOTHING
    painting: bool = False  # a drag paints a region instead of moving a point
    message: str = ""


def check_display() -> None:
    """Check that windows can be opened.

    Qt ends the process without a display, so another process tries it.

    Raises:
        InputError: no window can be opened.
    """
    command = [sys.executable, "-c", "import cv2; cv2.namedWindow('starting')"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        raise InputError(
            "no window can be opened (there is no display, or OpenCV is built without windows): run this "
            "on a desktop, or give --click X,Y or --mask M.png with --output OUT to write files instead."
        )


class CorrespondenceGui:
    """Shows the matches of a point or region of the source frame in the target frame.

    Args:
        network: the propagation network, in eval mode, on the device to compute on.
        frames: paths of the pictures; the first is the source, the second (if any) the target.
        output: folder of saved views.
        temperature: initial temperature of the softmax.
        choose_frames: whether arrow keys choose frames.
    """

    def __init__(
        self,
        network: PropagationNetwork,
        frames: Sequence[Path],
        output: Path,
        temperature: float = 1.0,
        choose_frames: bool = False,
    ) -> None:
        self.frames = frames
        self.output = output
        self.choose_frames = choose_frames
        self.state = State(0, min(1, len(frames) - 1), temperature)
        self.drawn: State | None = None
        self.brush_at: Point | None = None  # last position of the current stroke
        self.shown = lru_cache(KEPT_FRAMES)(lambda index: read_shown(frames[index]))
        source_key = lru_cache(KEPT_FRAMES)(lambda index: encode_source(network, self.shown(index).picture))
        target_key = lru_cache(KEPT_FRAMES)(lambda index: encode_target(network, self.shown(index).picture))
        # cached: moving the mouse does not normalise the columns again
        self.pair = lru_cache(1)(
            lambda source, target: Correspondence(source_key(source), target_key(target))
        )

    def run(self) -> None:
        """Open the windows and handle events until one is closed or q or Escape is pressed."""
        self._open()
        try:
            while True:
                if self.state is not self.drawn:
                    self._draw()
                key = cv2.waitKeyEx(POLL_MS)
                if (key != -1 and not self._press(key & 0xFFFF)) or not self._is_open():
                    return
        finally:
            cv2.destroyAllWindows()

    def _open(self) -> None:
        left = 0
        for name, index in ((SOURCE, self.state.source), (TARGET, self.state.target)):
            cv2.namedWindow(name, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
            view = with_caption(self.shown(index).view, "opening ...")
            cv2.imshow(name, cv2.cvtColor(view, cv2.COLOR_RGB2BGR))
            cv2.moveWindow(name, left, 0)
            left += view.shape[1] + 20
        cv2.setMouseCallback(SOURCE, self._mouse)

    @staticmethod
    def _is_open() -> bool:
        try:
            return all(cv2.getWindowProperty(name, cv2.WND_PROP_VISIBLE) >= 1 for name in (SOURCE, TARGET))
        except cv2.error:  # some backends raise it for a closed window
            return False

    def _mouse(self, event: int, x: int, y: int, flags: int, _: object) -> None:
        pressed = event == cv2.EVENT_LBUTTONDOWN
        if pressed:
            self.brush_at = None
        elif event != cv2.EVENT_MOUSEMOVE or not flags & cv2.EVENT_FLAG_LBUTTON:
            return
        shown = self.shown(self.state.source)
        (height, width), scale = shown.size, shown.scale
        point = to_picture((x, y), scale)
        point = max(point[0], 0.0), max(point[1], 0.0)
        if point[0] > width - 0.5 or point[1] > height - 0.5:  # on the caption, or dragged out
            return
        if self.state.painting:
            self._paint(self.brush_at or point, point, BRUSH / scale)
            self.brush_at = point
        else:
            points = self.state.selection.points
            kept = points if pressed else points[:-1]  # a drag moves the newest point
            if pressed and not flags & cv2.EVENT_FLAG_SHIFTKEY:
                kept = ()
            place = min(point[0], width - 1.0), min(point[1], height - 1.0)
            self._change(selection=Selection((*kept, place)))

    def _paint(self, start: Point, end: Point, radius: float) -> None:
        """Paint a stroke between two events, in pixels of the picture."""
        region = self.state.selection.region
        if region is None:
            region = np.zeros(self.shown(self.state.source).size, bool)
        painted = region.astype(np.uint8)
        first, last = ((round(x), round(y)) for x, y in (start, end))
        cv2.line(painted, first, last, 1, max(1, round(2 * radius)), cv2.LINE_8)
        cv2.circle(painted, last, max(1, round(radius)), 1, cv2.FILLED)
        self._change(selection=Selection(region=painted.astype(bool)))

    def _press(self, key: int) -> bool:
        """Handle a key; return False to quit."""
        letter = chr(key).lower() if key < 128 else ""
        state = self.state
        if key == ESCAPE or letter == "q":
            return False
        if letter == "m":
            self._change(painting=not state.painting, selection=NOTHING)
        elif letter == "t":
            colder = [t for t in TEMPERATURES if t < state.temperature]
            self._change(temperature=colder[0] if colder else TEMPERATURES[0])
        elif letter == "r":
            self._change(selection=NOTHING)
        elif letter == "s":
            self._save()
        elif letter == "h":
            print(KEYS)
        elif key in STEPS and self.choose_frames:
            last = len(self.frames) - 1
            source, target = (
                min(max(index + step, 0), last)
                for index, step in zip((state.source, state.target), STEPS[key], strict=True)
            )
            fits = self.shown(source).size == self.shown(state.source).size
            self._change(source=source, target=target, selection=state.selection if fits else NOTHING)
        return True

    def _change(self, message: str = "", **fields: Any) -> None:
        self.state = replace(self.state, message=message, **fields)

    def _save(self) -> None:
        state = self.state
        stems = (self.output / f"views_{number:03}" for number in count(1))
        stem = next(stem for stem in stems if not stem.with_suffix(".png").exists())
        source, target = self.shown(state.source), self.shown(state.target)
        write_results(stem, source, target, state.selection, self._answer(state), state.temperature)
        self._change(message=f"saved {stem.name}.png")

    def _draw(self) -> None:
        """Show the state."""
        state = self.drawn = self.state
        hint = state.message or f"{'paint a region' if state.painting else 'click a point'}, h: help"
        source = source_view(self.shown(state.source), state.selection, hint)
        answer, hint = self._answer(state), f"temperature {state.temperature:g}"
        target = target_view(self.shown(state.target), answer, hint)
        for name, view in ((SOURCE, source), (TARGET, target)):
            cv2.imshow(name, cv2.cvtColor(view, cv2.COLOR_RGB2BGR))

    def _answer(self, state: State) -> Answer | None:
        if not state.selection:
            return None
        return look_up(self.pair(state.source, state.target), state.selection, state.temperature)

"""The two windows of interactive_gui.py. OpenCV scales the pictures in them and reports mouse positions."""

import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from model.correspondence import Correspondence, encode_source, encode_target
from model.network import PropagationNetwork
from scripts.correspondence.results import (
    Answer,
    Selection,
    draw_source,
    draw_target,
    look_up,
    read_shown,
    write_results,
)
from util.errors import InputError

SOURCE, TARGET = "Source", "Target"  # window names
SIDE = 640  # longer side of a window at the start
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
BRUSH = 0.06  # diameter of the brush, relative to the longer side of the picture
TEMPERATURES = (2.0, 1.0, 0.5, 0.25, 0.1)
LEFT, UP, RIGHT, DOWN = 65361, 65362, 65363, 65364  # key codes of X11, as waitKeyEx returns them
STEPS = {LEFT: (0, -1), RIGHT: (0, 1), UP: (-1, 0), DOWN: (1, 0)}  # source and target frame
ESCAPE = 27


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
        self.temperature = temperature
        self.choose_frames = choose_frames
        self.source, self.target = 0, min(1, len(frames) - 1)  # indices of frames
        self.selection = Selection()
        self.painting = False  # whether a drag paints a region instead of moving a point
        self.brush_at: tuple[int, int] | None = None  # last position of the current stroke
        self.message = ""
        self.is_drawn = False
        self.shown = lru_cache(KEPT_FRAMES)(lambda index: read_shown(frames[index]))
        source_key = lru_cache(KEPT_FRAMES)(lambda index: encode_source(network, self.shown(index).picture))
        target_key = lru_cache(KEPT_FRAMES)(lambda index: encode_target(network, self.shown(index).picture))
        # cached: moving the mouse does not normalise the columns again
        self.pair = lru_cache(1)(
            lambda source, target: Correspondence(source_key(source), target_key(target))
        )

    def run(self) -> None:
        """Open the windows and handle events until one is closed or q or Escape is pressed."""
        for name, left in ((SOURCE, 0), (TARGET, SIDE)):
            cv2.namedWindow(name, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
            cv2.moveWindow(name, left, 0)
        self._fit_windows()
        cv2.setMouseCallback(SOURCE, self._mouse)
        try:
            while True:
                if not self.is_drawn:
                    self._draw()
                key = cv2.waitKeyEx(POLL_MS)
                if (key != -1 and not self._press(key & 0xFFFF)) or not self._is_open():
                    return
        finally:
            cv2.destroyAllWindows()

    def _fit_windows(self) -> None:
        """Give both windows the proportions of their pictures."""
        for name, index in ((SOURCE, self.source), (TARGET, self.target)):
            height, width = self.shown(index).size
            scale = SIDE / max(height, width)
            cv2.resizeWindow(name, round(scale * width), round(scale * height))

    @staticmethod
    def _is_open() -> bool:
        try:
            return all(cv2.getWindowProperty(name, cv2.WND_PROP_VISIBLE) >= 1 for name in (SOURCE, TARGET))
        except cv2.error:  # some backends raise it for a closed window
            return False

    def _mouse(self, event: int, x: int, y: int, flags: int, _: object) -> None:
        pressed = event == cv2.EVENT_LBUTTONDOWN
        height, width = self.shown(self.source).size
        dragged = event == cv2.EVENT_MOUSEMOVE and flags & cv2.EVENT_FLAG_LBUTTON
        if not (pressed or dragged) or not (0 <= x < width and 0 <= y < height):
            return
        if self.painting:
            self._paint((x, y) if pressed or self.brush_at is None else self.brush_at, (x, y))
            self.brush_at = x, y
            return
        points = self.selection.points
        kept = points if pressed else points[:-1]  # a drag moves the newest point
        if pressed and not flags & cv2.EVENT_FLAG_SHIFTKEY:
            kept = ()
        self._select(Selection((*kept, (float(x), float(y)))))

    def _paint(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Paint a stroke between two events."""
        size = self.shown(self.source).size
        region = self.selection.region
        painted = np.zeros(size, np.uint8) if region is None else region.astype(np.uint8)
        cv2.line(painted, start, end, 1, max(1, round(BRUSH * max(size))))  # with round ends
        self._select(Selection(region=painted.astype(bool)))

    def _press(self, key: int) -> bool:
        """Handle a key; return False to quit."""
        letter = chr(key).lower() if key < 128 else ""
        if key == ESCAPE or letter == "q":
            return False
        if letter == "m":
            self.painting = not self.painting
            self._select(Selection())
        elif letter == "t":
            colder = [t for t in TEMPERATURES if t < self.temperature]
            self.temperature = colder[0] if colder else TEMPERATURES[0]
            self._select(self.selection)
        elif letter == "r":
            self._select(Selection())
        elif letter == "s":
            self._save()
        elif letter == "h":
            print(KEYS)
        elif key in STEPS and self.choose_frames:
            last, size = len(self.frames) - 1, self.shown(self.source).size
            self.source, self.target = (
                min(max(index + step, 0), last)
                for index, step in zip((self.source, self.target), STEPS[key], strict=True)
            )
            if not size == self.shown(self.source).size == self.shown(self.target).size:
                self._fit_windows()
            fits = self.shown(self.source).size == size
            self._select(self.selection if fits else Selection())
        return True

    def _select(self, selection: Selection, message: str = "") -> None:
        self.selection, self.message, self.is_drawn = selection, message, False

    def _save(self) -> None:
        stems = (self.output / f"views_{number:03}" for number in count(1))
        stem = next(stem for stem in stems if not stem.with_suffix(".png").exists())
        shown = self.shown(self.source), self.shown(self.target)
        write_results(stem, *shown, self.selection, self._answer(), self.temperature)
        self._select(self.selection, f"saved {stem.name}.png")

    def _draw(self) -> None:
        """Show both views; the titles say what they are."""
        self.is_drawn = True
        source, target, answer = self.shown(self.source), self.shown(self.target), self._answer()
        hint = self.message or f"{'paint a region' if self.painting else 'click a point'}, h: help"
        scores = "".join(f", ({m.x:.0f}, {m.y:.0f}) {m.score:.2g}" for m in answer.matches) if answer else ""
        for name, view, title in (
            (SOURCE, draw_source(source, self.selection), f"{SOURCE} {source.path.name}: {hint}"),
            (
                TARGET,
                draw_target(target, answer),
                f"{TARGET} {target.path.name}: temperature {self.temperature:g}{scores}",
            ),
        ):
            cv2.imshow(name, cv2.cvtColor(view, cv2.COLOR_RGB2BGR))
            cv2.setWindowTitle(name, title)

    def _answer(self) -> Answer | None:
        if not self.selection:
            return None
        return look_up(self.pair(self.source, self.target), self.selection, self.temperature)

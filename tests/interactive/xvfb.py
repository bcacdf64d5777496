"""A virtual screen by Xvfb, with mouse and keyboard by xdotool."""

import os
import shutil
import subprocess
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from PIL import ImageGrab

DEADLINE = 120  # seconds until waiting fails
PATIENCE = 6  # seconds after a key until it counts as dropped
SETTLE = 0.3  # seconds after a mouse event: OpenCV drops a key that comes together with it

needs_xvfb = pytest.mark.skipif(
    not (shutil.which("Xvfb") and shutil.which("xdotool")),
    reason="Xvfb and xdotool drive the windows; install them with: apt-get install xvfb xdotool",
)


@contextmanager
def virtual_screen():
    """Start Xvfb on a free display and give its name, e.g. `:1`."""
    read, write = os.pipe()
    # without -noreset the server restarts when its last client ends, and refuses clients meanwhile
    command = f"Xvfb -displayfd {write} -screen 0 1280x800x24 -nolisten tcp -noreset".split()
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        try:
            with os.fdopen(read) as line:
                yield f":{line.readline().strip()}"
        finally:
            server.terminate()


def wait_for(condition, process=None, deadline=DEADLINE):
    """Poll until a condition holds, and return its value."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        if process is not None and process.poll() is not None:
            raise AssertionError(f"the program ended with {process.returncode}: {process.stderr.read()}")
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)
    return value


class Hands:
    """Mouse and keyboard on a display."""

    def __init__(self, display, process):
        self.display = display
        self.process = process

    def do(self, *arguments):
        command = ["xdotool", *map(str, arguments)]
        environment = {**os.environ, "DISPLAY": self.display}
        return subprocess.run(command, env=environment, capture_output=True, text=True).stdout.strip()

    def window(self, name):
        """Wait for a window whose title begins with a name, and return its id."""
        return wait_for(lambda: self.do("search", "--onlyvisible", "--name", f"^{name}"), self.process)

    def place(self, window):
        """Return x, y, width, height of a window on the screen, as soon as it is placed."""

        def geometry():
            lines = self.do("getwindowgeometry", "--shell", window).splitlines()
            numbers = dict(line.split("=") for line in lines)
            return numbers.keys() >= {"X", "HEIGHT"} and [
                int(numbers[name]) for name in ("X", "Y", "WIDTH", "HEIGHT")
            ]

        return tuple(wait_for(geometry, self.process))

    def click(self, window, x, y):
        self.do("mousemove", "--window", window, x, y, "click", 1, "sleep", SETTLE)

    def drag(self, window, *points):
        moves = [
            part for x, y in points[1:] for part in ("mousemove", "--window", window, x, y, "sleep", 0.05)
        ]
        self.do(
            "mousemove", "--window", window, *points[0], "mousedown", 1, *moves, "mouseup", 1, "sleep", SETTLE
        )

    def key(self, *names):
        self.do("key", "--delay", 50, *names)

    def key_until(self, name, condition):
        """Press a key and wait for its effect; repeat it, since a busy machine can drop a key."""
        for _ in range(3):
            self.key(name)
            with suppress(AssertionError):
                return wait_for(condition, self.process, deadline=PATIENCE)
        self.key(name)
        return wait_for(condition, self.process)

    def screen(self):
        """Return the picture on the screen, `800 x 1280 x 3`."""
        return np.asarray(ImageGrab.grab(xdisplay=self.display).convert("RGB"))

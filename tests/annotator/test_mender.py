"""A shifted result is corrected by copies and by a shift; prints the numbers of docs/ANNOTATE.md.

python -m pytest -m slow -s -n 0 tests/annotator/test_mender.py
"""

import time

import numpy as np
import pytest
from PIL import Image

from tests.annotator.browser import Annotator, Hands, needs_browser
from tests.conftest import SHARED_DATA, needs_shared_data, read_png, write_labels

pytestmark = [needs_browser, needs_shared_data, pytest.mark.slow]

FIRST, LAST = 20, 34  # frames whose masks are shifted
OFFSET = 40, 18  # pixels to the right and down


class Counted(Hands):
    """Hands that count their clicks and keys."""

    keys = clicks = 0

    def key(self, *keys):
        self.keys += len(keys)
        super().key(*keys)

    def drag(self, *points, **how):
        self.clicks += 1
        super().drag(*points, **how)

    def press(self, selector):
        self.clicks += 1
        self.page.click(selector)

    def goto(self, frame):
        """Click into the field of the frame number and type the number."""
        self.clicks += 1
        self.keys += len(str(frame)) + 1
        self.go(frame)


def copy_each(hands, session):
    for frame in (FIRST - 1, LAST + 1):
        hands.goto(frame)
        hands.key("r")
    hands.goto(FIRST)
    for _ in range(FIRST, LAST + 1):
        hands.key("d", "ArrowRight")


def shift_range(hands, session):
    for frame, key in ((FIRST, "i"), (LAST, "u")):
        hands.goto(frame)
        hands.key(key)
    hands.press("#mend summary")
    hands.press("[data-scope=range]")
    hands.key("z")
    y, x = (values.mean() for values in np.nonzero(session.label_map(LAST)))
    hands.drag((x, y), (x - OFFSET[0], y - OFFSET[1]))


@pytest.mark.parametrize("way", [copy_each, shift_range])
@pytest.mark.parametrize("sequence", ["dog", "blackswan"])
def test_a_shifted_result_is_corrected(sequence, way, new_page, tmp_path):
    root = SHARED_DATA / "DAVIS/2016"
    frames = root / "JPEGImages/480p" / sequence
    truth = [read_png(path) > 0 for path in sorted((root / "Annotations/480p" / sequence).glob("*.png"))]
    files = []
    for frame, mask in enumerate(truth):
        wrong = FIRST <= frame <= LAST
        mask = np.roll(mask, OFFSET[::-1], axis=(0, 1)) if wrong else mask
        files.append(tmp_path / f"result/{frame:05}.png")
        write_labels(files[-1], mask.astype(np.uint8))
    started = Annotator(frames, tmp_path / "w")
    hands = Counted(new_page(), started.url)
    hands.page.click("#import")
    hands.page.set_input_files("#import-files", files)
    hands.page.check("#import-predictions")
    hands.page.click("#import-start")
    hands.until(f"annotator.store.frames.size === {len(truth)}")
    hands.saved()

    def overlap():
        pairs = [(started.session.label_map(at) > 0, truth[at]) for at in range(FIRST, LAST + 1)]
        return np.mean([(a & b).sum() / (a | b).sum() for a, b in pairs])

    before, start = overlap(), time.monotonic()
    way(hands, started.session)
    hands.saved()
    seconds, after = time.monotonic() - start, overlap()
    size = Image.open(next(frames.iterdir())).size
    print(
        f"{sequence} {size[0]} x {size[1]}, {way.__name__}: {hands.clicks} clicks, {hands.keys} keys, "
        f"{seconds:.1f} s; IoU {before:.3f} before, {after:.3f} after"
    )
    assert after > (0.97 if way is shift_range else before)
    started.close()

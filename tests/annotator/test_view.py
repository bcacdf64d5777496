"""The picture on the page in a real browser: large frames, and pixels that are not square."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from tests.annotator.browser import needs_browser, saved_points, until_shown
from tests.annotator.parts import HEIGHT, WIDTH, frames, in_stroke

pytestmark = needs_browser

LARGE = 3840, 2160
GREYS = (40, 80, 120, 160, 200, 240, 100)


def test_large_frames_stay_in_view(open_page, tmp_path):
    (tmp_path / "clip").mkdir()
    for index, grey in enumerate(GREYS):
        Image.new("RGB", LARGE, (grey, grey, grey)).save(tmp_path / f"clip/{index}.jpg")
    _, hands = open_page(tmp_path / "clip", device_scale_factor=2)
    assert hands.first_radius == 54
    hands.add()
    for _ in range(3):
        hands.key("+")
    assert hands.js("annotator.view.scale * devicePixelRatio") > 0.51
    for frame in (3, 0, 6):
        hands.go(frame)
        for _ in range(2):  # while others are fetched ahead and behind, and push out what is held
            grey = GREYS[frame]
            hands.page.wait_for_timeout(150)
            hands.page.mouse.move(*hands.screen(1000 + 10 * frame, 1000))
            until_shown(hands, [2000, 1100], lambda colour, grey=grey: np.abs(colour - grey).max() < 4)
    assert hands.js("annotator.pictures.held().frames") < 300e6


def test_anamorphic_video_is_shown_and_drawn_on_in_its_aspect(open_page, tmp_path):
    path = tmp_path / "dv.mp4"
    with av.open(str(path), "w") as output:
        track = output.add_stream("libx264", 25, options={"crf": "10"})
        track.width, track.height, track.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        track.codec_context.sample_aspect_ratio = Fraction(16, 11)
        for frame in frames():
            output.mux(track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(track.encode(None))
    started, hands = open_page(path)
    left, top = hands.screen(0, 0)
    right, bottom = hands.screen(WIDTH, HEIGHT)
    assert (right - left) / (bottom - top) == pytest.approx(WIDTH * 16 / 11 / HEIGHT)
    stage = hands.page.locator("#stage").bounding_box()
    assert left + right == pytest.approx(2 * stage["x"] + stage["width"], abs=1)
    assert right <= stage["x"] + stage["width"] and bottom <= stage["y"] + stage["height"]
    for x, there in ((66.5, (230, 60, 40)), (74.5, (74, 48, 61))):  # the disc, beside it
        until_shown(hands, [x, 48.5], lambda colour, there=there: np.abs(colour - there).max() < 30)
    hands.add()
    line = (30, 30), (120, 60)
    for key in ("+", "-"):  # also where zoom keeps the place under the pointer
        hands.key(key)
    hands.drag(*line, up=False)
    until_shown(hands, [75.5, 45.5], lambda colour: np.abs(colour - (230, 159, 0)).max() < 80)
    hands.page.mouse.up()
    shown = hands.labels()
    points = saved_points(started)
    assert np.abs(np.array(points)[[0, -1]] - line).max() < 0.2
    assert np.array_equal(shown == 1, in_stroke(points, 12))

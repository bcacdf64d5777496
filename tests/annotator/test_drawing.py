"""Drawing in a real browser, the objects that are drawn, large frames, and pixels that are not square."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from tests.annotator.browser import last_entry, needs_browser, saved_points, until_shown
from tests.annotator.parts import HEIGHT, SIZE, WIDTH, frames, in_polygon, in_stroke

pytestmark = needs_browser

LINE = (30, 30), (70, 42)
TRIANGLE = (100, 12), (150, 30), (110, 80)


def test_the_brush_and_the_box_draw_and_the_eraser_and_the_right_button_erase(hands, annotator):
    hands.add()
    hands.drag(*LINE)
    drawn = hands.labels()
    points = saved_points(annotator)
    assert np.abs(np.array(points)[[0, -1]] - LINE).max() < 0.2
    assert np.array_equal(drawn == 1, in_stroke(points, 12))
    hands.key("x")
    hands.drag((120, 70), (90, 20))
    (x0, y0), (x1, y1) = saved_points(annotator, [(120, 70), (90, 20)])
    box = in_polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    assert np.array_equal(hands.labels() == 1, (drawn == 1) | box)
    drawn = hands.labels()
    hands.key("e", "[", "[")
    hands.drag((40, 20), (40, 60))
    erased = hands.labels()
    entry = last_entry(annotator.workspace)
    assert (entry["radius"], entry["erase"]) == (9, True)
    gone = in_stroke(entry["points"], entry["radius"])
    assert np.array_equal(erased, np.where(gone, 0, drawn))
    hands.key("b")
    hands.drag((62, 30), (62, 60), button="right")
    gone |= in_stroke(saved_points(annotator), 9)
    assert np.array_equal(hands.labels(), np.where(gone, 0, drawn))


def test_a_polygon_and_a_hole_cut_with_alt(hands, annotator):
    hands.add()
    hands.key("p")
    for corner in (*TRIANGLE, (20, 20)):
        hands.click(*corner)
    hands.key("Backspace", "Enter")  # the last corner was a mistake
    shown = hands.labels()
    assert np.array_equal(shown == 1, in_polygon(saved_points(annotator, TRIANGLE)))
    hands.page.keyboard.down("Alt")
    for corner in ((110, 20), (140, 30), (115, 50)):
        hands.click(*corner)
    hands.page.keyboard.up("Alt")
    hands.page.mouse.dblclick(*hands.screen(105, 30))
    found = hands.labels()
    entry = last_entry(annotator.workspace)
    assert (entry["erase"], len(entry["points"])) == (True, 4)
    assert np.array_equal(found == 1, (shown == 1) & ~in_polygon(entry["points"]))


def test_a_click_when_zoomed_in_draws_the_pixel_under_it(hands, annotator):
    hands.add()
    hands.js(
        "(size => { size.value = 1; size.dispatchEvent(new Event('input')); })"
        "(document.getElementById('size'))"
    )
    expected = np.zeros(SIZE, bool)
    for x, y in ((0, 0), (SIZE[1] - 1, SIZE[0] - 1), (77, 41)):
        hands.page.mouse.move(*hands.screen(x + 0.5, y + 0.5))
        for _ in range(6):
            hands.page.mouse.wheel(0, -200)
        hands.until("annotator.view.scale > 20")
        hands.key("[", "[", "[")
        hands.click(x + 0.5, y + 0.5)
        expected |= in_stroke([(x + 0.5, y + 0.5)], 0.5)
        hands.saved()
        hands.key("f")
        hands.until("annotator.view.fitted")
    assert expected.sum() == 3
    assert np.array_equal(hands.labels() == 1, expected)


@pytest.mark.slow
def test_a_stroke_of_many_points_is_saved(hands, annotator):
    hands.add()
    hands.drag((30, 40), (31, 40), up=False)
    points = "Array.from({ length: 25_000 }, (_, i) => [30 + i / 250, 40.5])"
    hands.js(f"annotator.view.draft.points = {points}, 0")
    hands.page.mouse.up()
    assert np.array_equal(hands.labels() == 1, in_stroke([(30, 40.5), (129.996, 40.5)], 12))
    assert len(last_entry(annotator.workspace)["points"]) == 25_000


def test_objects_are_added_renamed_coloured_and_removed(hands, annotator):
    hands.add(3)
    name = hands.page.get_by_label("Name of object 2")
    name.fill("left hand")
    hands.key("Enter")
    hands.until("annotator.store.objects[1].name === 'left hand'")
    hands.page.get_by_label("Colour of Object 1").fill("#123456")
    hands.until("annotator.store.objects[0].colour === '#123456'")
    hands.page.get_by_label("Remove left hand").click()
    hands.page.click("#remove-all")
    hands.until("annotator.store.objects.length === 2")
    assert [each.name for each in annotator.session.document.objects] == ["Object 1", "Object 3"]


def test_undo_and_redo_go_to_the_frame_that_they_change(hands):
    hands.add()
    hands.go(4)
    hands.drag(*LINE)
    one = hands.labels()
    hands.drag((100, 20), (100, 70))
    two = hands.labels()
    hands.key("Home")
    hands.until_frame(0)
    hands.key("Control+z")
    hands.until_frame(4)
    assert np.array_equal(hands.labels(), one)
    hands.page.click("#undo")
    assert not hands.labels().any()
    hands.page.click("#undo")
    hands.until("annotator.store.objects.length === 0 && document.getElementById('undo').disabled")
    hands.key("Home", "Control+Shift+z", "Control+y")
    hands.page.click("#redo")
    hands.until("document.getElementById('redo').disabled")
    hands.until_frame(4)
    assert np.array_equal(hands.labels(), two)


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

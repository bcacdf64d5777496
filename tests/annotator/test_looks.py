"""How the page shows and exports masks: one page for all tests, which undo their changes."""

import json
import zipfile
from fractions import Fraction

import numpy as np
import pytest

from tests.annotator.browser import needs_browser, shown_pixels, timeline_pixels, until_shown
from tests.annotator.conftest import empty, reopened
from tests.annotator.parts import FRAMES, disc, frames
from tests.conftest import read_png, write_labels
from tests.dataset.test_overlays import add_sound

pytestmark = needs_browser

BOX = (40, 30), (100, 70)  # of object 1 on frame 0; object 2 has a smaller one
INSIDE, OUTSIDE = [60.5, 60.5], [20.5, 60.5]
RED = (230, 159, 0)  # of object 1
MODES = ["overlay", "black", "white", "checker", "alpha", "outline"]


@pytest.fixture(scope="module")
def hands(kept):
    hands = reopened(*kept)
    hands.add(2)
    hands.key("x", "1")
    hands.drag(*BOX)
    hands.key("2")
    hands.drag((110, 10), (120, 20))
    hands.page.mouse.move(10, 200)
    yield hands
    empty(*kept)
    assert hands.problems == []


def picture_at(x, y):
    return frames()[0][int(y), int(x)].astype(int)


def near(colour, *, by=14):
    return lambda shown: np.abs(shown - np.array(colour)).max() < by


def mode(hands, name):
    while hands.js("annotator.store.mode") != name:
        hands.key("w")


def test_a_key_changes_how_masks_are_shown(hands):
    seen = []
    for _ in MODES:
        seen.append(hands.js("annotator.store.mode"))
        hands.key("w")
    assert (seen, hands.js("annotator.store.mode")) == (MODES, "overlay")
    bare = picture_at(*INSIDE)
    until_shown(hands, INSIDE, near(0.55 * bare + 0.45 * np.array(RED)))
    for name, ground in (("black", (0, 0, 0)), ("white", (255, 255, 255))):
        mode(hands, name)
        until_shown(hands, OUTSIDE, near(ground, by=2))
        until_shown(hands, INSIDE, near(bare))
    mode(hands, "alpha")
    until_shown(hands, INSIDE, near((255, 255, 255), by=2))
    until_shown(hands, OUTSIDE, near((0, 0, 0), by=2))
    hands.key("h")  # object 2, the chosen one
    until_shown(hands, [115.5, 15.5], near((0, 0, 0), by=2))
    hands.key("h")
    until_shown(hands, [115.5, 15.5], near((255, 255, 255), by=2))
    mode(hands, "checker")  # 24 checks along 96 pixels: 4 pixels each
    until_shown(hands, [1.5, 1.5], near((0x66, 0x66, 0x66), by=2))
    assert shown_pixels(hands, [5.5, 1.5], [5.5, 5.5]) == [[0x99] * 3, [0x66] * 3]
    mode(hands, "outline")
    until_shown(hands, INSIDE, near(bare))
    until_shown(hands, OUTSIDE, near(picture_at(*OUTSIDE)))
    mode(hands, "overlay")


def test_feather_and_choke_are_shown_as_they_are_exported(hands):
    mode(hands, "alpha")
    for name, presses in (("feather", 16), ("choke", 4)):  # 8 pixels, and 2
        hands.page.locator(f"#{name}").focus()
        hands.key(*["ArrowRight"] * presses)
    hands.until("annotator.store.feather === 8 && annotator.store.choke === 2")
    hands.page.locator("#view").focus()
    for column in range(34, 50):
        alpha = np.clip(0.5 + (column + 0.5 - BOX[0][0] - 2) / 8, 0, 1) * 255
        until_shown(hands, [column + 0.5, 50.5], near([alpha] * 3, by=3))
    hands.js("Object.assign(annotator.store, { feather: 0, choke: 0 })")
    mode(hands, "overlay")


@pytest.mark.parametrize(("scale", "keys"), [(0.5, "---"), (20, "++++++++++++++")])
def test_outlines_are_one_and_a_half_pixels_of_the_screen_wide(hands, scale, keys):
    mode(hands, "outline")
    hands.key("0", *keys)
    assert scale / 1.3 < hands.js("annotator.view.scale") < 1.3 * scale
    across = [[100 + step / hands.js("annotator.view.scale"), 50.5] for step in range(-4, 5)]
    line = np.array([RED]) - picture_at(100, 50)

    def is_wide():
        shown = np.array(shown_pixels(hands, *across)) - picture_at(100, 50)
        return (shown @ line[0]).sum() / (line[0] @ line[0]) == pytest.approx(1.5, abs=0.25)

    hands.wait_for(is_wide)
    hands.key("f")
    mode(hands, "overlay")


def test_the_choices_in_the_dialog_are_exported(hands):
    hands.go(0)
    hands.js("Object.assign(annotator.store, { feather: 8, choke: 2 })")
    hands.key("i", "ArrowRight", "u", "Control+e")
    page = hands.page
    page.get_by_text("One paletted PNG per frame").click()
    assert page.locator("#export-edges").is_hidden()
    page.click("#export-2")  # not this one
    page.click("#export-start")
    with page.expect_download() as download:
        page.click("#download")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert sorted(archive.namelist()) == ["00000.png", "00001.png"]
        with archive.open("00000.png") as file:
            labels = read_png(file)
    (left, top), (right, bottom) = BOX
    expected = np.zeros_like(labels)
    expected[top:bottom, left:right] = 1
    assert np.array_equal(labels, expected)
    page.get_by_text("WebM with alpha").click()
    assert page.locator("#export-edges").is_visible()
    page.click("#export-apart")
    page.click("#export-all")
    with page.expect_request("**/api/export") as request:
        page.click("#export-start")
    assert json.loads(request.value.post_data) == {
        **{"kind": "webm", "first": 0, "last": 11, "objects": [1]},
        **{"feather": 8, "choke": 2, "apart": True},
    }
    hands.until("annotator.store.job.number === 2 && annotator.store.job.state === 'done'")
    page.click("#export-2")
    page.click("#export-range")
    hands.key("Escape", "a")
    hands.js("Object.assign(annotator.store, { feather: 0, choke: 0 })")


def test_frame_tool_and_object_are_the_same_after_a_reload(hands):
    hands.go(5)
    hands.key("1", "p", "]", "w")
    state = "(({frame, tool, active, radius, mode}) => [frame, tool, active, radius, mode])(annotator.store)"
    assert hands.js(state) == [5, "polygon", 1, 14, "black"]
    hands.page.reload()
    hands.until("window.annotator?.store.video && annotator.view.shown.frame === 5")
    assert hands.js(state) == [5, "polygon", 1, 14, "black"]
    assert hands.page.locator("[data-tool=polygon]").get_attribute("aria-checked") == "true"
    assert hands.page.locator("#objects li.active").get_attribute("data-label") == "1"
    assert hands.page.locator("#mode").input_value() == "black"
    assert hands.page.locator("#frame").input_value() == "5"
    mode(hands, "overlay")
    hands.key("x")
    hands.go(0)


def test_thumbnails_show_masks(hands):
    hands.go(11)  # the thumbnail of the current frame is brighter
    at = 44 / 96 * np.array((85, 50))  # this pixel of frame 0, whose thumbnail is 44 pixels high
    bare = picture_at(85, 50)
    for shown in (0.25 * bare + 0.75 * np.array(RED), bare):
        colour = 0.8 * shown + 0.2 * np.array((13, 15, 17))
        hands.wait_for(lambda there=colour: np.abs(timeline_pixels(hands, at)[0] - there).max() < 25)
        hands.key("m")


def test_the_timeline_zooms_about_the_pointer(hands):
    box = hands.page.locator("#timeline").bounding_box()
    wide = box["width"]
    at = wide * 9.5 / 12
    hands.page.mouse.move(box["x"] + at, box["y"] + 60)
    hands.page.keyboard.down("Control")
    hands.page.mouse.wheel(0, -2000)  # to 8 frames, the fewest
    hands.page.keyboard.up("Control")
    hands.page.mouse.click(box["x"] + at, box["y"] + 20)
    hands.until("annotator.store.frame === 9")
    hands.page.mouse.click(box["x"] + at - wide / 8, box["y"] + 20)
    hands.until("annotator.store.frame === 8")
    hands.page.keyboard.down("Control")
    hands.page.mouse.wheel(0, 2000)
    hands.page.keyboard.up("Control")
    hands.page.mouse.move(10, 200)


def test_a_range_is_played_in_a_loop(hands):
    hands.go(4)
    hands.key("i", "ArrowRight", "ArrowRight", "u", "o")
    hands.js(
        "window.seen = [], setInterval(() => seen.at(-1) === annotator.store.frame"
        " || seen.push(annotator.store.frame), 3), 0"
    )
    hands.key(" ")
    hands.until("seen.length > 10")
    hands.key(" ", "o", "a")
    seen = hands.js("seen")
    assert seen[seen.index(4) : seen.index(4) + 7] == [4, 5, 6, 4, 5, 6, 4]


@pytest.mark.parametrize("what", ["masks/3.png", "masks"])
def test_files_and_folders_are_dropped_onto_the_page(what, hands, kept, tmp_path):
    write_labels(tmp_path / "masks/3.png", disc(3) * 2)
    devtools = hands.page.context.new_cdp_session(hands.page)
    data = {"items": [], "files": [str(tmp_path / what)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 700, "y": 300, "data": data})
    hands.until("document.getElementById('import-files')?.files.length === 1")
    hands.page.click("#import-start")
    hands.until("annotator.store.frames.has(3)")
    assert np.array_equal(kept[0].session.label_map(3), disc(3) * 2)
    hands.key("Control+z")
    hands.saved()


def test_sound_is_heard_while_the_video_plays(open_page, tmp_path):
    _, person = open_page(add_sound(tmp_path / "clip.mp4", "aac", "mp4", frames(), Fraction(25, 2)))
    page = person.page
    page.locator("#view").click()
    person.go(6)
    person.key(" ")
    person.until("!annotator.audio.paused && annotator.audio.currentTime > 7 / 12.5")
    person.until("!annotator.store.playing && annotator.audio.paused")
    assert person.js("annotator.audio.duration") == pytest.approx(FRAMES / 12.5, abs=0.1)
    page.click("#sound")
    person.key("Home", " ")
    person.until("annotator.store.frame >= 3")
    assert person.js("annotator.audio.paused")

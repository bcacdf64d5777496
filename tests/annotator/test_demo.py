"""The first session of a new user: the demo clip, without published weights.

    python -m pytest -m slow -s -n 0 tests/annotator/test_demo.py

It also makes the picture in the README.
"""

import io
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from scripts.make_demo_clip import NAME, make_clip
from tests.annotator.browser import Annotator, Hands, needs_browser
from tests.conftest import ROOT, read_png

pytestmark = [needs_browser, pytest.mark.slow]

PICTURE = ROOT / "scripts/pictures/annotator.jpg"
MINUTES = 3
CORRECTED, SHOWN = 40, 36
LIMIT = 900  # seconds, on a busy machine


def test_from_first_masks_by_a_fit_to_masks_of_all_frames(chromium, tmp_path):
    make_clip(tmp_path / "davis")
    clip = tmp_path / "davis/trainval/JPEGImages/480p" / NAME
    shutil.copytree(clip, tmp_path / NAME)
    truth = sorted((tmp_path / "davis/trainval/Annotations/480p" / NAME).iterdir())
    started = Annotator(tmp_path / NAME, tmp_path / "w", precision="auto")
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    person = Hands(page, started.url)
    person.choose_masks(sorted((tmp_path / "davis/first_masks" / NAME).iterdir()))
    person.until("annotator.store.objects.length === 3 && !document.querySelector('dialog[open]')")
    for label, name in ((1, "Cat"), (2, "Cup"), (3, "Moon")):
        page.get_by_label(f"Name of object {label}").fill(name)
        person.key("Enter")
    page.wait_for_timeout(300)
    person.key("t")
    page.locator("#fit-minutes").fill(str(MINUTES))
    page.click("#weights-fit")
    person.until("annotator.store.job?.kind === 'fit' && annotator.store.job.state === 'done'", LIMIT)
    page.click("[data-direction=forward]")
    propagate(person)
    print(f"mean J over all frames and objects: {100 * mean_overlap(started.session, truth):.1f}")
    person.choose_masks(truth[CORRECTED])  # a later frame is corrected, here by its true mask
    person.until("!document.querySelector('dialog[open]')")
    page.click("[data-direction=both]")
    propagate(person)
    overlap = mean_overlap(started.session, truth)
    print(f"after frame {CORRECTED} was corrected: {100 * overlap:.1f}")
    person.go(SHOWN)
    person.key("1")
    page.mouse.move(*person.screen(260, 150))
    page.wait_for_timeout(1500)
    picture = page.screenshot()
    started.close()
    Image.open(io.BytesIO(picture)).convert("RGB").save(PICTURE, quality=86)
    assert PICTURE.stat().st_size < 300_000
    assert overlap > 0.4  # the first masks, copied to all frames, have 0.245


def propagate(person):
    begun = time.perf_counter()
    person.propagate()
    person.until("annotator.store.job.state !== 'running'", LIMIT)
    print(f"propagated in {time.perf_counter() - begun:.0f} s: {person.js('annotator.store.job.text')}")


def mean_overlap(session, truth):
    """Return J, averaged over all objects that a frame's true mask shows, and over all frames."""
    overlaps = []
    for index, path in enumerate(truth):
        true, found = read_png(path), session.label_map(index)
        shown = np.unique(true)[1:]
        overlaps += [((true == k) & (found == k)).sum() / ((true == k) | (found == k)).sum() for k in shown]
    return np.mean(overlaps)

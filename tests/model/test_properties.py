"""Properties of the engine for any sizes, objects and settings; every run draws the same examples."""

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model import InferenceCore
from model.padding import pad, padding_for, unpad

few = settings(max_examples=3, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def videos(draw):
    """A tiny video, with masks by frame (some objects may arrive late), and settings of the engine."""
    height, width = draw(st.integers(16, 48)), draw(st.integers(16, 48))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    frames = torch.randn(3, 3, height, width, generator=random)
    labels = draw(st.lists(st.integers(1, 255), min_size=1, max_size=3, unique=True))
    others = torch.randint(0, len(labels) + 1, (4 - len(labels),), generator=random)
    cells = torch.cat([torch.arange(1, len(labels) + 1), others])[torch.randperm(4, generator=random)]
    cells = cells.view(2, 2)  # each object has one at least
    map_ = torch.tensor([0, *labels])[cells.repeat_interleave(-(-height // 2), 0)[:height]]
    map_ = map_.repeat_interleave(-(-width // 2), 1)[:, :width]
    late = draw(st.integers(0, 2))  # the frame on which all but the first object arrive
    masks = {0: (map_, labels)} if late == 0 else {0: (map_, labels[:1]), late: (map_, labels[1:])}
    options = {
        "top_k": draw(st.none() | st.integers(1, 60)),
        "km_sigma": draw(st.none() | st.floats(1, 8)),
        "mem_every": draw(st.integers(1, 4)),
        "max_memory_frames": draw(st.none() | st.integers(1, 3)),
    }
    return frames, masks, options


def propagate(network, frames, masks, options):
    engine = InferenceCore(network, **options)
    return engine, [engine.step(frame, *masks.get(i, (None, None))) for i, frame in enumerate(frames)]


@few
@given(videos(), st.randoms(use_true_random=False))
def test_names_and_order_of_objects_make_no_difference(network, drawn, random):
    frames, masks, options = drawn
    engine, probs = propagate(network, frames, masks, options)
    names = dict(zip(engine.labels, random.sample(range(1, 256), len(engine.labels)), strict=True))
    renaming = torch.tensor([names.get(label, 0) for label in range(256)])
    renamed = {}
    for index, (map_, labels) in masks.items():
        others = [names[label] for label in labels]
        random.shuffle(others)
        renamed[index] = (renaming[map_], others)
    other, permuted = propagate(network, frames, renamed, options)
    order = [0, *(1 + other.labels.index(names[label]) for label in engine.labels)]
    for a, b in zip(probs, permuted, strict=True):
        channels = [channel for channel in order if channel < b.shape[0]]
        assert a.shape == b.shape
        torch.testing.assert_close(a, b[channels], atol=2e-4, rtol=0)


@few
@given(videos())
def test_padding_beforehand_makes_no_difference(network, drawn):
    """The engine pads frame and masks with zeros up to the stride and removes them."""
    frames, masks, options = drawn
    padding = padding_for(*frames.shape[-2:])
    padded = {index: (pad(map_, padding), labels) for index, (map_, labels) in masks.items()}
    _, probs = propagate(network, frames, masks, options)
    _, beforehand = propagate(network, pad(frames, padding), padded, options)
    for a, b in zip(probs, beforehand, strict=True):
        assert torch.equal(a, unpad(b, padding))

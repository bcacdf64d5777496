"""The mistakes in masks that a one-shot fit remembers."""

import numpy as np

from dataset.training.mask_perturbation import overlap
from dataset.training.remembered_masks import confused, misremembered

LABELS = np.zeros((80, 120), np.uint8)
LABELS[20:60, 15:50] = 1
LABELS[30:70, 50:100] = 2  # they touch


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_masks_get_worse_and_stay_apart():
    masks, overlaps = np.stack([LABELS == 1, LABELS == 2]).astype(np.uint8), []
    for seed in range(40):
        worse = misremembered(masks, generator(seed))
        assert worse.shape == masks.shape and worse.dtype == np.uint8
        assert worse.sum(axis=0).max() == 1
        assert np.array_equal(worse, misremembered(masks, generator(seed)))
        overlaps += [overlap(one, true) for one, true in zip(worse, masks, strict=True)]
    assert 0.5 < np.mean(overlaps) < 0.95
    assert min(overlaps) > 0.1 and max(overlaps) == 1


def test_parts_move_between_objects_and_background():
    passed = {(true, now): 0 for true in range(3) for now in range(3)}
    for seed in range(60):
        worse = confused(LABELS, generator(seed))
        for true, now in passed:
            passed[true, now] += int(((true == LABELS) & (worse == now)).any())
    assert min(passed.values()) > 5  # each has given to each
    assert passed[0, 0] == passed[1, 1] == passed[2, 2] == 60  # and kept something

"""The regions of the statistics of S2M's data (golden/recipe.json), and comparisons with them."""

import numpy as np

from tests.dataset.recipe_statistics import RECIPE, check_share, check_stats

SIZE = 480
FEWEST = 50  # draws of a mean that can be compared


def region(name):
    """A region of the statistics, 0 or 1."""
    content = RECIPE["about"]["regions"][name]
    mask = np.zeros((SIZE, SIZE), np.uint8)
    y, x = np.mgrid[:SIZE, :SIZE]
    for at_x, at_y, radius in content.get("disks_x_y_radius", []):
        mask |= (x - at_x) ** 2 + (y - at_y) ** 2 <= radius**2
    if "row_start_stop" in content:
        mask[slice(*content["row_start_stop"]), slice(*content["column_start_stop"])] = 1
    assert mask.sum() == content["area"]
    return mask


def perturbed_mask(name):
    """A damaged region of the statistics, 0 or 1."""
    runs = RECIPE["about"]["perturbed_masks"][name]["runs"]
    return np.repeat(np.arange(len(runs)) % 2, runs).astype(np.uint8).reshape(SIZE, SIZE)


def assert_like(values, golden, digits):
    """Mean and quantiles of a sample agree with the golden ones; a sample that is too small says nothing."""
    assert (golden["n"] > 0) or not len(values)
    if len(values) >= FEWEST:
        check_stats(values, golden, digits)


def assert_share(flags, golden):
    """The share of a sample agrees with the golden one; either sample can lack what is rare."""
    if golden["p"] in (0, 1):
        assert abs(np.mean(flags) - golden["p"]) <= 3 / len(flags) + 3 / golden["n"]
    else:
        check_share(flags, golden)

"""The random rules of S2M's training data, compared with the original's statistics (golden/recipe.json)."""

import functools

import cv2
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from dataset.interactive.scribble_robot import error_axis
from dataset.training import random_scribbles
from dataset.training.mask_perturbation import make_element, perturb
from dataset.training.random_scribbles import (
    ROBOT_SMOOTHING,
    draw_boundary,
    draw_broken_boundary,
    draw_broken_middle,
    draw_corrections,
    draw_free_curves,
    draw_longest_curves,
    draw_middle,
    draw_robot_lines,
    find_robot_paths,
    halve,
    skeletonise,
)
from tests.conftest import slow
from tests.dataset.recipe_statistics import RECIPE, check_share, check_stats

SIZE = 480
NAMES = list(RECIPE["about"]["regions"])
REGIONS = [NAMES[0], *map(slow, NAMES[1:])]
QUICK = "perturbed_disk", "empty_to_rect"
KINDS = {
    "boundary": (draw_broken_boundary, 200),
    "curve_sorted": (draw_longest_curves, 200),
    "curve_free": (draw_free_curves, 200),
    "thinned": (draw_broken_middle, 60),
}


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


class OldTies(np.random.Generator):
    """A generator that orders ties of a medial axis as old libraries did."""

    def __init__(self, seed):
        super().__init__(np.random.PCG64(seed))

    def permutation(self, x, axis=0):
        return np.random.RandomState(0).permutation(x)


@pytest.mark.parametrize("name", REGIONS)
def test_masks_are_perturbed_as_in_the_original(name):
    """50 draws for each of four targets, ten numbers each: a new seed fails with a chance of 1 %."""
    truth = region(name)
    for text, golden in RECIPE["perturb_mask"][name].items():
        target = float(text)
        results = [
            perturb(truth, np.random.default_rng((seed, int(target * 100))), target) for seed in range(50)
        ]
        overlaps = np.array([(result & truth).sum() / (result | truth).sum() for result in results])
        added = np.array([(result & (1 - truth)).sum() for result in results])
        lost = np.array([(truth & (1 - result)).sum() for result in results])
        check_stats(overlaps, golden["iou"], 5)
        check_stats(added, golden["fp"], 1)
        check_stats(lost, golden["fn"], 1)
        changed = added + lost > 0
        check_stats((added / (added + lost))[changed], golden["fp_share_of_error"], 4)
        check_share(~changed, golden["unchanged"])
        check_share(overlaps >= target, golden["not_below_target"])
        check_share(overlaps < 0.9 * target, golden["iou_under_0.9_target"])
        check_share(added > lost, golden["fp_more_than_fn"])


@pytest.mark.parametrize("name", REGIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_scribbles_are_those_of_the_original(kind, name):
    """Up to 25 numbers for each: a new seed of all fails with a chance of 2 %."""
    draw, count = KINDS[kind]
    truth, golden = region(name), RECIPE["scribbles"][kind][name]
    depth = distance_transform_edt(truth) + distance_transform_edt(1 - truth)
    lines = [draw(truth, np.random.default_rng((seed, 1))) for seed in range(count)]
    assert set(np.unique(lines)) == set(golden["values"])
    drawn = [line > 0 for line in lines if line.any()]
    check_stats([line.sum() for line in lines], golden["area"], 1)
    check_stats([cv2.connectedComponents(line)[0] - 1 for line in lines], golden["components"], 3)
    check_stats([depth[line].mean() for line in drawn], golden["border_distance"], 3)
    check_stats([truth[line].mean() for line in drawn], golden["inside"], 4)
    check_share([not line.any() for line in lines], golden["empty"])


@pytest.mark.parametrize("name", NAMES)
def test_lines_without_gaps_and_structuring_elements_are_exact(name):
    truth, golden = region(name), RECIPE["scribbles"]
    skeleton, line = skeletonise(truth), draw_middle(truth)
    x, y, width, height = cv2.boundingRect(skeleton)
    assert {
        "thinned_area": skeleton.sum(),
        "box_x0_y0_x1_y1": [x, y, x + width - 1, y + height - 1],
        "dilated_area": line.sum(),
    } == golden["thinned_without_erosion"][name]
    areas = golden["boundary_without_erosion"]["kernel_size_to_eroded_and_line_area"][name]
    for size, (eroded, drawn) in areas.items():
        assert cv2.erode(truth, make_element(int(size), 1)).sum() == eroded
        assert draw_boundary(truth, int(size)).sum() == drawn
    for size, *counts in RECIPE["about"]["ellipse_kernel_areas_size_full_flat_tall"]:
        assert [int(make_element(size, shape).sum()) for shape in (1, 2, 3)] == counts


def error(name):
    """An input of the robot's statistics."""
    kind, _, rest = name.partition("_")
    if kind == "whole":
        return region(rest)
    if kind == "perturbed":
        base, _, side = rest.partition("_")
        mask, truth = perturbed_mask(base), region(base)
        return mask & (1 - truth) if side == "fp" else truth & (1 - mask)
    plane = np.zeros((SIZE, SIZE), np.uint8)
    plane[{"square3": np.s_[200:203, 200:203], "line2": np.s_[100:102, 50:350]}.get(kind, np.s_[:0])] = 1
    return plane


def matches(path, points):
    """A path has the 21 golden points, from either end; these have two decimals."""
    at = np.linspace(0, 999, 21).astype(int)
    return any(np.abs(way[at] - points).max() < 0.02 for way in (path, path[::-1]))


@pytest.mark.parametrize("name", RECIPE["robot"])
def test_the_robot_draws_as_the_original_with_the_same_order_of_ties(name):
    """Lengths of lines may differ by rounding: a point that is a whole number can be drawn one lower."""
    plane, golden = error(name), RECIPE["robot"][name]
    fixed, half = golden["fixed"], halve(plane)
    assert (plane.sum(), half.sum()) == (golden["error_area"], fixed["half_size_area"])
    assert error_axis(half > 0, ROBOT_SMOOTHING, OldTies(0)).sum() == fixed["skeleton_pixels"]
    paths = find_robot_paths(plane, OldTies(0))
    assert len(paths) == fixed["graph_parts"]
    ends = [sorted([tuple(path[0]), tuple(path[-1])]) for path in paths]
    wanted = [sorted([tuple(each[1:3]), tuple(each[3:])]) for each in fixed["paths_n_x0_y0_x1_y1"]]
    tied = sum(each not in ends for each in wanted)  # one part has two longest paths
    assert tied == (name == "perturbed_disk_fn")
    found = [any(matches(path, points) for path in paths) for points in golden.get("curves_21_points", [])]
    assert found.count(False) <= tied
    lines = draw_robot_lines(plane, OldTies(0))
    if name != "line2":  # where rounding decides between one row and two
        assert abs(int(lines.sum()) - fixed["area_after_3x3_dilation"]) <= 3 * len(paths)
    if paths and not tied:
        x, y, width, height = cv2.boundingRect(lines)
        box = np.array([x + 1, y + 1, x + width - 2, y + height - 2])
        assert np.abs(box - fixed["box_x0_y0_x1_y1"]).max() <= 1


@pytest.mark.parametrize("case", [*QUICK, *map(slow, sorted(RECIPE["get_scribble"].keys() - {*QUICK}))])
def test_errors_are_scribbled_as_in_the_original(case, monkeypatch):
    """260 or 300 draws, about 200 numbers: a new seed of all four fails with a chance of 5 %."""
    golden = RECIPE["get_scribble"][case]
    truth = region(case.rsplit("_", 1)[1])
    previous = np.zeros_like(truth) if golden["from_zero"] else perturbed_mask(case.rsplit("_", 1)[1])
    calls = []
    known = functools.cache(
        lambda key: draw_robot_lines(np.frombuffer(key, np.uint8).reshape(SIZE, SIZE), OldTies(0))
    )

    def robot(plane, random):  # has no randomness, so each plane is computed once
        calls.append("robot")
        return known(plane.tobytes()).copy()

    def at_large(plane, random):
        calls.append("large")
        return draw_free_curves(plane, random)

    monkeypatch.setattr(random_scribbles, "draw_robot_lines", robot)
    monkeypatch.setattr(random_scribbles, "draw_free_curves", at_large)
    draws = {"robot": [], "large": [], "": []}  # planes by the way in which they were drawn
    count = 130 if golden["from_zero"] else 300
    for seed in range(count):
        calls.clear()
        planes = draw_corrections(previous, truth, golden["from_zero"], OldTies((seed, 2)))
        draws[calls[0] if calls else ""].append(planes)
    others = draws["large"] + draws[""]
    assert set(np.unique([*others, *draws["robot"]])) == set(golden["values"])
    robots, large = (np.arange(count) < len(draws[name]) for name in ("robot", "large"))
    check_share(robots, golden["robot"])
    check_share(large, golden["truth_only_curves"])
    check_share(large[: len(others)], golden["truth_only_curves_of_non_robot"])
    compare(others, golden["other_draws"], previous, truth)
    compare(draws[""], golden["other_draws_without_truth_only"], previous, truth)
    compare(draws["large"], golden["truth_only_draws"], previous, truth)
    if golden["robot_draws"]["n"]:  # all alike
        compare(draws["robot"], golden["robot_draws"], previous, truth, exact=True)


def compare(draws, golden, previous, truth, exact=False):
    """A block of `get_scribble`."""
    positive, negative = ([planes[side] > 0 for planes in draws] for side in (0, 1))
    missed, false = truth & (1 - previous), previous & (1 - truth)
    numbers = {
        "positive_area": ([plane.sum() for plane in positive], 1),
        "negative_area": ([plane.sum() for plane in negative], 1),
        "positive_inside_truth": (shares(positive, truth), 4),
        "negative_outside_truth": (shares(negative, 1 - truth), 4),
        "positive_inside_missed": (shares(positive, missed), 4),
        "negative_inside_false": (shares(negative, false), 4),
        "overlap_area": ([(a & b).sum() for a, b in zip(positive, negative, strict=True)], 1),
    }
    for name, (values, decimals) in numbers.items():
        if exact:  # but for rounding, and a part that has two longest paths
            allowed = 3 if name.endswith("area") else 0.01
            assert np.abs(np.array(values) - golden[name]["mean"]).max() <= allowed, name
        else:
            check_stats(values, golden[name], decimals)
    empty = np.array([[not plane.any() for plane in side] for side in (positive, negative)])
    for name, flags in {"positive": empty[0], "negative": empty[1], "both": empty.all(0)}.items():
        check_share(flags, golden[f"{name}_empty"])


def shares(planes, region):
    """The share of each plane that is not empty in a region."""
    return [region[plane].mean() for plane in planes if plane.any()]

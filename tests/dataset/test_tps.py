import numpy as np
import pytest

from dataset.tps import coarse_grid, evaluate, fast_maps, random_control_points, solve, to_pixels
from dataset.training.transforms import remap
from tests.conftest import GOLDEN
from tests.dataset.recipe_statistics import RECIPE, check_share, check_stats

SIZE = 384


def warped_white(points) -> dict[str, float]:
    """Warp a white picture and mask; return the golden file's shares of black pixels."""
    maps = fast_maps(*points, SIZE, SIZE)
    white = np.full((SIZE, SIZE), 255, np.uint8)
    mask, image = remap(white, maps), remap(np.stack([white] * 3, axis=-1), maps)
    return {
        "mask_black": (mask == 0).mean(),
        "image_black": (image == 0).all(-1).mean(),
        "image_below_255": (image < 255).any(-1).mean(),
        "mask_black_8_pixels_inside": (mask[8:-8, 8:-8] == 0).mean(),
        "warps_with_black": bool((mask == 0).any()),
    }


@pytest.fixture(scope="module")
def points():
    random = np.random.default_rng(0)
    return [random_control_points(random) for _ in range(100)]


def test_the_black_share_equals_that_of_the_original(points):
    warps, golden = [warped_white(pair) for pair in points], RECIPE["tps_border"]["scale_0.02"]
    for name in ("mask_black", "image_black", "image_below_255", "mask_black_8_pixels_inside"):
        check_stats([warp[name] for warp in warps], golden[name], 6)
    check_share([warp["warps_with_black"] for warp in warps], golden["warps_with_black"])


def test_warps_move_pixels_as_far_as_the_originals(points):
    still = np.stack(fast_maps(points[0][0], points[0][0], SIZE, SIZE))
    distances = [np.hypot(*(np.stack(fast_maps(*pair, SIZE, SIZE)) - still)) for pair in points]
    for name, reduce in (("mean", np.mean), ("max", np.max)):
        check_stats(
            [reduce(each) for each in distances], RECIPE["tps_border"][f"displacement_pixels_{name}"], 4
        )


@pytest.fixture(scope="module")
def golden():
    return np.load(GOLDEN / "tps.npz")


def exact_maps(c_src, c_dst, height, width):
    return to_pixels(evaluate(solve(c_src, c_dst), c_dst, height, width))


def largest_difference(maps, others) -> float:
    return float(np.abs(np.subtract(maps, others)).max())


@pytest.mark.parametrize("maps", [exact_maps, fast_maps])
def test_golden_maps(golden, maps):
    height, width, _ = golden["shape"]
    ours = maps(golden["c_src"], golden["c_dst"], int(height), int(width))
    assert largest_difference(ours, (golden["map_x"], golden["map_y"])) < 1e-4


def test_fast_maps_differ_by_less_than_a_tenth_of_a_pixel():
    random = np.random.default_rng(0)
    coarse = 0
    for _ in range(40):
        points = random_control_points(random)
        coarse += coarse_grid(solve(*points), SIZE) is not None
        assert largest_difference(fast_maps(*points, SIZE, SIZE), exact_maps(*points, SIZE, SIZE)) < 0.1
    assert coarse > 30  # most maps take the cheap way

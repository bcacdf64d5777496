import numpy as np
import pytest

from dataset.tps import coarse_grid, draw_control_points, evaluate, fast_maps, solve, to_pixels
from dataset.training.transforms import remap
from tests.conftest import GOLDEN
from tests.dataset.recipe_statistics import RECIPE, check_share, check_stats

SIZE = 384
SQUARE = np.array([[0, 0], [1, 0], [0, 1], [1, 1.0]])


def test_warps_blacken_and_move_pixels_as_the_originals():
    random, golden = np.random.default_rng(0), RECIPE["tps_border"]
    white, still = np.full((SIZE, SIZE), 255, np.uint8), np.stack(fast_maps(SQUARE, SQUARE, SIZE, SIZE))
    measured = []
    for _ in range(100):
        maps = fast_maps(*draw_control_points(random), SIZE, SIZE)
        mask, image = remap(white, maps), remap(np.stack([white] * 3, axis=-1), maps)
        moved = np.hypot(*(np.stack(maps) - still))
        shares = {
            "mask_black": mask == 0,
            "image_black": (image == 0).all(-1),
            "image_below_255": (image < 255).any(-1),
            "mask_black_8_pixels_inside": mask[8:-8, 8:-8] == 0,
        }
        shares = {name: black.mean() for name, black in shares.items()}
        measured.append({**shares, "mean": moved.mean(), "max": moved.max()})
    for name in shares:
        check_stats([warp[name] for warp in measured], golden["scale_0.02"][name], 6)
    check_share([warp["mask_black"] > 0 for warp in measured], golden["scale_0.02"]["warps_with_black"])
    for name in ("mean", "max"):
        check_stats([warp[name] for warp in measured], golden[f"displacement_pixels_{name}"], 4)


def exact_maps(c_src, c_dst, height, width):
    return to_pixels(evaluate(solve(c_src, c_dst), c_dst, height, width))


def largest_difference(maps, others) -> float:
    return float(np.abs(np.subtract(maps, others)).max())


@pytest.mark.parametrize("maps", [exact_maps, fast_maps])
def test_golden_maps(maps):
    golden = np.load(GOLDEN / "tps.npz")
    height, width, _ = golden["shape"]
    ours = maps(golden["c_src"], golden["c_dst"], int(height), int(width))
    assert largest_difference(ours, (golden["map_x"], golden["map_y"])) < 1e-4


def test_fast_maps_differ_by_less_than_a_tenth_of_a_pixel():
    random = np.random.default_rng(0)
    coarse = 0
    for _ in range(40):
        points = draw_control_points(random)
        coarse += coarse_grid(solve(*points), SIZE) is not None
        assert largest_difference(fast_maps(*points, SIZE, SIZE), exact_maps(*points, SIZE, SIZE)) < 0.1
    assert coarse > 30  # most maps take the cheap way

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dataset.image_io import MEAN, STD
from model import memory
from model.correspondence import (
    Correspondence,
    Features,
    best_match,
    encode_source,
    encode_target,
)
from scripts.correspondence.drawing import to_picture, to_view, view_scale, with_heat
from scripts.correspondence.results import Selection, look_up
from tests.conftest import GOLDEN
from tests.model.matching_network import matching_network, texture


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "correspondence.npz") as numbers:
        return {name: torch.from_numpy(numbers[name]) for name in numbers}


@pytest.fixture(params=[1 << 23, 1000], ids=["one chunk", "many chunks"])
def chunk_numbers(request, monkeypatch):
    monkeypatch.setattr(memory, "CHUNK_NUMBERS", request.param)


@pytest.fixture(scope="module")
def golden_keys(network, golden):
    """Source and target of the golden pair, which is stored normalised."""
    with torch.inference_mode():
        key, _ = network.encode_memory(golden["source"], torch.zeros(1, 1, 64, 96))
        query = network.encode_query(golden["target"]).key
    return key, query


def features(seed, size):
    torch.manual_seed(seed)
    grid = -(-size[0] // 16), -(-size[1] // 16)
    return Features(torch.randn(1, grid[0] * grid[1], 128), size)


@pytest.mark.usefixtures("chunk_numbers")
def test_golden(golden, golden_keys):
    lazy = Correspondence(Features(golden_keys[0], (64, 96)), Features(golden_keys[1], (64, 96)))
    weights = lazy.transfer(torch.eye(24).view(24, 4, 6)).flatten(1)
    torch.testing.assert_close(weights, golden["W"][0], atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(
        lazy.transfer(golden["feature"][0]), golden["transferred"][0], atol=1e-5, rtol=1e-3
    )


def test_pictures_are_encoded_as_the_golden_ones(network, golden, golden_keys):
    source = (golden["source"][0].permute(1, 2, 0).numpy() * STD + MEAN) * 255
    rounded = source.clip(0, 255).round().astype(np.uint8)
    normalised = torch.from_numpy((rounded / np.float32(255) - MEAN) / STD).permute(2, 0, 1)[None]
    with torch.inference_mode():
        key, _ = network.encode_memory(normalised, torch.zeros(1, 1, 64, 96))
        query = network.encode_query(normalised).key
    torch.testing.assert_close(encode_source(network, rounded).key, key, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(encode_target(network, rounded).key, query, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("chunk_numbers")
@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_columns_sum_to_one_and_lazy_rows_are_those_of_the_matrix(temperature):
    source, target = features(0, (100, 130)), features(1, (64, 200))
    dense = (source.key[0] @ target.key[0].T / 128**0.5 / temperature).softmax(dim=0)
    lazy = Correspondence(source, target)
    feature = torch.rand(3, 7, 9)
    feature[1, 2:] = 0
    expected = (feature.flatten(1) @ dense).view(3, 4, 13)
    torch.testing.assert_close(lazy.transfer(feature, temperature), expected)
    assert not lazy.transfer(torch.zeros(1, 7, 9)).any()
    everything = lazy.transfer(torch.ones(1, 7, 9), temperature)
    torch.testing.assert_close(everything, torch.ones(1, 4, 13))


def test_a_point_never_needs_the_whole_matrix(monkeypatch):
    """Matrices are watched where they are made: at most CHUNK_NUMBERS numbers, and one row for a point."""
    made = []
    plain = memory.affinity

    def watched(*keys):
        made.append(plain(*keys))
        return made[-1]

    monkeypatch.setattr(memory, "affinity", watched)
    monkeypatch.setattr(memory, "CHUNK_NUMBERS", 200_000)
    source, target = features(0, (480, 854)), features(1, (480, 854))  # 1620 cells each
    lazy = Correspondence(source, target)
    lazy.normaliser()
    assert max(m.numel() for m in made) <= 200_000
    made.clear()
    point = source.point(*source.pixel_of(10, 20))
    lazy.transfer(point[None])
    assert sum(m.numel() for m in made) == 1620  # the point is a cell's centre: one row of W
    made.clear()
    lazy.transfer(source.point(200.0, 100.0)[None])
    assert sum(m.numel() for m in made) == 4 * 1620


@pytest.mark.parametrize("size", [(64, 96), (61, 83), (1, 1), (17, 500)])
def test_cells_and_pixels(size):
    picture = features(0, size)
    left, _, top, _ = picture.padding
    rows, columns = picture.grid
    assert rows * columns == picture.key.shape[1]
    for x, y in [(0, 0), (size[1] - 1, size[0] - 1), (size[1] // 2, size[0] // 3)]:
        row, column = picture.cell_of(x, y)
        assert (round(row), round(column)) in {
            ((y + top) // 16, (x + left) // 16),
            ((y + top) // 16 + 1, (x + left) // 16),  # exactly between two cells
        }
        assert picture.pixel_of(row, column) == pytest.approx((x, y))
        point = picture.point(x, y)
        assert point.shape == picture.grid
        assert point.sum() == pytest.approx(1)
        centre = (point.sum(dim=1) @ torch.arange(rows).float()).item()
        assert centre == pytest.approx(min(max(row, 0), rows - 1), abs=1e-4)


def test_a_region_is_the_covered_share_of_each_cell():
    picture = features(0, (64, 96))
    mask = np.zeros((64, 96), bool)
    mask[16:32, 32:56] = True
    expected = torch.zeros(4, 6)
    expected[1, 2], expected[1, 3] = 1, 0.5
    assert torch.equal(picture.region(mask), expected)
    # padding is not covered: 61 x 83 is padded by 1 pixel at the top and 6 at the left
    odd = features(0, (61, 83)).region(np.ones((61, 83), bool))
    assert odd[0, 1] == 15 / 16
    assert odd[1, 0] == 10 / 16


def test_best_match_is_finer_than_a_cell_and_ignores_far_ones():
    picture = features(0, (160, 160))
    heat = torch.zeros(10, 10)
    heat[4, 5], heat[4, 6], heat[9, 0] = 0.6, 0.3, 0.5
    match = best_match(heat, picture)
    assert (match.x, match.y) == pytest.approx(picture.pixel_of(4, 5 + 1 / 3), abs=1e-4)
    assert match.score == pytest.approx(0.6)


@pytest.fixture(scope="module")
def matching(network):
    return matching_network(network)


@pytest.mark.parametrize("cells", [(2, 3), (-3, 1)])
def test_a_shifted_picture_finds_its_own_points_again(matching, cells):
    dy, dx = cells
    big = texture(304, 352, seed=3)
    source = big[48 : 48 + 208, 48 : 48 + 256]
    target = big[48 - 16 * dy :, 48 - 16 * dx :][:208, :256]
    pair = Correspondence(encode_source(matching, source), encode_target(matching, target))
    errors = []
    for row in range(1, 12):
        for column in range(1, 15):
            x, y = pair.source.pixel_of(row, column)
            if 16 <= x + 16 * dx < 240 and 16 <= y + 16 * dy < 192:  # the target shows its surroundings too
                heat = pair.transfer(pair.source.point(x, y)[None])[0]
                match = best_match(heat, pair.target)
                errors.append((match.x - x - 16 * dx, match.y - y - 16 * dy))
    found = (np.abs(errors) <= 16).all(axis=1).mean()
    assert len(errors) > 90
    assert found >= 0.9, found


def test_pictures_of_different_size_and_aspect(matching):
    big = texture(320, 400, seed=5)
    source, target = big[32:233, 48:301], big[0:317, 32:201]
    pair = Correspondence(encode_source(matching, source), encode_target(matching, target))
    # both grids cut the picture at the same places but for a few pixels, so matches are near
    points = tuple((float(x), float(y)) for x in (40, 80, 110) for y in (50, 100, 150))
    answer = look_up(pair, Selection(points), 1.0)
    near = [
        abs(match.x - x - 16) <= 16 and abs(match.y - y - 32) <= 16
        for (x, y), match in zip(points, answer.matches, strict=True)
    ]
    assert np.mean(near) >= 0.8
    assert answer.heat.shape == pair.target.grid
    assert answer.heat.max() == 1

    # the region around them lands where they do
    mask = np.zeros(source.shape[:2], bool)
    mask[40:160, 30:120] = True
    region = look_up(pair, Selection(region=mask), 1.0)
    share = pair.transfer(pair.source.region(mask)[None])[0]
    moved = F.interpolate(share[None, None], scale_factor=16)[0, 0].numpy()
    left, _, top, _ = pair.target.padding
    moved = moved[top : top + 317, left : left + 169]
    inside = moved[72:192, 46:136]
    assert inside.mean() > 3 * moved[208:].mean()
    assert 72 <= region.matches[0].y <= 192
    assert 46 <= region.matches[0].x <= 136


def test_views_and_pictures_have_the_same_places():
    for size in [(480, 854), (2000, 3000), (60, 90)]:
        scale = view_scale(size)
        assert max(size[0] * scale / 720, size[1] * scale / 960) <= 1
        assert to_picture(to_view((12.0, 34.0), scale), scale) == pytest.approx((12, 34))
    assert view_scale((480, 854)) == 1


@pytest.mark.parametrize("size", [(480, 854), (60, 90), (1000, 1500)])
def test_heat_is_drawn_over_its_cell(size):
    picture = features(0, size)
    heat = np.zeros(picture.grid, np.float32)
    row, column = picture.grid[0] // 2, picture.grid[1] // 3
    heat[row, column] = 1
    scale = view_scale(size)
    view = np.full((round(size[0] * scale), round(size[1] * scale), 3), 90, np.uint8)
    drawn = with_heat(view, heat, picture.padding, scale)
    changed = np.argwhere(np.abs(drawn.astype(int) - drawn[-1, -1]).sum(axis=2) > 60)
    x, y = to_view(picture.pixel_of(row, column), scale)
    assert changed[:, 1].mean() == pytest.approx(x, abs=scale * 1.5)
    assert changed[:, 0].mean() == pytest.approx(y, abs=scale * 1.5)
    assert np.ptp(changed[:, 0]) < 40 * scale
    assert (view == 90).all()

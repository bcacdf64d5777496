"""The robot of the DAVIS interactive track, which scribbles where a label map is wrong.

For each label, the robot takes the pixels where the label is missing, smooths that region, thins it to its
medial axis, and draws along the longest path of each connected part. The axis breaks ties at random; the seed
is fixed, so the same error always gives the same scribbles.
"""

import math
from collections.abc import Iterable
from typing import Any

import cv2
import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from skimage.graph import pixel_graph
from skimage.morphology import disk, medial_axis

Scribble = dict[str, Any]  # {"path": [[x, y], ...] in 0..1, "object_id": label}, see `scribbles.py`

SMOOTHING = 0.1  # radius of the opening disk, relative to the square root of an error's area
LARGEST_RADIUS = 16  # largest radius of the disk, in pixels
SHRINK = 0.9  # factor of the radius while nothing is left
FEWEST_PIXELS = 4  # least pixels of a part of the axis that gets a scribble
CURVE_POINTS = 1000  # points of a scribble
DECIMALS = 5  # decimals of relative positions


def robot_scribbles(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], labels: Iterable[int], seed: int = 0
) -> list[Scribble]:
    """Return scribbles on the wrong parts of a label map.

    Args:
        truth: true label map `H x W`.
        predicted: predicted label map `H x W`.
        labels: labels of the objects.
        seed: seed of the ties in the medial axis.

    Returns:
        The scribbles of the background, then those of each object; positions are shares of width and height.
        An error whose axis has less than four pixels gets no scribble.
    """
    scribbles = []
    size = np.array(truth.shape[::-1])
    for label in (0, *labels):
        for path in find_paths((truth == label) & (predicted != label), seed):
            shares = (path / size).round(DECIMALS)
            scribbles.append({"path": shares.tolist(), "object_id": int(label)})
    return scribbles


def find_paths(
    error: NDArray[np.bool_],
    seed: int | np.random.Generator = 0,
    smoothing: float = SMOOTHING,
    fewest: int = FEWEST_PIXELS,
) -> list[NDArray[np.float64]]:
    """Return smooth paths through the parts of an error.

    Args:
        error: error region `H x W`.
        seed: seed of the ties in the medial axis.
        smoothing: radius of the opening, as a share of the square root of the error's area.
        fewest: smallest part of the axis that is drawn, in pixels.

    Returns:
        1,000 positions (x, y) in pixels for each path.
    """
    if not error.any():
        return []
    axis = error_axis(error, smoothing, np.random.default_rng(seed))
    weights, places = pixel_graph(axis, connectivity=2)  # pixels in the order of rows; weights are distances
    graph = nx.from_scipy_sparse_array(weights)
    parts = sorted(nx.connected_components(graph), key=min)  # in order of their first pixels
    trees = (without_cycles(graph.subgraph(part)) for part in parts if len(part) >= fewest)
    lines = (np.unravel_index(places[longest_path(tree)], axis.shape)[::-1] for tree in trees)
    return [bezier(np.stack(line, axis=1).astype(np.float64), CURVE_POINTS) for line in lines]


def error_axis(error: NDArray[np.bool_], smoothing: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Return the medial axis of an error `H x W`, smoothed; beyond the picture there is no error."""
    return medial_axis(np.pad(smooth_region(error, smoothing), 1), rng=random)[1:-1, 1:-1]


def smooth_region(region: NDArray[np.bool_], smoothing: float) -> NDArray[np.bool_]:
    """Open a region by a disk (see `find_paths`), or by the largest smaller one that leaves something."""
    radius = min(smoothing * math.sqrt(region.sum()), LARGEST_RADIUS)
    plane = region.astype(np.uint8)
    while radius > 1:
        footprint = disk(radius)  # not symmetric for a fractional radius
        eroded = cv2.erode(plane, footprint)
        eroded[eroded > 1] = 0  # corners where all of the footprint is outside
        opened = cv2.dilate(eroded, footprint)
        if opened.any():
            return opened.astype(bool)
        radius *= SHRINK
    return region


def without_cycles(graph: nx.Graph) -> nx.Graph:
    """Return a connected graph as a tree: each cycle is broken at its (first) longest edge.

    Cycles are searched from the first pixel on, neighbours in order of rows.
    """
    tree = nx.Graph()
    tree.add_nodes_from(sorted(graph))
    tree.add_edges_from(sorted((*sorted(edge), graph.edges[edge]) for edge in graph.edges))
    while tree.number_of_edges() >= tree.number_of_nodes():
        cycle = nx.find_cycle(tree, source=min(tree))
        tree.remove_edge(*max(cycle, key=lambda edge: tree.edges[edge]["weight"]))
    return tree


def longest_path(tree: nx.Graph) -> list[int]:
    """Return the path with the most pixels; of equal ones, the one whose ends come first."""

    def farthest(start: int) -> int:
        steps = nx.single_source_shortest_path_length(tree, start)
        most = max(steps.values())
        return min(pixel for pixel, count in steps.items() if count == most)

    end = farthest(min(tree))
    return nx.shortest_path(tree, farthest(end), end)


def bezier(points: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return `count` points, `count x 2`, of the Bezier curve with control points `N x 2`.

    The Bernstein polynomials are computed by logarithms, since their factors overflow beyond 1,000 points.
    """
    degree = len(points) - 1
    i = np.arange(degree + 1)
    t = np.linspace(0, 1, count)[1:-1, None]
    choose = gammaln(degree + 1) - gammaln(i + 1) - gammaln(degree - i + 1)
    weights = np.exp(choose + i * np.log(t) + (degree - i) * np.log1p(-t))
    return np.concatenate([points[:1], weights @ points, points[-1:]])

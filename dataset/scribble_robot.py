"""The robot of the DAVIS interactive track: scribbles where an answer is wrong, like a person's."""

from collections.abc import Iterator
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter
from scipy.spatial import cKDTree
from scipy.special import comb
from skimage.morphology import disk, medial_axis

RADIUS_SHARE, LARGEST_RADIUS = 0.1, 16.0  # of the disk that an error is opened by: of its side, and in pixels
SHRINKING = 0.9  # of the disk, while nothing is left of the error
LEAST_NODES = 4  # of a line
CURVE_POINTS = 1000

Mask = NDArray[np.bool_]  # H x W
Path = NDArray[np.float64]  # N x 2, (x, y)


def robot_scribbles(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], labels: list[int], seed: int = 0
) -> list[dict[str, Any]]:
    """Scribble on every region that should be another object or background.

    Args:
        truth: `H x W`.
        predicted: `H x W`.
        labels: to look at, 0 for background among them.
        seed: of the ties of medial axes.

    Returns:
        Scribbles as in a file of the track: "path", points (x, y) in shares of width and height, "object_id",
        and times of 0.
    """
    size = np.array(truth.shape[::-1], np.float64)
    return [
        {"path": (path / size).tolist(), "object_id": label, "start_time": 0, "end_time": 0}
        for label in labels
        for path in paths_on((truth == label) & (predicted != label), seed)
    ]


def paths_on(error: Mask, seed: int = 0) -> Iterator[Path]:
    """Yield a smooth path along the middle of each part of an error, in pixels."""
    if not error.any():
        return
    skeleton = medial_axis(np.pad(opened(error), 1), rng=seed)[1:-1, 1:-1]
    points = np.argwhere(skeleton)[:, ::-1]  # (x, y), row by row
    graph = neighbours(points)
    for nodes in list(nx.connected_components(graph)):
        if len(nodes) >= LEAST_NODES:
            tree = without_cycles(graph.subgraph(sorted(nodes)).copy())
            yield bezier(points[longest_path(tree)].astype(np.float64))


def opened(error: Mask) -> Mask:
    """Open an error by a disk that suits its size, a smaller one where nothing would be left."""
    radius = min(RADIUS_SHARE * float(np.sqrt(error.sum())), LARGEST_RADIUS)
    while radius > 1:
        element = disk(radius)
        kept = maximum_filter(minimum_filter(error, footprint=element), footprint=element)
        if kept.any():
            return np.asarray(kept, np.bool_)
        radius *= SHRINKING
    return error


def neighbours(points: NDArray[np.int64]) -> "nx.Graph[int]":
    """Return points as a graph whose edges join those that touch, weighted by their distance."""
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(len(points)))
    for first, second in sorted(cKDTree(points).query_pairs(1.5)) if len(points) else ():
        graph.add_edge(first, second, weight=float(np.hypot(*(points[first] - points[second]))))
    return graph


def without_cycles(graph: "nx.Graph[int]") -> "nx.Graph[int]":
    """Break every cycle at its longest edge, in place."""
    while True:
        try:
            cycle = nx.find_cycle(graph)
        except nx.NetworkXNoCycle:
            return graph
        weights = [graph.edges[edge[:2]]["weight"] for edge in cycle]
        graph.remove_edge(*cycle[int(np.argmax(weights))][:2])


def longest_path(tree: "nx.Graph[int]") -> list[int]:
    """Return the nodes along the path of a tree that has the most of them."""
    start = next(iter(tree))
    for _ in range(2):  # the node farthest from any one is an end of a longest path
        paths = nx.single_source_shortest_path(tree, start)
        start = max(paths, key=lambda node: len(paths[node]))
    return list(paths[start])[::-1]


def bezier(control: Path) -> Path:
    """Return points along the Bezier curve of some control points."""
    degree = len(control) - 1
    t = np.linspace(0, 1, CURVE_POINTS)[:, None]
    powers = np.arange(degree + 1)
    weights = comb(degree, powers) * t**powers * (1 - t) ** (degree - powers)
    return np.asarray(weights @ control)

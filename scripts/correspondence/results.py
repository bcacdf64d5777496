"""Selections in the source, their matches in the target, and files of both."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dataset.image_io import read_image
from model.correspondence import Correspondence, Match, find_best_match
from model.padding import padding_for
from scripts.correspondence.drawing import Picture, Point, draw_heat, draw_points, draw_region, join_views
from util.files import atomic_path


class Shown(NamedTuple):
    """A picture and its file."""

    path: Path
    picture: Picture

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the picture."""
        return self.picture.shape[0], self.picture.shape[1]


def read_shown(path: Path) -> Shown:
    """Read a picture to show."""
    return Shown(path, read_image(path, upright=True))


@dataclass(frozen=True, eq=False)
class Selection:
    """Points or a region of the source; empty at first."""

    points: tuple[Point, ...] = ()
    region: NDArray[np.bool_] | None = None  # H x W

    def __bool__(self) -> bool:
        return bool(self.points) or self.region is not None


@dataclass(frozen=True, eq=False)
class Answer:
    """The matches of a selection in the target."""

    heat: NDArray[np.float32]  # h x w on the target grid, each point's map scaled to a maximum of one
    matches: tuple[Match, ...]  # one per point, or one of the region


def look_up(correspondence: Correspondence, selection: Selection, temperature: float) -> Answer:
    """Find the matches of a selection in the target."""
    source = correspondence.source
    if selection.region is not None:
        feature = source.region(selection.region)[None]
    else:
        feature = torch.stack([source.point(*point) for point in selection.points])
    maps = correspondence.transfer(feature, temperature)
    tops = maps.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)
    matches = tuple(find_best_match(heat, correspondence.target) for heat in maps)
    return Answer((maps / tops).amax(dim=0).cpu().numpy(), matches)


def draw_source(source: Shown, selection: Selection) -> Picture:
    """Draw the source with the selection on it."""
    if selection.region is not None:
        return draw_region(source.picture, selection.region)
    return draw_points(source.picture, selection.points)


def draw_target(target: Shown, answer: Answer | None) -> Picture:
    """Draw the target with the heat map of the answer and the best matches on it."""
    if answer is None:
        return target.picture
    view = draw_heat(target.picture, answer.heat, padding_for(*target.size))
    return draw_points(view, [(match.x, match.y) for match in answer.matches])


def write_results(
    stem: Path,
    source: Shown,
    target: Shown,
    selection: Selection,
    answer: Answer | None,
    temperature: float,
) -> None:
    """Write both views as `stem.png`, side by side, and the matches as `stem.json`, in pixels.

    Args:
        stem: path of both files without their endings.
        source: source picture.
        target: target picture.
        selection: points or region of the source.
        answer: heat map and best matches; None before a selection.
        temperature: temperature of the softmax, for the record.
    """
    asked: list[dict[str, Any]] = [{"source": [round(x, 2), round(y, 2)]} for x, y in selection.points]
    if selection.region is not None:
        asked = [{"region_pixels": int(np.count_nonzero(selection.region))}]
    content = {
        "source": str(source.path),
        "target": str(target.path),
        "source_size": source.size[::-1],
        "target_size": target.size[::-1],
        "temperature": temperature,
        "matches": [
            {**question, "target": [round(match.x, 2), round(match.y, 2)], "score": match.score}
            for question, match in zip(asked, answer.matches if answer else (), strict=answer is not None)
        ],
    }
    views = join_views(draw_source(source, selection), draw_target(target, answer))
    picture, matches = (stem.parent / f"{stem.name}{suffix}" for suffix in (".png", ".json"))
    with atomic_path(picture) as temporary:
        Image.fromarray(views).save(temporary)
    with atomic_path(matches) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")

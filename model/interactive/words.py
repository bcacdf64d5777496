"""Masks of the objects that a word names in one picture, by a promptable network of osam."""

from osam import types

from model.interactive.clicks import BOTTOM_RIGHT, TOP_LEFT, PointSegmenter
from model.interactive.promptable import Mask, Picture, ask_model, extract_mask, load
from util.promptable import FIND_MODEL


class WordFinder:
    """Finds the objects that a word names.

    Args:
        segmenter: segmenter of boxes, for a network that finds only boxes.
        name: name of a model of osam that takes words.

    Raises:
        InputError: osam has no such model, or its weights cannot be fetched.
    """

    def __init__(self, segmenter: PointSegmenter, name: str = FIND_MODEL) -> None:
        self.segmenter = segmenter
        self.network = load(name)

    def find(self, picture: Picture, word: str, taken: Mask) -> list[Mask]:
        """Return disjoint masks of the objects that a word names, in the order of their scores.

        Args:
            picture: RGB picture `H x W x 3`.
            word: word, such as "dog".
            taken: pixels of other objects, `H x W`. They are removed from each mask found; a mask that loses
                half of its pixels or more is left out, since it shows one of those objects.

        Raises:
            InputError: the model takes no words.
        """
        masks, taken = [], taken.copy()
        prompt = types.Prompt(texts=[word])
        request = types.GenerateRequest(model=self.network.name, image=picture, prompt=prompt)
        for found in sorted(ask_model(self.network, request), key=lambda each: -(each.score or 0)):
            mask, box = extract_mask(found, picture.shape[:2]), found.bounding_box
            if mask is None and box is not None:
                corners = [(box.xmin, box.ymin), (box.xmax, box.ymax)]
                mask = self.segmenter.segment(picture, corners, [TOP_LEFT, BOTTOM_RIGHT])
            if mask is None:
                continue
            free = mask & ~taken
            if 2 * free.sum() > mask.sum():
                masks.append(free)
                taken |= free
        return masks

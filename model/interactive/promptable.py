"""Promptable networks of the library osam: names, weights and answers.

osam stores weights in `~/.cache/osam` under their SHA-256 and checks it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

import numpy as np
from loguru import logger
from numpy.typing import NDArray
from osam import apis, types

from util.errors import InputError
from util.promptable import GRAB_CUT

Picture = NDArray[np.uint8]  # H x W x 3, RGB
Mask = NDArray[np.bool_]  # H x W

logger.disable("osam")  # osam's log only repeats its errors


def model_type(name: str) -> type[types.Model]:
    """Return osam's model with a name; raise InputError when there is none."""
    try:
        return apis.get_model_type_by_name(name)
    except ValueError as error:
        known = ", ".join(each.name.removesuffix(":latest") for each in apis.registered_model_types)
        raise InputError(f"there is no promptable model {name!r}: choose one of {known}.") from error


def check_models(click_model: str, find_model: str) -> None:
    """Raise InputError unless osam has models with these names; GrabCut needs none."""
    for name in [find_model] if click_model == GRAB_CUT else [click_model, find_model]:
        model_type(name)


def is_here(name: str) -> bool:
    """Return whether the weights of a model are in osam's cache."""
    return model_type(name).get_size() is not None


def fetch(
    name: str, progress: Callable[[str, int, int | None], None] | None = None, cancel: Event | None = None
) -> None:
    """Fetch the weights of a model that are missing or damaged in osam's cache.

    Args:
        name: name of the model.
        progress: function of a file's name, its bytes so far, and its size (None when unknown); None shows a
            bar.
        cancel: event that ends the download; the unfinished file is removed.

    Raises:
        InputError: the weights cannot be fetched.
        types.PullCancelledError: the download was cancelled.
    """
    try:
        model_type(name).pull(progress, cancel)
    except types.PullCancelledError:
        raise
    except RuntimeError as error:
        urls = " and ".join(blob.url for blob in model_type(name)._blobs.values())
        raise InputError(
            f"the weights of {name} cannot be fetched from {urls}: check the network, or let "
            "OSAM_BLOB_ENDPOINT name a mirror."
        ) from error


def load(name: str) -> types.Model:
    """Load a model of osam, after fetching missing weights; raise InputError when this is not possible."""
    fetch(name)
    return model_type(name)()


@contextmanager
def prompting(name: str) -> Iterator[None]:
    """Raise InputError when a model does not support a kind of prompt."""
    try:
        yield
    except (NotImplementedError, ValueError) as error:
        reason = f" ({' '.join(str(error).split())})" if str(error) else ""
        raise InputError(
            f"the model {name} does not take this prompt{reason}: choose another model."
        ) from error


def ask_model(network: types.Model, request: types.GenerateRequest) -> list[types.Annotation]:
    """Return a model's annotations; raise InputError when it does not support the prompt."""
    with prompting(network.name):
        return network.generate(request).annotations


def extract_mask(annotation: types.Annotation, size: tuple[int, int]) -> Mask | None:
    """Return an annotation's mask at the picture's size (H, W); None when it has only a box."""
    box, part = annotation.bounding_box, annotation.mask
    if box is None or part is None:
        return None
    whole = np.zeros(size, bool)
    top, left = max(0, box.ymin), max(0, box.xmin)
    inside = part[top - box.ymin :, left - box.xmin :][: max(0, size[0] - top), : max(0, size[1] - left)]
    whole[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return whole

"""Make the training data of the fusion network: masks propagated from other frames.

The true masks of every n-th frame are propagated both ways. The probabilities of each object are written as
grey pictures (255 is 1), OUTPUT/<video>/<first frame>/<object>/<frame>.png, for scripts.train_fusion. A
stopped run continues. Under torchrun the processes share the videos.
"""

import argparse
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dataset.davis_test_dataset import RESOLUTION, davis_trainval
from dataset.image_io import list_images, normalise, read_image
from dataset.masks.readers import read_label_map
from dataset.masks.writer import write_mask
from dataset.video_folders import read_names
from model import InferenceCore, PropagationNetwork, load_network
from scripts.evaluation.flags import add_network_flags
from scripts.evaluation.precision import choose_precision
from util.data_roots import DAVIS_2017, DEFAULT_ROOTS
from util.device import add_precision_flags, set_up_device
from util.errors import InputError, run_script
from util.files import sha256
from util.flag_types import add_alias, add_shared, positive_int, script_parser, whole_number
from util.lock import lock_folder
from util.progress import FrameProgress
from util.ranks import join_ranks, share
from util.settings_record import record_settings

MOST_OBJECTS = 5  # per frame
LEAST_PIXELS = 100  # per object
BL_RANGE = 30  # frames each way in BL30K
DATASETS = {"DAVIS": ("davis_root", DAVIS_2017), "BL": ("bl_root", DEFAULT_ROOTS["bl_root"])}
UNFINISHED = ".part"

Frames = Sequence[tuple[Path, Path]]  # picture and label map of each frame


def main() -> None:
    """Parse the flags and make the data."""
    usage = "python -m scripts.generate_fusion --davis_root ../DAVIS/2017 --output ../fusion_data/davis/s012"
    parser = script_parser(__doc__, usage)
    add = parser.add_argument_group("data").add_argument
    add("--davis_root", type=Path, help="root of DAVIS 2017, such as ../DAVIS/2017: take its training videos")
    add("--bl_root", type=Path, help="root of BL30K: take all its videos")
    add(
        "--dataset", choices=DATASETS, help="data set to take, in its default folder unless its root is given"
    )
    add("--start", type=whole_number, default=0, help="number of the first video (default: %(default)s)")
    add("--end", type=positive_int, help="number after the last video (default: all)")
    add("--output", type=Path, required=True, help="folder of this run, such as ../fusion_data/davis/s012")
    add = parser.add_argument_group("propagation").add_argument
    add("--separation", type=positive_int, default=5, help="begin at every n-th frame (default: %(default)s)")
    reach = f"frames to propagate each way (default: all in DAVIS, {BL_RANGE} in BL30K)"
    add("--range", type=positive_int, help=reach)
    add_shared(add, "mem_every")
    add_alias(add, "--mem_freq", "mem_every", type=positive_int)
    add_alias(add, "--prop_model", "model", type=Path)
    add_precision_flags(add, "float32")
    add_network_flags(add)
    args = parser.parse_args()
    if args.dataset is not None:
        root, usual = DATASETS[args.dataset]
        chosen = getattr(args, root) or usual
        args.davis_root = args.bl_root = None  # the original's commands may name both
        setattr(args, root, chosen)
    if (args.davis_root is None) == (args.bl_root is None):
        parser.error("give --davis_root, --bl_root, or --dataset DAVIS or BL")
    generate(args)


def generate(args: argparse.Namespace) -> None:
    """Make the data of all videos; each process makes its share.

    Raises:
        InputError: there are no videos, or the folder has other settings.
    """
    videos = all_videos(args)
    names = list(videos)[args.start : args.end]
    if not names:
        raise InputError(f"--start and --end leave none of the {len(videos)} videos: give others.")
    reach = args.range or (BL_RANGE if args.davis_root is None else None)
    device = set_up_device(args.device, args.no_tf32)
    with join_ranks(device, for_training=False) as ranks, ExitStack() as alone:
        amp = choose_precision(args, ranks)
        if ranks.is_first:
            alone.enter_context(lock_folder(args.output, "generator"))
            settings = {
                "data": str((args.davis_root or args.bl_root).resolve()),
                "model": sha256(args.model),
                **{"separation": args.separation, "range": reach, "mem_every": args.mem_every, "amp": amp},
            }
            record_settings(args.output, settings, "give another --output.")
            for folder in args.output.glob(f"*/.*{UNFINISHED}"):
                shutil.rmtree(folder)
        ranks.from_first(None)  # the other ranks wait until leftovers are removed
        network = load_network(args.model, ranks.device, amp)
        mine = share([len(videos[name]) for name in names], ranks.count)[ranks.rank]
        work = [(names[i], start) for i in mine for start in range(0, len(videos[names[i]]), args.separation)]
        with FrameProgress(len(work), shown=ranks.is_first) as progress:
            for name, start in work:
                folder = args.output / name / f"{start:05}"
                if not folder.is_dir():
                    propagate_from(videos[name], start, reach, network, args.mem_every, folder)
                progress.advance(name)
        ranks.gather(None)  # wait for all ranks


def all_videos(args: argparse.Namespace) -> dict[str, Frames]:
    """Return the training videos of DAVIS 2017, or all videos of BL30K, by name.

    Raises:
        InputError: there are none, or a picture has no label map.
    """
    if args.davis_root is not None:
        root, inner = davis_trainval(args.davis_root), RESOLUTION
        names = read_names(root / "ImageSets/2017/train.txt")
    else:
        root, inner = args.bl_root, ""
        names = sorted(path.name for path in (root / "Annotations").glob("*") if path.is_dir())
    if not names:
        raise InputError(
            f"there are no training videos in {root}: point --davis_root to DAVIS 2017, or --bl_root to "
            "BL30K or similar videos."
        )
    images, masks = root / "JPEGImages" / inner, root / "Annotations" / inner
    return {name: annotated(images / name, masks / name) for name in names}


def annotated(images: Path, masks: Path) -> Frames:
    """Return a video's pictures with their label maps; raise InputError when one is missing."""
    label_maps = {path.stem: path for path in list_images(masks)}
    pictures = list_images(images)
    without = [path.name for path in pictures if path.stem not in label_maps]
    if without or not pictures:
        raise InputError(
            f"{images} needs pictures with a label map each, but "
            f"{f'{without[0]} has none' if without else 'is empty'}: complete it, or remove it from the list."
        )
    return [(path, label_maps[path.stem]) for path in pictures]


def propagate_from(
    frames: Frames, start: int, reach: int | None, network: PropagationNetwork, mem_every: int, folder: Path
) -> None:
    """Propagate the objects of frame `start` both ways, and write their probabilities.

    The folder gets its name when it is complete. A frame without objects gets an empty folder.

    Args:
        frames: pictures and label maps of the video.
        start: index of the frame to propagate from.
        reach: number of frames to propagate each way; None for all.
        network: the propagation network, in eval mode.
        mem_every: interval of the permanent memory, in frames.
        folder: folder of the results.
    """
    labels = read_label_map(frames[start][1])
    objects = chosen_objects(labels)
    staging = folder.with_name(f".{folder.name}.{os.getpid()}{UNFINISHED}")
    staging.mkdir(parents=True)
    try:
        if objects:
            given = torch.from_numpy(np.where(np.isin(labels, objects), labels, 0))
            reach = len(frames) if reach is None else reach
            first, last = max(0, start - reach), min(len(frames) - 1, start + reach)
            write_frame(staging, start, objects, [labels == label for label in objects])
            for indices in (range(start, last + 1), range(start, first - 1, -1)):
                engine = InferenceCore(network, mem_every=mem_every)
                for index in indices:
                    image = normalise(read_image(frames[index][0]))
                    prob = engine.step(image, given if index == start else None, last=index == indices[-1])
                    if index != start:
                        write_frame(staging, index, objects, prob[1:].float().cpu().numpy())
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def chosen_objects(labels: NDArray[np.uint8]) -> list[int]:
    """Return the first five objects of a label map that are large enough."""
    large = np.flatnonzero(np.bincount(labels.ravel()) >= LEAST_PIXELS).tolist()
    return [label for label in large if label > 0][:MOST_OBJECTS]


def write_frame(folder: Path, index: int, objects: Sequence[int], prob: Iterable[NDArray[Any]]) -> None:
    """Write the probabilities of each object on a frame as grey levels: 255 is 1, fractions are truncated."""
    for label, one in zip(objects, prob, strict=True):
        levels = (np.asarray(one, np.float32) * 255).astype(np.uint8)
        write_mask(folder / f"{label:05}" / f"{index:05}.png", levels, None)


if __name__ == "__main__":
    run_script(main)

"""Write a picture of training samples: three frames in a row, the objects outlined."""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from dataset.training_sets import stage_dataset
from scripts.training.sample_pictures import sample_grid
from util.errors import run_script
from util.files import atomic_path
from util.flag_types import picture_path, positive_int
from util.stages import FIRST_JUMP


def main() -> None:
    """Parse the flags and write the picture."""
    parser = argparse.ArgumentParser(prog="python -m scripts.show_samples", description=__doc__)
    add = parser.add_argument
    add("--stage", type=int, choices=(0, 1, 2), required=True)
    add("--output", type=picture_path, required=True, help="a .png or .jpg")
    add("--samples", type=positive_int, default=6, help="default: %(default)s")
    add("--max_jump", type=positive_int, default=FIRST_JUMP, help="default: %(default)s")
    add("--seed", type=int, default=0, help="default: %(default)s")
    add("--static_root", type=Path, default=Path("../static"), help="default: %(default)s")
    add("--bl_root", type=Path, default=Path("../BL30K"), help="default: %(default)s")
    add("--yv_root", type=Path, default=Path("../YouTube"), help="default: %(default)s")
    add("--davis_root", type=Path, default=Path("../DAVIS/2017"), help="default: %(default)s")
    args = parser.parse_args()
    options = {key: value for key, value in vars(args).items() if key not in ("output", "samples")}
    dataset = stage_dataset(**options)
    samples = []
    for epoch, index in enumerate(np.random.default_rng(args.seed).integers(len(dataset), size=args.samples)):
        dataset.set_epoch(epoch)  # so that what is chosen twice differs
        samples.append(dataset[int(index)])
    with atomic_path(args.output) as temporary:
        Image.fromarray(sample_grid(samples)).save(temporary)


if __name__ == "__main__":
    run_script(main)

"""Write a picture of training samples, with the objects drawn in.

Rows of a propagation stage show three frames; of S2M the scribbles, the previous mask and the truth; of a
fusion stage both masks and the truth.
"""

import argparse

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import default_collate

from dataset.training.interactive_sets import fusion_training_set, s2m_training_set
from dataset.training.sets import stage_dataset
from scripts.training.loop import TrainingData
from scripts.training.pictures import draw_fusion_grid, draw_image_grid, draw_s2m_grid
from util.data_roots import DEFAULT_ROOTS, add_root_flags
from util.errors import run_script
from util.files import atomic_path
from util.flag_types import PICTURES, path_with, positive_int, script_parser, whole_number
from util.hyper_para import SEED_HELP, crop_size
from util.stages import FIRST_JUMP


def main() -> None:
    """Parse the flags and write the picture."""
    parser = script_parser(__doc__, "python -m scripts.show_samples --stage 0 --output samples.png")
    kind = parser.add_argument_group("kind of samples").add_mutually_exclusive_group(required=True)
    kind.add_argument("--stage", type=int, choices=(0, 1, 2), help="samples of a propagation stage")
    kind.add_argument("--s2m", action="store_true", help="samples of S2M")
    kind.add_argument("--fusion", type=int, choices=(0, 1), help="samples of a fusion stage")
    add = parser.add_argument_group("picture").add_argument
    add("--output", type=path_with(*PICTURES), required=True, help="picture to write, .png or .jpg")
    add("--samples", type=positive_int, default=6, help="number of samples (default: %(default)s)")
    jump = "largest gap between frames of a video (default: %(default)s)"
    add("--max_jump", type=positive_int, default=FIRST_JUMP, help=jump)
    add("--crop_size", type=crop_size, help="side of a sample in pixels (default: 384; S2M: 480)")
    add("--seed", type=whole_number, default=0, help=SEED_HELP)
    uses = ("stage 0 and S2M", "stage 1 and fusion 0", "stage 2", "stage 2 and fusion 1", "S2M", "fusion")
    add = parser.add_argument_group("data").add_argument
    add_root_flags(add, **dict(zip(DEFAULT_ROOTS, uses, strict=True)))
    args = parser.parse_args()
    args.crop_size = args.crop_size or (480 if args.s2m else 384)
    with atomic_path(args.output) as temporary:
        Image.fromarray(drawn(args)).save(temporary)


def drawn(args: argparse.Namespace) -> NDArray[np.uint8]:
    """Return the picture that the flags ask for, `H x W x 3`."""
    dataset: TrainingData
    if args.s2m:
        dataset = s2m_training_set(args.static_root, args.lvis_root, args.crop_size, args.seed)
    elif args.fusion is not None:
        roots = args.fusion_root, args.bl_root, args.davis_root
        dataset = fusion_training_set(args.fusion, *roots, args.crop_size, args.seed)
    else:
        names = ("static_root", "bl_root", "yv_root", "davis_root", "max_jump", "seed", "crop_size")
        dataset = stage_dataset(args.stage, **{name: getattr(args, name) for name in names})
    samples = []
    for epoch, index in enumerate(np.random.default_rng(args.seed).integers(len(dataset), size=args.samples)):
        dataset.set_epoch(epoch)  # so that what is chosen twice differs
        samples.append(dataset[int(index)])
    draw = draw_s2m_grid if args.s2m else draw_fusion_grid if args.fusion is not None else draw_image_grid
    return draw(default_collate(samples))


if __name__ == "__main__":
    run_script(main)

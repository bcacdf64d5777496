"""Make the demo clip: parts of photographs that come with scikit-image, in motion, with exact masks.

A cat's face passes in front of a cup of coffee over a moving background; later the moon comes in. The layout
is that of DAVIS 2017, so `eval_davis.py --davis OUTPUT --late_objects` evaluates on it. `first_masks` holds
each object's mask on the frame where it first appears. Every run makes the same files.
"""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from dataset.davis_test_dataset import RESOLUTION, SPLITS_2017, davis_2017
from dataset.masks.writer import write_mask
from dataset.synthetic.demo_scene import FRAMES, demo_scene
from dataset.synthetic.scene import render_frame
from util.errors import InputError, run_script
from util.flag_types import script_parser
from util.palette import voc_palette

NAME = "visitors"  # name of the video
JPEG_QUALITY = 92


def main() -> None:
    """Parse the flags and make the clip, unless it exists."""
    parser = script_parser(__doc__, "python -m scripts.make_demo_clip --output output/clip")
    parser.add_argument("--output", type=Path, required=True, help="folder of the clip, a root for --davis")
    output = parser.parse_args().output
    if output.joinpath(*SPLITS_2017["val"]).is_file():
        print(f"{output} is there already.")
        return
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output} is there and is not a demo clip: give another --output.")
    make_clip(output)
    print(f"{FRAMES} frames and their masks: {output}")


def make_clip(output: Path) -> None:
    """Write the clip; the folder appears when it is complete."""
    hidden = output.with_name(f".{output.name}.part")
    shutil.rmtree(hidden, ignore_errors=True)  # of a run that was stopped
    random = np.random.default_rng(0)
    folder, listing = SPLITS_2017["val"]
    images, masks = (hidden / folder / kind / RESOLUTION / NAME for kind in ("JPEGImages", "Annotations"))
    images.mkdir(parents=True)
    scene = demo_scene(random)
    for number in range(FRAMES):
        picture, labels = render_frame(scene, number, random)
        write_mask(masks / f"{number:05}.png", labels, voc_palette())
        Image.fromarray(picture).save(images / f"{number:05}.jpg", quality=JPEG_QUALITY)
    (hidden / folder / listing).parent.mkdir(parents=True)
    (hidden / folder / listing).write_text(f"{NAME}\n")
    (video,) = davis_2017(hidden, "val", late_objects=True)
    for index in video.masks:
        given = video.read(index)
        path = hidden / "first_masks" / NAME / f"{given.name}.png"
        write_mask(path, np.asarray(given.mask), video.palette)
    hidden.replace(output)


if __name__ == "__main__":
    run_script(main)

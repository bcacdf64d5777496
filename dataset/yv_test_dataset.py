"""YouTubeVOS validation: objects appear on any frame, and labels have gaps."""

from pathlib import Path

from dataset.frame_source import PictureFiles
from dataset.image_io import joined_palette, list_images, read_label_map
from dataset.video import Video
from util.errors import InputError

SHORT_SIDE = 480
ALL_FRAMES_FPS = 30.0


def youtube_vos(root: Path, split: str) -> list[Video]:
    """Return the videos of a YouTubeVOS split, each from its first labelled frame on.

    Args:
        root: holds `all_frames/<split>_all_frames/JPEGImages` and `<split>/Annotations`.
        split: "valid", or another of the same layout.
    """
    images = root / "all_frames" / f"{split}_all_frames" / "JPEGImages"
    annotations = root / split / "Annotations"
    for folder in (images, annotations):
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder}: point --yv to YouTubeVOS.")
    names = sorted(folder.name for folder in annotations.iterdir() if folder.is_dir())
    if not names:
        raise InputError(f"there are no videos in {annotations}.")
    return [_video(images / name, annotations / name) for name in names]


def _video(images: Path, annotations: Path) -> Video:
    frames = list_images(images)
    if not frames:
        raise InputError(f"there are no frames in {images}: put the video's pictures there.")
    masks = {path.stem: path for path in list_images(annotations)}
    strangers = sorted(masks.keys() - {frame.stem for frame in frames})
    if strangers:
        raise InputError(
            f"{masks[strangers[0]]} has no frame in {images} ({len(strangers)} such masks): "
            "its objects would be lost; put the frame there, or take the mask away."
        )
    labelled = [index for index, frame in enumerate(frames) if frame.stem in masks]
    if not labelled:
        raise InputError(f"no mask in {annotations} is named after a frame of {images}.")
    with_objects = (i for i in labelled if read_label_map(masks[frames[i].stem]).any())
    first = next(with_objects, labelled[0])
    return Video(
        name=images.name,
        frames=PictureFiles(frames[first:], fps=ALL_FRAMES_FPS),
        masks={index - first: masks[frames[index].stem] for index in labelled if index >= first},
        palette=joined_palette(masks[frames[index].stem] for index in labelled if index >= first),
        short_side=SHORT_SIDE,
    )

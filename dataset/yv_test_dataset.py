"""YouTubeVOS validation: objects appear on any frame, and labels have gaps."""

from pathlib import Path

from dataset.video import Video
from dataset.video_folders import Given, Protocol, folder_videos
from util.errors import InputError

YOUTUBE_VOS = Protocol(Given.ALL, short_side=480, published_resizing=True, fps=30)


def youtube_vos(root: Path, split: str) -> list[Video]:
    """Return the videos of a YouTubeVOS split, each from its first labelled frame on.

    Args:
        root: folder of `all_frames/<split>_all_frames/JPEGImages` and `<split>/Annotations`.
        split: "valid", or another split of the same layout.
    """
    images, annotations = (root / folder for folder in youtube_folders(split))
    for folder in (images, annotations):
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder}: point --yv to YouTubeVOS.")
    return folder_videos(images, annotations, YOUTUBE_VOS)


def youtube_folders(split: str) -> tuple[str, str]:
    """Return the folders of a split's pictures and masks below the root."""
    return f"all_frames/{split}_all_frames/JPEGImages", f"{split}/Annotations"

"""The folder in which everything about one video is kept.

edits.jsonl   the log; its first line says which video it is of
masks/        whole label maps by the entry that made them: masks/000017/00003.png is entry 17's frame 3
token         what a page must know; kept, so that an open page finds its server after a restart
thumbnails/, fit/, exports/   made from the others, and safe to remove while nothing runs
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.annotator.edit_log import EditLog
from scripts.annotator.pictures import Pictures
from util.errors import InputError
from util.files import atomic_path, remove_leftovers
from util.lock import exclusive

FORMAT = 1  # of the log


@dataclass(frozen=True)
class Workspace:
    """An open workspace, which no other process has open."""

    folder: Path
    log: EditLog
    token: str

    @property
    def identity(self) -> str:
        """What tells it from other workspaces, whose entries have the same numbers; no secret."""
        return hashlib.sha256(self.token.encode()).hexdigest()[:16]

    @property
    def masks(self) -> Path:
        """Whole label maps."""
        return self.folder / "masks"

    @property
    def exports(self) -> Path:
        """What was exported."""
        return self.folder / "exports"


@contextmanager
def open_workspace(folder: Path, pictures: Pictures) -> Iterator[Workspace]:
    """Open a video's workspace, or make it.

    Raises:
        InputError: another run has it open, or it is of another video.
    """
    if pictures.source.place.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise InputError(f"--workspace {folder} lies in the folder of the frames: give another place.")
    with exclusive(folder, "annotation"):
        remove_leftovers(folder)
        log = EditLog(folder / "edits.jsonl")
        try:
            _check_video(log, pictures, folder)
            yield Workspace(folder, log, _token(folder / "token"))
        finally:
            log.close()


def _check_video(log: EditLog, pictures: Pictures, folder: Path) -> None:
    """Make sure that a log is of a video; a new one says so in its first line."""
    height, width = pictures.size
    video: dict[str, Any] = {"frames": len(pictures), "width": width, "height": height}
    if not log.entries:
        name = pictures.source.place.name
        log.entries.append(log.append({"kind": "video", "format": FORMAT, "name": name, **video}))
    begun = log.entries[0]
    if begun["kind"] != "video" or begun.get("format") != FORMAT:
        raise InputError(f"{log.path} is not a log of this version of the program: give another --workspace.")
    if any(begun[name] != value for name, value in video.items()):
        raise InputError(
            f"{folder} belongs to {begun['name']}, {begun['frames']} frames of {begun['width']} x "
            f"{begun['height']}, and this video has {len(pictures)} of {width} x {height}: "
            "give another --workspace."
        )


def _token(path: Path) -> str:
    if not path.is_file():
        with atomic_path(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_text(secrets.token_urlsafe(24))
    return path.read_text().strip()

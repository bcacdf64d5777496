"""The folder of one annotation.

edits.jsonl   the log; its first line says how many frames of which size its video has
video         digest of the frames, to recognise another video of the same name, length and size
masks/        whole label maps by the entry that made them: masks/000017/00003.png is entry 17's frame 3
token         secret of the pages; kept, so that an open page finds its server after a restart
thumbnails/, sound/, fit/, exports/   made from the others; may be removed while nothing runs
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dataset.fingerprint import frames_fingerprint
from scripts.annotator.edit_log import EditLog
from scripts.annotator.pictures import Pictures
from util.errors import InputError
from util.files import atomic_path, remove_leftovers
from util.lock import lock_folder

FORMAT = 1  # of the log


@dataclass(frozen=True)
class Workspace:
    """An open workspace, locked against other processes."""

    folder: Path
    log: EditLog
    token: str  # secret of the pages
    # new each time a workspace is opened, since the log may have been edited and reuse numbers
    identity: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def exports(self) -> Path:
        """Folder of exports."""
        return self.folder / "exports"


@contextmanager
def open_workspace(folder: Path, pictures: Pictures) -> Iterator[Workspace]:
    """Open or create a video's workspace.

    Raises:
        InputError: another run has it open, it belongs to another video, or its log is lost.
    """
    if pictures.source.place.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise InputError(f"--workspace {folder} lies in the folder of the frames: give another folder.")
    with lock_folder(folder, "annotation"):
        remove_leftovers(folder)
        path = folder / "edits.jsonl"
        _check_log_is_there(path, folder / "masks")
        log = EditLog(path)
        try:
            _check_video(log, pictures, folder)
            yield Workspace(folder, log, _kept(folder / "token", secrets.token_urlsafe(24)))
        finally:
            log.close()


def _check_log_is_there(path: Path, masks: Path) -> None:
    """Check that masks have a log; without it, all would be removed as unreachable."""
    if any(masks.rglob("*.png")) and not (path.is_file() and b"\n" in path.read_bytes()):
        raise InputError(
            f"{path} is missing or empty, and {masks} holds masks: restore the log from a copy, or move "
            "both away to start again."
        )


def _check_video(log: EditLog, pictures: Pictures, folder: Path) -> None:
    """Check that a log belongs to a video; the first line of a new log names the video."""
    height, width = pictures.size
    if not log.entries:
        name, size = pictures.source.place.name, {"frames": len(pictures), "width": width, "height": height}
        log.entries.append(log.append({"kind": "video", "format": FORMAT, "name": name, **size}))
    begun = log.entries[0]
    if begun["kind"] != "video" or begun.get("format") != FORMAT:
        raise InputError(f"{log.path} is not a log of this version of the program: give another --workspace.")
    fingerprint = frames_fingerprint(pictures.source)
    if _kept(folder / "video", fingerprint) != fingerprint:
        raise InputError(
            f"{folder} belongs to another video, {begun['name']}: give another --workspace; if it is the "
            f"same video with rewritten files, remove {folder / 'video'}."
        )


def _kept(path: Path, text: str) -> str:
    """Return the text of a file; create a missing file with a text."""
    if not path.is_file():
        with atomic_path(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_text(text)
    return path.read_text().strip()

"""Downloads one file with gdown, which handles Google Drive's pages and continues interrupted transfers.

This module adds a check of the disk space, and messages that say what to do.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import gdown
from gdown.exceptions import DownloadError, FileURLRetrievalError
from requests import RequestException

from scripts.downloads.sources import RemoteFile
from util.errors import InputError

RETRIES = 5  # after a broken connection
TIMEOUT = 60  # seconds without an answer or a byte


def download(
    file: RemoteFile,
    path: Path,
    unpack_in: Path | None = None,
    check: Callable[[Path], object] | None = None,
    retries: int = RETRIES,
    timeout: float = TIMEOUT,
) -> None:
    """Download a file to `path`, which appears when the file is complete and passes `check`.

    The next run continues a partial file, `<path>.arrived*.part`.

    Args:
        file: file to download.
        path: path of the file.
        unpack_in: folder where the file will be unpacked; the same space is required there.
        check: function that raises InputError when the complete file is wrong.
        retries: number of tries after the first one.
        timeout: seconds to wait for an answer or a byte.

    Raises:
        InputError: too little space, the server refuses or keeps failing, or the file is wrong.
    """

    def check_space(done: int, total: int | None) -> None:
        if total is not None:
            require_space(path.parent, total - done, file.name)
            if unpack_in is not None:
                require_space(unpack_in, total, f"unpacking {file.name}")

    arrived = path.with_name(f"{path.name}.arrived")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if not arrived.is_file():  # complete, of a run that was stopped in its check
            gdown.download(
                file.url,
                str(arrived),
                use_cookies=False,
                resume=True,
                progress=check_space,
                timeout=timeout,
                retries=retries,
            )
    except FileURLRetrievalError as error:
        raise InputError(
            f"Google Drive shows a page instead of {file.name} (its quota, when too many people downloaded "
            f"it in the last 24 hours): run the same command again tomorrow, or {by_hand(file, path)}"
        ) from error
    except (DownloadError, RequestException) as error:
        if "byte range" in str(error):  # the server cannot continue this file: start again next time
            for part in path.parent.glob(f"{arrived.name}?*.part"):
                part.unlink()
        raise InputError(
            f"{file.name} could not be fetched from {file.url} ({error}): check the connection and run the "
            f"same command again, which continues where it was, or {by_hand(file, path)}"
        ) from error
    if check is not None:
        try:
            check(arrived)
        except InputError:
            arrived.unlink()
            raise
    arrived.replace(path)


def by_hand(file: RemoteFile, path: Path) -> str:
    """Return instructions to download a file with a browser."""
    return f"open {file.page} in a browser, save the file as {path}, and run the same command again."


def require_space(folder: Path, size: int, purpose: str) -> None:
    """Raise InputError when the disk of a folder has fewer than `size` free bytes."""
    free = free_space(folder)
    if size > free:
        raise InputError(
            f"{purpose} needs {gigabytes(size)} on the disk of {folder}, which has {gigabytes(free)} free: "
            "free disk space, then run the same command again."
        )


def free_space(folder: Path) -> int:
    """Return the free bytes on the disk of a folder, which need not exist yet."""
    folder = folder.absolute()
    return shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free


def gigabytes(size: int) -> str:
    """Return a number of bytes as text: `1.5 GB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"

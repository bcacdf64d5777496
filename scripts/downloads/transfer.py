"""Downloads one file with gdown, which handles Google Drive's pages and continues interrupted transfers.

This module adds a check of the disk space, and messages that say what to do.
"""

import shutil
from pathlib import Path

import gdown
from gdown.exceptions import DownloadError, FileURLRetrievalError
from requests import RequestException
from tqdm import tqdm

from scripts.downloads.sources import RemoteFile
from util.errors import InputError

MIRROR_HELP = "web address with copies: URL/<file name> is downloaded instead"


def download(file: RemoteFile, path: Path, retries: int = 5, timeout: float = 60) -> None:
    """Download a file to `path`, which appears when the file is complete.

    The next run continues a partial file, `<path>*.part`.

    Args:
        file: file to download.
        path: path of the file.
        retries: number of tries after the first one.
        timeout: seconds to wait for an answer or a byte.

    Raises:
        InputError: there is too little space, or the server refuses or keeps failing.
    """

    def check_space(done: int, total: int | None) -> None:
        require_space(path.parent, (total or done) - done, file.name)

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        gdown.download(
            file.url,
            str(path),
            use_cookies=False,
            resume=True,
            progress=check_space,
            timeout=timeout,
            retries=retries,
        )
    except FileURLRetrievalError as error:
        raise InputError(
            f"Google Drive shows a page instead of {file.name} (its quota, when too many people downloaded "
            f"it in the last 24 hours): run the same command again tomorrow, or {advise_browser(file, path)}"
        ) from error
    except (DownloadError, RequestException) as error:
        if "byte range" in str(error):  # the server cannot continue this file: start again next time
            for part in path.parent.glob(f"{path.name}?*.part"):
                part.unlink()
        raise InputError(
            f"{file.name} could not be fetched from {file.url} ({error}): check the connection and run the "
            f"same command again, which continues where it was, or {advise_browser(file, path)}"
        ) from error


def advise_browser(file: RemoteFile, path: Path) -> str:
    """Return instructions to download a file with a browser."""
    return f"open {file.page} in a browser, save the file as {path}, and run the same command again."


def require_space(folder: Path, size: float, purpose: str) -> None:
    """Raise InputError when the disk of a folder has fewer than `size` free bytes."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise InputError(
            f"{purpose} needs {tqdm.format_sizeof(size, 'B')} on the disk of {folder}, which has "
            f"{tqdm.format_sizeof(free, 'B')} free: free disk space, then run the same command again."
        )

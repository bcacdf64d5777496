"""Fetches one file with gdown, which passes Google Drive's pages and continues a transfer that was cut.

gdown gives up at a server's error, at a range that it is refused and after a fixed number of tries, and it
asks for no disk space. This module adds that, and messages that say what to do.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

import gdown
from gdown.exceptions import DownloadError, FileURLRetrievalError
from requests import RequestException

from scripts.downloads.free_space import gigabytes, require_space
from scripts.downloads.sources import RemoteFile
from util.errors import InputError
from util.files import set_aside

log = logging.getLogger(__name__)

TRIES = 6
LONGEST_WAIT = 60  # seconds between two tries
TIMEOUT = 60  # seconds without an answer or a byte
PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP errors that may be gone a little later


def download(
    file: RemoteFile,
    path: Path,
    unpack_in: Path | None = None,
    check: Callable[[Path], object] | None = None,
    tries: int = TRIES,
    timeout: float = TIMEOUT,
) -> None:
    """Fetch a file to `path`, which is written only when the file is whole and passes `check`.

    The next run continues a partial file, `<path>.arrived*.part`.

    Args:
        file: the file to fetch.
        path: the file to write.
        unpack_in: folder where the file will be unpacked; the same space is required there.
        check: called with the whole file; raises InputError when it is wrong.
        tries: number of tries in a row that may bring no new byte.
        timeout: seconds to wait for an answer or a byte.

    Raises:
        InputError: too little space, the server refuses or keeps failing, or the file is wrong. A wrong
            file is kept as `<path>.wrong`.
    """
    arrived = path.with_name(f"{path.name}.arrived")
    path.parent.mkdir(parents=True, exist_ok=True)
    failed = 0
    while not arrived.is_file():
        before = _partial_size(arrived)
        try:
            _fetch(file, arrived, unpack_in, timeout)
        except FileURLRetrievalError as error:
            raise InputError(
                f"Google Drive shows a page instead of {file.name} (its quota, when too many people fetched "
                f"it in the last 24 hours): run the same command again tomorrow, or {by_hand(file, path)}"
            ) from error
        except (DownloadError, RequestException) as error:
            failed = 1 if _partial_size(arrived) > before else failed + 1
            if "byte range" in str(error):  # the server cannot continue this file: begin again
                for part in _partial_files(arrived):
                    part.unlink()
            reason, may_pass = _reason(error)
            if failed >= tries or not may_pass:
                raise InputError(
                    f"{file.name} could not be fetched from {file.url} ({reason}): check the connection and "
                    f"run the same command again, which continues at {gigabytes(_partial_size(arrived))}, or "
                    f"{by_hand(file, path)}"
                ) from error
            wait = min(2**failed, LONGEST_WAIT)
            log.warning("%s: %s; trying again in %d s.", file.name, reason, wait)
            time.sleep(wait)
    try:
        if check is not None:
            check(arrived)
    except InputError as error:
        raise InputError(f"{error} It is kept as {set_aside(arrived, path.name)}.") from error
    arrived.replace(path)


def by_hand(file: RemoteFile, path: Path) -> str:
    """Return what a person can do where the program cannot."""
    return f"open {file.page} in a browser, save the file as {path}, and run the same command again."


def _fetch(file: RemoteFile, arrived: Path, unpack_in: Path | None, timeout: float) -> None:
    def check_space(done: int, total: int | None) -> None:
        if total is not None:
            needs = {arrived.parent: total - done}
            if unpack_in is not None:
                needs[unpack_in] = needs.get(unpack_in, 0) + total
            require_space(needs, file.name)

    gdown.download(
        file.url, str(arrived), resume=True, use_cookies=False, timeout=timeout, progress=check_space
    )


def _partial_files(arrived: Path) -> list[Path]:
    return list(arrived.parent.glob(f"{arrived.name}?*.part"))  # as gdown names them


def _partial_size(arrived: Path) -> int:
    return sum(part.stat().st_size for part in _partial_files(arrived))


def _reason(error: Exception) -> tuple[str, bool]:
    """Return why a try failed, and whether another one may succeed."""
    response = getattr(error, "response", None)
    if response is None:
        return f"no answer, or the connection broke: {type(error).__name__}", True
    return f"the server answers {response.status_code} {response.reason}", response.status_code in PASSING

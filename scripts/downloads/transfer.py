"""Fetching one file over HTTP: continued where it stopped, tried again, whole or not there.

Google Drive answers with a page before a large file; gdown knows how to read it. Its own transfer, like those
of other libraries, does not tell whether the file has changed since the run that it continues, and would join
parts of two files; nor does it ask for room before it begins.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TypedDict
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

from gdown.download import get_url_from_gdrive_confirmation
from gdown.exceptions import FileURLRetrievalError

from scripts.downloads.free_space import full_disk_explained, readable, require_space
from scripts.downloads.sources import RemoteFile
from util.errors import InputError
from util.files import atomic_path, remove_leftovers, set_aside
from util.lock import exclusive
from util.progress import ByteProgress

log = logging.getLogger(__name__)

TRIES = 6
LONGEST_WAIT = 60  # seconds between two of them
TIMEOUT = 60
CHUNK = 1 << 18
PAGES = 3  # web pages that may come before a file
PAGE_SIZE = 1 << 20
PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP answers that may be better a little later
QUOTA_SIGNS = ("quota exceeded", "too many users have viewed or downloaded")


class TransferError(Exception):
    """A transfer broke off in a way that another try may mend."""


def download(
    file: RemoteFile,
    path: Path,
    unpack_in: Path | None = None,
    check: Callable[[Path], object] | None = None,
    tries: int = TRIES,
    timeout: float = TIMEOUT,
) -> None:
    """Fetch a file to `path`; what has arrived waits in `<path>.part` for the next run.

    Args:
        file: what to fetch.
        path: where it shall be; written only when the file is whole and passes `check`.
        unpack_in: the folder where the file will be unpacked: the same room again is asked for there.
        check: called with the place of the whole file before it becomes `path`; raises InputError when
            the file is wrong, which is then kept as `<path>.wrong`.
        tries: how many in a row may bring no new byte.
        timeout: seconds to wait for an answer or a byte.

    Raises:
        InputError: too little room, the server refuses, it kept failing, or the file is wrong.
    """
    transfer = _Transfer(file, path, unpack_in, timeout)
    path.parent.mkdir(parents=True, exist_ok=True)
    failed = 0
    while True:
        before = transfer.size
        try:
            transfer.run()
            break
        except TransferError as error:
            failed = 1 if transfer.size > before else failed + 1
            if failed >= tries:
                raise InputError(
                    f"{file.name} could not be fetched from {file.url} ({error}): check the connection and "
                    f"run the same command again, which continues at {readable(transfer.size)}, or "
                    f"{transfer.by_hand}"
                ) from error
            wait = min(2**failed, LONGEST_WAIT)
            log.warning("%s: %s; trying again in %d s.", file.name, error, wait)
            time.sleep(wait)
    try:
        if check is not None:
            check(transfer.part)
    except InputError as error:
        aside = set_aside(transfer.part, path.name)
        transfer.version_file.unlink(missing_ok=True)
        raise InputError(f"{error} It is kept as {aside}; {path} is as it was.") from error
    transfer.part.replace(path)
    transfer.version_file.unlink(missing_ok=True)


@contextmanager
def downloads_in(folder: Path) -> Iterator[None]:
    """Keep other downloads out of a folder, and tidy up after those that were killed."""
    with exclusive(folder, "download"):
        remove_remains(folder)
        yield


def remove_remains(folder: Path) -> None:
    """Remove what a run that was killed left in a folder of downloads and no other run can use."""
    remove_leftovers(folder)
    for version_file in folder.glob("*.part.version"):
        if not version_file.with_suffix("").is_file():
            version_file.unlink()


class _Version(TypedDict):
    """What tells one state of a remote file from another."""

    size: int | None  # of the whole file
    tag: str | None
    date: str | None


@dataclass(frozen=True)
class _Transfer:
    """The way of one file into `<path>.part`, continued by each `run` until it is whole."""

    file: RemoteFile
    path: Path
    unpack_in: Path | None
    timeout: float

    @property
    def part(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")

    @property
    def version_file(self) -> Path:
        """Tells which state of the remote file `part` is the beginning of."""
        return self.path.with_name(f"{self.path.name}.part.version")

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self.part.stat().st_size if self.part.is_file() else 0

    @property
    def by_hand(self) -> str:
        """What a person can do when the program cannot."""
        return (
            f"open {self.file.page} in a browser, save the file as {self.path}, "
            "and run the same command again."
        )

    def run(self) -> None:
        """Fetch what is missing.

        Raises:
            TransferError: it broke off.
            InputError: it cannot be fetched this way.
        """
        known = self._known_version()
        offset = 0 if known is None else self.size
        if known is not None and offset and offset == known["size"]:
            return
        with self._open(offset) as response:
            version = _version(response)
            if response.status != HTTPStatus.PARTIAL_CONTENT:
                offset = 0
            elif version != known or not _starts_at(response, offset):
                self.part.unlink()
                raise TransferError("the remote file is another one than at the last try")
            whole = version["size"]
            if whole is not None:
                self._require_space(whole, offset)
            if not offset:
                self.part.write_bytes(b"")  # before its version is noted, which must not vouch for old bytes
            with atomic_path(self.version_file) as temporary:
                temporary.write_text(json.dumps(version))
            if offset:
                log.info("%s continues at %s.", self.file.name, readable(offset))
            bar = ByteProgress(self.file.name, None if whole is None else whole - offset)
            with full_disk_explained(self.path.parent), self.part.open("ab") as out, bar:
                for chunk in _chunks(response):
                    out.write(chunk)
                    bar.advance(len(chunk))
        if whole is not None and self.size != whole:
            raise TransferError(f"the connection ended at {readable(self.size)} of {readable(whole)}")

    def _require_space(self, whole: int, offset: int) -> None:
        needs = {self.path.parent: whole - offset}
        if self.unpack_in is not None:
            needs[self.unpack_in] = needs.get(self.unpack_in, 0) + whole
        require_space(needs, self.file.name)

    def _known_version(self) -> _Version | None:
        """Return the version that the partial file is of, or None when that is not known."""
        try:
            noted = json.loads(self.version_file.read_text())
            return _Version(size=noted["size"], tag=noted["tag"], date=noted["date"])
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def _open(self, offset: int) -> HTTPResponse:
        """Return the response that carries the file from `offset` on, past the pages in front of it."""
        opener = build_opener(HTTPCookieProcessor())
        url = self.file.url
        for _ in range(PAGES):
            response = self._get(opener, url, offset)
            if not _is_page(response):
                return response
            with response:
                page = b"".join(_chunks(response, PAGE_SIZE)).decode(errors="replace")
            url = self._address_in(page)
        raise InputError(f"{self.file.url} leads from page to page and to no file: {self.by_hand}")

    def _get(self, opener: OpenerDirector, url: str, offset: int) -> HTTPResponse:
        # Google Drive treats agents that do not look like a browser differently.
        headers = {"User-Agent": "Mozilla/5.0"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        try:
            return opener.open(Request(url, headers=headers), timeout=self.timeout)
        except HTTPError as error:
            with error:
                page = error.read(PAGE_SIZE).decode(errors="replace")
            if _is_quota_page(page):
                raise self._quota_error() from error
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                self.part.unlink()  # more is here than there: begin again
            elif error.code not in PASSING:
                raise InputError(f"{url} answers {error.code} {error.reason}: {self.by_hand}") from error
            raise TransferError(f"the server answers {error.code} {error.reason}") from error
        except (HTTPException, OSError) as error:
            raise TransferError(f"no answer: {getattr(error, 'reason', error)}") from error

    def _address_in(self, page: str) -> str:
        """Return the address behind a page such as Google Drive's "too large for the virus scan".

        Raises:
            InputError: the page leads to no file.
        """
        try:
            return get_url_from_gdrive_confirmation(page)
        except FileURLRetrievalError as error:
            if _is_quota_page(page):
                raise self._quota_error() from error
            raise InputError(
                f"{self.file.url} answers with a web page instead of {self.file.name}: {self.by_hand}"
            ) from error

    def _quota_error(self) -> InputError:
        return InputError(
            f"Google Drive's quota page came instead of {self.file.name} (too many people fetched it in the "
            f"last 24 hours): run the same command again tomorrow, or {self.by_hand}"
        )


def _is_quota_page(page: str) -> bool:
    return any(sign in page.lower() for sign in QUOTA_SIGNS)


def _is_page(response: HTTPResponse) -> bool:
    is_html = response.headers.get_content_type() == "text/html"
    return is_html and "Content-Disposition" not in response.headers


def _chunks(response: HTTPResponse, at_most: int | None = None) -> Iterator[bytes]:
    """Yield the body as it arrives; only reading can raise TransferError, not what is done with it."""
    taken = 0
    while at_most is None or taken < at_most:
        try:
            chunk = response.read(CHUNK)
        except (HTTPException, OSError) as error:
            raise TransferError(f"the connection broke: {error}") from error
        if not chunk:
            return
        taken += len(chunk)
        yield chunk


def _version(response: HTTPResponse) -> _Version:
    """Return the state that a response is of."""
    size = response.headers.get("Content-Length", "")
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        size = response.headers.get("Content-Range", "").rpartition("/")[2]
    return _Version(
        size=int(size) if size.isdigit() else None,
        tag=response.headers.get("ETag"),
        date=response.headers.get("Last-Modified"),
    )


def _starts_at(response: HTTPResponse, offset: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")

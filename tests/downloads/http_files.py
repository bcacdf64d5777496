"""A real HTTP server on 127.0.0.1 that stands in for the sources of downloads, and archives to serve."""

import io
import tarfile
import threading
import zipfile
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Page:
    """A web page instead of a file."""

    html: str
    status: int = 200


@dataclass(frozen=True)
class Cut:
    """The connection ends early."""

    after: int  # bytes of the body


class FileServer(ThreadingHTTPServer):
    """Serves `files`, with ranges and tags.

    Each request first takes an entry of `faults[name]`: a status code, a Page or a Cut.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, deque] = defaultdict(deque)
        self.requests: list[tuple[str, str | None]] = []  # (path with query, Range)
        self.with_ranges = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: FileServer

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        name = unquote(urlsplit(self.path).path).lstrip("/")
        self.server.requests.append((self.path, self.headers.get("Range")))
        faults = self.server.faults[name]
        fault = faults.popleft() if faults else None
        if isinstance(fault, int):
            self.send_error(fault)
        elif isinstance(fault, Page):
            self.send_page(fault)
        elif name not in self.server.files:
            self.send_error(404)
        else:
            self.send_file(self.server.files[name], fault.after if fault else None)

    def send_page(self, page: Page) -> None:
        self.send_response(page.status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page.html.encode())

    def send_file(self, content: bytes, cut: int | None) -> None:
        start = 0
        asked = self.headers.get("Range") if self.server.with_ranges else None
        if asked:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Disposition", "attachment")
        self.send_header("ETag", f'"{hash(content)}"')
        self.end_headers()
        body = content[start:] if cut is None else content[start : start + cut]
        with suppress(ConnectionError):  # the client was killed
            self.wfile.write(body)


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@contextmanager
def serving() -> Iterator[FileServer]:
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

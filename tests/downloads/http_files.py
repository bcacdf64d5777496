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
            self.send_body(fault.status, fault.html.encode(), {"Content-Type": "text/html; charset=utf-8"})
        elif name not in self.server.files:
            self.send_error(404)
        else:
            self.send_file(self.server.files[name], fault.after if fault else None)

    def send_file(self, content: bytes, cut: int | None) -> None:
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Disposition": "attachment",
            "ETag": f'"{hash(content)}"',
        }
        asked = self.headers.get("Range") if self.server.with_ranges else None
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if asked and start >= len(content):
            self.send_error(416)
            return
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.send_body(206 if asked else 200, content[start:], headers, cut)

    def send_body(self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):  # the client was killed
            self.wfile.write(body[:cut])


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

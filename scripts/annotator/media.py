"""Pictures and sound for the page."""

import io
import threading
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from dataset.video_files.mp4_file import write_sound
from scripts.annotator.cut_out import Edge, opacity
from scripts.annotator.session import Session

FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}  # what has its version in its address
IDENTITY = [channel for level in range(256) for channel in (level, level, level)]


class Media:
    """Answers requests for media.

    Masks have the version of their frame in the address. Browsers keep them if `?w=` names this workspace,
    since the versions of another one have the same numbers.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.pictures = session.pictures
        self._making = threading.Lock()

    def routes(self) -> list[Route]:
        """Return the routes."""
        version = "{index:int}/{version:int}.png"
        return [
            Route("/frames/{index:int}.jpg", self.frame),
            Route(f"/masks/{version}", self._png(self.mask)),
            Route(f"/opacity/{version}", self._png(self.opacity)),
            Route(f"/small_masks/{version}", self._png(self.small_mask)),
            Route("/sound", self.sound),
        ]

    def frame(self, request: Request) -> Response:
        """Return a frame as JPEG; `?reduce=2` halves its size."""
        reduce = {"2": 2, "4": 4}.get(request.query_params.get("reduce", ""), 1)
        jpeg = self.pictures.jpeg(self._index(request), reduce)
        return Response(jpeg, media_type="image/jpeg", headers=FOR_EVER)

    def mask(self, labels: NDArray[np.uint8], request: Request) -> bytes:
        """Return labels as an indexed PNG whose colours are the labels."""
        return png_of(labels)

    def small_mask(self, labels: NDArray[np.uint8], request: Request) -> bytes:
        """Return labels in the size of thumbnails."""
        small = cv2.resize(labels, self.pictures.thumbnail_size, interpolation=cv2.INTER_NEAREST)
        return png_of(np.asarray(small, np.uint8))

    def opacity(self, labels: NDArray[np.uint8], request: Request) -> bytes:
        """Return the opacity of cut-outs; `?without=1,3` leaves objects out, see `Edge` for the others."""
        given = request.query_params
        without = [int(label) for label in given.get("without", "").split(",") if label]
        edge = Edge(float(given.get("feather", 0)), float(given.get("choke", 0)))
        return png_of(opacity((labels > 0) & ~np.isin(labels, without), edge))

    def sound(self, request: Request) -> Response:
        """Return the video's sound, made at the first request."""
        if not self.pictures.has_sound:
            raise HTTPException(404, "the video has no sound.")
        path = self.session.workspace.folder / "sound" / f"{self.pictures.fingerprint}.webm"
        with self._making:
            if not path.is_file():
                write_sound(path, self.pictures.path, self.pictures.source)
        return FileResponse(path, media_type="audio/webm", headers=FOR_EVER)

    def _index(self, request: Request) -> int:
        index = int(request.path_params["index"])
        if index >= len(self.pictures):
            raise HTTPException(404, "there is no such frame.")
        return index

    def _png(self, made: Callable[[NDArray[np.uint8], Request], bytes]) -> Callable[[Request], Response]:
        """Return a route that answers with a PNG made of a frame's labels at a version."""

        def answer(request: Request) -> Response:
            labels = self.session.label_map(self._index(request), request.path_params["version"])
            is_kept = request.query_params.get("w") == self.session.workspace.identity
            headers = FOR_EVER if is_kept else {}
            return Response(made(labels, request), media_type="image/png", headers=headers)

        return answer


def png_of(values: NDArray[np.uint8]) -> bytes:
    """Return values `H x W` as an indexed PNG, compressed quickly, each index with itself as its grey."""
    image = Image.fromarray(values)
    image.putpalette(IDENTITY)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()

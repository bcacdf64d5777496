"""Sound, opacity and small masks for the page, and helpers for all pictures."""

import io
import threading

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from dataset.video_files.mp4_file import write_sound
from scripts.annotator.cut_out import checked_edge, opacity
from scripts.annotator.session import Session
from util.errors import InputError

FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}  # what has its version in its address
NEVER = {"Cache-Control": "no-store"}
IDENTITY = [channel for level in range(256) for channel in (level, level, level)]


class Media:
    """Answers requests for media."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._making = threading.Lock()

    async def small_mask(self, request: Request) -> Response:
        """Return a frame's labels at a version in the size of thumbnails, as an indexed PNG."""
        index, version = index_of(request, self.session), request.path_params["version"]

        def made() -> bytes:
            labels, size = self.session.label_map(index, version), self.session.pictures.thumbnail_size
            small = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
            return png_of(np.asarray(small, np.uint8), indexed=True)

        png = await run_in_threadpool(made)
        return Response(png, media_type="image/png", headers=kept(request, self.session))

    async def sound(self, request: Request) -> Response:
        """Return the video's sound, made at the first request."""
        pictures = self.session.pictures
        if not pictures.has_sound:
            raise HTTPException(404, "the video has no sound.")
        path = self.session.workspace.folder / "sound" / f"{pictures.fingerprint}.webm"

        def make() -> None:
            with self._making:
                if not path.is_file():
                    write_sound(path, pictures.path, pictures.source)

        await run_in_threadpool(make)
        return FileResponse(path, media_type="audio/webm", headers=FOR_EVER)

    async def opacity(self, request: Request) -> Response:
        """Return the opacity of cut-outs as a grey PNG; `?without=1,3` leaves objects out.

        See `cut_out.Edge` for `feather` and `choke`.
        """
        index, version = index_of(request, self.session), request.path_params["version"]
        edge = checked_edge(request.query_params)
        without = _labels(request.query_params.get("without", ""))

        def made() -> bytes:
            labels = self.session.label_map(index, version)
            return png_of(opacity((labels > 0) & ~np.isin(labels, without), edge))

        png = await run_in_threadpool(made)
        return Response(png, media_type="image/png", headers=kept(request, self.session))


def index_of(request: Request, session: Session) -> int:
    """Return the frame of a request's address; raises HTTPException when there is none."""
    index = int(request.path_params["index"])
    if index >= len(session.pictures):
        raise HTTPException(404, "there is no such frame.")
    return index


def kept(request: Request, session: Session) -> dict[str, str]:
    """Return the headers that let browsers keep an answer if `?w=` names this workspace.

    The versions of another workspace have the same numbers.
    """
    return FOR_EVER if request.query_params.get("w") == session.workspace.identity else NEVER


def png_of(values: NDArray[np.uint8], indexed: bool = False) -> bytes:
    """Return a PNG, compressed quickly.

    Args:
        values: the pixels, `H x W`.
        indexed: write palette indices, each with its own value as grey; else grey levels.
    """
    image = Image.fromarray(values)
    if indexed:
        image.putpalette(IDENTITY)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _labels(text: str) -> list[int]:
    """Parse labels such as "1,3"."""
    try:
        return [int(part) for part in text.split(",") if part]
    except ValueError as error:
        raise InputError(f"'{text[:20]}' must be labels, such as 1,3.") from error

"""The server: what the page can ask for, by address."""

import asyncio
import io
import json
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from scripts.annotator.access import Guard
from scripts.annotator.session import Session
from scripts.annotator.tasks import Tasks
from util.errors import InputError, explained

STATIC = Path(__file__).parent / "static"
FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}  # what has its version in its address
NEVER = {"Cache-Control": "no-store"}
LARGEST_BODY = 1 << 27  # bytes of a request: a mask to bring in may be large
IDENTITY = [channel for level in range(256) for channel in (level, level, level)]


def serve(session: Session, tasks: Tasks, listening: socket.socket, host: str) -> None:
    """Answer requests until a signal comes.

    Args:
        session: of the video.
        tasks: what takes longer.
        listening: where requests come in.
        host: name or address that it listens on.
    """
    config = uvicorn.Config(
        application(session, tasks, host),
        log_level="error",
        timeout_graceful_shutdown=1,
        ws_max_size=1 << 16,
    )
    uvicorn.Server(config).run(sockets=[listening])


def application(session: Session, tasks: Tasks, host: str) -> Starlette:
    """Return the whole application, guarded."""
    answers = Answers(session, tasks)
    posts: dict[str, Callable[[Any], Any]] = {
        "/api/edit": tasks.edit,
        "/api/undo": session.undo,
        "/api/redo": session.redo,
        "/api/propagate": tasks.propagate,
        "/api/cancel": lambda body: session.jobs.cancel(),
        "/api/export": tasks.export,
        "/api/fit": tasks.fit,
        "/api/download": lambda body: tasks.download(),
    }
    return Starlette(
        routes=[
            Route("/", answers.page),
            Route("/api/state", answers.state),
            Route("/frames/{index:int}.jpg", answers.frame),
            Route("/masks/{index:int}/{version:int}.png", answers.mask),
            Route("/thumbnails/{index:int}.jpg", answers.thumbnail),
            Route("/exports/{name}", answers.exported),
            Route("/api/import", answers.bring_in, methods=["POST"]),
            WebSocketRoute("/api/events", answers.events),
            *(Route(path, _json_post(function), methods=["POST"]) for path, function in posts.items()),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers={InputError: _explain, OSError: _explain},
        middleware=[
            Middleware(Guard, token=session.workspace.token, host=host),
            Middleware(GZipMiddleware, minimum_size=4096),
        ],
    )


class Answers:
    """Answers to what is no plain JSON request."""

    def __init__(self, session: Session, tasks: Tasks) -> None:
        self.session = session
        self.tasks = tasks

    async def page(self, request: Request) -> Response:
        """Return the page."""
        return FileResponse(STATIC / "index.html", headers=NEVER)

    async def state(self, request: Request) -> Response:
        """Return all that the page begins with."""
        state = await run_in_threadpool(self.session.state)
        return JSONResponse({**state, "model": self.tasks.model_state()}, headers=NEVER)

    async def frame(self, request: Request) -> Response:
        """Return a frame as JPEG; `?reduce=2` halves its size."""
        index = self._index(request)
        reduce = {"2": 2, "4": 4}.get(request.query_params.get("reduce", ""), 1)
        jpeg = await run_in_threadpool(self.session.pictures.jpeg, index, reduce)
        return Response(jpeg, media_type="image/jpeg", headers=FOR_EVER)

    async def mask(self, request: Request) -> Response:
        """Return a frame's labels at a version, as an indexed PNG whose colours are its labels.

        It may be kept by browsers where `?w=` names this workspace: another one has the same versions.
        """
        index, version = self._index(request), request.path_params["version"]
        png = await run_in_threadpool(self._mask_png, index, version)
        is_ours = request.query_params.get("w") == self.session.workspace.identity
        return Response(png, media_type="image/png", headers=FOR_EVER if is_ours else NEVER)

    def _mask_png(self, index: int, version: int) -> bytes:
        image = Image.fromarray(self.session.label_map(index, version))
        image.putpalette(IDENTITY)
        buffer = io.BytesIO()
        image.save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()

    async def thumbnail(self, request: Request) -> Response:
        """Return a small picture of a frame for the timeline; 404 as long as it is not made."""
        path = self.tasks.thumbnail_path(self._index(request))
        if not path.is_file():
            raise HTTPException(404, headers=NEVER)
        return FileResponse(path, headers=FOR_EVER)

    async def exported(self, request: Request) -> Response:
        """Return an exported file, or a folder of them as a ZIP archive."""
        name = request.path_params["name"]
        path = self.session.workspace.exports / name
        if name.startswith(".") or "/" in name or "\\" in name or not path.is_file():
            raise HTTPException(404, "there is no such export.")
        return FileResponse(path, filename=name, headers=NEVER)

    async def bring_in(self, request: Request) -> Response:
        """Bring in masks: a form of picture files, and whether they are to be mended."""
        if int(request.headers.get("content-length", LARGEST_BODY + 1)) > LARGEST_BODY:
            raise InputError(f"at most {LARGEST_BODY >> 20} MB of masks can be brought in at once.")
        async with request.form(max_files=100_000) as form:
            files = [
                (file.filename or "", await file.read())
                for file in form.getlist("files")
                if not isinstance(file, str)
            ]
            mend = form.get("mend") == "true"
            frame = self._frame_of(str(form.get("frame", "0")))
        change = await run_in_threadpool(self.tasks.bring_in, files, frame, mend)
        return JSONResponse(change, headers=NEVER)

    async def events(self, page: WebSocket) -> None:
        """Send all that happens."""
        await page.accept()
        queue = self.session.events.listen()
        try:
            sender = asyncio.create_task(_send_all(page, queue))
            with suppress(WebSocketDisconnect):
                while True:
                    await page.receive_text()  # nothing comes but the end
        finally:
            sender.cancel()
            self.session.events.leave(queue)

    def _frame_of(self, text: str) -> int:
        last, frame = len(self.session.pictures) - 1, -1
        with suppress(ValueError):
            frame = int(text)
        if not 0 <= frame <= last:
            raise InputError(f"there is no frame '{text[:20]}': they go from 0 to {last}.")
        return frame

    def _index(self, request: Request) -> int:
        index = int(request.path_params["index"])
        if index >= len(self.session.pictures):
            raise HTTPException(404, "there is no such frame.")
        return index


async def _send_all(page: WebSocket, queue: "asyncio.Queue[dict[str, Any]]") -> None:
    await page.send_json({"hello": True})
    while True:
        await page.send_json(await queue.get())


def _json_post(function: Callable[[Any], Any]) -> Callable[[Request], Any]:
    """Return a route that gives a JSON body to a function, in a thread, and answers with its result."""

    async def answer(request: Request) -> Response:
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            raise HTTPException(415, "send JSON.")
        if int(request.headers.get("content-length", LARGEST_BODY + 1)) > LARGEST_BODY:
            raise HTTPException(413, "too long.")
        try:
            body = json.loads(await request.body())
        except ValueError as error:
            raise HTTPException(400, "this is no JSON.") from error
        if not isinstance(body, dict):
            raise InputError("send a JSON object.")
        result = await run_in_threadpool(function, body)
        return JSONResponse(result, headers=NEVER)

    return answer


async def _explain(request: Request, error: Exception) -> Response:
    text = explained(error) if isinstance(error, OSError) else str(error)
    status = 507 if isinstance(error, OSError) else 422
    return JSONResponse({"error": text}, status_code=status, headers=NEVER)

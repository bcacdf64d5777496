"""The server: the routes and their answers."""

import asyncio
import json
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from scripts.annotator.access import Guard
from scripts.annotator.media import FOR_EVER, NEVER, Media, index_of, kept, png_of
from scripts.annotator.session import Session
from scripts.annotator.suspicion import Suspicion
from scripts.annotator.tasks import Tasks
from util.errors import NO_SPACE, InputError, explained

STATIC = Path(__file__).parent / "static"
LARGEST_BODY = 1 << 27  # bytes of a request: a mask to bring in may be large


def serve(session: Session, tasks: Tasks, listening: socket.socket, host: str) -> None:
    """Answer requests until a signal comes.

    Args:
        session: the annotation.
        tasks: what pages can ask for.
        listening: the listening socket.
        host: name or address of that socket.
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
    answers, media = Answers(session, tasks), Media(session)
    posts: dict[str, Callable[[Any], Any]] = {
        "/api/edit": tasks.edit,
        "/api/undo": session.undo,
        "/api/redo": session.redo,
        "/api/propagate": tasks.propagate,
        "/api/cancel": lambda body: session.jobs.cancel(),
        "/api/export": tasks.export,
        "/api/fit": tasks.fit,
        "/api/download": tasks.download,
        "/api/find": tasks.find,
        "/api/preview": lambda body: png(tasks.preview(body)),
        "/api/remade": lambda body: png(png_of(tasks.remaking.preview(body), indexed=True)),
    }

    def png(content: bytes) -> Response:
        return Response(content, media_type="image/png", headers=NEVER)

    return Starlette(
        routes=[
            Route("/", answers.page),
            Route("/api/state", answers.state),
            Route("/api/suspicion", answers.suspicion),
            Route("/frames/{index:int}.jpg", answers.frame),
            Route("/masks/{index:int}/{version:int}.png", answers.mask),
            Route("/opacity/{index:int}/{version:int}.png", media.opacity),
            Route("/thumbnails/{index:int}.jpg", answers.thumbnail),
            Route("/thumbnails/{index:int}/{version:int}.png", media.small_mask),
            Route("/sound", media.sound),
            Route("/exports/{name}", answers.exported),
            Route("/api/import", answers.import_masks, methods=["POST"]),
            WebSocketRoute("/api/events", answers.events),
            *(Route(path, _json_post(function), methods=["POST"]) for path, function in posts.items()),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers={InputError: _explain, OSError: _explain, Exception: _explain},
        middleware=[
            Middleware(Guard, token=session.workspace.token, host=host),
            Middleware(GZipMiddleware, minimum_size=4096),
        ],
    )


class Json(Response):
    """An answer in JSON, in ASCII, since names of files may be no Unicode."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the answer's bytes."""
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


class Answers:
    """Answers to requests that are not plain JSON."""

    def __init__(self, session: Session, tasks: Tasks) -> None:
        self.session = session
        self.tasks = tasks
        self.looks = Suspicion(session)

    async def page(self, request: Request) -> Response:
        """Return the page."""
        return FileResponse(STATIC / "index.html", headers=NEVER)

    async def state(self, request: Request) -> Response:
        """Return what the page loads at its start."""
        state = await run_in_threadpool(self.session.state)
        return Json({**state, "model": self.tasks.model_state(), **self.tasks.settings()}, headers=NEVER)

    async def suspicion(self, request: Request) -> Response:
        """Return curves of suspicion and places to look at; see `suspicion.py`."""
        return Json(await run_in_threadpool(self.looks.as_json), headers=NEVER)

    async def frame(self, request: Request) -> Response:
        """Return a frame as JPEG; `?reduce=2` halves its size."""
        index = index_of(request, self.session)
        reduce = {"2": 2, "4": 4}.get(request.query_params.get("reduce", ""), 1)
        jpeg = await run_in_threadpool(self.session.pictures.jpeg, index, reduce)
        return Response(jpeg, media_type="image/jpeg", headers=FOR_EVER)

    async def mask(self, request: Request) -> Response:
        """Return a frame's labels at a version, as an indexed PNG whose colours are its labels.

        It may be kept by browsers where `?w=` names this workspace: another one has the same versions.
        """
        index, version = index_of(request, self.session), request.path_params["version"]
        png = await run_in_threadpool(lambda: png_of(self.session.label_map(index, version), indexed=True))
        return Response(png, media_type="image/png", headers=kept(request, self.session))

    async def thumbnail(self, request: Request) -> Response:
        """Return a frame's thumbnail; 404 until it exists."""
        path = self.tasks.thumbnail_path(index_of(request, self.session))
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

    async def import_masks(self, request: Request) -> Response:
        """Import masks: a form of picture files, their frame, and whether they are a result to correct."""
        if int(request.headers.get("content-length", LARGEST_BODY + 1)) > LARGEST_BODY:
            raise InputError(f"at most {LARGEST_BODY >> 20} MB of masks can be imported at once.")
        async with request.form(max_files=100_000) as form:
            files = [
                (file.filename or "", await file.read())
                for file in form.getlist("files")
                if not isinstance(file, str)
            ]
            mend = form.get("mend") == "true"
            frame = self._frame_of(str(form.get("frame", "0")))
        change = await run_in_threadpool(self.tasks.import_masks, files, frame, mend)
        return Json(change, headers=NEVER)

    async def events(self, page: WebSocket) -> None:
        """Send all that happens."""
        await page.accept()
        queue = self.session.events.listen()
        try:
            sender = asyncio.create_task(_send_all(page, queue))
            while (await page.receive())["type"] != "websocket.disconnect":
                pass  # nothing else has a meaning
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


async def _send_all(page: WebSocket, queue: "asyncio.Queue[dict[str, Any]]") -> None:
    await page.send_text(json.dumps({"hello": True}))
    while True:
        await page.send_text(json.dumps(await queue.get()))


def _json_post(function: Callable[[Any], Any]) -> Callable[[Request], Any]:
    """Return a route that answers a JSON body with a function's result, computed in a thread."""

    async def answer(request: Request) -> Response:
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            raise HTTPException(415, "send JSON.")
        if int(request.headers.get("content-length", LARGEST_BODY + 1)) > LARGEST_BODY:
            raise HTTPException(413, "too long.")
        try:
            body = json.loads(await request.body())
        except ValueError as error:
            raise HTTPException(400, "this is no JSON.") from error
        except RecursionError as error:
            raise InputError("this JSON is nested too deeply.") from error
        if not isinstance(body, dict):
            raise InputError("send a JSON object.")
        result = await run_in_threadpool(function, body)
        return result if isinstance(result, Response) else Json(result, headers=NEVER)

    return answer


async def _explain(request: Request, error: Exception) -> Response:
    """Answer with the reason of a failure; a refused change has not been saved, not even in part."""
    status, text = 422, str(error)
    if isinstance(error, OSError):
        full = error.errno in NO_SPACE
        status = 507 if full else 500
        text = f"the disk is full ({error.strerror}): make room." if full else explained(error)
    elif not isinstance(error, InputError):
        status, text = 500, f"the annotator failed with {type(error).__name__}: {error}"
    if status >= 500 and request.method == "POST":
        text = f"Not saved: {text}"
    return Json({"error": text}, status, headers=NEVER)

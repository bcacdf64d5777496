"""The server: the routes and their answers."""

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
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
from scripts.annotator.edits import checked
from scripts.annotator.jobs import sentence_of
from scripts.annotator.media import Media, png_of
from scripts.annotator.session import Session
from scripts.annotator.suspicion import Suspicion
from scripts.annotator.tasks import Tasks
from util.errors import NO_SPACE, InputError

STATIC = Path(__file__).parent / "static"
LARGEST_BODY = 1 << 27  # bytes of a request: a mask to import may be large


def serve(session: Session, tasks: Tasks, listening: socket.socket, host: str) -> None:
    """Answer requests to a listening socket, whose name or address is `host`, until a signal comes."""
    app = application(session, tasks, host)
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, ws_max_size=1 << 16)
    uvicorn.Server(config).run(sockets=[listening])


def application(session: Session, tasks: Tasks, host: str) -> Starlette:
    """Return the whole application, guarded."""
    looks = Suspicion(session)
    for folder in (tasks.thumbnails, session.workspace.exports):
        folder.mkdir(parents=True, exist_ok=True)

    def state(request: Request) -> Response:
        return Json({**session.state(), "model": tasks.model_state(), **tasks.settings()})

    def preview(body: Mapping[str, Any]) -> Response:
        return png(tasks.segmentation.preview(session, body))

    def png(labels: Any) -> Response:
        return Response(png_of(np.asarray(labels, np.uint8)), media_type="image/png")

    posts: dict[str, Callable[[Any], Any]] = {
        "edit": tasks.edit,
        "propagate": tasks.propagate,
        "cancel": lambda body: session.jobs.cancel(),
        "export": tasks.export,
        "fit": tasks.fit,
        "download": tasks.download,
        "find": tasks.find,
        "preview": preview,
        "remade": lambda body: png(tasks.remaking.preview(body)),
    }
    return Starlette(
        routes=[
            Route("/", lambda request: FileResponse(STATIC / "index.html")),
            Route("/api/state", state),
            Route("/api/suspicion", lambda request: Json(looks.as_json())),
            Route("/api/import", _import(tasks), methods=["POST"]),
            WebSocketRoute("/api/events", _events(session)),
            *(Route(f"/api/{name}", _json_post(each), methods=["POST"]) for name, each in posts.items()),
            *Media(session).routes(),
            Mount("/thumbnails", StaticFiles(directory=tasks.thumbnails)),
            Mount("/exports", StaticFiles(directory=session.workspace.exports)),
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


def _import(tasks: Tasks) -> Callable[[Request], Any]:
    """Return the route that imports masks: picture files, their frame, and whether to correct them."""

    async def answer(request: Request) -> Response:
        _check_length(request)
        async with request.form(max_files=100_000) as form:
            given = [each for each in form.getlist("files") if not isinstance(each, str)]
            files = [(file.filename or "", await file.read()) for file in given]
            frame = checked("import", form, len(tasks.session.pictures))["frame"]
            to_correct = form.get("to_correct") == "true"
        return Json(await run_in_threadpool(tasks.import_masks, files, frame, to_correct))

    return answer


def _events(session: Session) -> Callable[[WebSocket], Any]:
    """Return the route that streams events to a page."""

    async def send_all(page: WebSocket, queue: "asyncio.Queue[dict[str, Any]]") -> None:
        await page.send_text(json.dumps({"hello": True}))
        while True:
            await page.send_text(json.dumps(await queue.get()))

    async def answer(page: WebSocket) -> None:
        await page.accept()
        queue = session.events.listen()
        sender = asyncio.create_task(send_all(page, queue))
        try:
            while (await page.receive())["type"] != "websocket.disconnect":
                pass  # nothing else has a meaning
        finally:
            sender.cancel()
            session.events.leave(queue)

    return answer


def _json_post(function: Callable[[Any], Any]) -> Callable[[Request], Any]:
    """Return a route that answers a JSON object with a function's result, computed in a thread."""

    async def answer(request: Request) -> Response:
        _check_length(request)
        body = await request.json()
        if not isinstance(body, dict):
            raise InputError("send a JSON object.")
        result = await run_in_threadpool(function, body)
        return result if isinstance(result, Response) else Json(result)

    return answer


def _check_length(request: Request) -> None:
    if int(request.headers.get("content-length", LARGEST_BODY + 1)) > LARGEST_BODY:
        raise HTTPException(413, f"at most {LARGEST_BODY >> 20} MB can be sent at once.")


def _explain(request: Request, error: Exception) -> Response:
    """Answer with the reason of a failure; a refused change has not been saved, not even in part."""
    status, text = 422 if isinstance(error, InputError) else 500, sentence_of(error)
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        status, text = 507, f"the disk is full ({error.strerror}): make room."
    if status >= 500 and request.method == "POST":
        text = f"Not saved: {text}"
    return Json({"error": text}, status)

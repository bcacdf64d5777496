"""What `python -m scripts.annotate` does: open the video, then serve its page, or export."""

import argparse
import logging
import socket
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dataset.image_io import list_images
from scripts.annotator.access import EVERYWHERE
from scripts.annotator.export import export
from scripts.annotator.pictures import Pictures
from scripts.annotator.session import Session
from scripts.annotator.snapshot import Choice, checked_choice
from scripts.annotator.workspace import Workspace, open_workspace
from util.errors import InputError
from util.progress import FrameProgress

if TYPE_CHECKING:
    from scripts.annotator.tasks import Tasks

log = logging.getLogger(__name__)

WORKSPACES = Path("output/annotate")
CHOICE = ("first", "last", "objects", "feather", "choke", "apart")  # flags of --export, see `snapshot.py`


def annotate(args: argparse.Namespace, usual_port: int) -> None:
    """Do what the flags of `scripts.annotate` ask for; without --port, on the usual port."""
    if args.output is not None and args.export is None:
        raise InputError("--output needs --export: give --export too, or leave --output out.")
    chosen = [name for name in CHOICE if getattr(args, name)]
    if chosen and args.export is None:
        raise InputError(f"--{chosen[0]} needs --export: give --export too, or leave --{chosen[0]} out.")
    if args.masks is not None and args.export is not None:
        raise InputError("--masks starts an annotation, --export exports one: give one of them.")
    pictures = Pictures(args.input, args.fps)
    folder = args.workspace or WORKSPACES / args.input.resolve().stem
    if args.export is not None and not (folder / "edits.jsonl").is_file():
        raise InputError(f"nothing has been annotated in {folder}: give an existing --workspace.")
    with open_workspace(folder, pictures) as workspace:
        session = Session(workspace, pictures)
        if args.export is not None:
            choice = checked_choice(vars(args), session)
            for kind in args.export:
                export_shown(kind, session, args.output or workspace.exports, choice)
            return
        _serve(args, session, workspace, usual_port)


def export_shown(kind: str, session: Session, folder: Path, choice: Choice) -> None:
    """Write one kind of export with a progress bar."""
    videos = max(1, len(session.document.objects)) if choice.apart else 1
    with FrameProgress(videos * len(session.pictures)) as progress:

        def show(done: float, total: float, text: str) -> None:
            progress.advance(kind)

        path = export(kind, session, folder, show, choice)
    print(f"{kind}: {path}")


def _serve(args: argparse.Namespace, session: Session, workspace: Workspace, usual_port: int) -> None:
    from model.interactive.promptable import check_models
    from scripts.annotator.server import serve  # after bad input has been found
    from scripts.annotator.settings import WorkerSettings
    from scripts.annotator.tasks import Tasks
    from scripts.annotator.weights import Weights

    check_models(args.click_model, args.find_model)
    flags = ["--device", args.device, "--precision", args.precision]
    flags += ["--no_tf32"] if args.no_tf32 else []
    weights = Weights(args.model, workspace.folder / "fit" / "network.pth", args.size, flags)
    computing = args.size, args.device, args.precision, args.no_tf32, args.click_model, args.find_model
    settings = WorkerSettings(args.input, args.model.parent, workspace.folder, *computing)
    tasks = Tasks(session, weights, settings)
    with listening(args.host, args.port, usual_port) as port:
        host = "localhost" if args.host in EVERYWHERE else f"[{args.host}]" if ":" in args.host else args.host
        address = f"http://{host}:{port.getsockname()[1]}/?token={workspace.token}"
        try:
            if args.masks is not None:
                _import(args.masks, tasks)
            _add_objects(args.num_objects, session)
            print(f"Annotating {args.input} ({len(session.pictures)} frames) in {workspace.folder}")
            print(f"Open {address}")
            print("Everything is saved at once; Ctrl-C ends.", flush=True)
            tasks.start()
            if not args.no_browser and args.host in ("127.0.0.1", "localhost"):
                webbrowser.open(address)
            serve(session, tasks, port, args.host)
        finally:
            tasks.close()


def _import(path: Path, tasks: "Tasks") -> None:
    """Import the masks of --masks into a workspace without edits, as a result to correct."""
    workspace = tasks.session.workspace
    if len(workspace.log.entries) > 1:  # the first says of which video it is
        print(f"{workspace.folder} has edits already: --masks is left out (the page imports masks, too).")
        return
    files = list_images(path) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise InputError(f"there are no masks at {path}: give a PNG, or a folder of PNGs named after frames.")
    tasks.import_masks([(file.name, file.read_bytes()) for file in files], frame=0, to_correct=True)


def _add_objects(count: int, session: Session) -> None:
    """Add objects to a workspace without edits."""
    if len(session.workspace.log.entries) > 1:
        return
    for _ in range(count):
        label = session.document.free_labels()[0]
        session.edit({"kind": "add", **session.document.new_object(label)})


def listening(host: str, port: int | None, usual: int) -> socket.socket:
    """Return a socket that listens on a port; without one, on the usual port, or any if that is taken.

    Raises:
        InputError: it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if port is None:
        with suppress(OSError):
            return socket.create_server((host, usual), family=family)
    try:
        return socket.create_server((host, port or 0), family=family)
    except (OSError, UnicodeError) as error:  # the latter: no name can be written like this
        reason = error.strerror if isinstance(error, OSError) else "no name of a machine"
        raise InputError(
            f"cannot listen on {host}:{port or usual} ({reason}): give another --host or --port."
        ) from error

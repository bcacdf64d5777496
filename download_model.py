"""Download the published weights and check them."""

import argparse
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from model.checkpoint import read_fusion, read_network, read_s2m
from scripts.downloads.sources import MODELS
from scripts.downloads.transfer import TIMEOUT, TRIES, download, downloads_in
from util.errors import InputError, run_script
from util.files import atomic_path, set_aside, sha256

log = logging.getLogger(__name__)

SHORT_TIMEOUT = 8  # seconds without an answer or a byte, with --once


def main() -> None:
    """Parse the flags and fetch the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--which",
        nargs="+",
        choices=[*MODELS, "all"],
        default=["s012"],
        help="propagation trained with BL30K (s012, the default) or without it (s02), fusion, "
        "scribble-to-mask (s2m), or all four",
    )
    add("--output", type=Path, default=Path("saves"), help="folder for the files (default: %(default)s)")
    add("--mirror", metavar="URL", help="fetch MIRROR/<file> instead of the files on Google Drive")
    add("--once", action="store_true", help="where they cannot be had at once, give up, in one short line")
    args = parser.parse_args()
    try:
        with downloads_in(args.output):
            for name in MODELS if "all" in args.which else args.which:
                fetch_weights(name, args.mirror, args.output, args.once)
    except InputError as error:
        if args.once:
            raise SystemExit("The published weights cannot be fetched from here now.") from error
        raise


def fetch_weights(name: str, mirror: str | None, folder: Path, once: bool = False) -> None:
    """Bring checked weights to `folder/<name>`, with their SHA-256 in `<name>.sha256`.

    Good weights that are there stay. A wrong file, there or arrived, is kept as `<name>.wrong`.

    Args:
        name: of `MODELS`.
        mirror: where to fetch it instead of Google Drive, see `RemoteFile.at`.
        folder: where it shall be.
        once: do not try again, and do not wait long.

    Raises:
        InputError: they could not be fetched, or what arrived is wrong.
    """
    file = MODELS[name].at(mirror)
    path = folder / file.name
    check = partial(check_weights, name)
    if path.is_file():
        if is_recorded(path) or is_usable(path, check):
            print(f"{path} is there already.")
            record(path)
            return
        log.warning("it is kept as %s, and %s is fetched.", set_aside(path), path)
    tries, timeout = (1, SHORT_TIMEOUT) if once else (TRIES, TIMEOUT)
    download(file, path, check=check, tries=tries, timeout=timeout)
    record(path)


def check_weights(name: str, path: Path) -> None:
    """Check that a file loads without running code, with the names and shapes of its network.

    Args:
        name: of `MODELS`. The propagation network must be that of two objects.
        path: the file.

    Raises:
        InputError: it does not.
    """
    if name == "fusion":
        read_fusion(path)
    elif name == "s2m":
        read_s2m(path)
    elif read_network(path).single_object:
        raise InputError(f"{path} is a single-object network, not the published weights.")


def is_usable(path: Path, check: Callable[[Path], object]) -> bool:
    """Tell whether a file passes a check; the reason why not is logged."""
    try:
        check(path)
    except InputError as error:
        log.warning("%s", error)
        return False
    return True


def is_recorded(path: Path) -> bool:
    """Tell whether a file is the one whose SHA-256 was recorded when it was checked."""
    sums = sums_path(path)
    return sums.is_file() and sums.read_text().split()[:1] == [sha256(path)]


def record(path: Path) -> None:
    """Print the SHA-256 of a file and store it beside it, as `sha256sum --check` reads it."""
    digest = sha256(path)
    print(f"SHA-256 of {path}: {digest}")
    with atomic_path(sums_path(path)) as temporary:
        temporary.write_text(f"{digest}  {path.name}\n")


def sums_path(path: Path) -> Path:
    """Return where a file's SHA-256 is stored."""
    return path.with_name(f"{path.name}.sha256")


if __name__ == "__main__":
    run_script(main)

"""Download the published weights and check them."""

import argparse
import logging
from pathlib import Path

from model.checkpoint import read_network
from scripts.downloads.sources import MODELS, RemoteFile
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
        choices=[*MODELS, "all"],
        default="s012",
        help="trained with BL30K (s012, the default), without it (s02), or both files (all)",
    )
    add("--output", type=Path, default=Path("saves"), help="folder for the files (default: %(default)s)")
    add("--mirror", metavar="URL", help="fetch MIRROR/<file> instead of the files on Google Drive")
    add("--once", action="store_true", help="where they cannot be had at once, give up, in one short line")
    args = parser.parse_args()
    try:
        with downloads_in(args.output):
            for name in MODELS if args.which == "all" else [args.which]:
                fetch_weights(MODELS[name].at(args.mirror), args.output, args.once)
    except InputError as error:
        if args.once:
            raise SystemExit("The published weights cannot be fetched from here now.") from error
        raise


def fetch_weights(file: RemoteFile, folder: Path, once: bool = False) -> None:
    """Bring checked weights to `folder/<name>`, with their SHA-256 in `<name>.sha256`.

    Good weights that are there stay. A wrong file, there or arrived, is kept as `<name>.wrong`.

    Args:
        file: what to fetch.
        folder: where it shall be.
        once: do not try again, and do not wait long.

    Raises:
        InputError: they could not be fetched, or what arrived is wrong.
    """
    path = folder / file.name
    if path.is_file():
        if is_recorded(path) or is_usable(path):
            print(f"{path} is there already.")
            record(path)
            return
        log.warning("it is kept as %s, and %s is fetched.", set_aside(path), path)
    tries, timeout = (1, SHORT_TIMEOUT) if once else (TRIES, TIMEOUT)
    download(file, path, check=check_weights, tries=tries, timeout=timeout)
    record(path)


def check_weights(path: Path) -> None:
    """Check that a file loads without running code, with the two-object network's names and shapes.

    Raises:
        InputError: it does not.
    """
    if read_network(path).single_object:
        raise InputError(f"{path} is a single-object network, not the published weights.")


def is_usable(path: Path) -> bool:
    """Tell whether a file passes `check_weights`; the reason why not is logged."""
    try:
        check_weights(path)
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

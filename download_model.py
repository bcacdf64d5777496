"""Download the published weights and check them."""

import zipfile
from functools import partial
from pathlib import Path

from model.checkpoint import read_fusion, read_network, read_s2m
from scripts.downloads.sources import MIRROR_HELP, MODELS
from scripts.downloads.transfer import RETRIES, TIMEOUT, download
from util.errors import InputError, run_script
from util.files import atomic_path, remove_leftovers, sha256
from util.flag_types import script_parser
from util.lock import exclusive

SHORT_TIMEOUT = 8  # seconds without an answer or a byte, with --once


def main() -> None:
    """Parse the flags and download the weights."""
    parser = script_parser(__doc__, "python download_model.py --which all")
    add = parser.add_argument
    add(
        "--which",
        nargs="+",
        choices=[*MODELS, "all"],
        default=["s012"],
        metavar="NAME",
        help="s012: propagation, trained with BL30K (default); s02: without BL30K; fusion; "
        "s2m: scribble-to-mask; all: all four",
    )
    add("--output", type=Path, default=Path("saves"), help="folder of the weights (default: %(default)s)")
    add("--mirror", metavar="URL", help=MIRROR_HELP)
    add("--once", action="store_true", help="try once, with a short timeout, and fail with a short message")
    args = parser.parse_args()
    try:
        with exclusive(args.output, "download"):
            remove_leftovers(args.output)
            for name in MODELS if "all" in args.which else args.which:
                fetch_weights(name, args.mirror, args.output, args.once)
    except InputError as error:
        if args.once:
            raise SystemExit("The published weights cannot be fetched from here now.") from error
        raise


def fetch_weights(name: str, mirror: str | None, folder: Path, once: bool = False) -> None:
    """Download weights to `folder/<name>`, check them, and write their SHA-256 to `<name>.sha256`.

    Weights that exist are only checked.

    Args:
        name: key of `MODELS`.
        mirror: address to fetch from instead of Google Drive, see `RemoteFile.at`.
        folder: folder of the file.
        once: whether to try only once, with a short timeout.

    Raises:
        InputError: the weights could not be downloaded, or the file is wrong.
    """
    file = MODELS[name].at(mirror)
    path = folder / file.name
    check = partial(check_weights, name)
    if path.is_file():
        try:
            check(path)
        except InputError as error:
            raise InputError(f"{error} Move it away, then run the same command again.") from error
        print(f"{path} is there already.")
    else:
        retries, timeout = (0, SHORT_TIMEOUT) if once else (RETRIES, TIMEOUT)
        download(file, path, check=check, retries=retries, timeout=timeout)
    digest = sha256(path)
    print(f"SHA-256 of {path}: {digest}")
    with atomic_path(folder / f"{file.name}.sha256") as temporary:  # as `sha256sum --check` reads it
        temporary.write_text(f"{digest}  {path.name}\n")


def check_weights(name: str, path: Path) -> None:
    """Check that a file is undamaged and loads without running code, with its network's names and shapes.

    Args:
        name: key of `MODELS`; the propagation network must be that of two objects.
        path: path of the file.

    Raises:
        InputError: the file is damaged, or has another network.
    """
    if name == "fusion":
        read_fusion(path)
    elif name == "s2m":
        read_s2m(path)
    elif read_network(path).single_object:
        raise InputError(f"{path} is a single-object network, not the published weights.")
    if zipfile.is_zipfile(path):  # as PyTorch saves since 1.6; it does not look at the checksums
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise InputError(f"{path} is damaged: {damaged} in it does not have its checksum.")


if __name__ == "__main__":
    run_script(main)

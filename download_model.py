"""Download the published weights and check them."""

import zipfile
from pathlib import Path

from model.checkpoint import read_fusion, read_network, read_s2m
from scripts.downloads.sources import MODELS, RemoteFile
from scripts.downloads.transfer import MIRROR_HELP, download
from util.errors import InputError, run_script
from util.files import sha256
from util.flag_types import script_parser
from util.lock import lock_folder


def main() -> None:
    """Parse the flags and download the weights."""
    parser = script_parser(__doc__, "python download_model.py --which all")
    add = parser.add_argument
    which = (
        "s012: propagation, trained with BL30K (default); s02: without BL30K; fusion; "
        "s2m: scribbles to masks; all: all four"
    )
    add("--which", nargs="+", choices=[*MODELS, "all"], default=["s012"], metavar="NAME", help=which)
    add("--output", type=Path, default=Path("saves"), help="folder of the weights (default: %(default)s)")
    add("--mirror", metavar="URL", help=MIRROR_HELP)
    add("--once", action="store_true", help="try once, with a short timeout, and fail with a short message")
    args = parser.parse_args()
    try:
        with lock_folder(args.output, "download"):
            for name in MODELS if "all" in args.which else args.which:
                fetch_weights(MODELS[name].at(args.mirror), args.output, args.once)
    except InputError as error:
        if args.once:
            raise SystemExit("The published weights cannot be fetched from here now.") from error
        raise


def fetch_weights(file: RemoteFile, folder: Path, once: bool) -> None:
    """Download weights unless they exist, check them, and print their SHA-256; `once`: try only once.

    Raises InputError when they cannot be downloaded, or the file is wrong.
    """
    path = folder / file.name
    arrived = path.with_name(f"{path.name}.arrived")
    if path.is_file():
        print(f"{path} is there already; move it away to download it again.")
        check_weights(file.choice, path)
    else:
        download(file, arrived, retries=0 if once else 5, timeout=8 if once else 60)
        try:
            check_weights(file.choice, arrived)
        except InputError:
            arrived.unlink()
            raise
        arrived.replace(path)
    print(f"SHA-256 of {path}: {sha256(path)}")


def check_weights(name: str, path: Path) -> None:
    """Check that a file is undamaged and loads without running code, with its network's names and shapes.

    Raises:
        InputError: the file is damaged, or has another network (a propagation network of one object, too).
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

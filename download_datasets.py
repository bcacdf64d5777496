"""Download the training and evaluation data into the data tree."""

from scripts.downloads.installation import add_fetch_flags, find_missing, install_all
from scripts.downloads.sources import ARCHIVES
from util.errors import run_script
from util.flag_types import script_parser


def main() -> None:
    """Parse the flags and install the missing archives."""
    parser = script_parser(__doc__, "python download_datasets.py --only davis17 youtube")
    names = list(dict.fromkeys(each.choice for each in ARCHIVES))
    only = f"data sets to download: {', '.join(names)} (default: all)"
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=only)
    add_fetch_flags(parser.add_argument)
    args = parser.parse_args()
    install_all(find_missing((each for each in ARCHIVES if each.choice in args.only), args.root), args)


if __name__ == "__main__":
    run_script(main)

"""Download the training and evaluation data into the data tree."""

from scripts.downloads.installation import install_all, is_installed
from scripts.downloads.sources import DATA_SETS, add_fetch_flags, confirm_terms
from util.errors import run_script
from util.flag_types import script_parser


def main() -> None:
    """Parse the flags, show the terms and install the missing archives."""
    parser = script_parser(__doc__, "python download_datasets.py --only davis17 youtube")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=DATA_SETS,
        default=list(DATA_SETS),
        metavar="NAME",
        help=f"data sets to download: {', '.join(DATA_SETS)} (default: all)",
    )
    add_fetch_flags(parser.add_argument)
    args = parser.parse_args()
    missing = {
        name: [each for each in DATA_SETS[name].archives if not is_installed(each, args.root)]
        for name in args.only
    }
    unfinished = [DATA_SETS[name] for name in args.only if missing[name]]
    if not unfinished:
        print(f"Nothing to do: all of it is in {args.root} already.")
        return
    confirm_terms({data_set.title: data_set.terms for data_set in unfinished}, args.yes)
    install_all([archive for archives in missing.values() for archive in archives], args)


if __name__ == "__main__":
    run_script(main)

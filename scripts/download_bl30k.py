"""Download BL30K, the synthetic training videos of stage 1, segment by segment.

Six archives of about 115 GB each. A segment is fetched, unpacked and moved into ROOT/BL30K before
the next begins; a run that was stopped continues, and a finished segment is not fetched again.
"""

import argparse
from pathlib import Path

from scripts.downloads.bl30k import fetch_bl30k
from scripts.downloads.sources import BL30K
from util.errors import run_script


def main() -> None:
    """Parse the flags and fetch what is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--segments", nargs="+", choices=BL30K, default=list(BL30K), help="default: all of them")
    add("--root", type=Path, default=Path(".."), help="folder of the data tree (default: %(default)s)")
    add("--downloads", type=Path, help="folder for the archives (default: ROOT/downloads)")
    add("--mirror", metavar="URL", help="fetch MIRROR/BL30K_a.tar and so on")
    add("--keep", action="store_true", help="keep the archives after they are unpacked")
    add("--yes", action="store_true", help="agree to the terms without being asked")
    fetch_bl30k(parser.parse_args())


if __name__ == "__main__":
    run_script(main)

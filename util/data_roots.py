"""Where the data sets lie by default, and the flags that name other folders."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

DEFAULT_ROOTS = {
    "static_root": Path("../static"),
    "bl_root": Path("../BL30K"),
    "yv_root": Path("../YouTube"),
    "davis_root": Path("../DAVIS"),
    "lvis_root": Path("../lvis"),
    "fusion_root": Path("../fusion_data"),
}
DAVIS_2016, DAVIS_2017 = (DEFAULT_ROOTS["davis_root"] / year for year in ("2016", "2017"))
YOUTUBE = DEFAULT_ROOTS["yv_root"]


def add_root_flags(add: Callable[..., Any], **uses: str) -> None:
    """Add the flags of data folders.

    A flag that is not given is None, not the default folder. So the caller knows which folders the user
    named: a named folder without data is an error, a missing default folder is a warning.

    Args:
        add: `add_argument` of a parser or group.
        uses: name of the flag, as in `DEFAULT_ROOTS`, and what its data is for.
    """
    for name, use in uses.items():
        add(f"--{name}", type=Path, help=f"{use} (default: {DEFAULT_ROOTS[name]})")

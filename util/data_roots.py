"""Default folders of the data sets, the flags that change them, and the default files of the weights."""

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
WEIGHTS = {
    name: Path(f"saves/{file}.pth")
    for name, file in (("propagation", "propagation_model"), ("s2m", "s2m"), ("fusion", "fusion"))
}


def add_root_flags(add: Callable[..., Any], **uses: str) -> None:
    """Add the flags of data folders.

    A flag that is not given is None, so that callers can tell a folder that the user named (without data: an
    error) from the default folder (missing: a warning).

    Args:
        add: `add_argument` of a parser or group.
        uses: help text for each flag of `DEFAULT_ROOTS` to add, without the default.
    """
    for name, use in uses.items():
        add(f"--{name}", type=Path, help=f"{use} (default: {DEFAULT_ROOTS[name]})")

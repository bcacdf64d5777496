"""Sources of downloads: the rows of `sources.csv`."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

BL30K_PAGE = "https://doi.org/10.13012/B2IDB-1702934_V1"


@dataclass(frozen=True)
class RemoteFile:
    """Weights, or a zip or tar archive of one folder, to download.

    Attributes:
        choice: value of the flag that selects the file.
        name: local name of the file, and its name on a mirror.
        url: address for programs.
        page: address for browsers.
        target: path of the archive's folder below the root.
        contains: folders in the target, by which it is found in the archive and known to be complete.
        mark: empty folder in the target that tells that this archive is complete there, when several
            archives share a target; otherwise empty.
        md5: published MD5 sum; empty without one.
        terms: name and terms of the data set; empty for weights.
    """

    choice: str
    name: str
    url: str
    page: str
    target: str = ""
    contains: Sequence[str] = ()
    mark: str = ""
    md5: str = ""
    terms: str = ""

    def at(self, mirror: str | None) -> "RemoteFile":
        """Return the file with the address `MIRROR/<name>`, or unchanged without a mirror."""
        if mirror is None:
            return self
        url = f"{mirror.rstrip('/')}/{quote(self.name)}"
        return replace(self, url=url, page=url)


def _read_sources() -> list[RemoteFile]:
    sources = []
    with Path(__file__).with_name("sources.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            drive, contains = row.pop("drive"), row.pop("contains").split()
            url = f"https://drive.google.com/uc?export=download&id={drive}" if drive else ""
            page = f"https://drive.google.com/file/d/{drive}/view" if drive else BL30K_PAGE
            sources.append(RemoteFile(url=url, page=page, contains=contains, **row))
    return sources


SOURCES = _read_sources()
MODELS = {each.choice: each for each in SOURCES if not each.target}
BL30K = {each.choice: each for each in SOURCES if each.mark}
ARCHIVES = [each for each in SOURCES if each.target and not each.mark]

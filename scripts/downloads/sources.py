"""Sources of downloads: the rows of `sources.csv`, and the terms of the data sets."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

_DAVIS = "CC BY 4.0 (https://davischallenge.org)"
_YOUTUBE = "annotations CC BY 4.0, videos for non-commercial research only (https://youtube-vos.org/dataset/)"
TERMS = {  # of each data set of --only
    "davis16": f"DAVIS 2016: {_DAVIS}",
    "davis17": f"DAVIS 2017 trainval, scribbles and test-dev: {_DAVIS}",
    "static": "static images (FSS-1000, DUTS, ECSSD, BIG, HRSOD): for research, each under its own terms "
    "(https://github.com/HKUSTCV/FSS-1000, http://saliencydetection.net/duts, "
    "https://www.cse.cuhk.edu.hk/leojia/projects/hsaliency, https://github.com/hkchengrex/CascadePSP, "
    "https://github.com/yi94code/HRSOD)",
    "youtube": f"YouTubeVOS 2019 train, valid and all frames of valid: {_YOUTUBE}",
    "youtube18": f"YouTubeVOS 2018 valid and all frames of valid: {_YOUTUBE}",
    "fusion": "masks propagated over DAVIS 2017 and BL30K, to train fusion with: made by the authors of "
    "MiVOS (https://github.com/hkchengrex/MiVOS), under the terms of both",
}
BL30K_PAGE = "https://doi.org/10.13012/B2IDB-1702934_V1"
BL30K_TERMS = f"BL30K, about 117 GB a segment: see {BL30K_PAGE}"


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
    """

    choice: str
    name: str
    url: str
    page: str
    target: str = ""
    contains: Sequence[str] = ()
    mark: str = ""
    md5: str = ""

    def at(self, mirror: str | None) -> "RemoteFile":
        """Return the file with the address `MIRROR/<name>`, or unchanged without a mirror."""
        if mirror is None:
            return self
        url = f"{mirror.rstrip('/')}/{quote(self.name)}"
        return replace(self, url=url, page=url)


def _read_sources() -> list[RemoteFile]:
    sources = []
    with Path(__file__).with_name("sources.csv").open(newline="") as file:
        for choice, name, drive, target, contains, *rest in list(csv.reader(file))[1:]:
            url = f"https://drive.google.com/uc?export=download&id={drive}" if drive else ""
            page = f"https://drive.google.com/file/d/{drive}/view" if drive else BL30K_PAGE
            sources.append(RemoteFile(choice, name, url, page, target, contains.split(), *rest))
    return sources


SOURCES = _read_sources()
MODELS = {each.choice: each for each in SOURCES if not each.target}
BL30K = {each.choice: each for each in SOURCES if each.mark}
ARCHIVES = [each for each in SOURCES if each.choice in TERMS and each.target]

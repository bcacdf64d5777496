"""Sources of downloads: addresses, terms, and the folder of each archive."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from typing_extensions import Self

from util.errors import InputError

MIRROR_HELP = "web address with copies: URL/<file name> is downloaded instead"


@dataclass(frozen=True)
class RemoteFile:
    """A file to download.

    Attributes:
        name: local name of the file, and its name on a mirror.
        url: address for programs.
        page: address for browsers.
    """

    name: str
    url: str
    page: str

    def at(self, mirror: str | None) -> Self:
        """Return the file with the address `MIRROR/<name>`, or unchanged without a mirror."""
        if mirror is None:
            return self
        url = f"{mirror.rstrip('/')}/{quote(self.name)}"
        return replace(self, url=url, page=url)


@dataclass(frozen=True)
class Archive(RemoteFile):
    """A zip or tar archive of one folder.

    Attributes:
        target: path of the folder below the root.
        contains: folders in the target, by which it is found in the archive and known to be complete.
        md5: published MD5 sum of the archive; None without one.
        mark: empty folder in the target that tells that the archive is complete there, for archives that
            share a target; empty for none.
    """

    target: str
    contains: tuple[str, ...]
    md5: str | None = None
    mark: str = ""


@dataclass(frozen=True)
class DataSet:
    """A data set of `--only`: archives with one set of terms."""

    title: str
    terms: str
    archives: tuple[Archive, ...]


def add_fetch_flags(add: Callable[..., object]) -> None:
    """Add the flags of downloads into the data tree; `add` is the `add_argument` of a parser."""
    add("--root", type=Path, default=Path(".."), help="folder of the data tree (default: %(default)s)")
    add("--downloads", type=Path, help="folder of the archives (default: ROOT/downloads)")
    add("--mirror", metavar="URL", help=MIRROR_HELP)
    add("--keep", action="store_true", help="keep the archives after they are unpacked")
    add("--yes", action="store_true", help="agree to the terms without being asked")


def confirm_terms(terms: Mapping[str, str], agreed: bool) -> None:
    """Print the terms of each title, and ask whether the user agrees, unless they have agreed.

    Raises:
        InputError: the user does not agree, or there is no terminal to ask.
    """
    print("These belong to their authors; by downloading them you agree to their terms:")
    for title, text in terms.items():
        print(f"- {title}: {text}")
    if agreed:
        return
    if not sys.stdin.isatty():
        raise InputError("there is no terminal to ask: run with --yes to agree to the terms.")
    if input("Do you agree? [y/N] ").strip().lower() not in ("y", "yes"):
        raise InputError("nothing was downloaded, because the terms were not agreed to.")


def _drive(name: str, identifier: str) -> RemoteFile:
    return RemoteFile(
        name,
        url=f"https://drive.google.com/uc?export=download&id={identifier}",
        page=f"https://drive.google.com/file/d/{identifier}/view",
    )


def _zip(name: str, identifier: str, target: str, *contains: str) -> Archive:
    file = _drive(f"{name}.zip", identifier)
    return Archive(file.name, file.url, file.page, target, contains)


MODELS = {
    "s012": _drive("propagation_model.pth", "19dfbVDndFkboGLHESi8DGtuxF1B21Nm8"),
    "s02": _drive("propagation_model_s02.pth", "12jw9b30o-mh23bXzsL0vp24UVhFko_Py"),
    "fusion": _drive("fusion.pth", "1Lc1lI5-ix4WsCRdipACXgvS3G-o0lMoz"),
    "s2m": _drive("s2m.pth", "1HKwklVey3P2jmmdmrACFlkXtcvNxbKMM"),
}

_DAVIS = ("Annotations/480p", "ImageSets", "JPEGImages/480p")
_PAIRS = ("Annotations", "JPEGImages")
_STATIC = ("BIG_small", "DUTS-TE", "DUTS-TR", "HRSOD_small", "ecssd", "fss")
_TRAINVAL, _TEST_DEV = "DAVIS/2017/trainval", "DAVIS/2017/test-dev"
_DAVIS_TERMS = "CC BY 4.0 (https://davischallenge.org)"
_YOUTUBE_TERMS = (
    "annotations CC BY 4.0, videos for non-commercial research only (https://youtube-vos.org/dataset/)"
)
_VALID_18, _VALID_19 = "YouTubeVOS-2018-valid", "YouTubeVOS-2019-valid"
_ALL = "all_frames/valid_all_frames"

_DAVIS_ARCHIVES = (
    _zip("DAVIS-2017-trainval-480p", "1kiaxrX_4GuW6NmiVuKGSGVoKGWjOdp6d", _TRAINVAL, *_DAVIS),
    _zip("DAVIS-2017-test-dev-480p", "1fmkxU2v9cQwyb62Tj1xFDdh2p4kDsUzD", _TEST_DEV, *_DAVIS),
    _zip(
        "DAVIS-2017-scribbles-trainval", "1JzIQSu36h7dVM8q0VoE4oZJwBXvrZlkl", f"{_TRAINVAL}/Scribbles", "bear"
    ),
)
_STATIC_ARCHIVE = _zip("static_data", "1wUJq3HcLdN-z1t4CsUhjeZ9BVDb9YKLd", "static", *_STATIC)
_YOUTUBE_ARCHIVES = (
    _zip("YouTubeVOS-2019-train", "13Eqw0gVK-AO5B-cqvJ203mZ2vzWck9s4", "YouTube/train", *_PAIRS),
    _zip(_VALID_19, "1o586Wjya-f2ohxYf9C1RlRH-gkrzGS8t", "YouTube/valid", *_PAIRS),
    _zip(f"{_VALID_19}-all-frames", "1rWQzZcMskgpEQOZdJPJ7eTmLCBEIIpEN", f"YouTube/{_ALL}", "JPEGImages"),
)
_YOUTUBE18_ARCHIVES = (
    _zip(_VALID_18, "1-QrceIl5sUNTKz7Iq0UsWC6NLZq7girr", "YouTube2018/valid", *_PAIRS),
    _zip(f"{_VALID_18}-all-frames", "1yVoHM6zgdcL348cFpolFcEl4IC1gorbV", f"YouTube2018/{_ALL}", "JPEGImages"),
)
_DAVIS16_ARCHIVE = _zip("DAVIS-2016", "198aRlh5CpAoFz0hfRgYbiNenn_K8DxWD", "DAVIS/2016", *_DAVIS)
_FUSION_ARCHIVE = _zip("fusion_data", "1NF1APCxb9jzyDaEApHMN24aFPsqnYH6G", "fusion_data", "bl", "davis")

DATA_SETS = {
    "davis16": DataSet("DAVIS 2016", _DAVIS_TERMS, (_DAVIS16_ARCHIVE,)),
    "davis17": DataSet("DAVIS 2017 trainval, scribbles and test-dev", _DAVIS_TERMS, _DAVIS_ARCHIVES),
    "static": DataSet(
        "static images (FSS-1000, DUTS, ECSSD, BIG, HRSOD)",
        "for research, each under its own terms (https://github.com/HKUSTCV/FSS-1000, "
        "http://saliencydetection.net/duts, https://www.cse.cuhk.edu.hk/leojia/projects/hsaliency, "
        "https://github.com/hkchengrex/CascadePSP, https://github.com/yi94code/HRSOD)",
        (_STATIC_ARCHIVE,),
    ),
    "youtube": DataSet(
        "YouTubeVOS 2019 train, valid and all frames of valid", _YOUTUBE_TERMS, _YOUTUBE_ARCHIVES
    ),
    "youtube18": DataSet(
        "YouTubeVOS 2018 valid and all frames of valid", _YOUTUBE_TERMS, _YOUTUBE18_ARCHIVES
    ),
    "fusion": DataSet(
        "masks propagated over DAVIS 2017 and BL30K, to train fusion with",
        "made by the authors of MiVOS (https://github.com/hkchengrex/MiVOS), under the terms of both",
        (_FUSION_ARCHIVE,),
    ),
}

# The Illinois Data Bank lists the address of each file of BL30K.
BL30K_PAGE = "https://doi.org/10.13012/B2IDB-1702934_V1"
BL30K_LISTING = RemoteFile(
    "BL30K.json", "https://databank.illinois.edu/datasets/IDB-1702934.json", BL30K_PAGE
)
BL30K_ADDRESS = "https://databank.illinois.edu/datafiles/{identifier}/download"
BL30K_SEGMENT_SIZE = 117 * 10**9  # bytes, roughly; as large packed as unpacked
_BL30K_MD5 = {
    "a": "35312550b9a75467b60e3b2be2ceac81",
    "b": "269e2f9ad34766b5f73fa117166c1731",
    "c": "a3f7c2a62028d0cda555f484200127b9",
    "d": "e659ed7c4e51f4c06326855f4aba8109",
    "e": "d704e86c5a6a9e920e5e84996c2e0858",
    "f": "bf73914d2888ad642bc01be60523caf6",
}
BL30K = {
    segment: Archive(
        f"BL30K_{segment}.tar", BL30K_PAGE, BL30K_PAGE, "BL30K", _PAIRS, md5, f".segments/{segment}.done"
    )
    for segment, md5 in _BL30K_MD5.items()
}

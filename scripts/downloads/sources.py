"""What can be downloaded: each file's address, and the folder it becomes."""

from dataclasses import dataclass, replace
from urllib.parse import quote


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch.

    Attributes:
        name: its name here and on a mirror.
        url: where a program gets it.
        page: where a person gets it with a browser.
        md5: what its MD5 must be; None where its publisher tells none.
    """

    name: str
    url: str
    page: str
    md5: str | None = None

    def at(self, mirror: str | None) -> "RemoteFile":
        """Return the same file as a mirror has it, `MIRROR/<name>`, or as it is without a mirror."""
        if mirror is None:
            return self
        url = f"{mirror.rstrip('/')}/{quote(self.name)}"
        return replace(self, url=url, page=url)


@dataclass(frozen=True)
class Archive:
    """A packed file that becomes one folder.

    Attributes:
        file: the zip.
        target: the folder below the root that it becomes.
        contains: what that folder must have in it; tells the wanted folder inside the archive from
            those around it, and a finished one from one that is not.
        after: a folder below the root that must be there before, because `target` lies in it.
    """

    file: RemoteFile
    target: str
    contains: tuple[str, ...]
    after: str | None = None


@dataclass(frozen=True)
class DataSet:
    """What `--only` chooses: archives under one set of terms."""

    title: str
    terms: str
    archives: tuple[Archive, ...]


def on_drive(name: str, identifier: str) -> RemoteFile:
    """Return a file on Google Drive."""
    return RemoteFile(
        name,
        url=f"https://drive.google.com/uc?export=download&id={identifier}",
        page=f"https://drive.google.com/file/d/{identifier}/view",
    )


MODELS = {
    "s012": on_drive("propagation_model.pth", "19dfbVDndFkboGLHESi8DGtuxF1B21Nm8"),
    "s02": on_drive("propagation_model_s02.pth", "12jw9b30o-mh23bXzsL0vp24UVhFko_Py"),
    "fusion": on_drive("fusion.pth", "1Lc1lI5-ix4WsCRdipACXgvS3G-o0lMoz"),
    "s2m": on_drive("s2m.pth", "1HKwklVey3P2jmmdmrACFlkXtcvNxbKMM"),
}

_DAVIS = ("Annotations/480p", "ImageSets", "JPEGImages/480p")
_YOUTUBE_TERMS = (
    "annotations CC BY 4.0, videos for non-commercial research only (https://youtube-vos.org/dataset/)"
)

DATA_SETS = {
    "davis16": DataSet(
        "DAVIS 2016",
        "CC BY 4.0 (https://davischallenge.org)",
        (Archive(on_drive("DAVIS-2016.zip", "198aRlh5CpAoFz0hfRgYbiNenn_K8DxWD"), "DAVIS/2016", _DAVIS),),
    ),
    "davis17": DataSet(
        "DAVIS 2017 trainval, scribbles and test-dev",
        "CC BY 4.0 (https://davischallenge.org)",
        (
            Archive(
                on_drive("DAVIS-2017-trainval-480p.zip", "1kiaxrX_4GuW6NmiVuKGSGVoKGWjOdp6d"),
                "DAVIS/2017/trainval",
                _DAVIS,
            ),
            Archive(
                on_drive("DAVIS-2017-test-dev-480p.zip", "1fmkxU2v9cQwyb62Tj1xFDdh2p4kDsUzD"),
                "DAVIS/2017/test-dev",
                _DAVIS,
            ),
            Archive(
                on_drive("DAVIS-2017-scribbles-trainval.zip", "1JzIQSu36h7dVM8q0VoE4oZJwBXvrZlkl"),
                "DAVIS/2017/trainval/Scribbles",
                ("bear", "blackswan"),
                after="DAVIS/2017/trainval",
            ),
        ),
    ),
    "static": DataSet(
        "static images (FSS-1000, DUTS, ECSSD, BIG, HRSOD)",
        "for research, each under its own terms (https://github.com/HKUSTCV/FSS-1000, "
        "http://saliencydetection.net/duts, https://www.cse.cuhk.edu.hk/leojia/projects/hsaliency, "
        "https://github.com/hkchengrex/CascadePSP, https://github.com/yi94code/HRSOD)",
        (
            Archive(
                on_drive("static_data.zip", "1wUJq3HcLdN-z1t4CsUhjeZ9BVDb9YKLd"),
                "static",
                ("BIG_small", "DUTS-TE", "DUTS-TR", "HRSOD_small", "ecssd", "fss"),
            ),
        ),
    ),
    "youtube": DataSet(
        "YouTubeVOS 2019 train, valid and all frames of valid",
        _YOUTUBE_TERMS,
        (
            Archive(
                on_drive("YouTubeVOS-2019-train.zip", "13Eqw0gVK-AO5B-cqvJ203mZ2vzWck9s4"),
                "YouTube/train",
                ("Annotations", "JPEGImages"),
            ),
            Archive(
                on_drive("YouTubeVOS-2019-valid.zip", "1o586Wjya-f2ohxYf9C1RlRH-gkrzGS8t"),
                "YouTube/valid",
                ("Annotations", "JPEGImages"),
            ),
            Archive(
                on_drive("YouTubeVOS-2019-valid-all-frames.zip", "1rWQzZcMskgpEQOZdJPJ7eTmLCBEIIpEN"),
                "YouTube/all_frames/valid_all_frames",
                ("JPEGImages",),
            ),
        ),
    ),
    "youtube18": DataSet(
        "YouTubeVOS 2018 valid and all frames of valid",
        _YOUTUBE_TERMS,
        (
            Archive(
                on_drive("YouTubeVOS-2018-valid.zip", "1-QrceIl5sUNTKz7Iq0UsWC6NLZq7girr"),
                "YouTube2018/valid",
                ("Annotations", "JPEGImages"),
            ),
            Archive(
                on_drive("YouTubeVOS-2018-valid-all-frames.zip", "1yVoHM6zgdcL348cFpolFcEl4IC1gorbV"),
                "YouTube2018/all_frames/valid_all_frames",
                ("JPEGImages",),
            ),
        ),
    ),
    "fusion": DataSet(
        "masks propagated over DAVIS 2017 and BL30K, to train fusion with",
        "made by the authors of MiVOS (https://github.com/hkchengrex/MiVOS), under the terms of both",
        (
            Archive(
                on_drive("fusion_data.zip", "1NF1APCxb9jzyDaEApHMN24aFPsqnYH6G"),
                "fusion_data",
                ("bl", "davis"),
            ),
        ),
    ),
}

# BL30K is kept by the Illinois Data Bank, which gives each file an address of its own: the listing has them.
_BL30K_PAGE = "https://doi.org/10.13012/B2IDB-1702934_V1"
BL30K_TERMS = f"see {_BL30K_PAGE}"
BL30K_LISTING = RemoteFile(
    "BL30K.json", "https://databank.illinois.edu/datasets/IDB-1702934.json", _BL30K_PAGE
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
    segment: RemoteFile(f"BL30K_{segment}.tar", _BL30K_PAGE, _BL30K_PAGE, md5)
    for segment, md5 in _BL30K_MD5.items()
}

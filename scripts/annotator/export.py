"""Exports of an annotation, at the video's own size and frame rate."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from pycocotools import mask as coco

from dataset.davis_test_dataset import SPLITS_2017
from dataset.masks.writer import write_mask
from dataset.video_files.frame_source import PictureFiles
from scripts.annotator.session import Session
from scripts.annotator.snapshot import Choice, Show, Snapshot
from scripts.annotator.video_exports import write_green, write_overlay, write_prores, write_webm
from util.files import atomic_path

JPEG_QUALITY = 95
JPEG_SUFFIXES = {".jpg", ".jpeg"}
LONGEST_NAME = 40  # characters of an object's name in the name of its video
EVERYTHING = Choice()


def export(
    kind: str, session: Session, folder: Path, show: Show, choice: Choice = EVERYTHING, archive: bool = False
) -> Path:
    """Write one kind of export and replace what was there under its name; return its file or folder.

    Args:
        kind: a key of `KINDS`.
        session: the annotation; edits made during the export are not in it.
        folder: folder of the result.
        show: called before each frame; its exception ends the export, and nothing is left of it.
        choice: the frames and objects.
        archive: whether to write a ZIP instead of a folder.
    """
    form, snapshot = KINDS[kind], Snapshot(session, choice)
    apart = choice.apart and form.is_video
    path = folder / f"{snapshot.pictures.name}_{kind}{'' if apart else form.suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    if form.suffix and not apart:
        with atomic_path(path) as temporary:
            form.write(snapshot, temporary, show)
        return path
    hidden = path.with_name(f".{path.name}.part")
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        if apart:
            _write_apart(form, snapshot, hidden, show)
        else:
            form.write(snapshot, hidden, show)
        if archive:
            with atomic_path(path.with_suffix(".zip")) as temporary:
                shutil.make_archive(str(temporary.with_suffix("")), "zip", hidden)
            return path.with_suffix(".zip")
        shutil.rmtree(path, ignore_errors=True)
        hidden.replace(path)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return path


def _write_apart(form: "Kind", snapshot: Snapshot, folder: Path, show: Show) -> None:
    """Write a video for each object, named after its label and name."""
    folder.mkdir(parents=True)
    for each in snapshot.objects:
        name = re.sub(r"[^\w-]+", "_", each.name)[:LONGEST_NAME]
        form.write(snapshot.only(each.label), folder / f"{each.label:03}_{name}{form.suffix}", show)


def _write_pngs(snapshot: Snapshot, folder: Path, show: Show) -> None:
    palette = snapshot.palette()
    for _, name, labels in snapshot.masks(show):
        write_mask(folder / f"{name}.png", labels, palette)


def _write_davis(snapshot: Snapshot, folder: Path, show: Show) -> None:
    """Write the layout of DAVIS 2017, both as training and as validation set."""
    name = snapshot.pictures.name
    root = folder / SPLITS_2017["val"][0]
    _write_pictures_and_masks(
        snapshot, root / "JPEGImages/480p" / name, root / "Annotations/480p" / name, show
    )
    lists = folder.joinpath(*SPLITS_2017["val"]).parent
    lists.mkdir(parents=True)
    for split in ("train", "val"):
        (lists / f"{split}.txt").write_text(f"{name}\n")


def _write_youtube(snapshot: Snapshot, folder: Path, show: Show) -> None:
    """Write the layout of YouTube-VOS, with `meta.json`: which object is on which frames."""
    name = snapshot.pictures.name
    frames = _write_pictures_and_masks(
        snapshot, folder / "JPEGImages" / name, folder / "Annotations" / name, show
    )
    objects = {
        str(each.label): {"category": each.category or each.name, "frames": frames[each.label]}
        for each in snapshot.objects
        if each.label in frames
    }
    (folder / "meta.json").write_text(json.dumps({"videos": {name: {"objects": objects}}}, indent=1))


def _write_pictures_and_masks(
    snapshot: Snapshot, pictures: Path, masks: Path, show: Show
) -> dict[int, list[str]]:
    """Write frames as JPEG, and masks; return the names of the frames that each label is on."""
    palette, found = snapshot.palette(), dict[int, list[str]]()
    pictures.mkdir(parents=True)
    for index, name, labels in snapshot.masks(show):
        _write_jpeg(snapshot, index, pictures / f"{name}.jpg")
        write_mask(masks / f"{name}.png", labels, palette)
        for label in snapshot.present(index):
            found.setdefault(label, []).append(name)
    return found


def _write_jpeg(snapshot: Snapshot, index: int, path: Path) -> None:
    """Write a frame as JPEG; one that is an upright JPEG already is copied as it is."""
    source, picture = snapshot.pictures.source, snapshot.pictures.read(index)
    if isinstance(source, PictureFiles) and source.paths[index].suffix.lower() in JPEG_SUFFIXES:
        with Image.open(source.paths[index]) as image:
            as_stored = np.array_equal(np.asarray(image.convert("RGB")), picture)
        if as_stored:
            shutil.copyfile(source.paths[index], path)
            return
    Image.fromarray(picture).save(path, quality=JPEG_QUALITY, subsampling=0)


def _write_coco(snapshot: Snapshot, path: Path, show: Show) -> None:
    """Write COCO's JSON with run-length encoded masks; `track_id` is the object's label in all frames."""
    height, width = snapshot.pictures.size
    source = snapshot.pictures.source
    classes = {each.label: each.category or each.name for each in snapshot.objects}
    ids = dict[str, int]()  # a class has the label of its first object
    for label in sorted(classes):
        ids.setdefault(classes[label], label)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, name, labels in snapshot.masks(show):
        file_name = source.paths[index].name if isinstance(source, PictureFiles) else f"{name}.jpg"
        images.append({"id": index, "file_name": file_name, "width": width, "height": height})
        for label in sorted(snapshot.present(index)):
            code = coco.encode(np.asfortranarray(labels == label).astype(np.uint8, order="F"))
            ids_of = {"image_id": index, "category_id": ids[classes[label]], "track_id": label, "iscrowd": 0}
            mask = {"size": code["size"], "counts": code["counts"].decode()}
            box, area = coco.toBbox(code).tolist(), int(coco.area(code))
            about = {**ids_of, "area": area, "bbox": box, "segmentation": mask}
            annotations.append({"id": len(annotations) + 1, **about})
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content))


class Kind(NamedTuple):
    """One kind of export."""

    name: str  # title on the page
    what: str  # a line about it
    suffix: str  # file suffix; "" for a folder
    write: Callable[[Snapshot, Path, Show], None]
    cuts: bool = False  # the edge of objects can be feathered and choked

    @property
    def is_video(self) -> bool:
        """Tell whether it can be one video per object."""
        return self.suffix in (".mp4", ".mov", ".webm")


KINDS = {
    "png": Kind("Masks", "One paletted PNG per frame", "", _write_pngs),
    "overlay": Kind("Overlay video", "MP4 with masks drawn in, and the video's sound", ".mp4", write_overlay),
    "alpha": Kind("Cut-out video", "ProRes 4444 with alpha and sound", ".mov", write_prores, cuts=True),
    "webm": Kind("Cut-out video for the web", "WebM with alpha and sound", ".webm", write_webm, cuts=True),
    "green": Kind("Video on green", "MP4 for keying, with sound", ".mp4", write_green, cuts=True),
    "davis": Kind("DAVIS 2017 layout", "JPEGImages, Annotations, ImageSets", "", _write_davis),
    "youtube": Kind("YouTube-VOS layout", "JPEGImages, Annotations, meta.json", "", _write_youtube),
    "coco": Kind("COCO", "JSON with run-length encoded masks", ".json", _write_coco),
}

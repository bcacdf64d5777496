"""What has been annotated, in the forms that others read; always at the video's own size and rate."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

from dataset.davis_test_dataset import SPLITS_2017
from dataset.masks.writer import write_mask
from dataset.video_files.frame_source import PictureFiles
from scripts.annotator.films import write_cut_out, write_green, write_overlay
from scripts.annotator.moment import Moment
from scripts.annotator.session import Session
from util.files import atomic_path
from util.palette import voc_palette

Show = Callable[[float, float, str], None]  # done, total, what
Labels = NDArray[np.uint8]  # H x W

JPEG_QUALITY = 95
JPEG_SUFFIXES = {".jpg", ".jpeg"}


def export(kind: str, session: Session, folder: Path, show: Show, archive: bool = False) -> Path:
    """Write one kind of export; return its file or folder. What was there under its name is replaced.

    Args:
        kind: a key of `KINDS`.
        session: what to export, as it is now; what is edited meanwhile is not in it.
        folder: for the result.
        show: called as it goes on; what it raises ends the export, and nothing is left of it.
        archive: make a ZIP archive of what would be a folder.
    """
    suffix, write = KINDS[kind]
    moment = Moment(session)
    path = folder / f"{moment.pictures.name}_{kind}{suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    if suffix:
        with atomic_path(path) as temporary:
            write(moment, temporary, show)
        return path
    hidden = path.with_name(f".{path.name}.part")
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        write(moment, hidden, show)
        if archive:
            with atomic_path(path.with_suffix(".zip")) as temporary:
                shutil.make_archive(str(temporary.with_suffix("")), "zip", hidden)
            return path.with_suffix(".zip")
        _put_in_place(hidden, path)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return path


def _put_in_place(new: Path, path: Path) -> None:
    """Rename a folder to a path; what was there is removed afterwards, and stays when that fails."""
    aside = path.with_name(f".{path.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    if path.exists():
        path.replace(aside)
    try:
        new.replace(path)
    except OSError:
        if aside.exists():
            aside.replace(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def palette_of(moment: Moment) -> list[int]:
    """Return the objects' colours as a palette, R G B R G B ..., background black."""
    palette = voc_palette()
    for each in moment.objects:
        palette[3 * each.label : 3 * each.label + 3] = bytes.fromhex(each.colour[1:])
    return palette


def _masks(moment: Moment, show: Show) -> Iterator[tuple[int, str, Labels]]:
    """Yield each frame's number, name and labels; frames that a damaged video file lacks are left out."""
    names = moment.pictures.source.names
    for index, name in enumerate(names):
        show(index, len(names), f"frame {name}")
        if not moment.pictures.is_missing(index):
            yield index, name, moment.label_map(index)


def _write_pngs(moment: Moment, folder: Path, show: Show) -> None:
    palette = palette_of(moment)
    for _, name, labels in _masks(moment, show):
        write_mask(folder / f"{name}.png", labels, palette)


def _write_davis(moment: Moment, folder: Path, show: Show) -> None:
    """Write the layout of DAVIS 2017, both as training and as validation set."""
    name = moment.pictures.name
    root = folder / SPLITS_2017["val"][0]
    _write_pictures_and_masks(moment, root / "JPEGImages/480p" / name, root / "Annotations/480p" / name, show)
    lists = folder.joinpath(*SPLITS_2017["val"]).parent
    lists.mkdir(parents=True)
    for split in ("train", "val"):
        (lists / f"{split}.txt").write_text(f"{name}\n")


def _write_youtube(moment: Moment, folder: Path, show: Show) -> None:
    """Write the layout of YouTube-VOS, with `meta.json`: which object is on which frames."""
    name = moment.pictures.name
    frames = _write_pictures_and_masks(
        moment, folder / "JPEGImages" / name, folder / "Annotations" / name, show
    )
    objects = {
        str(each.label): {"category": each.category or each.name, "frames": frames[each.label]}
        for each in moment.objects
        if each.label in frames
    }
    (folder / "meta.json").write_text(json.dumps({"videos": {name: {"objects": objects}}}, indent=1))


def _write_pictures_and_masks(
    moment: Moment, pictures: Path, masks: Path, show: Show
) -> dict[int, list[str]]:
    """Write frames as JPEG, and masks; return the names of the frames that each label is on."""
    palette, found = palette_of(moment), dict[int, list[str]]()
    pictures.mkdir(parents=True)
    for index, name, labels in _masks(moment, show):
        _write_jpeg(moment, index, pictures / f"{name}.jpg")
        write_mask(masks / f"{name}.png", labels, palette)
        for label in moment.present(index):
            found.setdefault(label, []).append(name)
    return found


def _write_jpeg(moment: Moment, index: int, path: Path) -> None:
    """Write a frame as JPEG; one that is an upright JPEG already is copied as it is."""
    source, picture = moment.pictures.source, moment.pictures.read(index)
    if isinstance(source, PictureFiles) and source.paths[index].suffix.lower() in JPEG_SUFFIXES:
        with Image.open(source.paths[index]) as image:
            as_stored = np.array_equal(np.asarray(image.convert("RGB")), picture)
        if as_stored:
            shutil.copyfile(source.paths[index], path)
            return
    Image.fromarray(picture).save(path, quality=JPEG_QUALITY, subsampling=0)


def _write_coco(moment: Moment, path: Path, show: Show) -> None:
    """Write COCO's JSON with run-length encoded masks; `track_id` is the object's label in all frames."""
    height, width = moment.pictures.size
    source = moment.pictures.source
    classes = {each.label: each.category or each.name for each in moment.objects}
    ids = dict[str, int]()  # a class has the label of its first object
    for label in sorted(classes):
        ids.setdefault(classes[label], label)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, name, labels in _masks(moment, show):
        file_name = source.paths[index].name if isinstance(source, PictureFiles) else f"{name}.jpg"
        images.append({"id": index, "file_name": file_name, "width": width, "height": height})
        for label in sorted(moment.present(index)):
            code = coco.encode(np.asfortranarray(labels == label).astype(np.uint8, order="F"))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": index,
                    "category_id": ids[classes[label]],
                    "track_id": label,
                    "iscrowd": 0,
                    "area": int(coco.area(code)),
                    "bbox": coco.toBbox(code).tolist(),
                    "segmentation": {"size": code["size"], "counts": code["counts"].decode()},
                }
            )
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content))


def _write_overlay(moment: Moment, path: Path, show: Show) -> None:
    write_overlay(path, moment.pictures, _masks(moment, show), palette_of(moment))


def _write_prores(moment: Moment, path: Path, show: Show) -> None:
    write_cut_out(path, moment.pictures, _masks(moment, show), "prores")


def _write_webm(moment: Moment, path: Path, show: Show) -> None:
    write_cut_out(path, moment.pictures, _masks(moment, show), "webm")


def _write_green(moment: Moment, path: Path, show: Show) -> None:
    write_green(path, moment.pictures, _masks(moment, show))


KINDS: dict[str, tuple[str, Callable[[Moment, Path, Show], None]]] = {  # suffix ("" is a folder), and how
    "png": ("", _write_pngs),
    "overlay": (".mp4", _write_overlay),
    "alpha": (".mov", _write_prores),
    "webm": (".webm", _write_webm),
    "green": (".mp4", _write_green),
    "davis": ("", _write_davis),
    "youtube": ("", _write_youtube),
    "coco": (".json", _write_coco),
}

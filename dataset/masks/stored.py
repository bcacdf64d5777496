"""The stored content of a mask file: its numbers, its transparency, and whether colours mark objects.

Decoders change numbers for display: grey of 2 or 4 bits is stretched to 255. Here the stored numbers are
restored.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from util.errors import InputError

GREY_MODES = {"1", "L", "LA", "I", "I;16", "I;16B"}  # Pillow's names; those with I have 16 bits or more
PALETTE_MODES = {"P", "PA"}
COLOUR_MODES = {"RGB", "RGBA"}
ALPHA_MODES = {"LA", "PA", "RGBA"}
LOSSLESS_FORMATS = {"PNG", "BMP", "DIB", "GIF", "TGA", "PCX", "SGI"}
LOSSLESS_FORMATS |= {"TIFF", "WEBP", "PPM", "IM", "QOI", "XBM"}
LOSSLESS_TIFF = {"raw", "packbits", "group3", "group4", "lzma", "zstd"}
LOSSLESS_TIFF |= {
    f"tiff_{name}" for name in ("ccitt", "lzw", "adobe_deflate", "deflate", "raw_16", "thunderscan")
}
STRETCHED = {"L;2": 85, "L;4": 17}  # what Pillow multiplies the numbers of PNGs of 2 and 4 bits with
BLACK = (0, 0, 0)
WHITE_16 = 65535


def check_mask(image: Image.Image, path: Path) -> None:
    """Check that the format of a file can hold labels.

    Raises:
        InputError: the compression is lossy, the file holds several pictures, or its numbers cannot be labels
            (float, print colours, 16 bits per channel).
    """
    kind = _lossy_kind(image, path)
    if kind is not None:
        raise InputError(f"{path} is a {kind}, whose compression changes labels: save masks as PNG.")
    count = getattr(image, "n_frames", 1)
    if count > 1:
        raise InputError(f"{path} holds {count} pictures, and a mask is one: save the right one as PNG.")
    if image.mode not in GREY_MODES | PALETTE_MODES | COLOUR_MODES:
        raise InputError(f"mask {path} is a {image.mode} picture: save it with a palette, in grey or in RGB.")
    rawmode, *more = _decoding(image)
    if image.mode in COLOUR_MODES and ";16" in str(rawmode):
        raise InputError(
            f"mask {path} has 16 bits a channel: save it with 8, or in grey without transparency."
        )
    if image.format == "PPM" and more and more[-1] not in (1, 255):
        raise InputError(f"mask {path} is a PNM file whose white is {more[-1]}: save masks as PNG.")


def _decoding(image: Image.Image) -> tuple[str | int, ...]:
    """Return Pillow's settings to decode an opened file: a raw mode such as `L;4`, and its options.

    They are lost when the pixels are decoded.
    """
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    arguments = tiles[0][3] if tiles else ""
    return tuple(arguments) if isinstance(arguments, tuple) else (arguments or "",)


def _lossy_kind(image: Image.Image, path: Path) -> str | None:
    """Return the name of a format whose compression is or may be lossy; None when it is lossless."""
    if image.format == "WEBP":
        return None if _is_lossless_webp(path) else "lossy WebP"
    if image.format == "TIFF" and image.info.get("compression", "raw") not in LOSSLESS_TIFF:
        return f"TIFF with {image.info['compression']}"
    if image.format == "MPO":
        return "JPEG"
    return None if image.format in LOSSLESS_FORMATS else image.format or "picture of unknown format"


def _is_lossless_webp(path: Path) -> bool:
    """Return whether a WebP's picture is in a chunk "VP8L", not "VP8 " (RFC 9649, section 2)."""
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            if head[:4] in (b"VP8L", b"VP8 "):
                return head[:4] == b"VP8L"
            size = int.from_bytes(head[4:], "little")
            file.seek(16 if head[:4] == b"ANMF" else size + size % 2, 1)  # into an animation's first frame
    return False


def grey_step(image: Image.Image) -> int:
    """Return the decoded grey level of the stored number 1."""
    return STRETCHED.get(str(_decoding(image)[0]), 1) if image.format == "PNG" else 1


def stored_numbers(image: Image.Image) -> NDArray[np.integer]:
    """Return the stored numbers of a grey or paletted picture, `H x W`.

    White is 255 in pictures of one bit, and in pictures of 16 bits that only have black and white.
    """
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    step = grey_step(image)  # asked before the pixels are decoded, which empties the list of tiles
    numbers = np.asarray(image.getchannel(0) if image.mode in ALPHA_MODES else image)
    if image.mode.startswith("I") and ((numbers == 0) | (numbers == WHITE_16)).all():
        return np.where(numbers > 0, np.uint8(255), np.uint8(0))
    return numbers // step if step > 1 else numbers


def opaque_pixels(image: Image.Image, numbers: NDArray[np.integer] | None) -> NDArray[np.bool_] | None:
    """Return where a picture is not fully transparent, `H x W`; None when it has no transparency.

    Args:
        image: opened picture.
        numbers: result of `stored_numbers` for a grey or paletted picture.
    """
    if image.mode in ALPHA_MODES:
        return np.asarray(image.getchannel("A")) > 0
    hidden = image.info.get("transparency")
    if hidden is None:
        return None
    if isinstance(hidden, bytes):  # opacities of the first palette entries
        assert numbers is not None
        entries = np.full(256, 255, np.uint8)
        entries[: len(hidden)] = np.frombuffer(hidden, np.uint8)[:256]
        return entries[numbers] > 0
    if numbers is None:
        return (np.asarray(image) != np.array(hidden, np.uint8)).any(axis=2)
    if numbers.dtype == np.uint8 and image.mode not in {"L", "P"}:  # white of `stored_numbers`
        hidden = 255 if hidden else 0
    return numbers != hidden


def marks_by_colour(image: Image.Image) -> bool:
    """Return whether a mask marks objects by colour: RGB, or a palette whose entry 0 is not the background.

    Entry 0 is the background, unless it is not black and other pixels are black, or are transparent while
    those of entry 0 are not.
    """
    if image.mode not in PALETTE_MODES:
        return image.mode in COLOUR_MODES
    colours = image.getpalette("RGB") or []
    if not colours or tuple(colours[:3]) == BLACK:
        return False
    numbers = stored_numbers(image)
    opaque = opaque_pixels(image, numbers)
    used = np.unique(numbers if opaque is None else numbers[opaque]).tolist()
    black = any(tuple(colours[3 * number : 3 * number + 3]) == BLACK for number in used)
    return black or (0 in used and opaque is not None and not opaque.all())

"""What an opened file says as a mask: its numbers as stored, what is transparent, what marks objects.

A picture is decoded to be looked at: grey of 2 or 4 bits is stretched to 255, transparent entries of a
palette are colours like others. A mask is numbers, so what was stored is restored here.
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
    """Make sure that a file can hold labels.

    Raises:
        InputError: its compression changes labels, it holds several pictures, or its numbers are no
            labels (float, print colours, 16 bits a channel).
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
    """Return how Pillow decodes the pixels of an opened file: a raw mode such as `L;4`, and its options.

    Nothing is known of it any more when the pixels are decoded.
    """
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    arguments = tiles[0][3] if tiles else ""
    return tuple(arguments) if isinstance(arguments, tuple) else (arguments or "",)


def _lossy_kind(image: Image.Image, path: Path) -> str | None:
    """Return what to call a file whose compression is lossy, or may be; None when it is certainly not."""
    if image.format == "WEBP":
        return None if _is_lossless_webp(path) else "lossy WebP"
    if image.format == "TIFF" and image.info.get("compression", "raw") not in LOSSLESS_TIFF:
        return f"TIFF with {image.info['compression']}"
    if image.format == "MPO":
        return "JPEG"
    return None if image.format in LOSSLESS_FORMATS else image.format or "picture of unknown format"


def _is_lossless_webp(path: Path) -> bool:
    """Tell whether a WebP's picture is in a chunk "VP8L", and not in "VP8 " (RFC 9649, section 2)."""
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            if head[:4] in (b"VP8L", b"VP8 "):
                return head[:4] == b"VP8L"
            size = int.from_bytes(head[4:], "little")
            file.seek(16 if head[:4] == b"ANMF" else size + size % 2, 1)  # into an animation's first frame
    return False


def grey_step(image: Image.Image) -> int:
    """Return the grey level that a decoded picture shows for the stored number 1."""
    return STRETCHED.get(str(_decoding(image)[0]), 1) if image.format == "PNG" else 1


def stored_numbers(image: Image.Image) -> NDArray[np.integer]:
    """Return the numbers of a grey or paletted picture as they are in the file, `H x W`.

    White of one bit is 255, since it is white alone that such a file has; so is white of 16 bits where
    nothing else is there.
    """
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    step = grey_step(image)  # asked before the pixels are decoded, which empties the list of tiles
    numbers = np.asarray(image.getchannel(0) if image.mode in ALPHA_MODES else image)
    if image.mode.startswith("I") and ((numbers == 0) | (numbers == WHITE_16)).all():
        return np.where(numbers > 0, np.uint8(255), np.uint8(0))
    return numbers // step if step > 1 else numbers


def opaque_pixels(image: Image.Image, numbers: NDArray[np.integer] | None) -> NDArray[np.bool_] | None:
    """Return where a picture is not wholly transparent, `H x W`; None when it has no transparency.

    Args:
        image: with an alpha channel, or a transparent colour, grey level or entries of the palette.
        numbers: of `stored_numbers`, for a grey or paletted picture.
    """
    if image.mode in ALPHA_MODES:
        return np.asarray(image.getchannel("A")) > 0
    hidden = image.info.get("transparency")
    if hidden is None:
        return None
    if isinstance(hidden, bytes):  # an opacity for each of the first entries
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
    """Tell whether a mask marks objects by colour: RGB, or a palette whose entry 0 is no background.

    Entry 0 is the background, unless it is not black and other pixels say what is: black ones, or
    transparent ones beside those of entry 0.
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

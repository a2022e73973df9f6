"""Pictures from Pillow's images, of every mode."""

import re
import struct

import numpy as np
from PIL import Image, ImageOps

from ..errors import ImageError
from .picture import Picture

PILLOW_ERRORS = (
    EOFError,
    IndexError,
    KeyError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
)
"""Everything that Pillow's decoders are known to raise on broken input."""

_ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
# Samples of 16 bits as Pillow names them: "RGB;16B" and the like. "BGR;16" and "RGB;16" are pixels of 16 bits.
_DEEP_LAYOUT = re.compile(r";16[LBNS]|(?<!RGB)(?<!BGR);16")
_WIDE_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def is_animated(image: Image.Image) -> bool:
    """Whether a file has several frames or pages."""
    # Phones write several views of one picture as MPO; the first one is the picture.
    try:
        return getattr(image, "is_animated", False) and image.format != "MPO"
    except PILLOW_ERRORS:
        # What is broken is said when the pixels are read.
        return False


def read_frame(image: Image.Image, name: str, frame: int | None) -> Picture:
    """One frame as a picture, that where the image stands if None; afterwards it stands there again.

    Raises:
        ImageError: it is broken, of a kind that cannot be read, or there is no such frame.
    """
    if frame is None:
        return _current_frame(image, name)
    before = image.tell()
    try:
        last = getattr(image, "n_frames", 1) - 1
        if 0 <= frame <= last:
            image.seek(frame)
    except PILLOW_ERRORS as error:
        raise ImageError(f"{name}: broken image: {error}") from None
    if not 0 <= frame <= last:
        raise ImageError(f"{name}: has no frame {frame}: the last one is {last}")
    try:
        return _current_frame(image, name)
    finally:
        image.seek(before)


def _current_frame(image: Image.Image, name: str) -> Picture:
    if image.mode in _WIDE_MODES or _is_deep(image):
        raise ImageError(f"{name}: has more than 8 bits per sample, which is not supported yet; reduce it first")
    try:
        upright = ImageOps.exif_transpose(image)
        if image.mode in _ALPHA_MODES or "transparency" in image.info:
            pixels = np.asarray(upright.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA"))
        else:
            pixels = np.asarray(upright.convert("L" if image.mode in ("1", "L") else "RGB"))
    except PILLOW_ERRORS as error:
        raise ImageError(f"{name}: broken image: {error}") from None
    return Picture.of(pixels)


def _is_deep(image: Image.Image) -> bool:
    """Whether a colour picture has more than 8 bits per sample, which Pillow reduces to 8 without a word."""
    depths = getattr(image, "tag_v2", {}).get(258, ())  # TIFF's BitsPerSample
    for codec, _, _, options in getattr(image, "tile", ()):
        depths = (*depths, 16 if "16" in codec or _DEEP_LAYOUT.search(str(options)) else 8)
        if image.format == "PPM" and isinstance(options, tuple) and isinstance(options[-1], int):
            depths = (*depths, options[-1].bit_length())
    return max(depths, default=8) > 8

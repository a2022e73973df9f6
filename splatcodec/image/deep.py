"""Colour pictures of 16 bits per sample, of which Pillow reads the high bytes only."""

import re
import sys
from io import BytesIO
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from ..errors import ImageError

# Samples of 16 bits as Pillow names them. "BGR;16" and "RGB;16" are pixels of 16 bits.
_DEEP = re.compile(r";16[LBNS]|(?<!RGB)(?<!BGR);16")
_LAYOUT = re.compile(r"(RGB|RGBA|RGBa|RGBX|LA);16([LBN])")
_OTHER_BYTE = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
_ADVICE = "which are not supported in this format; convert it to a 16-bit PNG"


def is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether an image that has not been loaded yet has colours of more than 8 bits per sample."""
    for codec, _, _, options in image.tile:
        if "16" in codec or _DEEP.search(str(options)):
            return image.mode in ("RGB", "RGBA")
        if image.format == "PPM" and image.mode == "RGB" and isinstance(options, tuple) and options[-1] > 255:
            return True
    return image.mode in ("RGB", "RGBA") and max(getattr(image, "tag_v2", {}).get(258, (8,))) > 8


def stored_depth(image: Image.Image, content: bytes) -> int:
    """Bits per sample in a file of JPEG 2000 or AVIF, whose colours Pillow rounds to 8 without a word; 8 of others."""
    if image.format == "JPEG2000" and image.mode in ("LA", "RGB", "RGBA"):
        # The markers that start a codestream, and the depth of its first component (ISO/IEC 15444-1, A.5.1).
        place = content.find(b"\xff\x4f\xff\x51")
        return (content[place + 42] & 127) + 1 if place >= 0 else 8
    if image.format == "AVIF":
        # The third byte of the codec's configuration has a bit for 10 and one more for 12 (AV1-ISOBMFF, 2.3.3).
        place = content.find(b"av1C")
        bits = content[place + 6] if place >= 0 else 0
        return (12 if bits & 32 else 10) if bits & 64 else 8
    return 8


def deep_samples(
    image: ImageFile.ImageFile, content: bytes, name: str
) -> tuple[NDArray[np.generic], ImageFile.ImageFile]:
    """Samples [H, W, C] of the frame where an image stands, uint16 or floats in [0, 1], and that frame, loaded.

    Args:
        image: of which `is_deep` is true.
        content: its file.
        name: what to call it in errors.

    Raises:
        ImageError: the file stores them in a way that cannot be read.
        Exception: what Pillow raises on broken files.
    """
    if image.format == "PPM":
        return _pixmap(image, content), image
    layout = _LAYOUT.fullmatch(_raw_mode(image.tile[0].args))
    separate_planes = getattr(image, "tag_v2", {}).get(284) == 2
    # The later frames of an animated PNG are drawn upon the first one.
    if not layout or separate_planes or image.format not in ("PNG", "TIFF") or (image.format == "PNG" and image.tell()):
        raise ImageError(f"{name}: has more than 8 bits per sample, {_ADVICE}")
    mode, order = layout.groups()
    if mode == "LA":
        # As many bytes as RGBA of 8 bits.
        both, loaded = _decoded(image, content, "RGBA")
        return both.view(">u2").astype(np.uint16), loaded
    # Pillow would divide by the opacity at 8 bits.
    stored = "RGBA" if mode == "RGBa" else mode
    high, loaded = _decoded(image, content, f"{stored};16{order}")
    low, _ = _decoded(image, content, f"{stored};16{_OTHER_BYTE[order]}")
    samples = (high.astype(np.uint16) << 8 | low).astype(np.uint16)
    return (_straight(samples) if mode == "RGBa" else samples), loaded


def _raw_mode(options: str | tuple[Any, ...] | None) -> str:
    return str(options[0] if isinstance(options, tuple) else options)


def _decoded(
    image: ImageFile.ImageFile, content: bytes, raw_mode: str
) -> tuple[NDArray[np.uint8], ImageFile.ImageFile]:
    """Decode the frame where an image stands once more as if its samples were stored in another way."""
    again = Image.open(BytesIO(content), formats=[str(image.format)])
    again.seek(image.tell())
    again.tile = [
        tile._replace(args=(raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode)
        for tile in again.tile
    ]
    again.load()
    return np.asarray(again), again


def _straight(samples: NDArray[np.uint16]) -> NDArray[np.float32]:
    """RGB that has been multiplied by the alpha [H, W, 4], divided by it."""
    straight = samples.astype(np.float32) / np.float32(65535)
    alpha = straight[:, :, 3:]
    straight[:, :, :3] = np.minimum(straight[:, :, :3] / np.where(alpha == 0, np.float32(1), alpha), 1)
    return straight


def _pixmap(image: ImageFile.ImageFile, content: bytes) -> NDArray[np.float32]:
    """Samples [H, W, 3] of a portable pixmap."""
    codec, _, offset, options = image.tile[0]
    largest = cast(tuple[str, int], options)[1]
    count = 3 * image.width * image.height
    if codec == "ppm":
        samples = np.frombuffer(content, ">u2", count, offset)
    else:
        numbers = re.sub(rb"#[^\r\n]*", b"", content[offset:]).split(maxsplit=count)[:count]
        samples = np.array(numbers, np.uint16)
    if len(samples) < count or samples.max() > largest:
        raise ValueError(f"expected {count} samples up to {largest}")
    return samples.astype(np.float32).reshape(image.height, image.width, 3) / np.float32(largest)

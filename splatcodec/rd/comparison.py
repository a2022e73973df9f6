"""One picture by several codecs at equal size, side by side: whole, in magnified crops, and as maps of the error."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_gradient_magnitude, uniform_filter

from ..errors import ImageError
from ..image import as_color, to_uint8
from ..metrics import psnr
from .codecs import Codec, Pixels

Box = tuple[int, int, int, int]
"""x, y, width and height in pixels."""

_TOLERANCE = 0.005
_STEPS = 14
_GAP = 8
_ERROR_GAIN = 6
# Columns are no narrower, for their titles.
_NARROWEST = 180


class Sample(NamedTuple):
    """What a codec made of a picture."""

    name: str
    data: bytes
    pixels: Pixels


def encode_to_size(codec: Codec, image: Pixels, size: int) -> bytes:
    """The file nearest to `size` bytes of those a bisection of the codec's settings meets."""
    small, large = codec.bounds
    found: list[bytes] = []
    for _ in range(_STEPS):
        # Settings that are rates or distances spread over magnitudes.
        middle = math.sqrt(small * large) if min(codec.bounds) > 0 else (small + large) / 2
        found.append(codec.encode(image, middle))
        # Settings that are whole numbers come to rest before the last step.
        if abs(len(found[-1]) - size) <= _TOLERANCE * size or found[-1] in found[:-1]:
            break
        if len(found[-1]) < size:
            small = middle
        else:
            large = middle
    return min(found, key=lambda data: abs(len(data) - size))


def compare(image: Pixels, codec: Codec, quality: float, others: Sequence[Codec]) -> list[Sample]:
    """A picture by one codec at a quality, and by others at the size that this takes.

    Raises:
        ImageError: a codec fails on the picture.
    """
    data = codec.encode(image, quality)
    samples = [Sample(codec.name, data, codec.decode(data))]
    for other in others:
        try:
            found = encode_to_size(other, image, len(data))
            samples.append(Sample(other.name, found, other.decode(found)))
        except Exception as error:  # libraries have errors of their own for pictures they cannot take
            raise ImageError(f"{other.name} fails on this picture: {error}") from error
    return samples


def busiest(image: Pixels, count: int) -> list[Box]:
    """The `count` squares, apart from each other and a fifth of the shorter side wide, with the most detail."""
    luma = image if image.ndim == 2 else image.mean(axis=2)
    height, width = luma.shape
    side = max(1, min(height, width) // 5)
    detail = uniform_filter(gaussian_gradient_magnitude(luma.astype(np.float64), 1.0), side)
    boxes: list[Box] = []
    for _ in range(count):
        x = slice(side // 2, width - (side - 1) // 2)
        y = slice(side // 2, height - (side - 1) // 2)
        inner = detail[y, x]
        row, column = np.unravel_index(np.argmax(inner), inner.shape)
        boxes.append((int(column), int(row), side, side))
        detail[max(0, row - side // 2) : row + 2 * side, max(0, column - side // 2) : column + 2 * side] = -1
    return boxes


def sheet(image: Pixels, samples: Sequence[Sample], crops: Sequence[Box]) -> Image.Image:
    """A picture that shows the original and each sample in a column of its own.

    Under each name and size stand the whole, the crops at a whole-number magnification, and the absolute error, six
    times as bright.
    """
    original = as_color(image)
    height, width = original.shape[:2]
    columns: list[tuple[str, list[str], Pixels]] = [("original", [], original)]
    for sample in samples:
        bpp = 8 * len(sample.data) / (width * height)
        fidelity = psnr(original, as_color(sample.pixels))
        quality = "lossless" if math.isinf(fidelity) else f"{fidelity:.2f} dB"
        lines = [f"{len(sample.data)} bytes, {bpp:.3f} bpp", quality]
        columns.append((sample.name, lines, as_color(sample.pixels)))
    return _paste([_column(name, lines, pixels, original, crops) for name, lines, pixels in columns], across=True)


def _column(name: str, lines: list[str], pixels: Pixels, original: Pixels, crops: Sequence[Box]) -> Image.Image:
    width = pixels.shape[1]
    parts = [_text([name, *lines, *[""] * (2 - len(lines))], max(width, _NARROWEST)), Image.fromarray(pixels)]
    for x, y, w, h in crops:
        crop = Image.fromarray(pixels[y : y + h, x : x + w])
        zoom = max(1, min(width // w, pixels.shape[0] // h))
        parts.append(crop.resize((w * zoom, h * zoom), Image.Resampling.NEAREST))
    error = np.abs(pixels.astype(np.float32) - original) * (_ERROR_GAIN / 255)
    parts.append(Image.fromarray(to_uint8(error.transpose(2, 0, 1))))
    return _paste(parts, across=False)


def _text(lines: Sequence[str], width: int) -> Image.Image:
    size = max(10, min(28, width // 18))
    image = Image.new("RGB", (width, int(1.4 * size * len(lines))), "white")
    ImageDraw.Draw(image).multiline_text((0, 0), "\n".join(lines), "black", ImageFont.load_default(size))
    return image


def _paste(images: Sequence[Image.Image], across: bool) -> Image.Image:
    """Images in a row or in a column, with gaps between them."""
    widths, heights = zip(*(image.size for image in images), strict=True)
    gaps = _GAP * (len(images) - 1)
    size = (sum(widths) + gaps, max(heights)) if across else (max(widths), sum(heights) + gaps)
    whole = Image.new("RGB", size, "white")
    place = 0
    for image in images:
        whole.paste(image, (place, 0) if across else (0, place))
        place += (image.width if across else image.height) + _GAP
    return whole

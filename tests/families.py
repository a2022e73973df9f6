"""Generated pictures of every kind that people bring: what the properties of encodes are checked on."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter
from skimage import data

Pixels = NDArray[np.uint8]
"""[H, W] or [H, W, 3]."""


def _levels(values: np.ndarray) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _side(rng: np.random.Generator, low: int = 4, high: int = 56) -> int:
    return int(np.exp(rng.uniform(np.log(low), np.log(high + 1))))


def _grid(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return np.mgrid[: _side(rng), : _side(rng)]


def flat(rng: np.random.Generator) -> Pixels:
    """One colour."""
    return np.full((_side(rng, 1), _side(rng, 1), 3), rng.integers(0, 256, rng.choice([1, 3])), np.uint8)


def ramp(rng: np.random.Generator) -> Pixels:
    """A slope in any direction."""
    y, x = _grid(rng)
    slope = np.cos(angle := rng.uniform(0, 7)) * x + np.sin(angle) * y
    low, high = np.sort(rng.uniform(0, 255, 2))
    return _levels(low + (high - low) * (slope - slope.min()) / max(np.ptp(slope), 1))


def box(rng: np.random.Generator) -> Pixels:
    """A rectangle on a ground."""
    y, x = _grid(rng)
    (top, bottom), (left, right) = (np.sort(rng.integers(0, n + 1, 2)) for n in y.shape)
    inside = (y >= top) & (y <= bottom) & (x >= left) & (x <= right)
    return np.where(inside, *rng.integers(0, 256, 2)).astype(np.uint8)


def stripes(rng: np.random.Generator) -> Pixels:
    """Lines of two to eight pixels from one to the next."""
    y, x = _grid(rng)
    return np.where((x if rng.random() < 0.5 else y) % int(rng.integers(2, 9)) == 0, *rng.integers(0, 256, 2)).astype(
        np.uint8
    )


def checkerboard(rng: np.random.Generator) -> Pixels:
    """Squares of one to five pixels."""
    y, x = _grid(rng)
    side = int(rng.integers(1, 6))
    return np.where((x // side + y // side) % 2, *rng.integers(0, 256, 2)).astype(np.uint8)


def text(rng: np.random.Generator) -> Pixels:
    """A few letters, dark on bright or the other way round."""
    ink, paper = rng.permutation([int(rng.integers(0, 90)), int(rng.integers(160, 256))])
    image = Image.new("L", (_side(rng, 12, 64), _side(rng, 12, 40)), int(paper))
    letters = "".join(rng.choice(list("Gausian,2D"), 9))
    ImageDraw.Draw(image).text((2, image.height // 2 - 6), letters, fill=int(ink))
    return np.asarray(image)


def icon(rng: np.random.Generator) -> Pixels:
    """A ring and a line, black and white or coloured."""
    side = _side(rng, 12, 48)
    colors = rng.integers(0, 256, (3, 3)) if rng.random() < 0.5 else np.array([[255] * 3, [0] * 3, [0] * 3])
    ground, ring, line = (tuple(map(int, color)) for color in colors)
    image = Image.new("RGB", (side, side), ground)
    draw = ImageDraw.Draw(image)
    low, high = side // 6, side - side // 6
    draw.ellipse((low, low, high, high), outline=ring, width=int(rng.integers(1, 4)))
    draw.line((*rng.integers(0, side, 2).tolist(), *rng.integers(0, side, 2).tolist()), fill=line, width=1)
    return np.asarray(image)


def noise(rng: np.random.Generator) -> Pixels:
    """Noise of some contrast, blurred or not."""
    shape = _side(rng), _side(rng)
    values = gaussian_filter(rng.normal(0, 1, shape), rng.choice([0, 0.7, 1.5]))
    return _levels(rng.uniform(40, 215) + rng.uniform(2, 60) * values / max(values.std(), 1e-6))


def dark(rng: np.random.Generator) -> Pixels:
    """A photograph in the sixteen lowest levels."""
    return _levels(photo(rng) / 16.0)


def bright(rng: np.random.Generator) -> Pixels:
    """A photograph in the sixteen highest levels."""
    return _levels(239 + photo(rng) / 16.0)


def thin(rng: np.random.Generator) -> Pixels:
    """One to three pixels across, up to 600 along, smooth."""
    length, width = _side(rng, 30, 600), int(rng.integers(1, 4))
    along = gaussian_filter(rng.normal(0, 1, length), length / rng.uniform(4, 12))
    values = _levels(rng.uniform(60, 190) + 50 * along / max(np.abs(along).max(), 1e-6))
    picture = np.repeat(values[None], width, axis=0)
    return picture if rng.random() < 0.5 else picture.T.copy()


def tiny(rng: np.random.Generator) -> Pixels:
    """Up to four pixels a side."""
    return rng.integers(0, 256, (*rng.integers(1, 5, 2), rng.choice([1, 3])), dtype=np.uint8)


def photo(rng: np.random.Generator) -> Pixels:
    """A part of a photograph."""
    source = [data.astronaut, data.coffee, data.chelsea, data.rocket][rng.integers(4)]()
    height, width = _side(rng, 16), _side(rng, 16)
    top, left = (int(rng.integers(0, n - m)) for n, m in zip(source.shape, (height, width), strict=False))
    return source[top : top + height, left : left + width]


FAMILIES: tuple[Callable[[np.random.Generator], Pixels], ...] = (
    flat,
    ramp,
    box,
    stripes,
    checkerboard,
    text,
    icon,
    noise,
    dark,
    bright,
    thin,
    tiny,
    photo,
)


def picture(family: Callable[[np.random.Generator], Pixels], number: int) -> Pixels:
    """The picture of a family with a number; the same wherever it is asked for."""
    pixels = family(np.random.default_rng([FAMILIES.index(family), number]))
    return pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels


# In dB; beyond, differences can hardly be seen.
ENOUGH = 42.0


def fall(before: float, after: float) -> float:
    """By how many dB a PSNR falls where it can be seen."""
    return min(before, ENOUGH) - after

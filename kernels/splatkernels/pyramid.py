"""Levels of an image that halve in size, so that wide Gaussians cost a fit as little as narrow ones.

A Gaussian is drawn at the coarsest level at which it is still wide compared with a pixel, and each level is enlarged
and added to the next finer one. The centres of pixels lie a quarter of a coarser pixel beside those of coarser ones:
each of them takes 10/16 of the nearest, 5/16 of the next on the one side and 1/16 of the next on the other, along both
axes. These three shares have no first and no third moment about the pixel, and the variance 5/16 of a coarser pixel
squared: they blur like a Gaussian of that variance, wherever they lie. So Gaussians are drawn with so much less
variance, and more amplitude for the same integral. Gradients come back through the transposed operation. (Linear
interpolation has a third moment, whose sign alternates from pixel to pixel: three times the error.)

A level has a border of one pixel, from which the finer one interpolates at its edges: a point x of a level is at
x / 2 + 1 in the next coarser one.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .jit import kernel
from .simd import LANES, beyond_lanes, even_lanes, far_lanes, fma, load, near_lanes, odd_lanes, splat, store

BAND_ROWS = 32
"""Rows that a thread works on at a time."""
# Rows of zeros above and below a level: `reduce` reads rows -4 to h + 4 of an odd height h.
_ROWS_AROUND = 6
# Shares of the coarser pixels in a finer one, and the variance that they add, in coarser pixels squared.
_NEAR, _FAR, _BEYOND = 10 / 16, 5 / 16, 1 / 16
_VARIANCE = 5 / 16
# Pixels along the longer side of a picture that is not worth a coarser level.
_SMALL_SIDE = 64


class Pyramid(NamedTuple):
    """L levels of an image [C, H, W]; level 0 is the image itself."""

    sizes: NDArray[np.int64]  # [L, 2] height, width
    views: NDArray[np.float64]  # [L, 2] zoom, and where the canvas begins: a point x is at zoom * x + start
    bands: NDArray[np.int64]  # [L + 1] the first band of each, and how many there are in all
    variances: NDArray[np.float64]  # [L] that enlarging adds, in pixels of level 0 squared
    layouts: NDArray[np.int64]  # [L, 3] elements: of the first pixel, from row to row, from channel to channel


def make_pyramid(channels: int, height: int, width: int) -> tuple[Pyramid, NDArray[np.float32]]:
    """The levels of an image, and memory for all of them, filled with zeros.

    Rows have a padding of a vector, that vectors may write to; it is cleared before a gradient is read from there.
    Reading is unchecked: `enlarge` and `reduce` reach up to two vectors beyond a row, that is into the next one or, at
    the end, into the next level or the padding behind the last. What they make of it lies beyond the width.
    """
    sizes, views, variances = [(height, width)], [(1.0, 0.0)], [0.0]
    while max(sizes[-1]) > _SMALL_SIDE:
        sizes.append((-(-sizes[-1][0] // 2) + 2, -(-sizes[-1][1] // 2) + 2))
        views.append((views[-1][0] / 2, views[-1][1] / 2 + 1))
        variances.append(variances[-1] + _VARIANCE / views[-1][0] ** 2)
    layouts, end = [], 0
    for rows, columns in sizes:
        across = -(-columns // LANES) * LANES + LANES
        layouts.append((end + _ROWS_AROUND * channels * across + LANES, channels * across, across))
        end += (rows + 2 * _ROWS_AROUND) * channels * across
    bands = np.cumsum([0, *(-(-rows // BAND_ROWS) for rows, _ in sizes)])
    pyramid = Pyramid(
        np.array(sizes, np.int64), np.array(views), bands, np.array(variances), np.array(layouts, np.int64)
    )
    # Vectors are read beyond the last row.
    return pyramid, np.zeros(end + 4 * LANES, np.float32)


@kernel
def _between(near, far, beyond):
    """A pixel of the finer level."""
    return fma(splat(_NEAR), near, fma(splat(_FAR), far, splat(_BEYOND) * beyond))


@kernel
def _stretched(planes, at):
    """Sixteen pixels between the first ten from `at` on."""
    coarse = load(planes, at)
    near, far, beyond = near_lanes(coarse, coarse), far_lanes(coarse, coarse), beyond_lanes(coarse, coarse)
    return _between(near, far, beyond)


@kernel
def enlarge(channels, pyramid, level, planes, first, last):
    """Fill rows `first` (even) to `last` - 1 of a level from the next coarser one; with zeros if there is none."""
    width = pyramid.sizes[level, 1]
    start, row_step, channel_step = pyramid.layouts[level]
    if level + 1 == len(pyramid.sizes):
        for at in range(start + first * row_step - LANES, start + last * row_step - LANES):
            planes[at] = 0
        return
    coarse_start, coarse_row_step, coarse_channel_step = pyramid.layouts[level + 1]
    for c in range(len(channels)):
        for x in range(0, width, LANES):
            at = coarse_start + c * coarse_channel_step + first // 2 * coarse_row_step + x // 2
            above, here = _stretched(planes, at), _stretched(planes, at + coarse_row_step)
            to = start + c * channel_step + first * row_step + x
            for row in range(first, last, 2):
                at += coarse_row_step
                below = _stretched(planes, at + coarse_row_step)
                store(planes, to, _between(here, above, below))
                if row + 1 < last:
                    store(planes, to + row_step, _between(here, below, above))
                to += 2 * row_step
                above = here
                here = below


@kernel
def reduce(channels, pyramid, level, planes, first, last):
    """Fill rows `first` to `last` - 1 of a level from the next finer one: `enlarge`, transposed."""
    width, fine_width = pyramid.sizes[level, 1], pyramid.sizes[level - 1, 1]
    start, row_step, channel_step = pyramid.layouts[level]
    fine_start, fine_row_step, fine_channel_step = pyramid.layouts[level - 1]
    # Columns of the finer level, added up over six rows; there are zeros beside them.
    sums = np.zeros(LANES * (-(-fine_width // LANES) + 5), np.float32)
    for row in range(first, last):
        for c in range(len(channels)):
            at = fine_start + c * fine_channel_step + (2 * row - 4) * fine_row_step
            for x in range(0, fine_width, LANES):
                near = load(planes, at + 2 * fine_row_step + x) + load(planes, at + 3 * fine_row_step + x)
                far = load(planes, at + fine_row_step + x) + load(planes, at + 4 * fine_row_step + x)
                beyond = load(planes, at + x) + load(planes, at + 5 * fine_row_step + x)
                store(sums, LANES + x, _between(near, far, beyond))
            to = start + c * channel_step + row * row_step
            for x in range(0, width, LANES):
                # The six columns around pixel x begin four to the left of column 2 x.
                at = LANES + 2 * x - 4
                left, left2 = load(sums, at), load(sums, at + LANES)
                middle, middle2 = load(sums, at + 2), load(sums, at + LANES + 2)
                right, right2 = load(sums, at + 4), load(sums, at + LANES + 4)
                near = even_lanes(middle, middle2) + odd_lanes(middle, middle2)
                far = odd_lanes(left, left2) + even_lanes(right, right2)
                beyond = even_lanes(left, left2) + odd_lanes(right, right2)
                store(planes, to + x, _between(near, far, beyond))
    clear_padding(channels, pyramid, level, planes, first, last)


@kernel
def clear_padding(channels, pyramid, level, planes, first, last):
    """Set what vectors may have written beyond the right edge of some rows to zero."""
    width = pyramid.sizes[level, 1]
    start, row_step, channel_step = pyramid.layouts[level]
    for row in range(first, last):
        for c in range(len(channels)):
            store(planes, start + row * row_step + c * channel_step + width, splat(0.0))

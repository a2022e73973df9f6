"""Levels of an image that halve in size, so that wide Gaussians cost a fit as little as narrow ones.

A Gaussian is drawn at the coarsest level at which it is still wide compared with a pixel, and each level is enlarged
and added to the next finer one. Enlarging interpolates linearly: the centres of pixels lie a quarter of a coarser pixel
beside those of coarser ones, so each of them is 3/4 of the nearer and 1/4 of the farther one, along both axes. That
blurs: it adds the same variance, 3/16 of a coarser pixel squared, wherever a Gaussian lies, and hardly anything else.
So Gaussians are drawn with so much less variance, and more amplitude for the same integral. Gradients come back through
the transposed operation.

A level has a margin of one pixel, from which the finer one interpolates at its edges: a point x of a level is at
x / 2 + 1 in the next coarser one.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .jit import kernel
from .simd import LANES, even_lanes, far_lanes, fma, load, near_lanes, odd_lanes, splat, store

BAND_ROWS = 32
"""Rows that a thread works on at a time."""
# A coarser level reads so many rows beyond the edges of a finer one; they hold zeros.
_ROWS_AROUND = 4
_VARIANCE = 3 / 16
# Pixels along the longer side of a picture that is not worth a coarser level.
_SMALL_SIDE = 64


class Pyramid(NamedTuple):
    """L levels of an image [C, H, W]; level 0 is the image itself."""

    sizes: NDArray[np.int64]  # [L, 2] height, width
    views: NDArray[np.float64]  # [L, 2] zoom, and where the canvas begins: a point x is at zoom * x + start
    bands: NDArray[np.int64]  # [L + 1] the first band of each, and how many there are in all
    variances: NDArray[np.float64]  # [L] that enlarging adds, in pixels of level 0 squared
    places: NDArray[np.int64]  # [L, 3] elements in memory: of the first pixel, from row to row, from channel to channel


def make_pyramid(channels: int, height: int, width: int) -> tuple[Pyramid, NDArray[np.float32]]:
    """The levels of an image, and memory for all of them, filled with zeros.

    Rows have a margin that vectors may write to. It is cleared before anything reads it.
    """
    sizes, views, variances = [(height, width)], [(1.0, 0.0)], [0.0]
    while max(sizes[-1]) > _SMALL_SIDE:
        sizes.append((-(-sizes[-1][0] // 2) + 2, -(-sizes[-1][1] // 2) + 2))
        views.append((views[-1][0] / 2, views[-1][1] / 2 + 1))
        variances.append(variances[-1] + _VARIANCE / views[-1][0] ** 2)
    places, end = [], 0
    for rows, columns in sizes:
        across = -(-columns // LANES) * LANES + LANES
        places.append((end + _ROWS_AROUND * channels * across + LANES, channels * across, across))
        end += (rows + 2 * _ROWS_AROUND) * channels * across
    bands = np.cumsum([0, *(-(-rows // BAND_ROWS) for rows, _ in sizes)])
    pyramid = Pyramid(
        np.array(sizes, np.int64), np.array(views), bands, np.array(variances), np.array(places, np.int64)
    )
    # Vectors are read beyond the last row.
    return pyramid, np.zeros(end + 4 * LANES, np.float32)


@kernel
def _stretched(planes, at):
    """Sixteen pixels between the first ten from `at` on."""
    coarse = load(planes, at)
    return fma(splat(0.75), near_lanes(coarse, coarse), splat(0.25) * far_lanes(coarse, coarse))


@kernel
def enlarge(channels, pyramid, level, planes, first, last):
    """Fill rows `first` (even) to `last` - 1 of a level from the next coarser one; with zeros if there is none."""
    near, far = splat(0.75), splat(0.25)
    width = pyramid.sizes[level, 1]
    start, row_step, channel_step = pyramid.places[level]
    if level + 1 == len(pyramid.sizes):
        for at in range(start + first * row_step - LANES, start + last * row_step - LANES):
            planes[at] = 0
        return
    coarse_start, coarse_row_step, coarse_channel_step = pyramid.places[level + 1]
    for c in range(len(channels)):
        for x in range(0, width, LANES):
            at = coarse_start + c * coarse_channel_step + first // 2 * coarse_row_step + x // 2
            above, here = _stretched(planes, at), _stretched(planes, at + coarse_row_step)
            to = start + c * channel_step + first * row_step + x
            for row in range(first, last, 2):
                at += coarse_row_step
                below = _stretched(planes, at + coarse_row_step)
                store(planes, to, fma(near, here, far * above))
                if row + 1 < last:
                    store(planes, to + row_step, fma(near, here, far * below))
                to += 2 * row_step
                above = here
                here = below


@kernel
def _column_sums(planes, at, row_step):
    """Four rows above one another, each as much as `enlarge` takes from the pixel."""
    outer = load(planes, at) + load(planes, at + 3 * row_step)
    inner = load(planes, at + row_step) + load(planes, at + 2 * row_step)
    return fma(splat(0.75), inner, splat(0.25) * outer)


@kernel
def reduce(channels, pyramid, level, planes, first, last):
    """Fill rows `first` to `last` - 1 of a level from the next finer one: `enlarge`, transposed."""
    near, far = splat(0.75), splat(0.25)
    width = pyramid.sizes[level, 1]
    start, row_step, channel_step = pyramid.places[level]
    fine_start, fine_row_step, fine_channel_step = pyramid.places[level - 1]
    for row in range(first, last):
        for c in range(len(channels)):
            at = fine_start + c * fine_channel_step + (2 * row - 3) * fine_row_step - 3
            to = start + c * channel_step + row * row_step
            for x in range(0, width, LANES):
                left1 = _column_sums(planes, at, fine_row_step)
                left2 = _column_sums(planes, at + LANES, fine_row_step)
                right1 = _column_sums(planes, at + 2, fine_row_step)
                right2 = _column_sums(planes, at + LANES + 2, fine_row_step)
                outer = even_lanes(left1, left2) + odd_lanes(right1, right2)
                inner = odd_lanes(left1, left2) + even_lanes(right1, right2)
                store(planes, to + x, fma(near, inner, far * outer))
                at += 2 * LANES
    clear_margin(channels, pyramid, level, planes, first, last)


@kernel
def clear_margin(channels, pyramid, level, planes, first, last):
    """Set what vectors may have written beyond the right edge of some rows to zero."""
    width = pyramid.sizes[level, 1]
    start, row_step, channel_step = pyramid.places[level]
    for row in range(first, last):
        for c in range(len(channels)):
            store(planes, start + row * row_step + c * channel_step + width, splat(0.0))

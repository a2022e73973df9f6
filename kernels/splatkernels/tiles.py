"""Sorts Gaussians into image tiles for the CPU kernels.

A tile is one vector of pixels wide (`LANES`) and `TILE_ROWS` rows high. A Gaussian meets a tile in the rows where its
cutoff ellipse crosses the tile's columns, found in closed form, so a kernel visits few pixels outside the ellipse.
Every such meeting is a pair. Pairs are numbered Gaussian by Gaussian (their slots), and listed tile by tile: kernels
that work on tiles write to slots, and a Gaussian's sums are then read from consecutive slots, without atomics and in an
order that does not depend on the number of threads.

However many pairs there are, `sort_in_passes` lists some of them at a time.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy import empty
from numpy.typing import NDArray

from .geometry import MOST_PAIRS, Output
from .jit import kernel
from .simd import LANES
from .threads import run

TILE_ROWS = 32
FRAME = 10
PAIRS_PER_PASS = 2**22
"""Pairs that are listed at a time where they need not be all at once; ordinary pictures have fewer."""


class CpuTiles(NamedTuple):
    """N Gaussians, projected to output pixels, and the P pairs they form with the T tiles of the output."""

    frames: NDArray[np.float64]  # [N, FRAME] what the kernels need of each Gaussian (see _project)
    offsets: NDArray[np.int64]  # [N + 1] first slot of each Gaussian
    rows: NDArray[np.int8]  # [P, 2] first and last row within the tile, by slot
    starts: NDArray[np.int64]  # [T + 1] first entry of each tile in the two lists below
    slots: NDArray[np.int32]  # [P] slots of each tile's pairs
    owners: NDArray[np.int32]  # [P] Gaussians of each tile's pairs


@kernel
def _project(part, parts, means, scales, rotations, x0, y0, zoom, cutoff, frames):
    """Fill `frames` [N, FRAME]; `scales` are in output pixels already.

    The columns are 0-1 the mean in output pixels; 2-5 the whitening matrix (u_x, u_y, v_x, v_y), which takes an offset
    from the mean to standard deviations along the principal axes; 6-7 the reach of the cutoff ellipse along x and y;
    8 the slope, which times x is the row offset where the Gaussian peaks in the column at x; 9 the factor by which the
    ratio of the weights of consecutive rows changes from row to row.
    """
    gaussians = means.shape[0]
    for i in range(part * gaussians // parts, (part + 1) * gaussians // parts):
        # A Gaussian this narrow is zero at every pixel centre it does not hit exactly.
        scale1 = max(float(scales[i, 0]), 1e-6)
        scale2 = max(float(scales[i, 1]), 1e-6)
        cos = math.cos(rotations[i])
        sin = math.sin(rotations[i])
        frames[i, 0] = (means[i, 0] - x0) * zoom
        frames[i, 1] = (means[i, 1] - y0) * zoom
        frames[i, 2] = cos / scale1
        frames[i, 3] = sin / scale1
        frames[i, 4] = -sin / scale2
        frames[i, 5] = cos / scale2
        frames[i, 6] = cutoff * math.hypot(cos * scale1, sin * scale2)
        frames[i, 7] = cutoff * math.hypot(sin * scale1, cos * scale2)
        b = cos * sin * (1 / scale1**2 - 1 / scale2**2)
        c = (sin / scale1) ** 2 + (cos / scale2) ** 2
        frames[i, 8] = -b / c
        frames[i, 9] = math.exp(-c)


@kernel
def _pixels(low, high, count):
    """First and last of `count` pixels whose centres lie in [low, high]; last < first where there is none."""
    if not low <= high:
        return 0, -1
    # Numba's math.ceil gives an integer, which a very wide Gaussian would overflow.
    first = min(max(np.ceil(low - 0.5), 0.0), float(count))
    last = max(min(np.floor(high - 0.5), count - 1.0), -1.0)
    return int(first), int(last)


@kernel
def _ellipse(frames, i, cutoff):
    """What `_rows` needs to know of the cutoff ellipse of Gaussian `i`.

    The ellipse is lowest at x = lowest_x and highest at the opposite point; elsewhere its edge at x is
    slope x +- sqrt(half_height^2 (1 - (x / reach_x)^2)).
    """
    a = frames[i, 2] ** 2 + frames[i, 4] ** 2
    b = frames[i, 2] * frames[i, 3] + frames[i, 4] * frames[i, 5]
    c = frames[i, 3] ** 2 + frames[i, 5] ** 2
    return frames[i, 8], cutoff * cutoff / c, 1.0 / frames[i, 6] ** 2, -b / a * frames[i, 7]


@kernel
def _rows(ellipse, x, y, strip, height):
    """First and last output row in which the ellipse around (x, y) meets a strip of `LANES` columns."""
    slope, half_height_squared, reach_x_inverse_squared, lowest_x = ellipse
    left = strip * LANES + 0.5 - x
    right = left + (LANES - 1)
    at = min(max(lowest_x, left), right)
    low = slope * at + math.sqrt(half_height_squared * max(0.0, 1.0 - at * at * reach_x_inverse_squared))
    at = min(max(-lowest_x, left), right)
    high = slope * at - math.sqrt(half_height_squared * max(0.0, 1.0 - at * at * reach_x_inverse_squared))
    return _pixels(y + high, y + low, height)


@kernel
def _project_and_count(part, parts, means, scales, rotations, x0, y0, zoom, cutoff, height, width, frames, counts):
    """Fill `frames` [N, FRAME] and count the pairs of each Gaussian."""
    _project(part, parts, means, scales, rotations, x0, y0, zoom, cutoff, frames)
    gaussians = frames.shape[0]
    for i in range(part * gaussians // parts, (part + 1) * gaussians // parts):
        x, y = frames[i, 0], frames[i, 1]
        left, right = _pixels(x - frames[i, 6], x + frames[i, 6], width)
        ellipse = _ellipse(frames, i, cutoff)
        pairs = 0
        # However wide it is, what lies above or below the output costs nothing.
        if left <= right and y + frames[i, 7] >= 0 and y - frames[i, 7] <= height:
            for strip in range(left // LANES, right // LANES + 1):
                first, last = _rows(ellipse, x, y, strip, height)
                if first <= last:
                    pairs += last // TILE_ROWS - first // TILE_ROWS + 1
        counts[i] = pairs


@kernel
def _emit(part, parts, frames, cutoff, height, width, offsets, tiles, rows):
    gaussians = frames.shape[0]
    across = (width + LANES - 1) // LANES
    for i in range(part * gaussians // parts, (part + 1) * gaussians // parts):
        if offsets[i] == offsets[i + 1]:
            continue
        x, y = frames[i, 0], frames[i, 1]
        left, right = _pixels(x - frames[i, 6], x + frames[i, 6], width)
        ellipse = _ellipse(frames, i, cutoff)
        slot = offsets[i]
        for strip in range(left // LANES, right // LANES + 1):
            first, last = _rows(ellipse, x, y, strip, height)
            if first <= last:
                for band in range(first // TILE_ROWS, last // TILE_ROWS + 1):
                    tiles[slot] = band * across + strip
                    rows[slot, 0] = max(first - band * TILE_ROWS, 0)
                    rows[slot, 1] = min(last - band * TILE_ROWS, TILE_ROWS - 1)
                    slot += 1


@kernel
def _sort(offsets, tiles, starts, slots, owners):
    """List the pairs tile by tile; within a tile they stay in the order of their Gaussians."""
    for slot in range(tiles.shape[0]):
        starts[tiles[slot] + 1] += 1
    for tile in range(starts.shape[0] - 1):
        starts[tile + 1] += starts[tile]
    position = starts[:-1].copy()
    for i in range(offsets.shape[0] - 1):
        for slot in range(offsets[i], offsets[i + 1]):
            tile = tiles[slot]
            slots[position[tile]] = slot
            owners[position[tile]] = i
            position[tile] += 1


def sort_into_tiles(
    means: NDArray[np.float32], scales: NDArray[np.float32], rotations: NDArray[np.float32], output: Output
) -> CpuTiles:
    """Project Gaussians and list the tiles of an output that each one meets.

    Args:
        means: [N, 2] canvas pixels.
        scales: [N, 2] output pixels, > 0.
        rotations: [N] radians.
        output: the image to render.

    Raises:
        ValueError: there are more pairs than 32 bits can number.
    """
    frames, offsets = _project_all(means, scales, rotations, output)
    pairs = int(offsets[-1])
    if pairs > MOST_PAIRS:
        raise ValueError(f"{pairs} pairs of a Gaussian and a tile are more than the {MOST_PAIRS} that can be rendered")
    return _listed(frames, offsets, output)


def sort_in_passes(
    means: NDArray[np.float32], scales: NDArray[np.float32], rotations: NDArray[np.float32], output: Output
) -> Iterator[tuple[slice, CpuTiles]]:
    """As `sort_into_tiles`, in turn for runs of Gaussians that have no more than `PAIRS_PER_PASS` pairs together.

    A Gaussian that alone has more is a run of its own.

    Yields:
        The rows of a run, and its tiles; one run at least, even if there is no Gaussian.
    """
    frames, offsets = _project_all(means, scales, rotations, output)
    first = 0
    while True:
        last = int(np.searchsorted(offsets, offsets[first] + PAIRS_PER_PASS, side="right")) - 1
        last = min(max(last, first + 1), len(means))
        yield slice(first, last), _listed(frames[first:last], offsets[first : last + 1] - offsets[first], output)
        first = last
        if offsets[first] == offsets[-1]:
            return


def _project_all(
    means: NDArray[np.float32], scales: NDArray[np.float32], rotations: NDArray[np.float32], output: Output
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Frames [N, FRAME] and offsets [N + 1], as `CpuTiles` has them."""
    gaussians = len(means)
    view = tuple(map(float, output.viewport))
    frames = empty((gaussians, FRAME))
    counts = empty(gaussians, np.int64)
    size = output.height, output.width
    cutoff = float(output.cutoff)
    run(_project_and_count, gaussians // 256, means, scales, rotations, *view, cutoff, *size, frames, counts)
    offsets = np.zeros(gaussians + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return frames, offsets


def _listed(frames: NDArray[np.float64], offsets: NDArray[np.int64], output: Output) -> CpuTiles:
    """List the pairs of projected Gaussians, whose offsets begin at 0."""
    height, width = output.height, output.width
    pairs = int(offsets[-1])
    tiles = empty(pairs, np.int32)
    rows = empty((pairs, 2), np.int8)
    run(_emit, len(frames) // 256, frames, float(output.cutoff), height, width, offsets, tiles, rows)
    starts = np.zeros(tile_count(height, width) + 1, np.int64)
    slots = empty(pairs, np.int32)
    owners = empty(pairs, np.int32)
    _sort(offsets, tiles, starts, slots, owners)
    return CpuTiles(frames, offsets, rows, starts, slots, owners)


@kernel
def tile_at(x, y, height, width):
    """Number of the tile of a `height` x `width` output that holds the point (x, y), or that is nearest to it."""
    column = int(min(max(x, 0.0), width - 1.0)) // LANES
    row = int(min(max(y, 0.0), height - 1.0)) // TILE_ROWS
    return row * ((width + LANES - 1) // LANES) + column


def tile_count(height: int, width: int) -> int:
    """Number of tiles that cover a `height` x `width` output."""
    return band_count(height) * -(-width // LANES)


def band_count(height: int) -> int:
    """Number of bands of tiles, one above the other, that cover an output of that height."""
    return -(-height // TILE_ROWS)

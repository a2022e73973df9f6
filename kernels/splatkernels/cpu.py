"""The tile kernels on the CPU: images, their gradients and squared errors from Gaussians sorted into tiles.

Down a column of pixels the exponent of a Gaussian is a quadratic in the row, so consecutive weights differ by a factor
that itself changes by a constant factor: two multiplications per pixel instead of an exponential. Where the exponent
spans too much of float32's range for that, inside small or thin Gaussians, the weights are computed one by one.
"""

import math

import numpy as np
from numpy import empty
from numpy.typing import NDArray

from .gaussians import MOMENTS, UU, UV, VV, U, V
from .jit import kernel
from .simd import (
    LANES,
    add_lanes,
    dot_channels,
    exp2,
    fma,
    fma_channels,
    lane_numbers,
    load,
    load_channels,
    splat,
    splat_channels,
    store,
    store_channels,
    zero_channels,
)
from .threads import run
from .tiles import TILE_ROWS, CpuTiles, band_count

MOST_CHANNELS = 4
"""Channels that fit in registers together; wider images are rendered in groups of as many."""
_PLANE = TILE_ROWS * LANES
_HALF_LANES = (LANES - 1) / 2
_LOG2_E = math.log2(math.e)
# Handing a part to a thread takes as long as this many pairs.
_PAIRS_PER_PART = 256
# Weights follow the recurrence for so many rows, as long as their base-2 exponents stay above the lowest one.
_RUN = 8
_LOWEST_EXPONENT = -60.0


@kernel
def _weigh(tiles, i, dx, dy, rows, weights):
    """Write the weights of Gaussian `i` in `rows` rows of a tile to `weights`.

    (dx, dy) leads from its mean to the middle of the tile's first such row.
    """
    u_x, u_y = tiles.frames[i, 2], tiles.frames[i, 3]
    v_x, v_y = tiles.frames[i, 4], tiles.frames[i, 5]
    u = u_x * dx + u_y * dy
    v = v_x * dx + v_y * dy
    # The base-2 exponent at lane l of row r is e + l e_x + l^2 e_xx + r (e_y + l e_xy) + r^2 e_yy.
    e_xx = -0.5 * _LOG2_E * (u_x * u_x + v_x * v_x)
    e_xy = -_LOG2_E * (u_x * u_y + v_x * v_y)
    e_yy = -0.5 * _LOG2_E * (u_y * u_y + v_y * v_y)
    e = -0.5 * _LOG2_E * (u * u + v * v)
    e_x = -_LOG2_E * (u * u_x + v * v_x)
    e_y = -_LOG2_E * (u * u_y + v * v_y)
    lanes = lane_numbers() - splat(_HALF_LANES)
    ratio_of_ratios = splat(tiles.frames[i, 9])

    # Whole runs are computed even where fewer rows are asked for: a fixed count has no branch to mispredict.
    for start in range(0, rows, _RUN):
        # The exponent is concave, hence lowest in a corner; the recurrence looks one row ahead.
        top = e - abs(e_x) * _HALF_LANES
        bottom = e + _RUN * (e_y + _RUN * e_yy) - abs(e_x + _RUN * e_xy) * _HALF_LANES
        if min(top, bottom) + e_xx * _HALF_LANES**2 > _LOWEST_EXPONENT:
            weight = exp2(fma(lanes, fma(lanes, splat(e_xx), splat(e_x)), splat(e)))
            ratio = exp2(fma(lanes, splat(e_xy), splat(e_y + e_yy)))
            for row in range(_RUN):
                store(weights, (start + row) * LANES, weight)
                weight = weight * ratio
                ratio = ratio * ratio_of_ratios
        else:
            x_from_mean = lanes + splat(dx)
            for row in range(_RUN):
                y_from_mean = splat(dy + start + row)
                row_u = fma(y_from_mean, splat(u_y), splat(u_x) * x_from_mean)
                row_v = fma(y_from_mean, splat(v_y), splat(v_x) * x_from_mean)
                square = fma(row_u, row_u, row_v * row_v)
                store(weights, (start + row) * LANES, exp2(square * splat(-0.5 * _LOG2_E)))
        e += _RUN * (e_y + _RUN * e_yy)
        e_x += _RUN * e_xy
        e_y += 2 * _RUN * e_yy


@kernel
def _offset(tiles, i, x, y, first):
    """Vector from the mean of Gaussian `i` to the middle of row `first` of the tile whose corner is (x, y)."""
    return x + 0.5 * LANES - tiles.frames[i, 0], y + first + 0.5 - tiles.frames[i, 1]


@kernel
def _add_tile(channels, tiles, tile, x, y, colors, weights, pixels):
    """Add all Gaussians of a tile whose corner is (x, y) to its `pixels` [C, TILE_ROWS, LANES]."""
    for k in range(tiles.starts[tile], tiles.starts[tile + 1]):
        i = tiles.owners[k]
        slot = tiles.slots[k]
        first = tiles.rows[slot, 0]
        rows = tiles.rows[slot, 1] - first + 1
        dx, dy = _offset(tiles, i, x, y, first)
        _weigh(tiles, i, dx, dy, rows, weights)
        color = splat_channels(channels, colors, i * len(channels))
        for row in range(rows):
            pixel = (first + row) * LANES
            sums = load_channels(channels, pixels, pixel, _PLANE)
            store_channels(pixels, pixel, _PLANE, fma_channels(load(weights, row * LANES), color, sums))


@kernel
def _differentiate_tile(channels, tiles, tile, x, y, colors, weights, pixels, sums):
    """Write the sums of every pair of a tile to its slot, given the loss gradient in `pixels`.

    In a column at offset dx, the Gaussian peaks at the row offset slope * dx. With h the height above that point, the
    whitened coordinates are u = a_u dx + u_y h and v = a_v dx + v_y h. The loop sums t, t h and t h^2 down the columns;
    since h and dx are small where weights are not, no digits cancel when the moments of u and v are put together.
    """
    moments = len(channels)
    lanes = lane_numbers() - splat(_HALF_LANES)
    for k in range(tiles.starts[tile], tiles.starts[tile + 1]):
        i = tiles.owners[k]
        slot = tiles.slots[k]
        first = tiles.rows[slot, 0]
        rows = tiles.rows[slot, 1] - first + 1
        dx, dy = _offset(tiles, i, x, y, first)
        _weigh(tiles, i, dx, dy, rows, weights)
        u_x, u_y = tiles.frames[i, 2], tiles.frames[i, 3]
        v_x, v_y = tiles.frames[i, 4], tiles.frames[i, 5]
        slope = tiles.frames[i, 8]

        color = splat_channels(channels, colors, i * len(channels))
        color_sums = zero_channels(channels)
        columns = lanes + splat(dx)
        h = splat(dy) - splat(slope) * columns
        sum_1 = sum_h = sum_hh = splat(0.0)
        for row in range(rows):
            gradient = load_channels(channels, pixels, (first + row) * LANES, _PLANE)
            weight = load(weights, row * LANES)
            color_sums = fma_channels(weight, gradient, color_sums)
            t = weight * dot_channels(gradient, color)
            th = t * h
            sum_1 = sum_1 + t
            sum_h = sum_h + th
            sum_hh = fma(th, h, sum_hh)
            h = h + splat(1.0)

        sum_x = sum_1 * columns
        totals = add_lanes((sum_x, sum_h, sum_x * columns, sum_h * columns, sum_hh))
        m_x, m_h, m_xx = float(totals[0]), float(totals[1]), float(totals[2])
        m_xh, m_hh = float(totals[3]), float(totals[4])
        a_u = u_x + u_y * slope
        a_v = v_x + v_y * slope
        color_totals = add_lanes(color_sums)
        for c in range(len(channels)):
            sums[slot, c] = color_totals[c]
        sums[slot, moments + U] = a_u * m_x + u_y * m_h
        sums[slot, moments + V] = a_v * m_x + v_y * m_h
        sums[slot, moments + UU] = a_u * a_u * m_xx + 2 * a_u * u_y * m_xh + u_y * u_y * m_hh
        sums[slot, moments + UV] = a_u * a_v * m_xx + (a_u * v_y + a_v * u_y) * m_xh + u_y * v_y * m_hh
        sums[slot, moments + VV] = a_v * a_v * m_xx + 2 * a_v * v_y * m_xh + v_y * v_y * m_hh


@kernel
def _read_tile(image, x, y, pixels):
    """Copy the tile whose corner is (x, y) from `image` [C, H, W] to `pixels`; zeros beyond the edges."""
    channels, height, width = image.shape
    rows = min(TILE_ROWS, height - y)
    columns = min(LANES, width - x)
    if rows < TILE_ROWS or columns < LANES:
        pixels[:] = 0
    for c in range(channels):
        for row in range(rows):
            if columns == LANES:
                store(pixels, c * _PLANE + row * LANES, load(image, (c * height + y + row) * width + x))
            else:
                pixels[c, row, :columns] = image[c, y + row, x : x + columns]


@kernel
def _write_tile(pixels, x, y, image):
    """Copy `pixels` to the tile of `image` [C, H, W] whose corner is (x, y)."""
    channels, height, width = image.shape
    columns = min(LANES, width - x)
    for c in range(channels):
        for row in range(min(TILE_ROWS, height - y)):
            if columns == LANES:
                store(image, (c * height + y + row) * width + x, load(pixels, c * _PLANE + row * LANES))
            else:
                image[c, y + row, x : x + columns] = pixels[c, row, :columns]


@kernel
def _bands(tiles, width):
    """How many tiles lie across an output, and how many bands of them it has.

    Threads take whole bands in turn: neighbours in a band share cache lines of the image and slots of Gaussians.
    """
    across = (width + LANES - 1) // LANES
    return across, (tiles.starts.shape[0] - 1) // across


@kernel
def _draw(part, parts, channels, tiles, colors, image, onto):
    """As `draw`, for a part of the bands."""
    pixels = np.empty((len(channels), TILE_ROWS, LANES), np.float32)
    weights = np.empty((TILE_ROWS, LANES), np.float32)
    across, bands = _bands(tiles, image.shape[2])
    for band in range(part, bands, parts):
        for column in range(across):
            tile, x, y = band * across + column, column * LANES, band * TILE_ROWS
            if not onto:
                pixels[:] = 0
            elif tiles.starts[tile] < tiles.starts[tile + 1]:
                _read_tile(image, x, y, pixels)
            else:
                continue
            _add_tile(channels, tiles, tile, x, y, colors, weights, pixels)
            _write_tile(pixels, x, y, image)


@kernel
def _backward(part, parts, channels, tiles, colors, image_gradient, sums):
    pixels = np.empty((len(channels), TILE_ROWS, LANES), np.float32)
    weights = np.empty((TILE_ROWS, LANES), np.float32)
    across, bands = _bands(tiles, image_gradient.shape[2])
    for band in range(part, bands, parts):
        for column in range(across):
            x, y = column * LANES, band * TILE_ROWS
            _read_tile(image_gradient, x, y, pixels)
            _differentiate_tile(channels, tiles, band * across + column, x, y, colors, weights, pixels, sums)


@kernel
def _reduce(part, parts, tiles, pair_sums, sums):
    gaussians = sums.shape[0]
    for i in range(part * gaussians // parts, (part + 1) * gaussians // parts):
        for k in range(sums.shape[1]):
            sums[i, k] = 0
        for slot in range(tiles.offsets[i], tiles.offsets[i + 1]):
            for k in range(sums.shape[1]):
                sums[i, k] += pair_sums[slot, k]


def _parts(tiles: CpuTiles, height: int) -> int:
    """How many parts are worth a thread of their own."""
    return min(band_count(height), len(tiles.slots) // _PAIRS_PER_PART)


def channel_groups(channels: int) -> list[tuple[slice, tuple[int, ...]]]:
    """Groups of channels to be drawn together, and as many zeros in a tuple: its type tells kernels the number."""
    return [
        (slice(first, min(first + MOST_CHANNELS, channels)), (0,) * min(MOST_CHANNELS, channels - first))
        for first in range(0, channels, MOST_CHANNELS)
    ]


def _gather(tiles: CpuTiles, kernel, colors, image, *args) -> NDArray[np.float32]:
    """Run a kernel that fills slots, for each group of channels, and add them up by Gaussian: [N, C + MOMENTS]."""
    gaussians, channels = colors.shape
    sums = np.zeros((gaussians, channels + MOMENTS), np.float32)
    for group, marker in channel_groups(channels):
        pair_sums = empty((len(tiles.slots), len(marker) + MOMENTS), np.float32)
        run(
            kernel,
            _parts(tiles, image.shape[1]),
            marker,
            tiles,
            np.ascontiguousarray(colors[:, group]),
            image[group],
            *args,
            pair_sums,
        )
        group_sums = empty((gaussians, len(marker) + MOMENTS), np.float32)
        run(_reduce, gaussians // 256, tiles, pair_sums, group_sums)
        sums[:, group] = group_sums[:, : len(marker)]
        sums[:, channels:] += group_sums[:, len(marker) :]
    return sums


def forward(tiles: CpuTiles, colors: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """The image [C, height, width] of Gaussians of `colors` [N, C], sorted into the tiles of an output of that size."""
    image = empty((colors.shape[1], height, width), np.float32)
    draw(tiles, colors, image)
    return image


def draw(tiles: CpuTiles, colors: NDArray[np.float32], image: NDArray[np.float32], *, onto: bool = False) -> None:
    """Fill an image [C, H, W] with Gaussians as `forward` does, or add them to what it holds, pixel by pixel in turn.

    Gaussians that are added in parts give the very image of all at once.
    """
    for group, marker in channel_groups(colors.shape[1]):
        part = np.ascontiguousarray(colors[:, group])
        run(_draw, _parts(tiles, image.shape[1]), marker, tiles, part, image[group], onto)


def backward(tiles: CpuTiles, colors: NDArray[np.float32], image_gradient: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sums [N, C + MOMENTS] that `geometry.parameter_gradients` starts from.

    Args:
        tiles: N Gaussians, sorted into the tiles of the output.
        colors: [N, C] amplitudes, gains of widening included.
        image_gradient: [C, H, W] of the loss.
    """
    return _gather(tiles, _backward, colors, image_gradient)

"""The tile kernels on the CPU, and the rasteriser they make, on plain NumPy arrays.

Down a column of pixels the exponent of a Gaussian is a quadratic in the row, so consecutive weights differ by a factor
that itself changes by a constant factor: two multiplications per pixel instead of an exponential. Where the exponent
spans too much of float32's range for that, inside small or thin Gaussians, the weights are computed one by one.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .simd import (
    LANES,
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
    total,
    zero_channels,
)
from .threads import run
from .tiles import TILE_ROWS, Tiles

_jit = njit(cache=True, nogil=True, error_model="numpy")

# Channels that fit in registers together; wider images are rendered in groups of as many.
_GROUP = 4
_PLANE = TILE_ROWS * LANES
_HALF_LANES = (LANES - 1) / 2
_LOG2_E = math.log2(math.e)
# Weights follow the recurrence for so many rows, as long as their base-2 exponents stay above the lowest one.
_RUN = 8
_LOWEST_EXPONENT = -60.0


@_jit
def _weigh(tiles, i, dx, dy, rows, weights):
    """Write the weights of Gaussian `i` in `rows` rows of a tile to the vectors of `weights`.

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
    ratio_of_ratios = exp2(splat(2 * e_yy))

    for start in range(0, rows, _RUN):
        end = min(rows, start + _RUN)
        count = end - start
        # The exponent is concave, hence lowest in a corner; the recurrence looks one row ahead.
        top = e - abs(e_x) * _HALF_LANES
        bottom = e + count * (e_y + count * e_yy) - abs(e_x + count * e_xy) * _HALF_LANES
        if min(top, bottom) + e_xx * _HALF_LANES**2 > _LOWEST_EXPONENT:
            weight = exp2(fma(lanes, fma(lanes, splat(e_xx), splat(e_x)), splat(e)))
            ratio = exp2(fma(lanes, splat(e_xy), splat(e_y + e_yy)))
            for row in range(start, end):
                store(weights, row * LANES, weight)
                weight = weight * ratio
                ratio = ratio * ratio_of_ratios
        else:
            x_from_mean = lanes + splat(dx)
            for row in range(start, end):
                row_u = fma(splat(dy + row), splat(u_y), splat(u_x) * x_from_mean)
                row_v = fma(splat(dy + row), splat(v_y), splat(v_x) * x_from_mean)
                square = fma(row_u, row_u, row_v * row_v)
                store(weights, row * LANES, exp2(square * splat(-0.5 * _LOG2_E)))
        e += count * (e_y + count * e_yy)
        e_x += count * e_xy
        e_y += 2 * count * e_yy


@_jit
def _offset(tiles, i, x, y, first):
    """Vector from the mean of Gaussian `i` to the middle of row `first` of the tile whose corner is (x, y)."""
    return x + 0.5 * LANES - tiles.frames[i, 0], y + first + 0.5 - tiles.frames[i, 1]


@_jit
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
            at = (first + row) * LANES
            sums = load_channels(channels, pixels, at, _PLANE)
            store_channels(pixels, at, _PLANE, fma_channels(load(weights, row * LANES), color, sums))


@_jit
def _differentiate_tile(channels, tiles, tile, x, y, colors, weights, pixels, sums):
    """Write the sums of every pair of a tile to its slot, given the loss gradient in `pixels`."""
    moments = len(channels)
    lanes = lane_numbers() - splat(_HALF_LANES)
    for k in range(tiles.starts[tile], tiles.starts[tile + 1]):
        i = tiles.owners[k]
        slot = tiles.slots[k]
        first = tiles.rows[slot, 0]
        rows = tiles.rows[slot, 1] - first + 1
        dx, dy = _offset(tiles, i, x, y, first)
        _weigh(tiles, i, dx, dy, rows, weights)
        color = splat_channels(channels, colors, i * len(channels))
        color_sums = zero_channels(channels)
        u_x, u_y = tiles.frames[i, 2], tiles.frames[i, 3]
        v_x, v_y = tiles.frames[i, 4], tiles.frames[i, 5]
        x_from_mean = lanes + splat(dx)
        y_from_mean = splat(dy)
        u_of_x, v_of_x = splat(u_x) * x_from_mean, splat(v_x) * x_from_mean
        u_per_y, v_per_y = splat(u_y), splat(v_y)
        sum_u = sum_v = sum_uu = sum_uv = sum_vv = splat(0.0)
        for row in range(rows):
            gradient = load_channels(channels, pixels, (first + row) * LANES, _PLANE)
            weight = load(weights, row * LANES)
            color_sums = fma_channels(weight, gradient, color_sums)
            t = weight * dot_channels(gradient, color)
            u = fma(y_from_mean, u_per_y, u_of_x)
            v = fma(y_from_mean, v_per_y, v_of_x)
            tu = t * u
            tv = t * v
            sum_u = sum_u + tu
            sum_v = sum_v + tv
            sum_uu = fma(tu, u, sum_uu)
            sum_uv = fma(tu, v, sum_uv)
            sum_vv = fma(tv, v, sum_vv)
            y_from_mean = y_from_mean + splat(1.0)
        for c in range(len(channels)):
            sums[slot, c] = total(color_sums[c])
        sums[slot, moments] = total(sum_u)
        sums[slot, moments + 1] = total(sum_v)
        sums[slot, moments + 2] = total(sum_uu)
        sums[slot, moments + 3] = total(sum_uv)
        sums[slot, moments + 4] = total(sum_vv)


@_jit
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


@_jit
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


@_jit
def _corner(tile, width):
    across = (width + LANES - 1) // LANES
    return tile % across * LANES, tile // across * TILE_ROWS


@_jit
def _forward(part, parts, channels, tiles, colors, image):
    pixels = np.empty((len(channels), TILE_ROWS, LANES), np.float32)
    weights = np.empty((TILE_ROWS, LANES), np.float32)
    for tile in range(part, tiles.starts.shape[0] - 1, parts):
        x, y = _corner(tile, image.shape[2])
        pixels[:] = 0
        _add_tile(channels, tiles, tile, x, y, colors, weights, pixels)
        _write_tile(pixels, x, y, image)


@_jit
def _backward(part, parts, channels, tiles, colors, image_gradient, sums):
    pixels = np.empty((len(channels), TILE_ROWS, LANES), np.float32)
    weights = np.empty((TILE_ROWS, LANES), np.float32)
    for tile in range(part, tiles.starts.shape[0] - 1, parts):
        x, y = _corner(tile, image_gradient.shape[2])
        _read_tile(image_gradient, x, y, pixels)
        _differentiate_tile(channels, tiles, tile, x, y, colors, weights, pixels, sums)


@_jit
def _squared_error(part, parts, channels, tiles, colors, target, errors, sums):
    pixels = np.empty((len(channels), TILE_ROWS, LANES), np.float32)
    goal = np.empty((len(channels), TILE_ROWS, LANES), np.float32)
    weights = np.empty((TILE_ROWS, LANES), np.float32)
    _, height, width = target.shape
    for tile in range(part, tiles.starts.shape[0] - 1, parts):
        x, y = _corner(tile, width)
        pixels[:] = 0
        _add_tile(channels, tiles, tile, x, y, colors, weights, pixels)
        _read_tile(target, x, y, goal)
        if height - y < TILE_ROWS:
            pixels[:, height - y :] = 0
        if width - x < LANES:
            pixels[:, :, width - x :] = 0
        square = splat(0.0)
        for at in range(0, pixels.size, LANES):
            residual = load(pixels, at) - load(goal, at)
            store(pixels, at, residual)
            square = fma(residual, residual, square)
        errors[tile] += total(square)
        _differentiate_tile(channels, tiles, tile, x, y, colors, weights, pixels, sums)


@_jit
def _reduce(part, parts, tiles, pair_sums, sums):
    gaussians = sums.shape[0]
    for i in range(part * gaussians // parts, (part + 1) * gaussians // parts):
        for k in range(sums.shape[1]):
            sums[i, k] = 0
        for slot in range(tiles.offsets[i], tiles.offsets[i + 1]):
            for k in range(sums.shape[1]):
                sums[i, k] += pair_sums[slot, k]


def _groups(channels: int) -> list[tuple[slice, tuple[int, ...]]]:
    return [
        (slice(first, min(first + _GROUP, channels)), (0,) * min(_GROUP, channels - first))
        for first in range(0, channels, _GROUP)
    ]


def _gather(tiles: Tiles, kernel, colors, image, *args) -> NDArray[np.float32]:
    """Run a kernel that fills slots, for each group of channels, and add the slots up per Gaussian: [N, C + 5]."""
    gaussians, channels = colors.shape
    sums = np.zeros((gaussians, channels + 5), np.float32)
    for group, marker in _groups(channels):
        pair_sums = np.empty((len(tiles.slots), len(marker) + 5), np.float32)
        run(
            kernel,
            len(tiles.starts) - 1,
            marker,
            tiles,
            np.ascontiguousarray(colors[:, group]),
            image[group],
            *args,
            pair_sums,
        )
        group_sums = np.empty((gaussians, len(marker) + 5), np.float32)
        run(_reduce, gaussians // 256, tiles, pair_sums, group_sums)
        sums[:, group] = group_sums[:, : len(marker)]
        sums[:, channels:] += group_sums[:, len(marker) :]
    return sums


def forward(tiles: Tiles, colors: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """The image [C, height, width] of Gaussians sorted into the tiles of a canvas of that size."""
    image = np.empty((colors.shape[1], height, width), np.float32)
    for group, marker in _groups(colors.shape[1]):
        run(_forward, len(tiles.starts) - 1, marker, tiles, np.ascontiguousarray(colors[:, group]), image[group])
    return image


def backward(tiles: Tiles, colors: NDArray[np.float32], image_gradient: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sums [N, C + 5] that `geometry.parameter_gradients` starts from, for a loss gradient [C, H, W]."""
    return _gather(tiles, _backward, colors, image_gradient)


def squared_error(
    tiles: Tiles, colors: NDArray[np.float32], target: NDArray[np.float32]
) -> tuple[float, NDArray[np.float32]]:
    """Squared error against `target` [C, H, W], and the sums [N, C + 5] of the gradient of half of it.

    One pass over the tiles renders, compares and differentiates while everything is in cache.
    """
    errors = np.zeros(len(tiles.starts) - 1, np.float32)
    sums = _gather(tiles, _squared_error, colors, target, errors)
    return float(errors.sum(dtype=np.float64)), sums

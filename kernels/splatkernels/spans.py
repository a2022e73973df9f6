"""Gaussians on the rows of a pyramid's levels: in each row, a run of vectors that covers the cutoff ellipse.

A row at the offset dy from the mean sees a Gaussian peak at x = shear dy. With e the distance from there, the whitened
coordinates are u = a_u e + b_u dy and v = a_v e + b_v dy, and the exponent has no term in e dy. Both are small where
weights are not, so no digits cancel in the moments.

A Gaussian meets a level's bands of `BAND_ROWS` rows. Every such meeting is a pair. Pairs are numbered Gaussian by
Gaussian (their slots), and listed band by band from left to right, so that neighbours in a list share cache lines.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy import empty
from numpy.typing import NDArray

from .gaussians import LOG_SCALE1, LOG_SCALE2, MOMENTS, ROTATION, SHAPE, UU, UV, VV, U, V, X, Y
from .geometry import MOST_PAIRS
from .jit import inlined, kernel
from .pyramid import BAND_ROWS, Pyramid
from .simd import (
    LANES,
    add_lanes,
    dot_channels,
    exp2,
    fma,
    fma_channels,
    lane_numbers,
    load_channels,
    splat,
    splat_channels,
    store_channels,
    zero_channels,
)
from .threads import run

# In pixels of a level, the least standard deviation that is drawn there and not at a finer one. What enlarging does to
# such a Gaussian, beyond its variance, is up to 0.7 % of its amplitude; it falls with the sixth power of the deviation.
_LOG_NARROWEST, _LOG_2 = math.log(1.25), math.log(2)
_HALF_LOG2_E = 0.5 * math.log2(math.e)
# Columns of frames, in pixels of the level; the last two are by how much the scales are larger than what is drawn.
MEAN_X, MEAN_Y, SHEAR, A_U, B_U, A_V, B_V, BY_E, BY_Y, HALF_WIDTH, NARROWING, REACH, BLUR1, BLUR2 = range(14)
# As many elements as there are moments: the length of a tuple is known when kernels are compiled.
_MOMENTS = (0,) * MOMENTS
# Pairs of a band are listed by where they are, in columns so wide.
_COLUMNS = 64


class Spans(NamedTuple):
    """N Gaussians, each on its level, and the P pairs they form with the bands of all levels, one after another."""

    levels: NDArray[np.uint8]  # [N]
    colors: NDArray[np.float32]  # [N, C] as they are drawn
    frames: NDArray[np.float64]  # [N, 14]
    offsets: NDArray[np.int64]  # [N + 1] first slot of each Gaussian
    starts: NDArray[np.int64]  # [2 B + 1] first entry of each band's slim and other pairs in the two lists below
    slots: NDArray[np.int32]  # [P] slots of each band's pairs
    owners: NDArray[np.int32]  # [P] Gaussians of each band's pairs


@inlined
def _band_range(frame, size):
    """First and last row of a level that a Gaussian reaches, last < first if none."""
    y, reach = frame[MEAN_Y], frame[REACH]
    # Numba's math.ceil gives an integer, which a very wide Gaussian would overflow.
    first = max(np.ceil(y - reach - 0.5), 0.0)
    last = min(np.floor(y + reach - 0.5), size[0] - 1.0)
    if not first <= last:
        return 0, -1
    return int(first), int(last)


@kernel
def _place(part, parts, parameters, pyramid, cutoff, levels, colors, frames, counts):
    """Find the level of each Gaussian of `parameters` [N, SHAPE + C], how it is drawn there, and its pairs."""
    gaussians, columns = parameters.shape
    last = len(pyramid.sizes) - 1
    for i in range(part * gaussians // parts, (part + 1) * gaussians // parts):
        row, frame = parameters[i], frames[i]
        log1, log2 = float(row[LOG_SCALE1]), float(row[LOG_SCALE2])
        octaves = np.floor((min(log1, log2) - _LOG_NARROWEST) / _LOG_2)
        level = int(min(max(octaves, 0.0), float(last)))
        zoom, start = pyramid.views[level]
        # Enlarging adds a variance, which those that are drawn lack.
        scale1, scale2 = math.exp(log1), math.exp(log2)
        narrow1 = math.sqrt(scale1 * scale1 - pyramid.variances[level])
        narrow2 = math.sqrt(scale2 * scale2 - pyramid.variances[level])
        frame[BLUR1] = blur1 = scale1 / narrow1
        frame[BLUR2] = blur2 = scale2 / narrow2
        levels[i] = level
        for c in range(columns - SHAPE):
            colors[i, c] = row[SHAPE + c] * blur1 * blur2

        scale1, scale2 = narrow1 * zoom, narrow2 * zoom
        cos, sin = math.cos(row[ROTATION]), math.sin(row[ROTATION])
        u_x, u_y, v_x, v_y = cos / scale1, sin / scale1, -sin / scale2, cos / scale2
        a = u_x * u_x + v_x * v_x
        shear = -(u_x * u_y + v_x * v_y) / a
        b_u, b_v = u_y + u_x * shear, v_y + v_x * shear
        b = b_u * b_u + b_v * b_v
        frame[MEAN_X] = row[X] * zoom + start
        frame[MEAN_Y] = row[Y] * zoom + start
        frame[SHEAR] = shear
        frame[A_U], frame[B_U], frame[A_V], frame[B_V] = u_x, b_u, v_x, b_v
        frame[BY_E], frame[BY_Y] = -_HALF_LOG2_E * a, -_HALF_LOG2_E * b
        frame[HALF_WIDTH], frame[NARROWING] = cutoff / math.sqrt(a), b / a
        frame[REACH] = cutoff / math.sqrt(b)
        reach_x = cutoff * math.sqrt((cos * scale1) ** 2 + (sin * scale2) ** 2)
        first, final = _band_range(frame, pyramid.sizes[level])
        inside = frame[MEAN_X] + reach_x >= 0 and frame[MEAN_X] - reach_x <= pyramid.sizes[level, 1]
        counts[i] = final // BAND_ROWS - first // BAND_ROWS + 1 if inside and first <= final else 0


@kernel
def _list(pyramid, levels, frames, offsets, ends, slots, owners):
    """List the pairs band by band, the slim ones first, from left to right.

    `ends` [2 B] becomes where each of these lists ends: the starts of the next ones.
    """
    pairs = slots.shape[0]
    columns = np.empty(pairs, np.int32)
    bands = np.empty(pairs, np.int32)
    across = 0
    for level in range(len(pyramid.sizes)):
        across = max(across, pyramid.sizes[level, 1] // _COLUMNS + 1)
    counts = np.zeros((len(ends), across), np.int32)
    for i in range(len(levels)):
        if offsets[i] == offsets[i + 1]:
            continue
        size = pyramid.sizes[levels[i]]
        column = int(min(max(frames[i, MEAN_X], 0.0), size[1] - 1.0)) // _COLUMNS
        first, _ = _band_range(frames[i], size)
        is_wide = 2 * frames[i, HALF_WIDTH] > LANES - 1
        for slot in range(offsets[i], offsets[i + 1]):
            bands[slot] = 2 * (pyramid.bands[levels[i]] + first // BAND_ROWS + slot - offsets[i]) + is_wide
            columns[slot] = column
            counts[bands[slot], column] += 1
    position = 0
    for band in range(len(ends)):
        for column in range(across):
            position += counts[band, column]
            counts[band, column] = position - counts[band, column]
        ends[band] = position
    for i in range(len(levels)):
        for slot in range(offsets[i], offsets[i + 1]):
            at = counts[bands[slot], columns[slot]]
            counts[bands[slot], columns[slot]] = at + 1
            slots[at] = slot
            owners[at] = i


def put_on_levels(parameters: NDArray[np.float32], pyramid: Pyramid, cutoff: float) -> Spans:
    """Put Gaussians on levels, and list their pairs.

    Args:
        parameters: [N, SHAPE + C].
        pyramid: the levels.
        cutoff: standard deviations at which Gaussians end.

    Raises:
        ValueError: there are more pairs than 32 bits can number.
    """
    count, columns = parameters.shape
    levels, colors = empty(count, np.uint8), empty((count, columns - SHAPE), np.float32)
    frames, counts = empty((count, BLUR2 + 1)), empty(count, np.int64)
    run(_place, count // 1024, parameters, pyramid, float(cutoff), levels, colors, frames, counts)
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    pairs = int(offsets[-1])
    if pairs > MOST_PAIRS:
        raise ValueError(f"{pairs} pairs of a Gaussian and a band are more than the {MOST_PAIRS} that can be rendered")
    starts = np.zeros(2 * int(pyramid.bands[-1]) + 1, np.int64)
    slots, owners = empty(pairs, np.int32), empty(pairs, np.int32)
    _list(pyramid, levels, frames, offsets, starts[1:], slots, owners)
    return Spans(levels, colors, frames, offsets, starts, slots, owners)


@inlined
def _span(frame, dy, width):
    """The column of the ridge in the row at `dy`, and the first column and number of vectors of its span."""
    ridge = frame[MEAN_X] + frame[SHEAR] * dy
    half = math.sqrt(max(frame[HALF_WIDTH] ** 2 - frame[NARROWING] * dy * dy, 0.0))
    left = max(np.ceil(ridge - half - 0.5), 0.0)
    right = min(np.floor(ridge + half - 0.5), width - 1.0)
    if not left <= right:
        return ridge, 0, 0
    return ridge, int(left), (int(right) - int(left)) // LANES + 1


@inlined
def _rows_of(frame, size, band):
    """First row of a band that a Gaussian reaches, and the one after the last."""
    first, last = _band_range(frame, size)
    return max(first, band * BAND_ROWS), min(last + 1, (band + 1) * BAND_ROWS)


@inlined
def _slim_row(frame, ridge, dy, width):
    """First column of the vector that covers a row of a slim Gaussian, how far it lies from the ridge, and weights."""
    left = int(min(max(np.ceil(ridge - frame[HALF_WIDTH] - 0.5), 0.0), width - 1.0))
    e = lane_numbers() + splat(left + 0.5 - ridge)
    return left, e, exp2(fma(e * e, splat(frame[BY_E]), splat(frame[BY_Y] * dy * dy)))


@inlined
def _add_vector(channels, weight, colors, planes, at, channel_step):
    """Add a vector of weights, times colours, to the planes."""
    pixels = load_channels(channels, planes, at, channel_step)
    store_channels(planes, at, channel_step, fma_channels(weight, colors, pixels))


@inlined
def _sum_vector(channels, weight, colors, planes, at, channel_step, e, dy, color_sums, moments):
    """The sums of colours and of moments in (e, y), with those of one more vector."""
    gradient = load_channels(channels, planes, at, channel_step)
    t = weight * dot_channels(gradient, colors)
    te, ty = t * e, t * splat(dy)
    sum_e, sum_y, sum_ee, sum_ey, sum_yy = moments
    moments = sum_e + te, sum_y + ty, fma(te, e, sum_ee), fma(ty, e, sum_ey), fma(ty, splat(dy), sum_yy)
    return fma_channels(weight, gradient, color_sums), moments


@inlined
def add_slim(channels, frame, color, index, size, layout, band, planes):
    """Add a slim Gaussian, none of whose rows is wider than a vector; its colour begins at `index` of `color`."""
    start, row_step, channel_step = layout
    colors = splat_channels(channels, color, index)
    first, last = _rows_of(frame, size, band)
    dy = first + 0.5 - frame[MEAN_Y]
    ridge = frame[MEAN_X] + frame[SHEAR] * dy
    for row in range(first, last):
        left, _, weight = _slim_row(frame, ridge, dy, size[1])
        _add_vector(channels, weight, colors, planes, start + row * row_step + left, channel_step)
        ridge += frame[SHEAR]
        dy += 1


@inlined
def add_wide(channels, frame, color, index, size, layout, band, planes):
    """As `add_slim`, for any Gaussian."""
    start, row_step, channel_step = layout
    colors = splat_channels(channels, color, index)
    by_e = splat(frame[BY_E])
    first, last = _rows_of(frame, size, band)
    for row in range(first, last):
        dy = row + 0.5 - frame[MEAN_Y]
        ridge, left, count = _span(frame, dy, size[1])
        along = splat(frame[BY_Y] * dy * dy)
        e = lane_numbers() + splat(left + 0.5 - ridge)
        at = start + row * row_step + left
        for _ in range(count):
            _add_vector(channels, exp2(fma(e * e, by_e, along)), colors, planes, at, channel_step)
            e = e + splat(float(LANES))
            at += LANES


@inlined
def differentiate_slim(channels, frame, color, index, size, layout, band, planes, sums):
    """Write the sums [C + MOMENTS] of a slim Gaussian over a band, whose planes hold the gradient of the loss."""
    start, row_step, channel_step = layout
    colors = splat_channels(channels, color, index)
    color_sums, moments = zero_channels(channels), zero_channels(_MOMENTS)
    first, last = _rows_of(frame, size, band)
    dy = first + 0.5 - frame[MEAN_Y]
    ridge = frame[MEAN_X] + frame[SHEAR] * dy
    for row in range(first, last):
        left, e, weight = _slim_row(frame, ridge, dy, size[1])
        at = start + row * row_step + left
        color_sums, moments = _sum_vector(
            channels, weight, colors, planes, at, channel_step, e, dy, color_sums, moments
        )
        ridge += frame[SHEAR]
        dy += 1
    _write(frame, color_sums, moments, sums)


@inlined
def differentiate_wide(channels, frame, color, index, size, layout, band, planes, sums):
    """As `differentiate_slim`, for any Gaussian."""
    start, row_step, channel_step = layout
    colors = splat_channels(channels, color, index)
    by_e = splat(frame[BY_E])
    color_sums, moments = zero_channels(channels), zero_channels(_MOMENTS)
    first, last = _rows_of(frame, size, band)
    for row in range(first, last):
        dy = row + 0.5 - frame[MEAN_Y]
        ridge, left, count = _span(frame, dy, size[1])
        along = splat(frame[BY_Y] * dy * dy)
        e = lane_numbers() + splat(left + 0.5 - ridge)
        at = start + row * row_step + left
        for _ in range(count):
            weight = exp2(fma(e * e, by_e, along))
            color_sums, moments = _sum_vector(
                channels, weight, colors, planes, at, channel_step, e, dy, color_sums, moments
            )
            e = e + splat(float(LANES))
            at += LANES
    _write(frame, color_sums, moments, sums)


@inlined
def _write(frame, color_sums, moment_sums, sums):
    """Add up lanes, and take moments from (e, y) to (u, v)."""
    totals = add_lanes(moment_sums + color_sums)
    m_e, m_y, m_ee, m_ey, m_yy = totals[0], totals[1], totals[2], totals[3], totals[4]
    a_u, b_u, a_v, b_v = frame[A_U], frame[B_U], frame[A_V], frame[B_V]
    channels = len(color_sums)
    for c in range(channels):
        sums[c] = totals[MOMENTS + c]
    sums[channels + U] = a_u * m_e + b_u * m_y
    sums[channels + V] = a_v * m_e + b_v * m_y
    sums[channels + UU] = a_u * a_u * m_ee + 2 * a_u * b_u * m_ey + b_u * b_u * m_yy
    sums[channels + UV] = a_u * a_v * m_ee + (a_u * b_v + a_v * b_u) * m_ey + b_u * b_v * m_yy
    sums[channels + VV] = a_v * a_v * m_ee + 2 * a_v * b_v * m_ey + b_v * b_v * m_yy

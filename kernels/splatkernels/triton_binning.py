"""Projects Gaussians and lists the tiles they meet, on CUDA GPUs.

A pair is a Gaussian and a tile that its cutoff ellipse meets. Pairs are numbered Gaussian by Gaussian (their slots).
Whether an ellipse meets a tile is exact: in each strip (column of tiles) its lowest and highest row are found in closed
form, and the tiles between are its pairs.
"""

import math

import triton
import triton.language as tl

from .geometry import WIDEST_ANGLE
from .triton_geometry import SIZES, UNIT, turn, widen

_INFINITY: tl.constexpr = tl.constexpr(math.inf)
# The number of pairs reported for a Gaussian that cannot be drawn: more than any buffer holds, and a sum of 2^31
# such numbers still fits into 64 bits.
_INVALID: tl.constexpr = tl.constexpr(1 << 31)
_WIDEST_ANGLE: tl.constexpr = tl.constexpr(WIDEST_ANGLE)


@triton.jit
def _pixels(low, high, count):
    """First and last of `count` pixels whose centres lie in [low, high]; last < first where there is none."""
    first = tl.minimum(tl.maximum(tl.ceil(low - 0.5), 0.0), count)
    last = tl.maximum(tl.minimum(tl.floor(high - 0.5), count - 1.0), -1.0)
    return first.to(tl.int32), last.to(tl.int32)


@triton.jit
def _strips(x, reach_x, width, TILE: tl.constexpr):
    """First strip (column of tiles) that a Gaussian reaches, and the number of strips."""
    left, right = _pixels(x - reach_x, x + reach_x, width.to(tl.float32))
    first = left // TILE
    return first, tl.where(left <= right, right // TILE - first + 1, 0)


@triton.jit
def _bands(frame, strip, cutoff, height, TILE: tl.constexpr):
    """First band (row of tiles) that a Gaussian's cutoff ellipse meets in a strip, and the number of bands."""
    x, y, u_x, u_y, v_x, v_y, reach_x, reach_y = frame
    left = strip * TILE + 0.5 - x
    right = left + (TILE - 1)
    a = u_x * u_x + v_x * v_x
    b = u_x * u_y + v_x * v_y
    c = u_y * u_y + v_y * v_y
    radius = cutoff / UNIT
    # The ellipse is lowest at x = -b / a * reach_y and highest at the opposite point; elsewhere its edge at x is
    # -b / c * x +- radius * sqrt((1 - (x / reach_x)^2) / c).
    slope = -b / c
    lowest = -b / a * reach_y
    at = tl.minimum(tl.maximum(lowest, left), right)
    low = slope * at + radius * tl.sqrt(tl.maximum(0.0, 1.0 - (at / reach_x) * (at / reach_x)) / c)
    at = tl.minimum(tl.maximum(-lowest, left), right)
    high = slope * at - radius * tl.sqrt(tl.maximum(0.0, 1.0 - (at / reach_x) * (at / reach_x)) / c)
    top, bottom = _pixels(y + high, y + low, height.to(tl.float32))
    first = top // TILE
    return first, tl.where(top <= bottom, bottom // TILE - first + 1, 0)


@triton.jit(do_not_specialize=SIZES)
def project(
    means,  # [N, 2], rows `mean_stride` apart, as of the next three
    scales,  # [N, 2] canvas pixels, or their logarithms
    rotations,  # [N]
    colors,  # [N, C]
    mean_stride,
    scale_stride,
    rotation_stride,
    color_stride,
    frames,  # [N, 8]
    amplitudes,  # [N, C] colours times the gain of widening
    counts,  # [N + 1] a zero, then the number of pairs per Gaussian
    gaussians,
    channels,
    height,
    width,
    x0,
    y0,
    zoom,
    footprint,
    cutoff,
    LOGARITHMIC: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
    STRIPS: tl.constexpr,
):
    """Project BLOCK Gaussians to the output and count the tiles they meet."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    present = i < gaussians
    scale1 = tl.load(scales + i * scale_stride, mask=present, other=1.0)
    scale2 = tl.load(scales + i * scale_stride + 1, mask=present, other=1.0)
    if LOGARITHMIC:
        scale1 = tl.exp(scale1)
        scale2 = tl.exp(scale2)
    mean_x = tl.load(means + i * mean_stride, mask=present, other=0.0)
    mean_y = tl.load(means + i * mean_stride + 1, mask=present, other=0.0)
    rotation = tl.load(rotations + i * rotation_stride, mask=present, other=0.0)

    valid = (tl.abs(mean_x) < _INFINITY) & (tl.abs(mean_y) < _INFINITY) & (tl.abs(rotation) < _WIDEST_ANGLE)
    valid &= (scale1 > 0) & (scale1 < _INFINITY) & (scale2 > 0) & (scale2 < _INFINITY)
    widened1, gain1 = widen(scale1, zoom, footprint)
    widened2, gain2 = widen(scale2, zoom, footprint)
    for channel in range(channels):
        color = tl.load(colors + i * color_stride + channel, mask=present, other=0.0)
        valid &= tl.abs(color) < _INFINITY
        tl.store(amplitudes + i * channels + channel, color * gain1 * gain2, mask=present)

    x = (mean_x - x0) * zoom
    y = (mean_y - y0) * zoom
    cos, sin = turn(rotation)
    u_x = (cos / widened1 / UNIT).to(tl.float32)
    u_y = (sin / widened1 / UNIT).to(tl.float32)
    v_x = (-sin / widened2 / UNIT).to(tl.float32)
    v_y = (cos / widened2 / UNIT).to(tl.float32)
    variance_x = cos * cos * (widened1 * widened1) + sin * sin * (widened2 * widened2)
    variance_y = sin * sin * (widened1 * widened1) + cos * cos * (widened2 * widened2)
    reach_x = cutoff * tl.sqrt(variance_x.to(tl.float32))
    reach_y = cutoff * tl.sqrt(variance_y.to(tl.float32))
    frame = (x, y, u_x, u_y, v_x, v_y, reach_x, reach_y)
    for k in tl.static_range(8):
        tl.store(frames + i * 8 + k, frame[k], mask=present)

    first, strips = _strips(x, reach_x, width, TILE)
    strips = tl.where(present & valid, strips, 0)
    columns = (
        x[:, None],
        y[:, None],
        u_x[:, None],
        u_y[:, None],
        v_x[:, None],
        v_y[:, None],
        reach_x[:, None],
        reach_y[:, None],
    )
    pairs = tl.zeros([BLOCK], tl.int64)
    for start in range(0, tl.max(strips, 0), STRIPS):
        step = start + tl.arange(0, STRIPS)[None, :]
        _, bands = _bands(columns, first[:, None] + step, cutoff, height, TILE)  # [BLOCK, STRIPS]
        pairs += tl.sum(tl.where(step < strips[:, None], bands, 0), 1)
    tl.store(counts + 1 + i, tl.where(valid, pairs, _INVALID), mask=present)
    tl.store(counts, tl.zeros([], tl.int64), mask=tl.program_id(0) == 0)


@triton.jit
def _emit(
    i,
    present,
    frames,
    offsets,
    pair_tiles,
    owners,
    height,
    width,
    cutoff,
    TILE: tl.constexpr,
    STRIPS: tl.constexpr,
    BANDS: tl.constexpr,
):
    """Write the pairs of Gaussians i [G] to their slots where present, STRIPS x BANDS tiles of each at a time."""
    i = i[:, None]
    present = present[:, None]
    frame = ()
    for k in tl.static_range(8):
        frame = frame + (tl.load(frames + i * 8 + k, mask=present, other=1.0),)
    first, strips = _strips(frame[0], frame[6], width, TILE)
    strips = tl.where(present, strips, 0)
    slot = tl.load(offsets + i, mask=present, other=0)
    end = tl.load(offsets + i + 1, mask=present, other=0)
    for start in range(0, tl.max(strips), STRIPS):
        step = start + tl.arange(0, STRIPS)[None, :]
        strip = first + step  # [G, STRIPS]
        band, bands = _bands(frame, strip, cutoff, height, TILE)
        bands = tl.where(step < strips, bands, 0)
        at = slot + tl.cumsum(bands, 1) - bands
        tile = band * tl.cdiv(width, TILE) + strip
        for above in range(0, tl.max(bands), BANDS):
            down = above + tl.arange(0, BANDS)[None, None, :]
            slots = at[:, :, None] + down  # [G, STRIPS, BANDS]
            own = (down < bands[:, :, None]) & (slots < end[:, :, None])
            tl.store(pair_tiles + slots, tile[:, :, None] + down * tl.cdiv(width, TILE), mask=own)
            tl.store(owners + slots, i[:, :, None], mask=own)
        slot += tl.sum(bands, 1)[:, None]


@triton.jit(do_not_specialize=SIZES)
def emit_pairs(
    frames,  # [N, 8]
    offsets,  # [N + 1] first slot of each Gaussian
    pair_tiles,  # [capacity] tile of the pair in each slot
    owners,  # [capacity] Gaussian of the pair in each slot
    gaussians,
    capacity,
    height,
    width,
    tiles,
    cutoff,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
    STRIPS: tl.constexpr,
    BANDS: tl.constexpr,
    WIDE_STRIPS: tl.constexpr,
    WIDE_BANDS: tl.constexpr,
    FILL: tl.constexpr,
):
    """Write the pairs of BLOCK Gaussians to their slots, or none if all pairs exceed the capacity.

    Slots without a pair get a tile behind the last. STRIPS x BANDS tiles of each Gaussian are written at a time. Those
    that reach farther than WIDE_STRIPS x WIDE_BANDS tiles follow one by one, by as many: the rest of the block would
    wait for the widest otherwise.
    """
    pairs = tl.load(offsets + gaussians)
    pairs = tl.where(pairs <= capacity, pairs, 0)
    for start in range(pairs + tl.program_id(0) * FILL, capacity, tl.num_programs(0) * FILL):
        free = start + tl.arange(0, FILL)
        tl.store(pair_tiles + free, tiles, mask=free < capacity)

    # Neighbours are of similar width; those of a block lie far apart, so that no block has all the wide ones.
    i = tl.program_id(0) + tl.num_programs(0) * tl.arange(0, BLOCK)
    present = i < gaussians
    slot = tl.load(offsets + i, mask=present, other=0)
    end = tl.load(offsets + i + 1, mask=present, other=0)
    present = (slot < end) & (end <= pairs)
    x = tl.load(frames + i * 8, mask=present, other=1.0)
    y = tl.load(frames + i * 8 + 1, mask=present, other=1.0)
    strips = _strips(x, tl.load(frames + i * 8 + 6, mask=present, other=1.0), width, TILE)[1]
    bands = _strips(y, tl.load(frames + i * 8 + 7, mask=present, other=1.0), height, TILE)[1]
    wide = present & ((strips > WIDE_STRIPS) | (bands > WIDE_BANDS))
    _emit(i, present & ~wide, frames, offsets, pair_tiles, owners, height, width, cutoff, TILE, STRIPS, BANDS)
    for _ in range(tl.sum(wide.to(tl.int32))):
        k = tl.min(tl.where(wide, i, gaussians)) + tl.arange(0, 1)
        _emit(
            k, k < gaussians, frames, offsets, pair_tiles, owners, height, width, cutoff, TILE, WIDE_STRIPS, WIDE_BANDS
        )
        wide &= i > k


@triton.jit(do_not_specialize=SIZES)
def find_starts(
    sorted_tiles,  # [capacity] tiles of all pairs in ascending order
    starts,  # [T + 1]
    tiles,
    capacity,
    BLOCK: tl.constexpr,
):
    """Find the first pair of each tile, and the end of the last, by bisection."""
    tile = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    low = tl.zeros([BLOCK], tl.int32)
    high = low + capacity
    while tl.max(high - low) > 0:
        middle = low + (high - low) // 2
        before = tl.load(sorted_tiles + middle, mask=low < high, other=0) < tile
        high = tl.where(before, high, middle)
        low = tl.where(before & (low < high), middle + 1, low)
    tl.store(starts + tile, low, mask=tile <= tiles)

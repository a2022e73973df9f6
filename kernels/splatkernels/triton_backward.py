"""Adds up the gradient of a loss over the pixels of every Gaussian's tiles, on CUDA GPUs.

The pairs of a Gaussian (see `triton_binning`) have consecutive slots. One program, and one warp, goes through at most
PART of them, with the Gaussian and its sums in registers, and writes a row of sums: C of the colours, then MOMENTS.
Which rows belong to a Gaussian follows from its slots alone, so nothing is added up across programs before all are
through: there are no atomics, the result does not depend on scheduling, and no buffer needs clearing.

Row B + i is of the first PART pairs of Gaussian i. Row b < B = ceil(capacity / PART) is of the slots from b PART to
(b + 1) PART, as far as they are further pairs of the Gaussian that owns the first of them.
"""

import triton
import triton.language as tl

from .triton_geometry import MOMENTS, SIZES, UNIT, sums_stride, weigh

# Columns that a program adds up.
COLUMNS = tl.constexpr(8)


@triton.jit(do_not_specialize=SIZES)
def differentiate(
    frames,  # [N, 8]
    amplitudes,  # [N, C]
    offsets,  # [N + 1] first slot of each Gaussian
    pair_tiles,  # [capacity] tile of the pair in each slot
    owners,  # [capacity] Gaussian of the pair in each slot
    gradient,  # [T, C, TILE, TILE] of the loss, zero outside the image
    part_sums,  # [B + N, sums_stride(C)]
    gaussians,
    capacity,
    channels,
    channel,
    width,
    CHANNELS: tl.constexpr,
    TILE: tl.constexpr,
    PART: tl.constexpr,
):
    """Write one row of sums, for CHANNELS channels from `channel` on."""
    # Programs of further pairs come first: none has more to do than those of a wide Gaussian.
    part = tl.program_id(0)
    parts = tl.cdiv(capacity, PART)
    pairs = tl.load(offsets + gaussians)
    start = part.to(tl.int64) * PART
    further = part < parts
    # Behind the last pair there are no owners; nor are there any when the pairs exceed the capacity.
    if (pairs > capacity) | (further & (start >= pairs)):
        return
    i = tl.where(further, tl.load(owners + start, mask=further, other=0), part - parts)
    first = tl.load(offsets + i)
    start = tl.where(further, tl.maximum(start, first + PART), first)
    end = tl.minimum(tl.load(offsets + i + 1), tl.where(further, (part + 1).to(tl.int64) * PART, first + PART))
    if start >= end:
        return

    frame = ()
    for n in tl.static_range(6):
        frame = frame + (tl.load(frames + i * 8 + n),)
    color = ()
    sums = ()
    for c in tl.static_range(CHANNELS):
        color = color + (tl.load(amplitudes + i * channels + channel + c),)
    for _ in tl.static_range(CHANNELS + MOMENTS):
        sums = sums + (tl.zeros([TILE, TILE], tl.float32),)
    line = tl.arange(0, TILE)
    across = tl.cdiv(width, TILE)
    tile = tl.load(pair_tiles + start).to(tl.int32)
    for slot in range(start.to(tl.int32), end.to(tl.int32)):
        following = tl.load(pair_tiles + slot + 1, mask=slot + 1 < end, other=0).to(tl.int32)
        at = gradient + (tile.to(tl.int64) * channels + channel) * (TILE * TILE)
        at += line[:, None] * TILE + line[None, :]
        x = tile % across * TILE + line[None, :] + 0.5
        y = tile // across * TILE + line[:, None] + 0.5
        u, v, weight = weigh(frame, x, y, 0)
        slopes = ()
        for c in tl.static_range(CHANNELS):
            slopes = slopes + (tl.load(at + c * (TILE * TILE)),)
        added = ()
        t = slopes[0] * color[0]
        for c in tl.static_range(1, CHANNELS):
            t += slopes[c] * color[c]
        for c in tl.static_range(CHANNELS):
            added = added + (sums[c] + weight * slopes[c],)
        t *= weight
        tu = t * u
        tv = t * v
        # In the order of `gaussians.U` to `VV`.
        moments = (tu, tv, tu * u, tu * v, tv * v)
        for m in tl.static_range(MOMENTS):
            added = added + (sums[CHANNELS + m] + moments[m],)
        sums = added
        tile = following

    row = part_sums + part.to(tl.int64) * sums_stride(channels)
    for c in tl.static_range(CHANNELS):
        tl.store(row + channel + c, tl.sum(sums[c]))
    for m in tl.static_range(MOMENTS):
        # Back to standard deviations.
        moment = tl.sum(sums[CHANNELS + m]) * (UNIT if m < 2 else UNIT * UNIT)
        at = row + channels + m
        # Beyond the first group of channels the moments add to those already there.
        tl.store(at, moment + tl.load(at, mask=channel > 0, other=0.0))


@triton.jit(do_not_specialize=SIZES)
def gather(
    part_sums,  # [B + N, sums_stride(C)]
    offsets,  # [N + 1]
    sums,  # [N, sums_stride(C)]
    gaussians,
    capacity,
    channels,
    PART: tl.constexpr,
    ROWS: tl.constexpr,
):
    """Add up the rows of one Gaussian, ROWS at a time, in the columns of this program."""
    i = tl.program_id(0)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    stride = sums_stride(channels)
    start = tl.load(offsets + i)
    end = tl.load(offsets + i + 1)
    # The first slots of further rows are PART apart; the one row of all others is listed before them.
    skipped = start // PART
    rows = tl.where(end - start > PART, tl.cdiv(end, PART) - skipped, tl.minimum(end - start, 1))
    rows = tl.where(tl.load(offsets + gaussians) <= capacity, rows, 0)
    total = tl.zeros([ROWS, COLUMNS], tl.float32)
    for begin in range(0, rows, ROWS):
        k = begin + tl.arange(0, ROWS)[:, None]
        row = tl.where(k == 0, tl.cdiv(capacity, PART) + i, skipped + k)
        total += tl.load(part_sums + row * stride + column, mask=(k < rows) & (column < stride), other=0.0)
    at = sums + i.to(tl.int64) * stride + column
    tl.store(at, tl.sum(total, 0)[None, :], mask=column < stride)

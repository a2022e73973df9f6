"""Renders and differentiates tiles, on CUDA GPUs: one program, and one warp, per tile.

The pairs of a tile (see `triton_binning`) are listed by their slots: `order` holds the slots tile by tile, `starts`
the first entry of each tile. A tile writes the sums of a pair to the pair's slot, so nothing is added up across tiles:
there are no atomics, the result does not depend on scheduling, and no buffer needs clearing.
"""

import triton
import triton.language as tl

from .triton_geometry import MOMENTS, SIZES, UNIT


@triton.jit
def _tile_pixels(width, TILE: tl.constexpr):
    """Columns [1, TILE] and rows [TILE, 1] of this program's tile."""
    across = tl.cdiv(width, TILE)
    tile = tl.program_id(0)
    line = tl.arange(0, TILE)
    return tile % across * TILE + line[None, :], tile // across * TILE + line[:, None]


@triton.jit
def _pixel(image, channel, row, column, height, width):
    """Pointers to the pixels of one channel of an image [C, H, W]."""
    return image + (channel * height + row.to(tl.int64)) * width + column


@triton.jit
def _owner(order, owners, k, end):
    """Slot and Gaussian of the k-th listed pair, or of any if there is none: loops load the next one ahead."""
    slot = tl.load(order + k, mask=k < end, other=0)
    return slot, tl.load(owners + slot, mask=k < end, other=0)


@triton.jit
def _color(amplitudes, i, channels, channel, CHANNELS: tl.constexpr):
    color = ()
    for c in tl.static_range(CHANNELS):
        color = color + (tl.load(amplitudes + i * channels + channel + c),)
    return color


@triton.jit
def _weigh(frames, i, x, y):
    """Whitened offsets of pixels at x [1, TILE] and y [TILE, 1] from a Gaussian's mean, and its weights there."""
    frame = frames + i * 8
    dx = x - tl.load(frame)
    dy = y - tl.load(frame + 1)
    u = tl.load(frame + 2) * dx + tl.load(frame + 3) * dy
    v = tl.load(frame + 4) * dx + tl.load(frame + 5) * dy
    # A factor of -1 folds into the exponential's operand; `-x` compiles to 0 - x, which does not.
    return u, v, tl.exp2((u * u + v * v) * -1.0)


@triton.jit
def _add_weighted(sums, weight, factors, CHANNELS: tl.constexpr):
    added = ()
    for c in tl.static_range(CHANNELS):
        added = added + (sums[c] + weight * factors[c],)
    return added


@triton.jit
def _render_tile(
    frames,
    amplitudes,
    starts,
    order,
    owners,
    channels,
    channel,
    column,
    row,
    CHANNELS: tl.constexpr,
    TILE: tl.constexpr,
):
    """Sum of this program's Gaussians: one [TILE, TILE] per channel."""
    x = column + 0.5
    y = row + 0.5
    pixels = ()
    for _ in tl.static_range(CHANNELS):
        pixels = pixels + (tl.zeros([TILE, TILE], tl.float32),)
    start = tl.load(starts + tl.program_id(0))
    end = tl.load(starts + tl.program_id(0) + 1)
    i = _owner(order, owners, start, end)[1]
    for k in range(start, end):
        following = _owner(order, owners, k + 1, end)[1]
        weight = _weigh(frames, i, x, y)[2]
        pixels = _add_weighted(pixels, weight, _color(amplitudes, i, channels, channel, CHANNELS), CHANNELS)
        i = following
    return pixels


@triton.jit
def _differentiate_tile(
    frames,
    amplitudes,
    starts,
    order,
    owners,
    pair_sums,
    channels,
    channel,
    column,
    row,
    gradient,
    CHANNELS: tl.constexpr,
):
    """Write the sums of this program's pairs to their slots, given the loss gradient per channel."""
    x = column + 0.5
    y = row + 0.5
    # Beyond the first group of channels the moments add to those already there.
    further = channel > 0
    start = tl.load(starts + tl.program_id(0))
    end = tl.load(starts + tl.program_id(0) + 1)
    slot, i = _owner(order, owners, start, end)
    for k in range(start, end):
        next_slot, following = _owner(order, owners, k + 1, end)
        u, v, weight = _weigh(frames, i, x, y)
        color = _color(amplitudes, i, channels, channel, CHANNELS)
        sums = pair_sums + slot * (channels + MOMENTS)
        t = gradient[0] * color[0]
        for c in tl.static_range(1, CHANNELS):
            t += gradient[c] * color[c]
        for c in tl.static_range(CHANNELS):
            tl.store(sums + channel + c, tl.sum(weight * gradient[c]))
        t *= weight
        tu = t * u
        tv = t * v
        # In the order of `gaussians.U` to `VV`.
        moments = (tl.sum(tu), tl.sum(tv), tl.sum(tu * u), tl.sum(tu * v), tl.sum(tv * v))
        for m in tl.static_range(MOMENTS):
            # Back to standard deviations.
            moment = moments[m] * UNIT if m < 2 else moments[m] * (UNIT * UNIT)
            at = sums + channels + m
            tl.store(at, moment + tl.load(at, mask=further, other=0.0))
        slot = next_slot
        i = following


@triton.jit(do_not_specialize=SIZES)
def render_tiles(
    frames,  # [N, 8]
    amplitudes,  # [N, C]
    starts,  # [T + 1] first entry of each tile in `order`
    order,  # [P] slots, tile by tile
    owners,  # [P] Gaussians by slot
    image,  # [C, H, W]
    channels,
    channel,
    height,
    width,
    CHANNELS: tl.constexpr,
    TILE: tl.constexpr,
):
    """Render one tile of CHANNELS channels from `channel` on."""
    column, row = _tile_pixels(width, TILE)
    pixels = _render_tile(frames, amplitudes, starts, order, owners, channels, channel, column, row, CHANNELS, TILE)
    inside = (column < width) & (row < height)
    for c in tl.static_range(CHANNELS):
        tl.store(_pixel(image, channel + c, row, column, height, width), pixels[c], mask=inside)


@triton.jit(do_not_specialize=SIZES)
def differentiate_tiles(
    frames,
    amplitudes,
    starts,
    order,
    owners,
    image_gradient,  # [C, H, W]
    pair_sums,  # [P, C + MOMENTS]
    channels,
    channel,
    height,
    width,
    CHANNELS: tl.constexpr,
    TILE: tl.constexpr,
):
    """Write the sums of the pairs of one tile, for CHANNELS channels from `channel` on, to their slots."""
    column, row = _tile_pixels(width, TILE)
    inside = (column < width) & (row < height)
    gradient = ()
    for c in tl.static_range(CHANNELS):
        at = _pixel(image_gradient, channel + c, row, column, height, width)
        gradient = gradient + (tl.load(at, mask=inside, other=0.0),)
    _differentiate_tile(
        frames, amplitudes, starts, order, owners, pair_sums, channels, channel, column, row, gradient, CHANNELS
    )


@triton.jit(do_not_specialize=SIZES)
def fit_tiles(
    frames,
    amplitudes,
    starts,
    order,
    owners,
    target,  # [C, H, W]
    weights,  # [H, W]
    errors,  # [T, 2] squared error per tile, with and without weights
    pair_sums,  # [P, C + MOMENTS]
    channels,
    channel,
    height,
    width,
    CHANNELS: tl.constexpr,
    TILE: tl.constexpr,
):
    """Render one tile, compare it with the target and differentiate half of its weighted squared error."""
    column, row = _tile_pixels(width, TILE)
    pixels = _render_tile(frames, amplitudes, starts, order, owners, channels, channel, column, row, CHANNELS, TILE)
    inside = (column < width) & (row < height)
    shares = tl.load(_pixel(weights, 0, row, column, height, width), mask=inside, other=0.0)
    gradient = ()
    square = tl.zeros([TILE, TILE], tl.float32)
    for c in tl.static_range(CHANNELS):
        goal = tl.load(_pixel(target, channel + c, row, column, height, width), mask=inside, other=0.0)
        difference = tl.where(inside, pixels[c] - goal, 0.0)
        square += difference * difference
        gradient = gradient + (difference * shares,)
    at = errors + 2 * tl.program_id(0)
    tl.store(at, tl.sum(square * shares) + tl.load(at, mask=channel > 0, other=0.0))
    tl.store(at + 1, tl.sum(square) + tl.load(at + 1, mask=channel > 0, other=0.0))
    _differentiate_tile(
        frames, amplitudes, starts, order, owners, pair_sums, channels, channel, column, row, gradient, CHANNELS
    )

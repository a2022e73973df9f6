"""Renders tiles and compares them with a target, on CUDA GPUs: one program, and one warp, per tile.

The pairs of a tile (see `triton_binning`) are listed by their slots: `order` holds the slots tile by tile, `starts`
the first entry of each tile.
"""

import triton
import triton.language as tl

from .triton_geometry import SIZES, weigh

# Pairs that a tile works on at a time, and whose Gaussians it meanwhile loads for the next time.
_PAIRS: tl.constexpr = tl.constexpr(2)


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
def _owners(order, owners, k, end):
    """Gaussians of the listed pairs from k on, or any behind the end."""
    listed = ()
    for pair in tl.static_range(_PAIRS):
        slot = tl.load(order + k + pair, mask=k + pair < end, other=0)
        listed = listed + (tl.load(owners + slot, mask=k + pair < end, other=0),)
    return listed


@triton.jit
def _load(frames, amplitudes, listed, channels, channel, k, end, CHANNELS: tl.constexpr):
    """Six numbers of the frame and CHANNELS of the amplitude of each listed Gaussian; zeros behind the end."""
    loaded = ()
    for pair in tl.static_range(_PAIRS):
        present = k + pair < end
        for n in tl.static_range(6):
            loaded = loaded + (tl.load(frames + listed[pair] * 8 + n, mask=present, other=0.0),)
        for c in tl.static_range(CHANNELS):
            at = amplitudes + listed[pair] * channels + channel + c
            loaded = loaded + (tl.load(at, mask=present, other=0.0),)
    return loaded


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
    listed = _owners(order, owners, start, end)
    loaded = _load(frames, amplitudes, listed, channels, channel, start, end, CHANNELS)
    listed = _owners(order, owners, start + _PAIRS, end)
    for k in range(start, end, _PAIRS):
        # Of a warp that is left alone with a long list, these loads would take most of the time.
        following = _load(frames, amplitudes, listed, channels, channel, k + _PAIRS, end, CHANNELS)
        listed = _owners(order, owners, k + 2 * _PAIRS, end)
        for pair in tl.static_range(_PAIRS):
            weight = weigh(loaded, x, y, pair * (6 + CHANNELS))[2]
            added = ()
            for c in tl.static_range(CHANNELS):
                added = added + (pixels[c] + weight * loaded[pair * (6 + CHANNELS) + 6 + c],)
            pixels = added
        loaded = following
    return pixels


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
def compare_tiles(
    frames,
    amplitudes,
    starts,
    order,
    owners,
    target,  # [C, H, W]
    weights,  # [H, W]
    errors,  # [T, 2] squared error per tile, with and without weights
    gradient,  # [T, C, TILE, TILE] of half the weighted squared error; zero outside the image
    channels,
    channel,
    height,
    width,
    CHANNELS: tl.constexpr,
    TILE: tl.constexpr,
):
    """Render one tile of CHANNELS channels from `channel` on, and compare it with the target."""
    column, row = _tile_pixels(width, TILE)
    pixels = _render_tile(frames, amplitudes, starts, order, owners, channels, channel, column, row, CHANNELS, TILE)
    inside = (column < width) & (row < height)
    shares = tl.load(_pixel(weights, 0, row, column, height, width), mask=inside, other=0.0)
    line = tl.arange(0, TILE)
    at = gradient + (tl.program_id(0).to(tl.int64) * channels + channel) * (TILE * TILE)
    square = tl.zeros([TILE, TILE], tl.float32)
    for c in tl.static_range(CHANNELS):
        goal = tl.load(_pixel(target, channel + c, row, column, height, width), mask=inside, other=0.0)
        difference = tl.where(inside, pixels[c] - goal, 0.0)
        square += difference * difference
        tl.store(at + c * (TILE * TILE) + line[:, None] * TILE + line[None, :], difference * shares)
    at = errors + 2 * tl.program_id(0)
    tl.store(at, tl.sum(square * shares) + tl.load(at, mask=channel > 0, other=0.0))
    tl.store(at + 1, tl.sum(square) + tl.load(at + 1, mask=channel > 0, other=0.0))

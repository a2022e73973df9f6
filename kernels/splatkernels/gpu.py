"""The rasteriser on CUDA GPUs: sorts Gaussians into tiles and launches the kernels, on torch tensors.

The image is rendered by tiles, which hold it in registers while they go through their Gaussians. Its gradient is added
up by Gaussians, which hold their sums in registers while they go through their tiles.

Nothing here waits for the GPU except `pair_count`. `rasterize` and `rasterize_backward` call it once to size their
buffers; an optimiser that knows a capacity in advance never does, so its steps can be captured in a CUDA graph.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from . import triton_backward, triton_binning, triton_tiles, triton_update
from .gaussians import MOMENTS
from .geometry import MOST_PAIRS, Output, check_gaussians, check_shapes

TILE = 16
"""Pixels along a tile's edges. One warp of eight pixels per thread renders a tile: more warps would spend more
instructions per pixel on loading Gaussians."""

# Channels that one launch renders, held in registers; images with more are rendered in groups of as many.
_GROUP = 4
# Counting and emitting pairs must agree on every one, so neither may round otherwise than written.
_EXACT = {"TILE": TILE, "enable_fp_fusion": False}
# Gaussians and strips of tiles that a program counts at a time: most Gaussians are less than four tiles wide.
_COUNT = {"BLOCK": 8, "STRIPS": 4, "num_warps": 1} | _EXACT
# Gaussians that a program emits pairs of, and the strips and bands of tiles that it emits at a time: of all of them,
# and of one that is wider. One as wide as a picture of 768 x 512 takes three trips, of 4096 x 4096 128.
EMIT = {
    "BLOCK": 16,
    "STRIPS": 4,
    "BANDS": 8,
    "WIDE_STRIPS": 16,
    "WIDE_BANDS": 32,
    "FILL": 512,
    "num_warps": 4,
} | _EXACT
# Pairs of one Gaussian that a program differentiates: more would keep the others waiting for the last.
PART = 16
# Rows of sums that a program adds up at a time: those of a Gaussian as wide as a picture of 768 x 512 in two trips.
GATHER = {"ROWS": 64, "num_warps": 1}
# Gaussians that a program updates, one per thread.
UPDATE = {"BLOCK": 32, "num_warps": 1}


def tile_count(output: Output) -> int:
    """Number of tiles that cover an output."""
    return -(-output.height // TILE) * -(-output.width // TILE)


class Projection(NamedTuple):
    """N Gaussians in output pixels."""

    frames: Tensor  # [N, 8] as the kernels describe
    amplitudes: Tensor  # [N, C] colours times the gain of widening
    offsets: Tensor  # [N + 1] int64, first slot of each Gaussian; the last is the number of pairs


class Pairs(NamedTuple):
    """Pairs of projected Gaussians and the T tiles of the output, by slot."""

    tiles: Tensor  # [capacity] int16 or int32; T where a slot has no pair
    owners: Tensor  # [capacity] int32, Gaussians


class GpuTiles(NamedTuple):
    """Projected Gaussians, sorted into the T tiles of the output."""

    frames: Tensor  # [N, 8]
    amplitudes: Tensor  # [N, C]
    starts: Tensor  # [T + 1] int32, first entry of each tile in `order`
    order: Tensor  # [capacity] int64, slots tile by tile
    owners: Tensor  # [capacity] int32, Gaussians by slot


def project(
    means: Tensor, scales: Tensor, rotations: Tensor, colors: Tensor, output: Output, *, logarithmic: bool = False
) -> Projection:
    """Project Gaussians and count their pairs.

    Args:
        means, scales, rotations, colors: as in `rasterize`; rows may be strided.
        output: the image to render.
        logarithmic: `scales` holds natural logarithms.
    """
    gaussians, channels = colors.shape
    frames = means.new_empty((gaussians, 8))
    amplitudes = means.new_empty((gaussians, channels))
    counts = means.new_empty(gaussians + 1, dtype=torch.int64)
    triton_binning.project[(max(1, -(-gaussians // _COUNT["BLOCK"])),)](
        means,
        scales,
        rotations,
        colors,
        means.stride(0),
        scales.stride(0),
        rotations.stride(0),
        colors.stride(0),
        frames,
        amplitudes,
        counts,
        gaussians,
        channels,
        output.height,
        output.width,
        *output.viewport,
        output.footprint,
        output.cutoff,
        LOGARITHMIC=logarithmic,
        **_COUNT,
    )
    return Projection(frames, amplitudes, counts.cumsum(0))


def pair_count(projection: Projection, means: Tensor, scales: Tensor, rotations: Tensor, colors: Tensor) -> int:
    """Wait for the number of pairs of projected Gaussians.

    Raises:
        ValueError: a row of the Gaussians' tensors holds a NaN, an infinity or a scale that is not positive, or there
            are too many pairs.
    """
    pairs = int(projection.offsets[-1])
    if pairs > MOST_PAIRS:
        # The kernel reports Gaussians it cannot draw as pairs beyond all bounds; the host finds out which.
        check_gaussians(*(tensor.detach().cpu().numpy() for tensor in (means, scales, rotations, colors)))
        raise ValueError(f"{pairs} pairs of a Gaussian and a tile are more than the {MOST_PAIRS} that can be rendered")
    return pairs


def emit_pairs(projection: Projection, capacity: int, output: Output) -> Pairs:
    """List the pairs of projected Gaussians by slot.

    Args:
        projection: N Gaussians in the pixels of `output`.
        capacity: pairs to make room for; if there are more, none is listed.
        output: the image to render.
    """
    gaussians, device = len(projection.frames), projection.frames.device
    # The time of a radix sort grows with the width of its keys.
    key = torch.int16 if tile_count(output) < 2**15 else torch.int32
    tiles = torch.empty(capacity, dtype=key, device=device)
    owners = torch.empty(capacity, dtype=torch.int32, device=device)
    triton_binning.emit_pairs[(max(1, -(-gaussians // EMIT["BLOCK"])),)](
        projection.frames,
        projection.offsets,
        tiles,
        owners,
        gaussians,
        capacity,
        output.height,
        output.width,
        tile_count(output),
        output.cutoff,
        **EMIT,
    )
    return Pairs(tiles, owners)


def sort_into_tiles(projection: Projection, pairs: Pairs, output: Output) -> GpuTiles:
    """List the pairs of projected Gaussians tile by tile, in the order of their slots."""
    sorted_tiles, order = torch.sort(pairs.tiles, stable=True)
    tiles = tile_count(output)
    starts = torch.empty(tiles + 1, dtype=torch.int32, device=sorted_tiles.device)
    triton_binning.find_starts[(tiles // 32 + 1,)](
        sorted_tiles, starts, tiles, len(sorted_tiles), BLOCK=32, num_warps=1
    )
    return GpuTiles(projection.frames, projection.amplitudes, starts, order, pairs.owners)


def forward(tiles: GpuTiles, output: Output) -> Tensor:
    """The image [C, H, W] of Gaussians sorted into the tiles of `output`."""
    image = tiles.frames.new_empty((tiles.amplitudes.shape[1], output.height, output.width))
    _launch_on_tiles(triton_tiles.render_tiles, tiles, output, image)
    return image


def compare(tiles: GpuTiles, target: Tensor, weights: Tensor, output: Output) -> tuple[Tensor, Tensor]:
    """Squared errors [T, 2] by tile against `target` [C, H, W], and the gradient of half of them in tiles.

    The errors are with and without weights [H, W] on pixels; the gradient, as of `cut_into_tiles`, is of the former.
    """
    errors = target.new_empty((tile_count(output), 2))
    gradient = target.new_empty((tile_count(output), len(target), TILE, TILE))
    _launch_on_tiles(triton_tiles.compare_tiles, tiles, output, target, weights, errors, gradient)
    return errors, gradient


def cut_into_tiles(image: Tensor) -> Tensor:
    """An image [C, H, W] as tiles [T, C, TILE, TILE], zero outside it."""
    channels, height, width = image.shape
    padded = torch.nn.functional.pad(image, (0, -width % TILE, 0, -height % TILE))
    rows = padded.reshape(channels, -(-height // TILE), TILE, -(-width // TILE), TILE)
    return rows.permute(1, 3, 0, 2, 4).reshape(-1, channels, TILE, TILE).contiguous()


def backward(projection: Projection, pairs: Pairs, gradient: Tensor, output: Output) -> Tensor:
    """The sums [N, >= C + MOMENTS] of every Gaussian, for a loss gradient in tiles [T, C, TILE, TILE].

    Columns behind those are padding.
    """
    frames, amplitudes, offsets = projection
    (gaussians, channels), capacity = amplitudes.shape, len(pairs.owners)
    stride = -(-(channels + MOMENTS) // 4) * 4
    rows = -(-capacity // PART) + gaussians
    part_sums = frames.new_empty((rows, stride))
    sums = frames.new_empty((gaussians, stride))
    for first in range(0, channels, _GROUP):
        triton_backward.differentiate[(rows,)](
            frames,
            amplitudes,
            offsets,
            *pairs,
            gradient,
            part_sums,
            gaussians,
            capacity,
            channels,
            first,
            output.width,
            CHANNELS=min(_GROUP, channels - first),
            TILE=TILE,
            PART=PART,
            num_warps=1,
        )
    triton_backward.gather[(gaussians, -(-stride // triton_backward.COLUMNS))](
        part_sums, offsets, sums, gaussians, capacity, channels, PART=PART, **GATHER
    )
    return sums


def parameter_gradients(
    sums: Tensor, scales: Tensor, rotations: Tensor, colors: Tensor, output: Output
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients for means, scales, rotations and colours from the sums of `backward`, for contiguous tensors."""
    d_means, d_scales, d_rotations, d_colors = (
        torch.empty_like(tensor) for tensor in (scales, scales, rotations, colors)
    )
    triton_update.parameter_gradients[(-(-len(scales) // UPDATE["BLOCK"]),)](
        sums,
        scales,
        rotations,
        colors,
        d_means,
        d_scales,
        d_rotations,
        d_colors,
        *colors.shape,
        output.viewport.scale,
        output.footprint,
        **UPDATE,
    )
    return d_means, d_scales, d_rotations, d_colors


def rasterize(means: Tensor, scales: Tensor, rotations: Tensor, colors: Tensor, output: Output) -> Tensor:
    """Render a sum of 2D Gaussians; waits for the GPU once.

    Args:
        means, scales, rotations, colors: [N, 2], [N, 2], [N] and [N, C], float32, as in `splatkernels.rasterize`.
        output: the image to render.

    Returns:
        Image [C, H, W], not clamped.

    Raises:
        ValueError: as in `splatkernels.rasterize`.
    """
    with torch.cuda.device_of(means):
        gaussians = _contiguous(means, scales, rotations, colors)
        projection, pairs = _emit_exactly(gaussians, output)
        return forward(sort_into_tiles(projection, pairs, output), output)


def rasterize_backward(
    means: Tensor, scales: Tensor, rotations: Tensor, colors: Tensor, image_gradient: Tensor, output: Output
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients for the four tensors of `rasterize`, given that [C, H, W] for its image; waits for the GPU once."""
    with torch.cuda.device_of(means):
        gaussians = _contiguous(means, scales, rotations, colors)
        projection, pairs = _emit_exactly(gaussians, output)
        sums = backward(projection, pairs, cut_into_tiles(image_gradient), output)
        return parameter_gradients(sums, *gaussians[1:], output)


def _contiguous(
    means: Tensor, scales: Tensor, rotations: Tensor, colors: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return means.contiguous(), scales.contiguous(), rotations.contiguous(), colors.contiguous()


def _emit_exactly(gaussians: tuple[Tensor, Tensor, Tensor, Tensor], output: Output) -> tuple[Projection, Pairs]:
    """Project Gaussians and list their pairs, with room for just these."""
    check_shapes(*gaussians)
    output.check()
    projection = project(*gaussians, output)
    return projection, emit_pairs(projection, pair_count(projection, *gaussians), output)


def _launch_on_tiles(kernel: Any, tiles: GpuTiles, output: Output, *buffers: Tensor) -> None:
    """Launch a kernel on every tile, for each group of channels in turn."""
    channels = tiles.amplitudes.shape[1]
    for first in range(0, channels, _GROUP):
        kernel[(tile_count(output),)](
            *tiles,
            *buffers,
            channels,
            first,
            output.height,
            output.width,
            CHANNELS=min(_GROUP, channels - first),
            TILE=TILE,
            num_warps=1,
        )

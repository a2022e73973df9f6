"""The CPU rasteriser on NumPy arrays: no torch, no autograd."""

from typing import NamedTuple

import numpy as np
from numpy import empty
from numpy.typing import ArrayLike, NDArray

from . import cpu
from .gaussians import Gaussians
from .geometry import CUTOFF, WHOLE, Output, Viewport, check_gaussians, output_scales, parameter_gradients
from .tiles import sort_in_passes, sort_into_tiles

# Gaussians that are projected at a time, in about 100 bytes each.
_GAUSSIANS_PER_PASS = 2**18


class Gradients(NamedTuple):
    """Gradients of a loss with respect to the parameters of N Gaussians, all float32."""

    means: NDArray[np.float32]  # [N, 2]
    scales: NDArray[np.float32]  # [N, 2]
    rotations: NDArray[np.float32]  # [N]
    colors: NDArray[np.float32]  # [N, C]


def render(
    means: ArrayLike,
    scales: ArrayLike,
    rotations: ArrayLike,
    colors: ArrayLike,
    height: int,
    width: int,
    viewport: Viewport | None = None,
    cutoff: float = CUTOFF,
) -> NDArray[np.float32]:
    """Render a sum of 2D Gaussians.

    However many Gaussians there are and wherever they lie, they are drawn in passes that take little memory.

    Args:
        means: [N, 2] canvas pixels; the centre of the top-left pixel is (0.5, 0.5).
        scales: [N, 2] standard deviations in canvas pixels, > 0.
        rotations: [N] radians from +x towards +y (down).
        colors: [N, C] amplitudes, C >= 1.
        height, width: output size in pixels, >= 1.
        viewport: part of the canvas to show; all of it at its own size if None.
        cutoff: standard deviations at which a Gaussian ends.

    Returns:
        Image [C, height, width] float32, not clamped.

    Raises:
        ValueError: a shape does not fit, or a row holds a NaN, an infinity or a scale that is not positive.
    """
    output = Output(height, width, viewport or WHOLE, cutoff)
    gaussians = _checked(means, scales, rotations, colors, output)
    image = empty((gaussians.colors.shape[1], height, width), np.float32)
    begun = False
    for first in range(0, max(1, gaussians.n_gaussians), _GAUSSIANS_PER_PASS):
        means, scales, rotations, colors = gaussians.take(slice(first, first + _GAUSSIANS_PER_PASS))
        widened, gains = output_scales(scales, output.viewport.scale)
        amplitudes = colors * gains[:, None]
        for rows, tiles in sort_in_passes(means, widened, rotations, output):
            cpu.draw(tiles, amplitudes[rows], image, onto=begun)
            begun = True
    return image


def render_backward(
    means: ArrayLike,
    scales: ArrayLike,
    rotations: ArrayLike,
    colors: ArrayLike,
    image_gradient: ArrayLike,
    viewport: Viewport | None = None,
    cutoff: float = CUTOFF,
) -> Gradients:
    """Gradients of a loss of `render`'s image, given its gradient with respect to that image.

    Args:
        image_gradient: [C, H, W]; its shape gives the size of the output.
        means, scales, rotations, colors, viewport, cutoff: as in `render`.

    Raises:
        ValueError: as in `render`, or there are more pairs of a Gaussian and a tile than 32 bits can number.
    """
    image_gradient = np.ascontiguousarray(image_gradient, np.float32)
    if image_gradient.ndim != 3:
        raise ValueError(f"image_gradient must have shape [C, H, W], got {list(image_gradient.shape)}")
    channels, height, width = image_gradient.shape
    output = Output(height, width, viewport or WHOLE, cutoff)
    means, scales, rotations, colors = _checked(means, scales, rotations, colors, output)
    if colors.shape[1] != channels:
        raise ValueError(f"image_gradient has {channels} channels, colors have {colors.shape[1]}")
    widened, gains = output_scales(scales, output.viewport.scale)
    tiles = sort_into_tiles(means, widened, rotations, output)
    sums = cpu.backward(tiles, colors * gains[:, None], image_gradient)
    return Gradients(*parameter_gradients(sums, scales, rotations, colors, output.viewport.scale))


def _checked(means: ArrayLike, scales: ArrayLike, rotations: ArrayLike, colors: ArrayLike, output: Output) -> Gaussians:
    """The Gaussians as float32; raises ValueError unless they and the output are usable."""
    gaussians = Gaussians(*(np.ascontiguousarray(array, np.float32) for array in (means, scales, rotations, colors)))
    check_gaussians(*gaussians)
    output.check()
    return gaussians

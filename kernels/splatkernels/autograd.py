"""The differentiable rasteriser on torch tensors."""

import torch
from torch import Tensor

from .geometry import CUTOFF, Output, Viewport


def rasterize(
    means: Tensor,
    scales: Tensor,
    rotations: Tensor,
    colors: Tensor,
    height: int,
    width: int,
    viewport: Viewport | None = None,
    cutoff: float = CUTOFF,
) -> Tensor:
    """Render a sum of 2D Gaussians, differentiable once in all four tensors.

    Tensors on a CUDA device are rendered there, by Triton kernels; each call then waits once for the device.

    Args:
        means: [N, 2] canvas pixels; the centre of the top-left pixel is (0.5, 0.5).
        scales: [N, 2] standard deviations in canvas pixels, > 0.
        rotations: [N] radians from +x towards +y (down).
        colors: [N, C] amplitudes, C >= 1.
        height, width: output size in pixels, >= 1.
        viewport: part of the canvas to show; all of it at its own size if None.
        cutoff: standard deviations at which a Gaussian ends.

    Returns:
        Image [C, height, width], not clamped.

    Raises:
        TypeError: a tensor is not float32.
        ValueError: a shape or device does not fit, or a row holds a NaN, an infinity or a scale that is not positive.
    """
    for name, tensor in (("means", means), ("scales", scales), ("rotations", rotations), ("colors", colors)):
        if tensor.dtype != torch.float32:
            raise TypeError(f"{name} must be float32, got {tensor.dtype}; rasterize_reference takes any float dtype")
        if tensor.device != means.device:
            raise ValueError(f"{name} must be on the device of means, {means.device}, got {tensor.device}")
    x0, y0, zoom = viewport or Viewport()
    return _rasterize(means, scales, rotations, colors, height, width, x0, y0, zoom, cutoff)


@torch.library.custom_op("splatkernels::rasterize", mutates_args=(), device_types="cpu")
def _rasterize(
    means: Tensor,
    scales: Tensor,
    rotations: Tensor,
    colors: Tensor,
    height: int,
    width: int,
    x0: float,
    y0: float,
    zoom: float,
    cutoff: float,
) -> Tensor:
    # Tensors on a CUDA device need no Numba.
    from .arrays import render

    viewport = Viewport(x0, y0, zoom)
    return torch.from_numpy(
        render(means.numpy(), scales.numpy(), rotations.numpy(), colors.numpy(), height, width, viewport, cutoff)
    )


@_rasterize.register_kernel("cuda")
def _(means, scales, rotations, colors, height, width, x0, y0, zoom, cutoff):
    from . import gpu

    return gpu.rasterize(means, scales, rotations, colors, Output(height, width, Viewport(x0, y0, zoom), cutoff))


@_rasterize.register_fake
def _(means, scales, rotations, colors, height, width, x0, y0, zoom, cutoff):
    return colors.new_empty((colors.shape[1], height, width))


@torch.library.custom_op("splatkernels::rasterize_backward", mutates_args=(), device_types="cpu")
def _rasterize_backward(
    means: Tensor,
    scales: Tensor,
    rotations: Tensor,
    colors: Tensor,
    image_gradient: Tensor,
    x0: float,
    y0: float,
    zoom: float,
    cutoff: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    from .arrays import render_backward

    viewport = Viewport(x0, y0, zoom)
    gradients = render_backward(
        means.numpy(), scales.numpy(), rotations.numpy(), colors.numpy(), image_gradient.numpy(), viewport, cutoff
    )
    d_means, d_scales, d_rotations, d_colors = (torch.from_numpy(gradient) for gradient in gradients)
    return d_means, d_scales, d_rotations, d_colors


@_rasterize_backward.register_kernel("cuda")
def _(means, scales, rotations, colors, image_gradient, x0, y0, zoom, cutoff):
    from . import gpu

    _, height, width = image_gradient.shape
    output = Output(height, width, Viewport(x0, y0, zoom), cutoff)
    return gpu.rasterize_backward(means, scales, rotations, colors, image_gradient, output)


@_rasterize_backward.register_fake
def _(means, scales, rotations, colors, image_gradient, x0, y0, zoom, cutoff):
    return tuple(tensor.new_empty(tensor.shape) for tensor in (means, scales, rotations, colors))


def _setup_context(ctx, inputs, output):
    ctx.save_for_backward(*inputs[:4])
    ctx.view = inputs[6:]


def _backward(ctx, image_gradient):
    gradients = _rasterize_backward(*ctx.saved_tensors, image_gradient, *ctx.view)
    return *gradients, None, None, None, None, None, None


_rasterize.register_autograd(_backward, setup_context=_setup_context)

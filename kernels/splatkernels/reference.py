"""The rasteriser as its definition reads: every Gaussian at every pixel, no tiles, no cutoff, any float dtype."""

import torch
from torch import Tensor

from .geometry import FOOTPRINT, Viewport


def rasterize_reference(
    means: Tensor,
    scales: Tensor,
    rotations: Tensor,
    colors: Tensor,
    height: int,
    width: int,
    viewport: Viewport | None = None,
) -> Tensor:
    """Render a sum of 2D Gaussians, differentiable by autograd; memory grows with Gaussians times pixels.

    Args:
        means: [N, 2] canvas pixels; the centre of the top-left pixel is (0.5, 0.5).
        scales: [N, 2] standard deviations in canvas pixels, > 0.
        rotations: [N] radians from +x towards +y (down).
        colors: [N, C] amplitudes.
        height, width: output size in pixels.
        viewport: part of the canvas to show; all of it at its own size if None.

    Returns:
        Image [C, height, width], not clamped.
    """
    x0, y0, zoom = viewport or Viewport()
    centers = (means - means.new_tensor([x0, y0])) * zoom  # [N, 2]
    zoomed = scales * zoom  # [N, 2]
    footprint = FOOTPRINT * max(0.0, 1 - zoom**2)
    widened = (zoomed**2 + footprint).sqrt() if footprint else zoomed
    gains = (zoomed / widened).prod(dim=1)  # [N]

    x = torch.arange(width, dtype=means.dtype, device=means.device) + 0.5
    y = torch.arange(height, dtype=means.dtype, device=means.device) + 0.5
    dx = x[None, None, :] - centers[:, 0, None, None]  # [N, 1, W]
    dy = y[None, :, None] - centers[:, 1, None, None]  # [N, H, 1]
    cos, sin = rotations.cos()[:, None, None], rotations.sin()[:, None, None]
    u = (cos * dx + sin * dy) / widened[:, 0, None, None]  # [N, H, W]
    v = (cos * dy - sin * dx) / widened[:, 1, None, None]
    weights = torch.exp(-0.5 * (u**2 + v**2))
    return torch.einsum("nhw,nc->chw", weights, colors * gains[:, None])

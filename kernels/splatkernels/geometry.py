"""The rasteriser's conventions: viewports, the footprint of a pixel, and the chain rule through both.

A Gaussian with mean m, scales (s1, s2), rotation r and colour c adds

    c * exp(-((u / s1)^2 + (v / s2)^2) / 2),   u = cos(r) dx + sin(r) dy,   v = -sin(r) dx + cos(r) dy

to the pixel at offset (dx, dy) = p - m. Its first principal axis points along (cos r, sin r): positive angles turn from
+x towards +y, and y points down. The centre of the top-left pixel is (0.5, 0.5).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .gaussians import UU, UV, VV, U, V

CUTOFF = 4.5
"""Standard deviations out to which a Gaussian is evaluated by default; there it has fallen to 4e-5."""

FOOTPRINT = 0.12
"""Variance, in output pixels squared, of the low-pass that a pixel much wider than a canvas pixel applies.

A box of one pixel has 0.083. Both come equally close to averaging over the pixel (44 dB on a portrait at half to an
eighth of its size; 0.25: 34 dB), and this one halves what is left of a pattern as fine as the pixels."""

MOST_PAIRS = 2**31 - 1
"""Pairs of a Gaussian and a tile are numbered with 32 bits."""

# Standard deviation in output pixels: whatever is wider is flat, and the square of this one is finite.
_WIDEST = np.float32(1e18)

WIDEST_ANGLE = 1e9
"""Rotations stay below so many radians; float32 has no angles left long before."""


class Viewport(NamedTuple):
    """The part of the canvas an output shows: its top-left corner and its magnification.

    An output of `height` x `width` pixels shows the canvas from (x0, y0) to (x0 + width / scale, y0 + height / scale).
    """

    x0: float = 0.0
    """Canvas x of the output's left edge, in canvas pixels."""
    y0: float = 0.0
    """Canvas y of the output's top edge, in canvas pixels."""
    scale: float = 1.0
    """Output pixels per canvas pixel, > 0. Below 1 each Gaussian is widened by the pixel's footprint."""


WHOLE = Viewport()
"""The canvas at its own size."""


@dataclass(frozen=True)
class Output:
    """The image to render, and the part of the canvas that it shows."""

    height: int
    """In pixels."""
    width: int
    viewport: Viewport = WHOLE
    cutoff: float = CUTOFF
    """Standard deviations at which a Gaussian ends."""

    @property
    def footprint(self) -> float:
        """Variance that a pixel's footprint adds to every Gaussian, in output pixels squared."""
        return FOOTPRINT * max(0.0, 1 - self.viewport.scale**2)

    def check(self) -> None:
        """Raise ValueError unless it has pixels and the viewport and cutoff are usable."""
        if self.height < 1 or self.width < 1:
            raise ValueError(f"output size must be at least 1x1, got {self.width}x{self.height}")
        if not (np.isfinite(self.viewport).all() and self.viewport.scale > 0):
            raise ValueError(f"viewport must be finite with a positive scale, got {self.viewport}")
        if not 0 < self.cutoff < np.inf:
            raise ValueError(f"cutoff must be positive and finite, got {self.cutoff}")


def output_scales(scales: NDArray[np.float32], zoom: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Standard deviations in output pixels, and the factor on the amplitude that keeps each Gaussian's integral.

    When zooming out, a sample of the image alone would alias; averaging over a Gaussian footprint of variance f turns
    scales s into sqrt(s^2 + f) at the same integral (the elliptical weighted average of Heckbert 1989).

    Args:
        scales: [N, 2] canvas pixels.
        zoom: output pixels per canvas pixel.

    Returns:
        Scales [N, 2] in output pixels and gains [N].
    """
    with np.errstate(over="ignore"):
        zoomed = np.minimum(scales * np.float32(zoom), _WIDEST)
    if zoom >= 1:
        return zoomed, np.ones(len(scales), np.float32)
    widened = np.sqrt(zoomed**2 + np.float32(FOOTPRINT * (1 - zoom**2)))
    return widened, np.prod(zoomed / widened, axis=1)


def covariances(
    scales: NDArray[np.floating], rotations: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Covariances xx, xy and yy, [N] each, in float64: in float32 the determinants of long thin ones cancel.

    Args:
        scales: [N, 2] pixels.
        rotations: [N] radians.
    """
    cos, sin = np.cos(rotations, dtype=np.float64), np.sin(rotations, dtype=np.float64)
    along, across = scales.T.astype(np.float64) ** 2
    xx = cos**2 * along + sin**2 * across
    yy = sin**2 * along + cos**2 * across
    return xx, cos * sin * (along - across), yy


def principal_axes(
    xx: NDArray[np.float64], xy: NDArray[np.float64], yy: NDArray[np.float64], determinants: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scales [N, 2], the larger first, and rotations [N] of Gaussians with the given covariances.

    Args:
        xx, xy, yy: [N] covariances.
        determinants: [N] xx yy - xy^2, which cancels in long thin ones and is better known from elsewhere.
    """
    # The larger eigenvalue of [[xx, xy], [xy, yy]]; the smaller from the determinant, which keeps needles thin.
    larger = 0.5 * (xx + yy) + np.hypot(0.5 * (xx - yy), xy)
    return np.sqrt(np.stack([larger, determinants / larger], axis=1)), 0.5 * np.arctan2(2 * xy, xx - yy)


def parameter_gradients(
    sums: NDArray[np.float32],
    scales: NDArray[np.float32],
    rotations: NDArray[np.float32],
    colors: NDArray[np.float32],
    zoom: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Gradients of a loss with respect to the parameters, from the sums the backward kernels return.

    With V the loss gradient per pixel, w the weight, t = w (V . color) and (u, v) the offset in standard deviations
    along the principal axes, the sums per Gaussian are V w per channel, then t u, t v, t u^2, t u v, t v^2.

    Args:
        sums: [N, C + MOMENTS].
        scales: [N, 2] canvas pixels.
        rotations: [N] radians.
        colors: [N, C].
        zoom: output pixels per canvas pixel.

    Returns:
        Gradients for means [N, 2], scales [N, 2], rotations [N] and colors [N, C].
    """
    channels = colors.shape[1]
    widened, gains = output_scales(scales, zoom)
    color_sums = sums[:, :channels]
    u, v, uu, uv, vv = (sums[:, channels + moment] for moment in (U, V, UU, UV, VV))
    cos, sin = np.cos(rotations), np.sin(rotations)
    along, across = u / widened[:, 0], v / widened[:, 1]
    d_means = np.float32(zoom) * np.stack([cos * along - sin * across, sin * along + cos * across], axis=1)
    # d log(widened) / d log(scale); 1 unless a footprint is added.
    share = (scales * np.float32(zoom) / widened) ** 2
    d_log_gain = gains * (color_sums * colors).sum(axis=1)
    d_scales = (np.stack([uu, vv], axis=1) * share + d_log_gain[:, None] * (1 - share)) / scales
    d_rotations = uv * (widened[:, 0] / widened[:, 1] - widened[:, 1] / widened[:, 0])
    return d_means, d_scales, d_rotations, color_sums * gains[:, None]


def check_shapes(means: Any, scales: Any, rotations: Any, colors: Any) -> None:
    """Raise ValueError unless the shapes of four arrays or tensors are those of N Gaussians."""
    gaussians = len(means)
    for name, array, shape in (
        ("means", means, (gaussians, 2)),
        ("scales", scales, (gaussians, 2)),
        ("rotations", rotations, (gaussians,)),
        ("colors", colors, (gaussians, max(1, colors.shape[-1] if colors.ndim else 1))),
    ):
        if array.shape != shape:
            expected = "[N, C]" if name == "colors" else str(list(shape))
            raise ValueError(f"{name} must have shape {expected} with N = {gaussians}, got {list(array.shape)}")


def check_gaussians(
    means: NDArray[np.float32],
    scales: NDArray[np.float32],
    rotations: NDArray[np.float32],
    colors: NDArray[np.float32],
) -> None:
    """Raise ValueError unless the arrays describe N Gaussians: shapes that agree, finite values, positive scales.

    Rotations of `WIDEST_ANGLE` and more are refused, too.
    """
    check_shapes(means, scales, rotations, colors)
    for name, array in (("means", means), ("scales", scales), ("rotations", rotations), ("colors", colors)):
        bad = ~np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
        if bad.any():
            row = int(bad.argmax())
            raise ValueError(f"{name}[{row}] is not finite: {array[row]}")
    bad = np.abs(rotations) >= WIDEST_ANGLE
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(f"rotations[{row}] is beyond {WIDEST_ANGLE:.0e} radians: {rotations[row]}")
    bad = (scales <= 0).any(axis=1)
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(f"scales[{row}] is not positive: {scales[row]}")

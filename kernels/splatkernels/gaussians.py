"""N Gaussians as arrays, and where their attributes stand in the tables that kernels work on.

Whoever adds an attribute changes this module, the reference and the formulas of the kernels.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Gaussians(NamedTuple):
    """N Gaussians, one row each.

    Attributes:
        means: [N, 2] pixels; the centre of the top-left pixel is (0.5, 0.5).
        scales: [N, 2] standard deviations in pixels along the principal axes, > 0.
        rotations: [N] radians from +x towards +y (down).
        colors: [N, C] amplitudes.
    """

    means: NDArray[np.float32]
    scales: NDArray[np.float32]
    rotations: NDArray[np.float32]
    colors: NDArray[np.float32]

    @property
    def n_gaussians(self) -> int:
        """N."""
        return len(self.means)

    def take(self, index: "NDArray[np.integer] | NDArray[np.bool_] | slice") -> "Gaussians":
        """The given rows."""
        return Gaussians(*(part[index] for part in self))

    def copy(self) -> "Gaussians":
        """Arrays of their own."""
        return Gaussians(*(part.copy() for part in self))

    def magnified(self, factor: float) -> "Gaussians":
        """The same on a canvas so many times as large."""
        times = np.float32(factor)
        return self._replace(means=self.means * times, scales=self.scales * times)


# Columns of parameters [N, SHAPE + C], and of Adam's running means of their gradients. Scales are natural logarithms.
X, Y, LOG_SCALE1, LOG_SCALE2, ROTATION = range(5)
SHAPE = 5
"""Columns before those of the colours."""

# Columns of the sums [N, C + MOMENTS] that the backward kernels leave, after those of the colours. With the gradient g
# of the loss by a pixel's weighted colour and the offset (u, v) of the pixel in standard deviations along the principal
# axes, they add up g u, g v, g u^2, g u v and g v^2 over pixels.
U, V, UU, UV, VV = range(5)
MOMENTS = 5


def to_parameters(gaussians: Gaussians, log_scales: tuple[float, float], largest_color: float) -> NDArray[np.float32]:
    """Parameters [N, SHAPE + C], within bounds on the logarithms of scales and on the absolute value of colours."""
    means, scales, rotations, colors = gaussians
    return np.concatenate(
        [
            means,
            np.clip(np.log(scales), *log_scales),
            rotations[:, None],
            np.clip(colors, -largest_color, largest_color),
        ],
        axis=1,
        dtype=np.float32,
    )


def from_parameters(table: NDArray[np.float32]) -> Gaussians:
    """The Gaussians of parameters [N, SHAPE + C]: views of them, but for the scales."""
    return Gaussians(
        table[:, X : Y + 1], np.exp(table[:, LOG_SCALE1 : LOG_SCALE2 + 1]), table[:, ROTATION], table[:, SHAPE:]
    )

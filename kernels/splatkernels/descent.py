"""What optimisers of Gaussians have in common: learning rates, the price of amplitudes, errors and the contract."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from .gaussians import Gaussians

CALM_SPREAD = 3.0
"""For ratios r of the scales with |r - 1 / r| beyond this, rotations move the less the thinner a Gaussian is."""
# In longer sides of the image.
_LONGEST_STRIDE = 1 / 10


@dataclass(frozen=True)
class Rates:
    """Learning rates of Adam by attribute."""

    means: float
    """In standard deviations along the Gaussian's axes; of wide Gaussians less, see `longest_stride`."""
    scales: float
    """In natural logarithms of the scales."""
    rotations: float
    """In radians; of thin Gaussians, see `CALM_SPREAD`, as much less as their ends would move farther."""
    colors: float
    """In units of full scale."""

    def scaled(self, factor: float) -> "Rates":
        """All rates times `factor`."""
        return Rates(factor * self.means, factor * self.scales, factor * self.rotations, factor * self.colors)


@dataclass(frozen=True)
class Penalty:
    """A price on the amplitude M of each Gaussian, M^2 = |color|^2 pi s1 s2 / step^2, as a coder charges it.

    Its derivative by log M is `weight` M^2 / (1 + M^2): every octave of amplitude costs the same, but for Gaussians so
    faint that they hardly count.
    """

    weight: float
    """In units of the loss, a sum over samples, for M to grow by a factor of e."""
    step: float
    """The amplitude, as the root of a sum of squares over samples, from which on it costs."""
    scales: float
    """Derivative by the logarithm of a scale, as a share of that by log M."""
    ratios: float
    """Derivative by the logarithm of s1 / s2, where that is far from 0, likewise."""


class Errors(NamedTuple):
    """Means over samples before a step; `float` of one waits for its device."""

    weighted: SupportsFloat
    """Squared error, each pixel as much as it counts."""
    plain: SupportsFloat
    """Squared error without weights."""


class Optimizer(Protocol):
    """N Gaussians that descend towards a target image, on some device; arrays go in and come out."""

    target: NDArray[np.float32]
    """[C, H, W], full scale 1."""

    def __len__(self) -> int: ...

    @property
    def gaussians(self) -> Gaussians:
        """As they are."""

    def append(self, gaussians: Gaussians) -> None:
        """Add Gaussians; Adam starts afresh for them."""

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop the Gaussians where `mask` [N] is false."""

    def calibrate(self) -> None:
        """Take stock of what steps neglect for speed, and correct it from now on."""

    def render(self) -> NDArray[np.float32]:
        """The current image [C, H, W], not clamped."""

    def step(self, rates: Rates, penalty: Penalty | None = None) -> Errors:
        """Move every Gaussian once, to reduce the weighted squared error and a penalty; returns the errors before.

        Raises:
            ValueError: a row of the parameters is not finite.
        """

    def step_along(self, differentiate: Callable[[Any], Any], rates: Rates, penalty: Penalty | None = None) -> None:
        """Move every Gaussian once, to reduce any loss and a penalty.

        Args:
            differentiate: takes the current image and returns the gradient of the loss, both [C, H, W], as arrays or
                tensors of the device.
            rates: how far to move.
            penalty: added to the loss, if any.

        Raises:
            ValueError: the gradient has another shape, or a row of the parameters is not finite.
        """


def penalty_numbers(penalty: Penalty | None, share: float) -> tuple[float, float, float, float]:
    """What the kernels need to know of a share of a penalty: its weight, 1 / step^2, and those of scales and ratios."""
    if penalty is None:
        return 0.0, 0.0, 0.0, 0.0
    return share * penalty.weight, penalty.step**-2, penalty.scales, penalty.ratios


def longest_stride(target: Any) -> float:
    """In pixels, the scale beyond which that of a Gaussian makes its mean move no faster.

    A Gaussian wider than a tenth of the target [C, H, W], an array or a tensor, could leave it in a few steps.
    """
    return _LONGEST_STRIDE * max(target.shape[1:])


def check_image_gradient(gradient: Any, image: Any) -> None:
    """Raise ValueError unless the gradient of a loss has the shape of the image, arrays or tensors."""
    if gradient.shape != image.shape:
        raise ValueError(f"the gradient must have the image's shape {list(image.shape)}, got {list(gradient.shape)}")


def check_weights(weights: NDArray[np.floating] | None, target: NDArray[np.floating]) -> NDArray[np.float32] | None:
    """Weights of pixels as the kernels read them.

    Raises:
        ValueError: they have not the shape [H, W] of the target [C, H, W].
    """
    if weights is None:
        return None
    if weights.shape != target.shape[1:]:
        raise ValueError(f"the weights must have the shape {list(target.shape[1:])}, got {list(weights.shape)}")
    return np.ascontiguousarray(weights, np.float32)

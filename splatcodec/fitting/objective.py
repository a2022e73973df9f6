"""What a fit minimises, in units of the squared error.

What a Gaussian must be worth, the price of its amplitude and the curvatures that rounding reckons with are all of the
squared error, a sum over samples. So a loss is multiplied by whatever makes it as steep as the squared error is, at an
image nearby: halving all residuals shall be worth as much.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, SupportsFloat

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from .loss import Loss, Parts
from .measures import Measure, make_measure
from .similarity import C2, DEVIATION, WINDOW

if TYPE_CHECKING:
    from torch import Tensor

STRUCTURE = Loss(l2=0.6, ssim=0.2, ms_ssim=0.2, even=True, start=0.5)
"""What looks alike: earlier in a fit, before anything looks like anything, structure is no guide."""
# A part is about proportional to this power of the residuals.
_ORDERS = Parts(2, 1, 2, 2)
_LEAST = 1e-12
_SQUARED_ERROR = Parts(1.0, 0.0, 0.0, 0.0)
# Parts that are smaller are not blown up: those of structure would be lost in the rounding of variances.
_LEAST_PARTS = Parts(_LEAST, _LEAST, 1e-4, 1e-4)
# In full scales: half of what 8-bit samples can tell apart.
_SMALLEST_RESIDUAL = 0.5 / 255
# In pixels, over which residuals are taken to be alike.
_AROUND = 2


class Evaluated(NamedTuple):
    """An objective at an image."""

    loss: SupportsFloat  # mean over samples, in units of the squared error once balanced
    squared_error: SupportsFloat  # mean over samples, without weights
    gradient: Any  # [C, H, W] of the loss times the number of samples, an array or a tensor as the image


class Objective(Protocol):
    """What a fit minimises."""

    @property
    def target(self) -> NDArray[np.float32]:
        """[C, H, W], full scale 1."""

    @property
    def weights(self) -> NDArray[np.float32] | None:
        """[H, W], how much the squared error of each pixel counts; all the same if None."""

    @property
    def is_quadratic(self) -> bool:
        """Whether it is the squared error, with these weights."""

    @property
    def may_turn(self) -> bool:
        """Whether it is the same for a picture that is turned or mirrored, together with its weights."""

    def evaluate(self, image: "NDArray[np.float32] | Tensor") -> Evaluated:
        """Loss and gradient at an image [C, H, W]: an array, or a tensor on the device."""

    def balanced(self, image: NDArray[np.float32]) -> "Objective":
        """The same loss, as steep near an image [C, H, W] as its squared error is, weights included."""

    def curvature(self, image: NDArray[np.float32]) -> NDArray[np.floating]:
        """Curvature of the loss at each pixel [H, W] near an image [C, H, W], over that of the plain squared error."""

    def at(self, progress: float, image: NDArray[np.float32]) -> "Objective":
        """What to minimise at a share of a fit, near an image."""


@dataclass(frozen=True)
class LossObjective:
    """A loss against a target, as an `Objective`.

    Attributes:
        loss: which one.
        target: [C, H, W], full scale 1.
        weights: [H, W], how much each pixel counts; all the same if None.
        measure: computes its parts.
        factors: on the parts.
    """

    loss: Loss
    target: NDArray[np.float32]
    weights: NDArray[np.float32] | None
    measure: Measure
    factors: Parts

    @property
    def is_quadratic(self) -> bool:
        return self.factors == _SQUARED_ERROR

    @property
    def may_turn(self) -> bool:
        return True

    def evaluate(self, image: "NDArray[np.float32] | Tensor") -> Evaluated:
        found = self.measure(image, self.factors)
        return Evaluated(_dot(self.factors, found.parts), found.squared_error, found.gradient)

    def balanced(self, image: NDArray[np.float32]) -> Objective:
        found = self.measure(image, self.factors).parts
        shares = _shares(self.loss)
        found = Parts(*map(max, found, _LEAST_PARTS))
        slopes = [order * part for order, part in zip(_ORDERS, found, strict=True)]
        if self.loss.even:
            shares = Parts(*(share / slope for share, slope in zip(shares, slopes, strict=True)))
        factor = slopes[0] / _dot(shares, slopes)
        return replace(self, factors=Parts(*(factor * share for share in shares)))

    def curvature(self, image: NDArray[np.float32]) -> NDArray[np.floating]:
        """As of `Objective`.

        Of structure, only what it adds up to is known. The absolute error bends where residuals change their sign; half
        of its curvature there is how densely they lie around 0, as of a Laplace distribution.
        """
        found, weights = self.measure(image, self.factors).parts, 1.0 if self.weights is None else self.weights
        structure = self.factors.ssim * found.ssim + self.factors.ms_ssim * found.ms_ssim
        curvature = weights * (self.factors.l2 + structure / max(found.l2, _LEAST))
        if self.factors.l1:
            residual = gaussian_filter(np.abs(image - self.target).mean(axis=0), _AROUND)
            curvature = curvature + weights * self.factors.l1 * 0.5 / np.maximum(residual, _SMALLEST_RESIDUAL)
        return np.broadcast_to(curvature, image.shape[1:])

    def at(self, progress: float, image: NDArray[np.float32]) -> Objective:
        return self.balanced(image) if progress >= self.loss.start else replace(self, factors=_SQUARED_ERROR)


@dataclass(frozen=True)
class FunctionObjective:
    """A loss that a user has written, as an `Objective`.

    Attributes:
        function: takes an image and its target, both [C, H, W], and returns the loss and its gradient [C, H, W].
        target: [C, H, W], full scale 1.
        weights: [H, W], how much each pixel counts where Gaussians are placed and dropped; the function knows its own.
        factor: on the loss.
    """

    function: "Callable[[NDArray[np.float32], NDArray[np.float32]], tuple[float, NDArray[np.floating]]]"
    target: NDArray[np.float32]
    weights: NDArray[np.float32] | None
    factor: float = 1.0

    @property
    def is_quadratic(self) -> bool:
        return False

    @property
    def may_turn(self) -> bool:
        # The function may have weights of its own.
        return False

    def evaluate(self, image: "NDArray[np.float32] | Tensor") -> Evaluated:
        here = image if isinstance(image, np.ndarray) else image.detach().cpu().numpy()
        loss, gradient = self.function(here, self.target)
        gradient = np.ascontiguousarray(self.factor * here.size * np.asarray(gradient), np.float32)
        error = float(((here - self.target) ** 2).mean(dtype=np.float64))
        if not isinstance(image, np.ndarray):
            import torch

            return Evaluated(self.factor * float(loss), error, torch.as_tensor(gradient, device=image.device))
        return Evaluated(self.factor * float(loss), error, gradient)

    def balanced(self, image: NDArray[np.float32]) -> Objective:
        residual = image - self.target
        slope = float((self.evaluate(image).gradient * residual).sum(dtype=np.float64))
        squares = residual**2 if self.weights is None else residual**2 * self.weights
        wanted = 2 * float(squares.sum(dtype=np.float64))
        # Near an optimum, or for a loss that does not fall towards the target, it is left as it is.
        return replace(self, factor=self.factor * wanted / slope) if min(wanted, slope) > _LEAST else self

    def curvature(self, image: NDArray[np.float32]) -> NDArray[np.floating]:
        """As of `Objective`; only what the loss adds up to is known."""
        found = self.evaluate(image)
        return np.full(image.shape[1:], float(found.loss) / max(float(found.squared_error), _LEAST))

    def at(self, progress: float, image: NDArray[np.float32]) -> Objective:
        return self.balanced(image)


def make_objective(
    loss: "Loss | Callable[..., tuple[float, NDArray[np.floating]]]",
    target: NDArray[np.float32],
    weights: NDArray[np.float32] | None,
    device: str,
) -> Objective:
    """What to minimise.

    Args:
        loss: which loss, or a function as of `FunctionObjective`.
        target: [C, H, W] float32, full scale 1.
        weights: [H, W], how much each pixel counts; all the same if None.
        device: where images will be, "cpu" or "cuda".

    Raises:
        ValueError: windows are to be compared in a picture smaller than them.
    """
    if not isinstance(loss, Loss):
        return FunctionObjective(loss, target, weights)
    if loss.has_structure and min(target.shape[1:]) < WINDOW:
        raise ValueError(f"SSIM needs a picture of at least {WINDOW}x{WINDOW} pixels")
    return LossObjective(loss, target, weights, make_measure(target, weights, weights, device), _shares(loss))


def structure_weights(target: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights [H, W] under which the squared error is about what the eye sees: less counts where there is more to see.

    Structural similarity divides errors by 2 sigma^2 + C2, with the local variance sigma^2. A power of 0.3 of that
    keeps them comparable to the plain squared error.
    """
    blurred = [[gaussian_filter(p, DEVIATION, radius=WINDOW // 2) for p in planes] for planes in (target, target**2)]
    variances = np.maximum(np.mean(blurred[1] - np.square(blurred[0]), axis=0), 0)
    weights = (2 * variances + C2) ** -0.3
    errors = variances**0.7
    scale = errors.sum() / (weights * errors).sum() if errors.any() else 1 / weights.mean()
    return (weights * scale).astype(np.float32)


def tuned_to_structure(target: NDArray[np.float32], weights: NDArray[np.float32] | None, device: str) -> Objective:
    """What the tune ssim minimises: `STRUCTURE`, or in pictures smaller than a window the weighted squared error.

    Args:
        target, weights, device: as in `make_objective`.
    """
    structure = structure_weights(target)
    combined = structure if weights is None else structure * weights
    loss = STRUCTURE if min(target.shape[1:]) >= WINDOW else Loss()
    # Similarities spare what is busy by themselves.
    return LossObjective(loss, target, combined, make_measure(target, combined, weights, device), _shares(loss))


def _shares(loss: Loss) -> Parts:
    return Parts(loss.l2, loss.l1, loss.ssim, loss.ms_ssim)


def _dot(factors: Iterable[float], values: Iterable[float]) -> float:
    return sum(factor * value for factor, value in zip(factors, values, strict=True))

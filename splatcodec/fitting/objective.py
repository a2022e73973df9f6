"""Any loss as something to descend, and to round by: in the units of the squared error that everything else is in.

What a Gaussian must be worth, the price of its amplitude and the curvatures that rounding reckons with are all of the
squared error, a sum over samples. So a loss is multiplied by whatever makes it as steep as the squared error is, at an
image nearby: halving all residuals shall be worth as much.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, SupportsFloat

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from splatkernels.jit import kernel
from splatkernels.simd import LANES, add_lanes, fma, load, splat, store
from splatkernels.threads import run

from .loss import Loss, Measured, Parts, parts
from .similarity import C2, DEVIATION, WINDOW, Similarity

if TYPE_CHECKING:
    from torch import Tensor

STRUCTURE = Loss(l2=0.6, ssim=0.2, ms_ssim=0.2, even=True, start=0.5)
"""What looks alike: earlier in a fit, before anything looks like anything, structure is no guide."""
# By which power of all residuals a part goes.
_ORDERS = Parts(2, 1, 2, 2)
_LEAST = 1e-12
# In full scales: half of what 8-bit samples can tell apart.
_SMALLEST_RESIDUAL = 0.5 / 255
# In pixels, over which residuals are taken to be alike.
_AROUND = 2


class Evaluated(NamedTuple):
    """An objective at an image."""

    loss: SupportsFloat  # mean over samples, in units of the squared error once balanced
    squared_error: SupportsFloat  # mean over samples, without weights
    gradient: Any  # [C, H, W] of the loss times the number of samples, an array or a tensor as the image


class Measure(Protocol):
    """Computes the parts of a loss against a target."""

    def __call__(self, image: Any, factors: Parts) -> Measured:
        """The parts at an image [C, H, W], and the gradient of factors times parts."""


@dataclass(frozen=True)
class Objective:
    """A loss against a target.

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

    def evaluate(self, image: "NDArray[np.float32] | Tensor") -> Evaluated:
        """Loss and gradient at an image [C, H, W]: an array, or a tensor on the device."""
        found = self.measure(image, self.factors)
        return Evaluated(_dot(self.factors, found.parts), found.squared_error, found.gradient)

    def balanced(self, image: NDArray[np.float32]) -> "Objective":
        """The same loss, as steep near an image as its squared error is, weights included."""
        found = self.measure(image, self.factors).parts
        shares = _shares(self.loss)
        slopes = [order * max(part, _LEAST) for order, part in zip(_ORDERS, found, strict=True)]
        if self.loss.even:
            shares = Parts(*(share / slope for share, slope in zip(shares, slopes, strict=True)))
        factor = _ORDERS.l2 * found.l2 / max(_dot(shares, slopes), _LEAST)
        return replace(self, factors=Parts(*(factor * share for share in shares)))

    def curvature(self, image: NDArray[np.float32]) -> NDArray[np.floating]:
        """How much more each pixel [H, W] curves the loss near an image than it does the plain squared error.

        Of structure, only what it adds up to is known. The absolute error bends where residuals change their sign; half
        of its curvature there is how densely they lie around 0, as of a Laplace distribution.
        """
        found, emphasis = self.measure(image, self.factors).parts, 1.0 if self.weights is None else self.weights
        structure = self.factors.ssim * found.ssim + self.factors.ms_ssim * found.ms_ssim
        curvature = emphasis * (self.factors.l2 + structure / max(found.l2, _LEAST))
        if self.factors.l1:
            residual = gaussian_filter(np.abs(image - self.target).mean(axis=0), _AROUND)
            curvature = curvature + emphasis * self.factors.l1 * 0.5 / np.maximum(residual, _SMALLEST_RESIDUAL)
        return np.broadcast_to(curvature, image.shape[1:])

    def at(self, progress: float, image: NDArray[np.float32]) -> "Objective | None":
        """What to minimise at a share of a fit, near an image; None for the plain squared error."""
        if progress >= self.loss.start:
            return self.balanced(image)
        return None if self.weights is None else replace(self, factors=Parts(1.0, 0.0, 0.0, 0.0))


def make_objective(
    loss: Loss, target: NDArray[np.float32], weights: NDArray[np.float32] | None, device: str
) -> Objective | None:
    """What to minimise; None if that is the plain squared error.

    Args:
        loss: which loss.
        target: [C, H, W] float32, full scale 1.
        weights: [H, W], how much each pixel counts; all the same if None.
        device: where images will be, "cpu" or "cuda".

    Raises:
        ValueError: windows are to be compared in a picture smaller than them.
    """
    if loss.has_structure and min(target.shape[1:]) < WINDOW:
        raise ValueError(f"SSIM needs a picture of at least {WINDOW}x{WINDOW} pixels")
    if weights is None and loss == Loss():
        return None
    measure = CpuMeasure(target, weights, loss) if device == "cpu" else TorchMeasure(target, weights, device)
    return Objective(loss, target, weights, measure, _shares(loss))


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


def tuned_to_structure(
    target: NDArray[np.float32], weights: NDArray[np.float32] | None, device: str
) -> Objective | None:
    """An objective of alike structure, as `make_objective`; pictures smaller than a window have none."""
    structure = structure_weights(target)
    emphasis = structure if weights is None else structure * weights
    loss = STRUCTURE if min(target.shape[1:]) >= WINDOW else Loss()
    return make_objective(loss, target, emphasis, device)


class CpuMeasure:
    """Compiled for the CPU.

    Args:
        target, weights, loss: as in `make_objective`.
    """

    def __init__(self, target: NDArray[np.float32], weights: NDArray[np.float32] | None, loss: Loss) -> None:
        self._target = np.ascontiguousarray(target)
        self._weights = np.ones(target.shape[1:], np.float32) if weights is None else np.ascontiguousarray(weights)
        self._mean_weight = float(self._weights.mean(dtype=np.float64))
        self._loss = loss
        self._similarity = Similarity(target, weights) if loss.has_structure else None

    def __call__(self, image: NDArray[np.float32], factors: Parts) -> Measured:
        """As of `Measure`."""
        channels, height, _ = image.shape
        gradient = np.empty_like(image)
        sums = np.empty((channels * height, 2))
        run(_squares, channels * height, image, self._target, self._weights, 2 * factors.l2, gradient, sums)
        error, l2 = (float(total) / image.size for total in sums.sum(axis=0))
        l1 = ssim = ms_ssim = 0.0
        if self._loss.l1:
            residual = image - self._target
            l1 = float((np.abs(residual) * self._weights).mean(dtype=np.float64))
            gradient += np.float32(factors.l1) * np.sign(residual) * self._weights
        if self._similarity is not None:
            scale = -self._mean_weight * image.size
            found = self._similarity.evaluate(image, scale * factors.ssim, scale * factors.ms_ssim, gradient)
            ssim, ms_ssim = (self._mean_weight * (1 - value) for value in found)
        return Measured(Parts(l2, l1, ssim, ms_ssim), error, gradient)


@kernel
def _squares(part, parts, image, target, weights, factor, gradient, sums):
    """Write `factor` times weighted residuals to `gradient` [C, H, W], and the squares of rows to `sums` [C H, 2]."""
    channels, height, width = image.shape
    vectors = width - width % LANES
    for item in range(part * channels * height // parts, (part + 1) * channels * height // parts):
        channel, y = divmod(item, height)
        plain = weighted = splat(0.0)
        for x in range(0, vectors, LANES):
            at = item * width + x
            residual = load(image, at) - load(target, at)
            emphasized = residual * load(weights, y * width + x)
            store(gradient, at, splat(factor) * emphasized)
            plain = fma(residual, residual, plain)
            weighted = fma(residual, emphasized, weighted)
        square, weighted_square = float(add_lanes((plain,))[0]), float(add_lanes((weighted,))[0])
        for x in range(vectors, width):
            residual_here = image[channel, y, x] - target[channel, y, x]
            emphasized_here = residual_here * weights[y, x]
            gradient[channel, y, x] = factor * emphasized_here
            square += residual_here * residual_here
            weighted_square += residual_here * emphasized_here
        sums[item, 0], sums[item, 1] = square, weighted_square


class TorchMeasure:
    """By automatic differentiation in torch, on any device.

    Args:
        target, weights, device: as in `make_objective`.
    """

    def __init__(self, target: NDArray[np.float32], weights: NDArray[np.float32] | None, device: str) -> None:
        import torch

        self._target = torch.tensor(target, device=device)
        given = np.ones(target.shape[1:], np.float32) if weights is None else weights
        self._weights = torch.tensor(given, device=device)

    def __call__(self, image: "NDArray[np.float32] | Tensor", factors: Parts) -> Measured:
        """As of `Measure`."""
        import torch

        variable = torch.as_tensor(image, device=self._target.device).detach().requires_grad_()
        # In ten bits, variances would drown in the rounding of squares; without an order, no two fits would be equal.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False, deterministic=True):
            found = parts(variable, self._target, self._weights)
            loss = (torch.stack(found) * torch.tensor(factors, device=variable.device)).sum()
            (gradient,) = torch.autograd.grad(loss, variable)
        gradient *= gradient.numel()
        error = ((variable.detach() - self._target) ** 2).mean()
        values = Parts(*(float(part) for part in found))
        return Measured(values, error, gradient.cpu().numpy() if isinstance(image, np.ndarray) else gradient)


def _shares(loss: Loss) -> Parts:
    return Parts(loss.l2, loss.l1, loss.ssim, loss.ms_ssim)


def _dot(factors: Iterable[float], values: Iterable[float]) -> float:
    return sum(factor * value for factor, value in zip(factors, values, strict=True))

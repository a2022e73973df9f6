"""Computes the parts of losses against a target, and their gradients, on the CPU and in torch."""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from splatkernels.jit import kernel
from splatkernels.simd import LANES, add_lanes, fma, load, splat, store
from splatkernels.threads import run

from .loss import Measured, Parts, differentiable_parts
from .similarity import WINDOW, Similarity

if TYPE_CHECKING:
    from torch import Tensor


class Measure(Protocol):
    """Computes the parts of a loss against a target.

    Args of all implementations:
        target: [C, H, W] float32, full scale 1.
        weights: [H, W], how much the error of each pixel counts; all the same if None.
        windows: [H, W], how much the window around each pixel counts; all the same if None.
    """

    def __call__(self, image: Any, factors: Parts) -> Measured:
        """Those parts at an image [C, H, W] whose factors are not 0, and l2; the gradient of factors times parts."""


def make_measure(
    target: NDArray[np.float32],
    weights: NDArray[np.float32] | None,
    windows: NDArray[np.float32] | None,
    device: str,
) -> Measure:
    """As `Measure`, for images on "cpu" or "cuda"."""
    return CpuMeasure(target, weights, windows) if device == "cpu" else TorchMeasure(target, weights, windows, device)


def _or_ones(weights: NDArray[np.float32] | None, target: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ones(target.shape[1:], np.float32) if weights is None else np.ascontiguousarray(weights)


class CpuMeasure:
    """Compiled for the CPU. Args are as in `Measure`."""

    def __init__(
        self,
        target: NDArray[np.float32],
        weights: NDArray[np.float32] | None,
        windows: NDArray[np.float32] | None,
    ) -> None:
        self._target = np.ascontiguousarray(target)
        self._weights = _or_ones(weights, target)
        self._windows = windows
        self._mean_window = 1.0 if windows is None else float(windows.mean(dtype=np.float64))
        self._similarity: Similarity | None = None

    def __call__(self, image: NDArray[np.float32], factors: Parts) -> Measured:
        """As of `Measure`."""
        channels, height, _ = image.shape
        gradient = np.empty_like(image)
        sums = np.empty((channels * height, 2))
        run(_squares, channels * height, image, self._target, self._weights, 2 * factors.l2, gradient, sums)
        error, l2 = (float(total) / image.size for total in sums.sum(axis=0))
        l1 = ssim = ms_ssim = 0.0
        if factors.l1:
            residual = image - self._target
            l1 = float((np.abs(residual) * self._weights).mean(dtype=np.float64))
            gradient += np.float32(factors.l1) * np.sign(residual) * self._weights
        if (factors.ssim or factors.ms_ssim) and min(image.shape[1:]) >= WINDOW:
            if self._similarity is None:
                self._similarity = Similarity(self._target, self._windows)
            scale = -self._mean_window * image.size
            found = self._similarity.evaluate(image, scale * factors.ssim, scale * factors.ms_ssim, gradient)
            ssim, ms_ssim = (self._mean_window * (1 - value) for value in found)
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
    """By automatic differentiation in torch, on any device. Args are as in `Measure`."""

    def __init__(
        self,
        target: NDArray[np.float32],
        weights: NDArray[np.float32] | None,
        windows: NDArray[np.float32] | None,
        device: str,
    ) -> None:
        import torch

        self._target, self._weights, self._windows = (
            torch.tensor(planes, device=device)
            for planes in (target, _or_ones(weights, target), _or_ones(windows, target))
        )

    def __call__(self, image: "NDArray[np.float32] | Tensor", factors: Parts) -> Measured:
        """As of `Measure`."""
        import torch

        variable = torch.as_tensor(image, device=self._target.device).detach().requires_grad_()
        # In ten bits, variances would drown in the rounding of squares; without an order, no two fits would be equal.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False, deterministic=True):
            found = differentiable_parts(variable, self._target, self._weights, self._windows, factors)
            loss = (found * torch.tensor(factors, dtype=found.dtype, device=found.device)).sum()
            (gradient,) = torch.autograd.grad(loss, variable)
        gradient *= gradient.numel()
        error = ((variable.detach() - self._target) ** 2).mean()
        return Measured(
            Parts(*found.tolist()), error, gradient.cpu().numpy() if isinstance(image, np.ndarray) else gradient
        )

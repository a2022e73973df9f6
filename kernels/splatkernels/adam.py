"""Fits Gaussians to an image by gradient descent: one optimisation step on the CPU, and the state it carries.

A step renders, compares, differentiates and updates every Gaussian with Adam (Kingma & Ba 2015) in the Gaussian's own
frame: means move in units of its scales along its axes, scales change by factors. One learning rate then suits wide and
narrow Gaussians alike. Thin ones turn more slowly: a small angle carries their ends far. And those that are wider
than a tenth of the image move more slowly too, lest they drift out of it.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .descent import (
    CALM_SPREAD,
    Errors,
    Penalty,
    Rates,
    check_image_gradient,
    check_weights,
    longest_stride,
    penalty_numbers,
)
from .fused import FusedRasterizer
from .gaussians import (
    LOG_SCALE1,
    LOG_SCALE2,
    ROTATION,
    SHAPE,
    UU,
    UV,
    VV,
    Gaussians,
    U,
    V,
    X,
    Y,
    from_parameters,
    to_parameters,
)
from .jit import kernel
from .threads import run


@kernel
def _update(
    part,
    parts,
    sums,
    parameters,
    first,
    second,
    biases,
    rates,
    penalty,
    stride,
    beta1,
    beta2,
    lowest,
    highest,
    brightest,
):
    """One Adam step on `parameters` [N, SHAPE + C], given `sums` [N, C + MOMENTS] of the gradient."""
    count = parameters.shape[1]
    channels = count - SHAPE
    gradient = np.empty(count, np.float32)
    rest1, rest2, tiny = np.float32(1 - beta1), np.float32(1 - beta2), np.float32(1e-8)
    gaussians = parameters.shape[0]
    for i in range(part * gaussians // parts, (part + 1) * gaussians // parts):
        row = parameters[i]
        scale1, scale2 = math.exp(float(row[LOG_SCALE1])), math.exp(float(row[LOG_SCALE2]))
        stretch = scale1 / scale2
        spread = stretch - 1 / stretch
        # Along the principal axes, where x and y will be moved.
        gradient[X] = sums[i, channels + U]
        gradient[Y] = sums[i, channels + V]
        gradient[LOG_SCALE1] = sums[i, channels + UU]
        gradient[LOG_SCALE2] = sums[i, channels + VV]
        gradient[ROTATION] = sums[i, channels + UV] * spread
        gradient[SHAPE:] = sums[i, :channels]

        square = 1e-12
        for k in range(SHAPE, count):
            square += row[k] ** 2
        energy = square * math.pi * scale1 * scale2 * penalty[1]
        price = penalty[0] * energy / (1 + energy)
        for k in range(SHAPE, count):
            gradient[k] += price * row[k] / square
        sharp = energy * spread
        apart = penalty[3] * price * sharp * (stretch + 1 / stretch) / (1 + sharp * spread)
        gradient[LOG_SCALE1] += penalty[2] * price + apart
        gradient[LOG_SCALE2] += penalty[2] * price - apart

        # 1 - beta^steps.
        biases[i, 0] += (1 - beta1) * (1 - biases[i, 0])
        biases[i, 1] += (1 - beta2) * (1 - biases[i, 1])
        unbias1, unbias2 = np.float32(1 / biases[i, 0]), np.float32(1 / biases[i, 1])
        for k in range(count):
            first[i, k] += rest1 * (gradient[k] - first[i, k])
            second[i, k] += rest2 * (gradient[k] * gradient[k] - second[i, k])
            gradient[k] = first[i, k] * unbias1 / (np.sqrt(second[i, k] * unbias2) + tiny)

        along = rates[0] * gradient[X] * min(scale1, stride)
        across = rates[0] * gradient[Y] * min(scale2, stride)
        cos = math.cos(row[ROTATION])
        sin = math.sin(row[ROTATION])
        row[X] -= cos * along - sin * across
        row[Y] -= sin * along + cos * across
        for k in range(LOG_SCALE1, LOG_SCALE2 + 1):
            row[k] = min(max(row[k] - rates[1] * gradient[k], lowest), highest)
        row[ROTATION] -= rates[2] * gradient[ROTATION] / max(1.0, abs(spread) / CALM_SPREAD)
        for k in range(SHAPE, count):
            row[k] = min(max(row[k] - rates[3] * gradient[k], -brightest), brightest)


class FrameAdam:
    """N Gaussians that descend towards a target image.

    Args:
        target: [C, H, W] float32, full scale 1.
        weights: [H, W], how much the squared error of each pixel counts; all the same if None.
        smallest_scale, largest_scale: bounds on the scales in pixels.
        largest_color: bound on the absolute value of colours.
        cutoff: standard deviations at which Gaussians end while fitting.
        beta1, beta2: decay of Adam's running means of the gradient and its square, per step.
    """

    def __init__(
        self,
        target: NDArray[np.float32],
        weights: NDArray[np.float32] | None = None,
        *,
        smallest_scale: float,
        largest_scale: float,
        largest_color: float = math.inf,
        cutoff: float,
        beta1: float = 0.9,
        beta2: float = 0.99,
    ) -> None:
        self.target = np.ascontiguousarray(target, np.float32)
        self._weights = check_weights(weights, target)
        self.bounds = math.log(smallest_scale), math.log(largest_scale)
        self.largest_color = largest_color
        self.cutoff = cutoff
        self.betas = (beta1, beta2)
        columns = SHAPE + len(target)
        self._parameters = np.empty((0, columns), np.float32)
        self._first = np.empty((0, columns), np.float32)
        self._second = np.empty((0, columns), np.float32)
        # Shares of the running means that are not their initial zeros.
        self._biases = np.empty((0, 2))
        channels, height, width = self.target.shape
        self._rasterizer = FusedRasterizer(channels, height, width, cutoff)

    def __len__(self) -> int:
        return len(self._parameters)

    @property
    def gaussians(self) -> Gaussians:
        """As they are; means, rotations and colors are views."""
        return from_parameters(self._parameters)

    def append(self, gaussians: Gaussians) -> None:
        """Add Gaussians; Adam starts afresh for them."""
        self._rasterizer.forget()
        added = to_parameters(gaussians, self.bounds, self.largest_color)
        self._parameters = np.concatenate([self._parameters, added])
        self._first = np.concatenate([self._first, np.zeros_like(added)])
        self._second = np.concatenate([self._second, np.zeros_like(added)])
        self._biases = np.concatenate([self._biases, np.zeros((len(added), 2))])

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop the Gaussians where `mask` [N] is false."""
        self._rasterizer.forget()
        self._parameters = self._parameters[mask]
        self._first = self._first[mask]
        self._second = self._second[mask]
        self._biases = self._biases[mask]

    def calibrate(self) -> None:
        """Draw the Gaussians exactly once, and correct what coarser levels and the cutoff do to them from now on."""
        self._rasterizer.calibrate(self._parameters)

    def render(self) -> NDArray[np.float32]:
        """The current image [C, H, W], not clamped."""
        return self._rasterizer.image(self._rasterizer.place(self._parameters))

    def step(self, rates: Rates, penalty: Penalty | None = None) -> Errors:
        """Move every Gaussian once, to reduce the weighted squared error and a penalty; returns the errors before.

        Raises:
            ValueError: a row of the parameters is not finite.
        """
        weighted, plain, sums = self._rasterizer.squared_error(
            self._rasterizer.place(self._parameters), self.target, self._weights
        )
        # The sums are of half the squared error.
        self._descend(sums, rates, penalty, 0.5)
        return Errors(weighted / self.target.size, plain / self.target.size)

    def step_along(
        self,
        differentiate: Callable[[NDArray[np.float32]], NDArray[np.float32]],
        rates: Rates,
        penalty: Penalty | None = None,
    ) -> None:
        """Move every Gaussian once, to reduce any loss and a penalty.

        Args:
            differentiate: takes the current image and returns the gradient of the loss, both [C, H, W].
            rates: how far to move.
            penalty: added to the loss, if any.

        Raises:
            ValueError: the gradient has another shape, or a row of the parameters is not finite.
        """
        spans = self._rasterizer.place(self._parameters)
        image = self._rasterizer.image(spans)
        gradient = np.ascontiguousarray(differentiate(image), np.float32)
        check_image_gradient(gradient, image)
        self._descend(self._rasterizer.backward(spans, gradient), rates, penalty, 1.0)

    def _descend(self, sums: NDArray[np.float32], rates: Rates, penalty: Penalty | None, share: float) -> None:
        """Move along sums that are of a share of the loss."""
        run(
            _update,
            len(self) // 1024,
            sums,
            self._parameters,
            self._first,
            self._second,
            self._biases,
            (rates.means, rates.scales, rates.rotations, rates.colors),
            penalty_numbers(penalty, share),
            longest_stride(self.target),
            *self.betas,
            *self.bounds,
            self.largest_color,
        )

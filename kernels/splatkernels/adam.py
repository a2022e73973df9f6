"""Fits Gaussians to an image by gradient descent: one optimisation step on the CPU, and the state it carries.

A step renders, compares, differentiates and updates every Gaussian with Adam (Kingma & Ba 2015) in the Gaussian's own
frame: means move in units of its scales along its axes, scales change by factors. One learning rate then suits wide and
narrow Gaussians alike. Thin ones turn more slowly: a small angle carries their ends far.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from . import cpu
from .geometry import check_gaussians
from .jit import kernel
from .threads import run
from .tiles import Tiles, sort_into_tiles

CALM_SPREAD = 3.0
"""For ratios r of the scales with |r - 1 / r| beyond this, rotations move the less the thinner a Gaussian is."""

Gaussians = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""Means [N, 2] and scales [N, 2] in pixels, rotations [N] in radians, colors [N, C]."""


@dataclass(frozen=True)
class Rates:
    """Learning rates of Adam by attribute."""

    means: float
    """In standard deviations along the Gaussian's axes."""
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


def penalty_numbers(penalty: Penalty | None, share: float) -> tuple[float, float, float, float]:
    """What the kernels need to know of a share of a penalty: its weight, 1 / step^2, and those of scales and ratios."""
    if penalty is None:
        return 0.0, 0.0, 0.0, 0.0
    return share * penalty.weight, penalty.step**-2, penalty.scales, penalty.ratios


@kernel
def _update(
    part, parts, sums, parameters, first, second, steps, rates, penalty, beta1, beta2, lowest, highest, brightest
):
    """One Adam step on `parameters` [N, 5 + C]: x, y, two log-scales, rotation, colours; `sums` as in cpu.backward."""
    count = parameters.shape[1]
    channels = count - 5
    gradient = np.empty(count, np.float32)
    gaussians = parameters.shape[0]
    for i in range(part * gaussians // parts, (part + 1) * gaussians // parts):
        row = parameters[i]
        stretch = math.exp(row[2] - row[3])
        spread = stretch - 1 / stretch
        gradient[0] = sums[i, channels]
        gradient[1] = sums[i, channels + 1]
        gradient[2] = sums[i, channels + 2]
        gradient[3] = sums[i, channels + 4]
        gradient[4] = sums[i, channels + 3] * spread
        gradient[5:] = sums[i, :channels]

        square = 1e-12
        for k in range(5, count):
            square += row[k] ** 2
        energy = square * math.pi * math.exp(row[2] + row[3]) * penalty[1]
        price = penalty[0] * energy / (1 + energy)
        for k in range(5, count):
            gradient[k] += price * row[k] / square
        sharp = energy * spread
        apart = penalty[3] * price * sharp * (stretch + 1 / stretch) / (1 + sharp * spread)
        gradient[2] += penalty[2] * price + apart
        gradient[3] += penalty[2] * price - apart

        steps[i] += 1
        bias1 = 1 - beta1 ** steps[i]
        bias2 = 1 - beta2 ** steps[i]
        for k in range(count):
            first[i, k] += (1 - beta1) * (gradient[k] - first[i, k])
            second[i, k] += (1 - beta2) * (gradient[k] ** 2 - second[i, k])
            gradient[k] = first[i, k] / bias1 / (math.sqrt(second[i, k] / bias2) + 1e-8)

        along = rates[0] * gradient[0] * math.exp(row[2])
        across = rates[0] * gradient[1] * math.exp(row[3])
        cos = math.cos(row[4])
        sin = math.sin(row[4])
        row[0] -= cos * along - sin * across
        row[1] -= sin * along + cos * across
        for k in range(2, 4):
            row[k] = min(max(row[k] - rates[1] * gradient[k], lowest), highest)
        row[4] -= rates[2] * gradient[4] / max(1.0, abs(spread) / CALM_SPREAD)
        for k in range(5, count):
            row[k] = min(max(row[k] - rates[3] * gradient[k], -brightest), brightest)


def check_image_gradient(gradient, image) -> None:
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
        self.bounds = (math.log(smallest_scale), math.log(largest_scale))
        self.largest_color = largest_color
        self.cutoff = cutoff
        self.betas = (beta1, beta2)
        columns = 5 + len(target)
        self._parameters = np.empty((0, columns), np.float32)
        self._first = np.empty((0, columns), np.float32)
        self._second = np.empty((0, columns), np.float32)
        self._steps = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._parameters)

    @property
    def means(self) -> NDArray[np.float32]:
        """[N, 2] pixels."""
        return self._parameters[:, :2]

    @property
    def scales(self) -> NDArray[np.float32]:
        """[N, 2] pixels."""
        return np.exp(self._parameters[:, 2:4])

    @property
    def rotations(self) -> NDArray[np.float32]:
        """[N] radians."""
        return self._parameters[:, 4]

    @property
    def colors(self) -> NDArray[np.float32]:
        """[N, C]."""
        return self._parameters[:, 5:]

    @property
    def gaussians(self) -> Gaussians:
        """Means, scales, rotations and colors, as above."""
        return self.means, self.scales, self.rotations, self.colors

    def append(
        self,
        means: NDArray[np.floating],
        scales: NDArray[np.floating],
        rotations: NDArray[np.floating],
        colors: NDArray[np.floating],
    ) -> None:
        """Add M Gaussians: means [M, 2], scales [M, 2], rotations [M], colors [M, C]; Adam starts afresh for them."""
        bounded_colors = np.clip(colors, -self.largest_color, self.largest_color)
        added = np.concatenate(
            [means, np.clip(np.log(scales), *self.bounds), rotations[:, None], bounded_colors], axis=1, dtype=np.float32
        )
        self._parameters = np.concatenate([self._parameters, added])
        self._first = np.concatenate([self._first, np.zeros_like(added)])
        self._second = np.concatenate([self._second, np.zeros_like(added)])
        self._steps = np.concatenate([self._steps, np.zeros(len(added), np.int64)])

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop the Gaussians where `mask` [N] is false."""
        self._parameters = self._parameters[mask]
        self._first = self._first[mask]
        self._second = self._second[mask]
        self._steps = self._steps[mask]

    def render(self) -> NDArray[np.float32]:
        """The current image [C, H, W], not clamped."""
        return cpu.forward(self._tiles(), np.ascontiguousarray(self.colors), *self.target.shape[1:])

    def step(self, rates: Rates, penalty: Penalty | None = None) -> Errors:
        """Move every Gaussian once, to reduce the weighted squared error and a penalty; returns the errors before.

        Raises:
            ValueError: a row of the parameters is not finite.
        """
        colors = np.ascontiguousarray(self.colors)
        weighted, plain, sums = cpu.squared_error(self._tiles(), colors, self.target, self._weights)
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
        tiles, colors = self._tiles(), np.ascontiguousarray(self.colors)
        image = cpu.forward(tiles, colors, *self.target.shape[1:])
        gradient = np.ascontiguousarray(differentiate(image), np.float32)
        check_image_gradient(gradient, image)
        self._descend(cpu.backward(tiles, colors, gradient), rates, penalty, 1.0)

    def _descend(self, sums: NDArray[np.float32], rates: Rates, penalty: Penalty | None, share: float) -> None:
        """Move along sums that are of a share of the loss."""
        run(
            _update,
            len(self) // 256,
            sums,
            self._parameters,
            self._first,
            self._second,
            self._steps,
            (rates.means, rates.scales, rates.rotations, rates.colors),
            penalty_numbers(penalty, share),
            *self.betas,
            *self.bounds,
            self.largest_color,
        )

    def _tiles(self) -> Tiles:
        if not math.isfinite(self._parameters.sum()):
            check_gaussians(self.means, self.scales, self.rotations, self.colors)
        height, width = self.target.shape[1:]
        return sort_into_tiles(self.means, self.scales, self.rotations, height, width, 0.0, 0.0, 1.0, self.cutoff)

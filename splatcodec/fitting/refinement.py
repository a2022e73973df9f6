"""Optimises some attributes of Gaussians while the others stay: what quantisation asks of a fit."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from splatkernels import Gradients, render, render_backward
from splatkernels.adam import Gaussians, Penalty, Rates

from .growth import FIT_CUTOFF, descend, make_optimizer
from .pruning import weights_at

if TYPE_CHECKING:
    from .objective import Objective

# Quantisation moves Gaussians little, and so should what makes up for it.
_RATES = Rates(means=0.018, scales=0.012, rotations=0.012, colors=0.0024)
_LOWEST_RATE = 0.03


class PictureRefiner:
    """Refines Gaussians against a picture.

    Args:
        target: [C, H, W] float32, full scale 1.
        steps: of each refinement.
        device: "cpu" or "cuda".
        objective: what to minimise, in the units of the squared error; the squared error if None.
        penalty: on amplitudes, if any.
    """

    def __init__(
        self,
        target: NDArray[np.float32],
        steps: int,
        *,
        device: str = "cpu",
        objective: "Objective | None" = None,
        penalty: Penalty | None = None,
    ) -> None:
        self._target = target
        self._steps = steps
        self._device = device
        self._objective = objective
        self._penalty = penalty

    def refine(self, gaussians: Gaussians, *free: str) -> Gaussians:
        """Gaussians whose attributes in `free` reduce the loss, and whose others are the same."""
        if not len(gaussians[0]):
            return gaussians
        weights = None if self._objective is None else self._objective.weights
        optimizer = make_optimizer(self._target, self._device, weights)
        optimizer.append(*gaussians)
        rates = Rates(**{name: getattr(_RATES, name) if name in free else 0.0 for name in Rates.__annotations__})
        for k in range(self._steps):
            fallen = 0.5 * (1 + math.cos(math.pi * k / self._steps))
            moves = rates.scaled(_LOWEST_RATE + (1 - _LOWEST_RATE) * fallen)
            descend(optimizer, self._objective, moves, self._penalty)
        means, scales, rotations, colors = (
            refined.copy() if name in free else given
            for name, given, refined in zip(Rates.__annotations__, gaussians, optimizer.gaussians, strict=True)
        )
        return means, scales, rotations, colors

    def loss(self, gaussians: Gaussians) -> float:
        """Mean over samples, in the units of the squared error."""
        image = self._render(gaussians)
        if self._objective is None:
            return float(((image - self._target) ** 2).mean(dtype=np.float64))
        return float(self._objective.evaluate(image).loss)

    def gradients(self, gaussians: Gaussians) -> Gradients:
        """Gradients of the loss, a sum over samples in the units of the squared error, by all attributes."""
        image = self._render(gaussians)
        gradient = 2 * (image - self._target) if self._objective is None else self._objective.evaluate(image).gradient
        return render_backward(*gaussians, gradient, cutoff=FIT_CUTOFF)

    def curvatures(self, gaussians: Gaussians) -> NDArray[np.floating]:
        """Curvature [N] of the loss around each of N Gaussians, over that of the squared error."""
        means, scales, rotations, _ = gaussians
        if self._objective is None:
            return np.ones(len(means))
        return weights_at(self._objective.curvature(self._render(gaussians)), means, scales, rotations)

    def _render(self, gaussians: Gaussians) -> NDArray[np.float32]:
        _, height, width = self._target.shape
        return render(*gaussians, height, width, cutoff=FIT_CUTOFF)

"""Optimises some attributes of Gaussians while the others stay: what quantisation asks of a fit."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from splatkernels import Gradients, render, render_backward
from splatkernels.adam import Gaussians, Rates

from .growth import FIT_CUTOFF, make_optimizer, step

if TYPE_CHECKING:
    from .loss import Objective

# Quantisation moves Gaussians little, and so should what makes up for it.
_RATES = Rates(means=0.018, scales=0.012, rotations=0.012, colors=0.0024)
_LOWEST_RATE = 0.03


class PictureRefiner:
    """Refines Gaussians against a picture.

    Args:
        target: [C, H, W] float32, full scale 1.
        steps: of each refinement.
        device: "cpu" or "cuda".
        objective: what to minimise; the squared error if None.
    """

    def __init__(
        self, target: NDArray[np.float32], steps: int, *, device: str = "cpu", objective: "Objective | None" = None
    ) -> None:
        self._target = target
        self._steps = steps
        self._device = device
        self._objective = objective

    def refine(self, gaussians: Gaussians, *free: str) -> Gaussians:
        """Gaussians whose attributes in `free` reduce the error, and whose others are the same."""
        if not len(gaussians[0]):
            return gaussians
        optimizer = make_optimizer(self._target, self._device)
        optimizer.append(*gaussians)
        rates = Rates(**{name: getattr(_RATES, name) if name in free else 0.0 for name in Rates.__annotations__})
        for k in range(self._steps):
            fallen = 0.5 * (1 + math.cos(math.pi * k / self._steps))
            step(optimizer, self._objective, rates.scaled(_LOWEST_RATE + (1 - _LOWEST_RATE) * fallen))
        means, scales, rotations, colors = (
            refined.copy() if name in free else given
            for name, given, refined in zip(Rates.__annotations__, gaussians, optimizer.gaussians, strict=True)
        )
        return means, scales, rotations, colors

    def gradients(self, gaussians: Gaussians) -> Gradients | None:
        """Gradients of the squared error by all attributes; None if another loss is minimised."""
        if self._objective is not None:
            return None
        _, height, width = self._target.shape
        residual = render(*gaussians, height, width, cutoff=FIT_CUTOFF) - self._target
        return render_backward(*gaussians, 2 * residual, cutoff=FIT_CUTOFF)

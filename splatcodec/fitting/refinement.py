"""Optimises some attributes of Gaussians while the others stay: what quantisation asks of a fit."""

import math
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from splatkernels import Gradients, render
from splatkernels.descent import Penalty, Rates
from splatkernels.fused import FusedRasterizer
from splatkernels.gaussians import Gaussians, to_parameters
from splatkernels.geometry import parameter_gradients

from .growth import FIT_CUTOFF, LARGEST_COLOR, descend, is_close, make_optimizer
from .objective import Objective
from .pace import Deadline
from .pruning import weights_at
from .schedule import falling

# Quantisation moves Gaussians little, and so should what makes up for it.
_RATES = Rates(means=0.018, scales=0.012, rotations=0.012, colors=0.0024)
_LOWEST_RATE = 0.03
# Shares of the time left: what each refinement may take, and what is kept for writing.
_SHARE, _RESERVE = 0.15, 0.15


class PictureRefiner:
    """Refines Gaussians against a picture.

    Args:
        objective: what to minimise, in the units of the squared error; its target is perhaps reduced.
        steps: of each refinement.
        reduction: how many times smaller the target is than the canvas of the Gaussians.
        device: "cpu" or "cuda".
        penalty: on amplitudes of Gaussians on the canvas of the target, if any.
        deadline: when all that has to do with rounding shall be done.
    """

    def __init__(
        self,
        objective: Objective,
        steps: int,
        *,
        reduction: int = 1,
        device: str = "cpu",
        penalty: Penalty | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self._steps = steps
        self._device = device
        self._objective = objective
        self._penalty = penalty
        self._reduction = reduction
        self._deadline = deadline
        self._rasterizer: FusedRasterizer | None = None
        left = math.inf if deadline is None else deadline.left
        self._seconds, self._reserve = _SHARE * left, _RESERVE * left

    @property
    def in_time(self) -> bool:
        """Whether there is time for more."""
        return self._deadline is None or self._deadline.left > self._reserve

    def refine(self, gaussians: Gaussians, *free: str) -> Gaussians:
        """Gaussians whose attributes in `free` reduce the loss, and whose others are the same."""
        if not gaussians.n_gaussians:
            return gaussians
        # Those that come from no fit of ours may be stronger.
        largest = max(LARGEST_COLOR, float(np.abs(gaussians.colors).max()))
        optimizer = make_optimizer(self._objective.target, self._device, self._objective.weights, largest)
        optimizer.append(self._reduced(gaussians))
        rates = replace(_RATES, **{name: 0.0 for name in Gaussians._fields if name not in free})
        began, seconds = time.perf_counter(), None
        if self._deadline is not None:
            seconds = min(self._seconds, self._deadline.left - self._reserve)
        for k in range(self._steps):
            progress = k / self._steps
            if seconds is not None:
                progress = max(progress, (time.perf_counter() - began) / max(seconds, 1e-9))
                if progress >= 1:
                    break
            moves = rates.scaled(falling(progress, _LOWEST_RATE))
            loss, error = descend(optimizer, self._objective, moves, self._penalty)
            if k == 0 and is_close(self._objective, loss, error):
                optimizer.calibrate()
            if seconds is not None:
                # A GPU may be far behind.
                float(error)
        found = optimizer.gaussians.magnified(self._reduction)
        return gaussians._replace(**{name: getattr(found, name).copy() for name in free})

    def loss(self, gaussians: Gaussians) -> float:
        """Mean over samples, in the units of the squared error."""
        return float(self._objective.evaluate(self._render(gaussians)).loss)

    def gradients(self, gaussians: Gaussians) -> Gradients:
        """Gradients of the loss, a sum over samples in the units of the squared error, by all attributes."""
        reduced = self._reduced(gaussians)
        parameters = to_parameters(reduced, (-math.inf, math.inf), math.inf)
        rasterizer = self._calibrated(parameters)
        spans = rasterizer.place(parameters)
        if self._objective.is_quadratic:
            # The sums are of half the squared error.
            sums = 2 * rasterizer.squared_error(spans, self._objective.target, self._objective.weights)[2]
        else:
            sums = rasterizer.backward(spans, self._objective.evaluate(rasterizer.image(spans)).gradient)
        means, scales, rotations, colors = parameter_gradients(sums, *reduced[1:], 1.0)
        # Each sample stands for reduction^2 of the whole picture, in which lengths are larger.
        lengths, squares = self._reduction, self._reduction**2
        return Gradients(means * lengths, scales * lengths, rotations * squares, colors * squares)

    def curvatures(self, gaussians: Gaussians) -> NDArray[np.floating]:
        """Curvature [N] of the loss around each of N Gaussians, over that of the squared error."""
        if self._objective.is_quadratic and self._objective.weights is None:
            return np.ones(gaussians.n_gaussians)
        curvature = self._objective.curvature(self._render(gaussians))
        return weights_at(curvature, self._reduced(gaussians))

    def _calibrated(self, parameters: NDArray[np.float32]) -> FusedRasterizer:
        """What draws Gaussians that are like those of the first call."""
        if self._rasterizer is None:
            channels, height, width = self._objective.target.shape
            self._rasterizer = FusedRasterizer(channels, height, width, FIT_CUTOFF)
            self._rasterizer.calibrate(parameters)
        return self._rasterizer

    def _reduced(self, gaussians: Gaussians) -> Gaussians:
        """On the canvas of the target."""
        return gaussians.magnified(1 / self._reduction)

    def _render(self, gaussians: Gaussians) -> NDArray[np.float32]:
        _, height, width = self._objective.target.shape
        return render(*self._reduced(gaussians), height, width, cutoff=FIT_CUTOFF)

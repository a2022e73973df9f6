"""A picture to fit, and everything that stays the same over several fits of it."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..splats import Splats
from . import rate
from .budget import Budget, Count
from .growth import FitState, asks_to_stop, grow, squared_error
from .pruning import all_but_least, removal_costs
from .refinement import PictureRefiner
from .schedule import Schedule

if TYPE_CHECKING:
    from .objective import Objective

# A refinement of Gaussians that are being quantised takes so many times fewer steps than a fit.
_STEPS_OF_FIT_PER_STEP = 16


class Task:
    """What is to be fitted, and how.

    Args:
        target: [C, H, W] float32, full scale 1.
        schedule: the course of a fit.
        seed, device, objective: as in `grow`.
        max_seconds: time for all fits together.
        callback: as in `grow`; once it has returned True, there is no further fit.
    """

    def __init__(
        self,
        target: NDArray[np.float32],
        schedule: Schedule,
        *,
        seed: int = 0,
        device: str = "cpu",
        objective: "Objective | None" = None,
        max_seconds: float | None = None,
        callback: Callable[[FitState], bool | None] | None = None,
    ) -> None:
        self.target = target
        self.objective = objective
        self.stopped = False
        """Whether the time is up, or the callback wants no more."""
        self._schedule = schedule
        self._seed = seed
        self._device = device
        self._seconds_left = max_seconds
        self._callback = callback

    @property
    def most(self) -> int:
        """As many Gaussians as ever make sense: one per pixel."""
        return self.target[0].size

    def grow(self, budget: Budget, start: Splats | None = None) -> Splats:
        """Fit Gaussians to the picture; from others, in half the steps."""
        schedule = self._schedule
        if start is not None:
            schedule = replace(schedule, steps=schedule.steps // 2, stages=max(1, schedule.stages // 4))
        elif self._seconds_left is not None:
            # Kernels that are compiled for the first time would use it up.
            blank = np.zeros((len(self.target), 8, 8), np.float32)
            grow(blank, Count(2), Schedule(steps=2, stages=1), device=self._device)
        began = time.perf_counter()
        splats = grow(
            self.target,
            budget,
            schedule,
            start=start,
            seed=self._seed,
            device=self._device,
            objective=self.objective,
            max_seconds=self._seconds_left,
            callback=self._observe,
        )
        if self._seconds_left is not None:
            self._seconds_left -= time.perf_counter() - began
            self.stopped |= self._seconds_left <= 0
        return splats

    def _observe(self, state: FitState) -> bool:
        if self._callback is not None and asks_to_stop(self._callback(state)):
            self.stopped = True
        return self.stopped

    def squared_error(self, splats: Splats) -> float:
        """Squared error of Gaussians, a sum over samples, each as much as it counts."""
        return squared_error(splats.render().clip(0, 1), self.target, self._weights)

    def balanced_step(self, splats: Splats) -> float:
        """The D that suits Gaussians."""
        return rate.balanced_step(len(splats), self.squared_error(splats))

    def prune(self, splats: Splats, step: float) -> Splats:
        """The Gaussians whose removal would add more to the squared error than their price, given D."""
        return splats.take(self._removal_costs(splats) > rate.price(step))

    def trim(self, splats: Splats, count: int) -> Splats:
        """The `count` Gaussians that the picture would miss most, refined if that makes up for the others."""
        if count >= len(splats):
            return splats
        kept = splats.take(all_but_least(self._removal_costs(splats), len(splats) - count))
        refiner = self.refiner(kept)
        gaussians = refiner.refine(kept.gaussians, "means", "scales", "rotations", "colors")
        refined = Splats(*gaussians, height=kept.height, width=kept.width)
        # Where few are missing, a short refinement may spoil more than it mends.
        return min(kept, refined, key=lambda splats: refiner.loss(splats.gaussians))

    def _removal_costs(self, splats: Splats) -> NDArray[np.float64]:
        return removal_costs(*splats.gaussians, splats.height, splats.width, self._weights)

    def refiner(self, splats: Splats, step: float | None = None) -> PictureRefiner:
        """What quantisation asks to refine Gaussians like the given ones, for the rate too if D is given."""
        return PictureRefiner(
            self.target,
            self._schedule.steps // _STEPS_OF_FIT_PER_STEP,
            device=self._device,
            objective=None if self.objective is None else self.objective.balanced(splats.render()),
            penalty=None if step is None else rate.penalty(step),
        )

    @property
    def mean_weight(self) -> float:
        """How much the squared error of a pixel counts on average."""
        return 1.0 if self._weights is None else float(self._weights.mean(dtype=np.float64))

    @property
    def _weights(self) -> NDArray[np.float32] | None:
        return None if self.objective is None else self.objective.weights

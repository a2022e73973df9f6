"""A picture to fit, and everything that stays the same over several fits of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from splatkernels import render

from ..splats import Splats
from .budget import Budget, Count
from .growth import FitState, grow
from .pruning import removal_costs
from .refinement import PictureRefiner
from .schedule import Schedule

if TYPE_CHECKING:
    from .loss import Objective

# A refinement of Gaussians that are being quantised takes so many times fewer steps than a fit.
_STEPS_OF_FIT_PER_STEP = 16


@dataclass(frozen=True)
class Task:
    """What is to be fitted, and how.

    Attributes:
        target: [C, H, W] float32, full scale 1.
        schedule: the course of a fit.
        seed, device, objective, max_seconds, callback: as in `grow`.
    """

    target: NDArray[np.float32]
    schedule: Schedule
    seed: int
    device: str
    objective: "Objective | None"
    max_seconds: float | None
    callback: Callable[[FitState], bool | None] | None

    @property
    def most(self) -> int:
        """As many Gaussians as ever make sense: one per pixel."""
        return self.target[0].size

    def grow(self, budget: Budget, start: Splats | None = None) -> Splats:
        """Fit Gaussians to the picture; from others, in half the steps."""
        schedule = self.schedule
        if start is not None:
            schedule = replace(schedule, steps=schedule.steps // 2, stages=max(1, schedule.stages // 4))
        if self.max_seconds is not None:
            # Kernels that are compiled for the first time would use it up.
            blank = np.zeros((len(self.target), 8, 8), np.float32)
            grow(blank, Count(2), Schedule(steps=2, stages=1), device=self.device)
        return grow(
            self.target,
            budget,
            schedule,
            start=start,
            seed=self.seed,
            device=self.device,
            objective=self.objective,
            max_seconds=self.max_seconds,
            callback=self.callback,
        )

    def squared_error(self, splats: Splats) -> float:
        """Squared error of Gaussians, a sum over samples."""
        _, height, width = self.target.shape
        image = render(splats.means, splats.scales, splats.rotations, splats.colors, height, width)
        return float(((image.clip(0, 1) - self.target) ** 2).sum(dtype=np.float64))

    def prune(self, splats: Splats, price: float) -> Splats:
        """The Gaussians whose removal would add more to the squared error than a price."""
        return splats.take(self._removal_costs(splats) > price)

    def trim(self, splats: Splats, count: int) -> Splats:
        """The `count` Gaussians that the picture would miss most, refined to make up for the others."""
        if count >= len(splats):
            return splats
        kept = splats.take(np.sort(np.argsort(-self._removal_costs(splats), kind="stable")[:count]))
        gaussians = kept.means, kept.scales, kept.rotations, kept.colors
        means, scales, rotations, colors = self.refiner.refine(gaussians, "means", "scales", "rotations", "colors")
        return Splats(means, scales, rotations, colors, kept.height, kept.width)

    def _removal_costs(self, splats: Splats) -> NDArray[np.float64]:
        weights = None if self.objective is None else self.objective.weights
        gaussians = splats.means, splats.scales, splats.rotations, splats.colors
        return removal_costs(*gaussians, splats.height, splats.width, weights)

    @cached_property
    def refiner(self) -> PictureRefiner:
        """What quantisation asks to refine Gaussians."""
        steps = self.schedule.steps // _STEPS_OF_FIT_PER_STEP
        return PictureRefiner(self.target, steps, device=self.device, objective=self.objective)

"""How much work a fit does: named efforts from quick to thorough."""

import math
from dataclasses import dataclass

_STEPS_AT_FULL_RATES = 1000


@dataclass(frozen=True)
class Schedule:
    """The course of a fit: Gaussians are added over several stages, then all settle at falling learning rates."""

    steps: int
    """Optimisation steps in all."""
    stages: int
    """Times that Gaussians are added."""
    settling: float = 0.5
    """Share of the steps left to the last stage, over which the learning rates fall along a cosine."""
    relocated: float = 0.05
    """Share of the Gaussians, those of least energy, that move to where the residual is at each stage."""

    def stage_steps(self) -> list[int]:
        """Optimisation steps of each stage."""
        growing = int(self.steps * (1 - self.settling)) // max(1, self.stages - 1)
        return [growing] * (self.stages - 1) + [self.steps - growing * (self.stages - 1)]

    def rate(self, stage: int, step: int) -> float:
        """Factor on the learning rates at a step of a stage.

        Long fits go more slowly: at full rates a Gaussian wanders, by the square root of the number of steps.
        """
        highest = min(1.0, math.sqrt(_STEPS_AT_FULL_RATES / self.steps))
        if stage < self.stages - 1:
            return highest
        progress = step / self.stage_steps()[-1]
        return highest * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


EFFORTS = {
    1: Schedule(steps=100, stages=4),
    2: Schedule(steps=200, stages=6),
    3: Schedule(steps=350, stages=8),
    4: Schedule(steps=600, stages=10),
    5: Schedule(steps=1000, stages=12),
    6: Schedule(steps=1600, stages=12),
    7: Schedule(steps=2500, stages=12),
    8: Schedule(steps=4000, stages=12),
    9: Schedule(steps=6500, stages=12),
}
"""Schedules by effort, each taking about 1.6 times as long as the one before."""

"""How much work a fit does: named efforts from quick to thorough."""

import math
from dataclasses import dataclass

FEWEST_STEPS = 140
"""In fewer, Gaussians do not settle."""

_STEPS_AT_FULL_RATES = 360
# What remains of the rates at the end.
_LOWEST_RATE = 0.01
# Adam's running mean of the gradient is over so many steps, and in short fits over the root of theirs.
_LONGEST_MEMORY = 20.0
# Of the steps that a stage has if there is time.
_LEAST_SHARE = 0.75


@dataclass(frozen=True)
class Schedule:
    """The course of a fit: Gaussians are added stage by stage, some too many; the rest settle at falling rates.

    Progress runs from 0 to 1: the share of the steps done or, if time is short, of the time spent.
    """

    steps: int
    """Optimisation steps in all, if there is time for them."""
    stages: int
    """Times that Gaussians are added."""
    settling: float = 0.5
    """Share of the fit left once all Gaussians are there, over which the learning rates fall along a cosine."""
    surplus: float = 0.4
    """Gaussians to add beyond those wanted, as a share of them; those that are missed least go when settling begins."""
    relocated: float = 0.1
    """Share of the Gaussians, those that are missed least, that move to where the residual is at each stage."""

    def least(self, steps: float) -> float:
        """Steps of a fit that takes so many after which others can be placed on the residual that Gaussians leave."""
        return _LEAST_SHARE * steps * (1 - self.settling) / self.stages

    def stage(self, progress: float) -> int:
        """The stage, from 0, that progress falls into; `stages` is the settling."""
        return min(self.stages, int(progress / (1 - self.settling) * self.stages))

    def gaussians(self, stage: int, first: int, wanted: int) -> int:
        """How many Gaussians to have in a stage of a fit that begins with `first` and shall end with `wanted`."""
        most = wanted * (1 + self.surplus)
        return math.ceil(first + (most - first) * (stage + 1) / self.stages)

    @property
    def momentum(self) -> float:
        """Decay, per step, of Adam's running mean of the gradient."""
        return 1 - 1 / max(1.0, min(_LONGEST_MEMORY, math.sqrt(self.steps)))

    def rate(self, progress: float, steps: float) -> float:
        """Factor on the learning rates of a fit that is going to take so many steps.

        Long fits go more slowly: at full rates a Gaussian wanders, by the square root of the number of steps.
        """
        highest = min(1.0, math.sqrt(_STEPS_AT_FULL_RATES / steps))
        return highest * falling(max(0.0, 1 - (1 - progress) / self.settling), _LOWEST_RATE)


def falling(progress: float, lowest: float) -> float:
    """Factor on learning rates that falls along a cosine from 1 to `lowest` as progress rises from 0 to 1."""
    return lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * progress))


EFFORTS = {
    1: Schedule(steps=FEWEST_STEPS, stages=6),
    2: Schedule(steps=200, stages=6),
    3: Schedule(steps=310, stages=8),
    4: Schedule(steps=430, stages=10),
    5: Schedule(steps=560, stages=10),
    6: Schedule(steps=900, stages=12),
    7: Schedule(steps=1400, stages=12),
    8: Schedule(steps=2200, stages=12),
    9: Schedule(steps=3500, stages=12),
}
"""Schedules by effort, each taking about one and a half times as long as the one before."""

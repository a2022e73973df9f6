"""What can be done in limited time: how many steps, and of how many pixels.

All that an encoder does takes about as long as so many steps of a fit. How long a step takes is measured first.
"""

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from splatkernels.descent import Rates

from .growth import make_optimizer
from .schedule import EFFORTS, Schedule

# The work of an encode, in steps with all Gaussians there: a step of a fit on average, placing a group of Gaussians,
# what a step of the fit adds to rounding, and what rounding takes in any case.
_STEP, _PLACING, _REFINING, _ROUNDING = 0.8, 15, 0.25, 60
# What comparing windows of pixels adds to a step, on average over a fit.
_STRUCTURE = 3.0
# The picture whose steps are timed: pixels a side, Gaussians, their scale, steps.
_SIDE, _COUNT, _SCALE, _STEPS = 192, 300, 6.0, 6


class Deadline:
    """A point in time.

    Args:
        seconds: until then.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.perf_counter() + seconds

    @property
    def left(self) -> float:
        """Seconds until then, at least 0."""
        return max(0.0, self._end - time.perf_counter())


def fitting_share(schedule: Schedule, roundings: int) -> float:
    """Share of the time of an encode that goes into the fit, if what comes of it is rounded so many times."""
    return (_STEP * schedule.steps + _PLACING * schedule.stages) / _work(schedule, roundings)


def affordable(
    schedule: Schedule, pixels: int, seconds: float, device: str, *, structure: bool, roundings: int
) -> tuple[Schedule, int]:
    """What can be done of an encode in limited time.

    Args:
        schedule: the course of the fit if there were time for it.
        pixels: of the picture.
        seconds: for the whole encode.
        device: "cpu" or "cuda".
        structure: whether the loss compares windows of pixels.
        roundings: how many times the outcome of the fit is rounded.

    Returns:
        A schedule, and how many times smaller the sides of the picture have to be.
    """
    steps = seconds / (pixels * _seconds_per_pixel(device) * (_STRUCTURE if structure else 1))
    quickest = EFFORTS[min(EFFORTS)]
    reduction = 1
    while steps * reduction**2 < _work(quickest, roundings) and pixels > reduction**2:
        reduction += 1
    steps *= reduction**2
    possible = [s for s in EFFORTS.values() if s.steps <= schedule.steps and _work(s, roundings) <= steps] or [quickest]
    best = max(possible, key=lambda s: s.steps)
    rest = steps - _PLACING * best.stages - roundings * _ROUNDING
    count = int(rest / (_STEP + roundings * _REFINING))
    return replace(best, steps=min(max(count, 1), schedule.steps)), reduction


def reduce(planes: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Average squares of `factor` pixels a side of planes [..., H, W]; at the edges, of as many as there are."""
    for axis in (-2, -1):
        lines = np.moveaxis(planes, axis, 0)
        whole = len(lines) // factor * factor
        parts = [lines[:whole].reshape(-1, factor, *lines.shape[1:]).mean(axis=1, dtype=np.float32)]
        if whole < len(lines):
            parts.append(lines[whole:].mean(axis=0, dtype=np.float32)[None])
        planes = np.moveaxis(np.concatenate(parts), 0, axis)
    return np.ascontiguousarray(planes)


def _work(schedule: Schedule, roundings: int) -> float:
    fit = _STEP * schedule.steps + _PLACING * schedule.stages
    return fit + roundings * (_REFINING * schedule.steps + _ROUNDING)


def _seconds_per_pixel(device: str) -> float:
    """Time of a step, for each pixel."""
    rng = np.random.default_rng(0)
    optimizer = make_optimizer(rng.random((3, _SIDE, _SIDE), np.float32), device)
    optimizer.append(
        rng.uniform(0, _SIDE, (_COUNT, 2)), np.full((_COUNT, 2), _SCALE), np.zeros(_COUNT), np.zeros((_COUNT, 3))
    )
    times = []
    for _ in range(_STEPS):
        start = time.perf_counter()
        float(optimizer.step(Rates(0.0, 0.0, 0.0, 0.0)).plain)
        times.append(time.perf_counter() - start)
    return min(times) / _SIDE**2

"""What can be done in limited time: how many steps, and of how many pixels.

All that an encoder does takes about as long as so many steps of a fit. How long a step takes is measured first.
"""

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from splatkernels.descent import Rates
from splatkernels.gaussians import Gaussians

from .growth import make_optimizer
from .schedule import EFFORTS, Schedule

# The work of an encode, in steps with all Gaussians there: a step of a fit on average, placing a group of Gaussians,
# what a step of the fit adds to rounding, and what rounding takes in any case.
_STEP, _PLACING, _REFINING, _ROUNDING = 0.8, 12, 0.17, 100
# What comparing windows of pixels adds to a step, on average over a fit.
_STRUCTURE = 3.0
# The pictures whose steps are timed: pixels a side, pixels for each Gaussian, scale of these, steps.
_SIDES, _PIXELS_PER_GAUSSIAN, _SCALE, _STEPS = (96, 224), 123, 2.4, 5


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
    schedule: Schedule,
    pixels: int,
    seconds: float,
    device: str,
    *,
    structure: bool,
    roundings: int,
    reducible: bool = True,
) -> tuple[Schedule, int]:
    """What can be done of an encode in limited time.

    Args:
        schedule: the course of the fit if there were time for it.
        pixels: of the picture.
        seconds: for the whole encode.
        device: "cpu" or "cuda".
        structure: whether the loss compares windows of pixels.
        roundings: how many times the outcome of the fit is rounded.
        reducible: whether the picture may be made smaller.

    Returns:
        A schedule, and how many times smaller the sides of the picture have to be.
    """
    overhead, per_pixel = _seconds_of_step(device)
    quickest = EFFORTS[min(EFFORTS)]

    def affordable_steps(reduction: int) -> float:
        step = overhead + per_pixel * pixels / reduction**2
        return seconds / (step * (_STRUCTURE if structure else 1))

    reduction = 1
    while reducible and affordable_steps(reduction) < _work(quickest, roundings) and pixels > reduction**2:
        reduction += 1
    steps = affordable_steps(reduction)
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


def _seconds_of_step(device: str) -> tuple[float, float]:
    """Time that a step takes in any case, and for each pixel."""
    short, long = (_time_step(side, device) for side in _SIDES)
    few, many = (side**2 for side in _SIDES)
    per_pixel = max(long - short, 0.0) / (many - few)
    return max(short - few * per_pixel, 0.0), per_pixel


def _time_step(side: int, device: str) -> float:
    """Seconds of a step on a picture of that side."""
    rng = np.random.default_rng(0)
    count = side**2 // _PIXELS_PER_GAUSSIAN
    optimizer = make_optimizer(rng.random((3, side, side), np.float32), device)
    means = np.float32(side) * rng.random((count, 2), np.float32)
    scales, rotations, colors = (np.zeros(shape, np.float32) for shape in ((count, 2), count, (count, 3)))
    optimizer.append(Gaussians(means, scales + np.float32(_SCALE), rotations, colors))
    times = []
    for _ in range(_STEPS):
        start = time.perf_counter()
        float(optimizer.step(Rates(0.0, 0.0, 0.0, 0.0)).plain)
        times.append(time.perf_counter() - start)
    return float(np.median(times))

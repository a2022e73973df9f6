"""Meeting a size or a PSNR: one fit, quantised at a few steps until the file is what was asked for."""

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from .compress import adaptive
from .decoder import from_bytes
from .errors import TargetError
from .fitting.budget import Count, Distortion
from .fitting.task import Task
from .goals import Goal, balanced_step
from .image import to_uint8
from .metrics import psnr
from .profiles import Encoding, finish, smallest
from .splats import Splats

_SIZE_TOLERANCE = 0.03
_PSNR_TOLERANCE = 0.1
# What counts as the PSNR of equal pictures.
_PERFECT = 100.0
_TRIES = 12
_NEAR = 8
_BITS_PER_GAUSSIAN = {"adaptive": 33, "vq": 56, "half": 128}
# A setting is a step in the adaptive profile, where the number of Gaussians follows only if the step moves far. In the
# others it is the logarithm of that number, in units as fine.
_PER_OCTAVE = adaptive.STEPS_PER_OCTAVE
_FREE = _PER_OCTAVE // 2
_MARGIN = _PER_OCTAVE // 4
_GAUSSIANS_PER_STEP = 1.3


class _Slope(NamedTuple):
    """What one setting changes, roughly."""

    alone: float
    """With the same fit."""
    refitted: float
    """With as many more Gaussians as suit it."""


_LOG_SIZE = {"adaptive": _Slope(0.0076, 0.036), "vq": _Slope(0.02, 0.02), "half": _Slope(0.0217, 0.0217)}
_PSNR = {"adaptive": _Slope(0.035, 0.15), "vq": _Slope(0.08, 0.08), "half": _Slope(0.08, 0.08)}


def meet(goal: Goal, task: Task, profile: str, n_gaussians: int | None) -> Encoding:
    """Encode a picture to a target, as `encoder.encode_to`.

    Raises:
        TargetError: that is impossible.
    """
    if goal.kind == "target_psnr":
        return _meet_psnr(goal.value, task, profile, n_gaussians)
    limit = int(goal.value if goal.kind == "target_size" else goal.value * task.target[0].size / 8)
    return _meet_size(limit, task, profile, n_gaussians)


def _meet_size(limit: int, task: Task, profile: str, n_gaussians: int | None) -> Encoding:
    """A file of at most `limit` bytes, and little less unless the picture needs no more."""
    least = smallest(task, profile)
    if len(least.data) > limit:
        raise TargetError(f"a size of {limit} bytes cannot be met: {len(least.data)} bytes can")
    count = n_gaussians or min(max(1, 8 * limit // _BITS_PER_GAUSSIAN[profile]), task.most)
    settings = _Settings(task, profile, task.grow(Count(count)), fixed=n_gaussians is not None)
    aim = math.log(limit * (1 - _SIZE_TOLERANCE)), math.log(limit + 0.5)
    found = _search(settings, lambda encoding: math.log(len(encoding.data)), aim, _LOG_SIZE[profile])
    under = [encoding for encoding in (least, *found) if len(encoding.data) <= limit]
    return max(under, key=lambda encoding: len(encoding.data))


def _meet_psnr(target: float, task: Task, profile: str, n_gaussians: int | None) -> Encoding:
    """The smallest file found whose PSNR is at least `target`; the best one if the user wants no more."""
    pixels = to_uint8(task.target)
    error = task.target.size * 10 ** (-target / 10)
    budget = Count(n_gaussians) if n_gaussians else Distortion(task.target, error, task.most)
    settings = _Settings(task, profile, task.grow(budget), fixed=n_gaussians is not None)

    @cache
    def reached(encoding: Encoding) -> float:
        return min(psnr(pixels, to_uint8(from_bytes(encoding.data, "").render())), _PERFECT)

    aim = target, target + _PSNR_TOLERANCE
    found = _search(settings, reached, aim, _PSNR[profile])
    above = [encoding for encoding in (smallest(task, profile), *found) if reached(encoding) >= target]
    if not above:
        best = max(found, key=reached)
        if task.stopped:
            return best
        raise TargetError(f"a PSNR of {target:g} dB cannot be met: {reached(best):.2f} dB can")
    return min(above, key=lambda encoding: len(encoding.data))


class _Settings:
    """The files of a picture at different settings, from fits that begin where the last one ended."""

    def __init__(self, task: Task, profile: str, splats: Splats, fixed: bool) -> None:
        self._task = task
        self._adaptive = profile == "adaptive"
        self._profile = profile
        self._splats = splats
        self._fixed = fixed
        self._step = balanced_step(len(splats), task.squared_error(splats))
        self.center = self._step if self._adaptive else round(_PER_OCTAVE * math.log2(max(1, len(splats))))
        self._first = self.center
        most = adaptive.LAST_STEP if self._adaptive else round(_PER_OCTAVE * math.log2(task.most))
        self.last = max(self.center, most)

    def reach(self, setting: int) -> bool:
        """Whether the current fit, or the only one allowed, will do for a setting."""
        highest = self.center + (_FREE if self._adaptive else 0)
        return self._fixed or self._task.stopped or self.center - _FREE <= setting <= highest

    def refit(self, setting: int) -> None:
        """Have as many Gaussians as suit a setting, or some more where fewer can be had of them."""
        setting += 0 if self._adaptive else _MARGIN
        octaves = (setting - self.center) / _PER_OCTAVE * (_GAUSSIANS_PER_STEP if self._adaptive else 1)
        count = max(1, min(round(len(self._splats) * 2**octaves), self._task.most))
        self._splats = self._task.grow(Count(count), self._splats)
        self.center = setting

    def encode(self, setting: int) -> Encoding:
        """The file at a setting."""
        if self._adaptive:
            return finish(self._task, self._splats, setting, self._profile)
        count = max(1, round(len(self._splats) * 2 ** ((setting - self.center) / _PER_OCTAVE)))
        step = self._step + setting - self._first
        return finish(self._task, self._task.trim(self._splats, count), step, self._profile)


def _search(
    settings: _Settings, measure: Callable[[Encoding], float], aim: tuple[float, float], slope: _Slope
) -> list[Encoding]:
    """Files on the way to one whose measure, which grows with the setting, lies within `aim`."""
    low, high = aim
    middle = 0.5 * (low + high)
    tried: dict[int, float] = {}
    found: list[Encoding] = []
    setting = settings.center
    while len(found) < _TRIES:
        found.append(settings.encode(setting))
        value = tried[setting] = measure(found[-1])
        if low <= value <= high:
            break
        below = max((s for s, other in tried.items() if other < low), default=None)
        above = min((s for s, other in tried.items() if other > high), default=None)
        if below is not None and above is not None and below < above:
            share = (middle - tried[below]) / (tried[above] - tried[below])
            setting = round(below + share * (above - below))
        elif settings.reach(setting + round((middle - value) / slope.alone)):
            setting += round((middle - value) / slope.alone)
        else:
            setting = min(max(setting + round((middle - value) / slope.refitted), 0), settings.last)
            settings.refit(setting)
            tried.clear()
        # Between two settings the measure may jump, or go the other way; one nearby may hit.
        near = (setting + sign * offset for offset in range(_NEAR) for sign in (1, -1))
        setting = next((s for s in near if 0 <= s <= settings.last and s not in tried), -1)
        if setting < 0:
            break
    return found

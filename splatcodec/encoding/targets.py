"""Meeting a size or a PSNR: a fit, and a search among the files of it until one is what was asked for."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, Protocol

from ..compress import ladder
from ..compress.profiles import Slope
from ..document import from_bytes
from ..errors import TargetError
from ..fitting.budget import Budget
from ..metrics import picture_psnr
from ..splats import Splats
from .finish import Encoding, Job
from .goals import Goal

_SIZE_TOLERANCE = 0.03
_PSNR_TOLERANCE = 0.1
# What counts as the PSNR of equal pictures.
_PERFECT = 100.0
# Bytes; no file comes near.
_LARGEST_SIZE = 2**40
# Files to make at most.
_TRIES = 12
# Of translucent pictures, so many may lead to another fit of colours, which may be the least of the file.
_FITTING_TRIES = 6
USUAL_TRIES = 4
"""Files that a search makes."""
# As long as the aim has not been passed, each move goes so many times farther than the slope says.
_GALLOP = 3
# So does each refit: where the first was not enough, pictures need more than the slope says.
_REFIT_GALLOP = 1.3
# A setting that has been tried is replaced by one at most so far away.
_FARTHEST_NEIGHBOR = 3
# Beyond this many octaves from the setting that suits a fit, refit.
_REFIT_BEYOND = 0.5
# Octaves of Gaussians to an octave of D.
_GAUSSIANS_PER_STEP = 1.3
# Where Gaussians are going to be dropped, so many octaves more are fitted than it takes.
_SURPLUS = 0.25
# A fit that may have no more Gaussians goes on for so many times the steps of another one.
_STEPS_TO_SETTLE = 4.0


def meet(goal: Goal, job: Job, n_gaussians: int | None) -> Encoding:
    """Encode a picture to a target, as `encode.encode_to`.

    Raises:
        TargetError: that is impossible.
    """
    if goal.kind == "target_psnr":
        return _meet_psnr(goal.value, job, n_gaussians)
    bytes_per_unit = 1.0 if goal.kind == "target_size" else job.task.height * job.task.width / 8
    limit = int(min(goal.value * bytes_per_unit, _LARGEST_SIZE))
    least = job.smallest()
    if len(least.data) > limit:
        possible = len(least.data) / bytes_per_unit
        if goal.kind == "target_size":
            raise TargetError(f"a size of {goal.value:g} bytes cannot be met: {possible:g} bytes can")
        # Rounded up, so that what is said can be had.
        possible = math.ceil(possible * 1e4) / 1e4
        raise TargetError(f"a rate of {goal.value:g} bpp cannot be met: {possible:g} bpp can")
    return _meet_size(limit, least, job, n_gaussians)


def _meet_size(limit: int, least: Encoding, job: Job, n_gaussians: int | None) -> Encoding:
    """A file of at most `limit` bytes, and little less unless the picture needs no more; `least` is the smallest."""
    task, hints = job.task, job.profile.hints
    usual = int(8 * limit / hints.bits_per_gaussian)
    budget = task.budget_of_count(n_gaussians or min(max(1, usual), task.most))
    aim = _Aim(
        lambda encoding: math.log(len(encoding.data)),
        math.log(limit * (1 - _SIZE_TOLERANCE)),
        math.log(limit + 0.5),
        hints.log_size,
        bounded="above",
    )
    found = _Search(job, budget, n_gaussians is not None, aim).run()
    under = [encoding for encoding in (least, *found) if len(encoding.data) <= limit]
    return max(under, key=lambda encoding: len(encoding.data))


def _meet_psnr(target: float, job: Job, n_gaussians: int | None) -> Encoding:
    """The smallest file found whose PSNR is at least `target`; the best one if the user wants no more."""
    task = job.task

    @cache
    def reached(encoding: Encoding) -> float:
        return min(picture_psnr(job.picture, from_bytes(encoding.data, "").render()), _PERFECT)

    least = job.smallest()
    if reached(least) >= target:
        return least
    error = task.samples * 10 ** (-target / 10)
    budget = task.budget_of_count(n_gaussians) if n_gaussians else task.budget_of_error(error)
    aim = _Aim(reached, target, target + _PSNR_TOLERANCE, job.profile.hints.psnr, bounded="below")
    found = _Search(job, budget, n_gaussians is not None, aim).run()
    above = [encoding for encoding in found if reached(encoding) >= target]
    if not above:
        best = max(found, key=reached)
        if task.hurried:
            return best
        raise TargetError(f"a PSNR of {target:g} dB cannot be met: {reached(best):.2f} dB can")
    return min(above, key=lambda encoding: len(encoding.data))


@dataclass(frozen=True)
class _Aim:
    """What is wanted of a file."""

    measure: Callable[[Encoding], float]
    """Grows with the setting."""
    low: float
    """The lowest measure that will do."""
    high: float
    """The highest."""
    slope: Slope
    """Of the measure."""
    bounded: Literal["above", "below"]
    """Where the limit is that no file may pass; the other one is a wish."""

    @property
    def middle(self) -> float:
        """What to aim at."""
        return 0.5 * (self.low + self.high)

    def allows(self, value: float) -> bool:
        """Whether a file of a measure can be handed out."""
        return value <= self.high if self.bounded == "above" else value >= self.low


class _Files(Protocol):
    """The files of one fit. Settings are whole numbers; the larger, the larger and better are the files."""

    splats: Splats
    """The fit."""
    first: int
    """The smallest setting."""
    last: int
    """The largest setting."""

    def octave(self, setting: int) -> float:
        """Where a setting lies: at 0 if it suits the fit."""

    def setting(self, octave: float) -> int:
        """The setting that lies nearest."""

    def encode(self, setting: int) -> Encoding:
        """The file at a setting."""

    def hold_opacity(self, setting: int) -> bool:
        """Give all files from now on the opacity of the one at a setting; says if the one before has another."""

    def gaussians(self, octave: float) -> float:
        """How many Gaussians to fit for what lies there."""


class _ByStep:
    """Files of a profile that follows D: a setting is its notch."""

    def __init__(self, job: Job, splats: Splats) -> None:
        self._job = job
        self.splats = splats
        self._center = ladder.nearest(job.task.balanced_d(splats))
        self.first, self.last = 0, ladder.LAST
        self._opacity_notch: int | None = None

    def octave(self, setting: int) -> float:
        return (setting - self._center) / ladder.PER_OCTAVE

    def setting(self, octave: float) -> int:
        return min(max(round(self._center + octave * ladder.PER_OCTAVE), self.first), self.last)

    def encode(self, setting: int) -> Encoding:
        return self._job.finish(self.splats, setting, opacity_notch=self._opacity(setting))

    def hold_opacity(self, setting: int) -> bool:
        opacity, held = self._job.opacity, self._opacity(setting)
        if opacity is None or opacity.rounded(self._opacity(setting - 1)) == opacity.rounded(held):
            return False
        self._opacity_notch = held
        return True

    def _opacity(self, setting: int) -> int:
        """The notch of the opacity of a file."""
        if self._opacity_notch is not None:
            return self._opacity_notch
        # Nearby files share one opacity, so that they differ by little. Beyond, it follows: it may be most of the file.
        nearby = round(_REFIT_BEYOND * ladder.PER_OCTAVE)
        away = setting - self._center
        return self._center + away - min(max(away, -nearby), nearby)

    def gaussians(self, octave: float) -> float:
        return len(self.splats) * 2 ** (_GAUSSIANS_PER_STEP * octave)


class _ByCount:
    """Files of the other profiles: a setting is a number of Gaussians, of which those that are missed least go."""

    def __init__(self, job: Job, splats: Splats) -> None:
        self._job = job
        self.splats = splats
        self._center = ladder.nearest(job.task.balanced_d(splats))
        # There is always one.
        self.first, self.last = 1, max(len(splats), 1)

    def octave(self, setting: int) -> float:
        return math.log2(setting / self.last)

    def setting(self, octave: float) -> int:
        return max(round(self.last * 2 ** min(octave, 0)), self.first)

    def encode(self, setting: int) -> Encoding:
        return self._job.finish(self.splats, ladder.LAST, most=setting, opacity_notch=self._center)

    def hold_opacity(self, setting: int) -> bool:
        # They all have the same.
        return False

    def gaussians(self, octave: float) -> float:
        return len(self.splats) * 2 ** (octave + _SURPLUS)


def _files(job: Job, splats: Splats) -> _Files:
    return (_ByStep if job.profile.follows_d else _ByCount)(job, splats)


class _Search:
    """The way to a file that is as wanted.

    Args:
        job: of the files.
        budget: of the first fit.
        fixed: whether there shall be no other.
        aim: what is wanted.
    """

    def __init__(self, job: Job, budget: Budget, fixed: bool, aim: _Aim) -> None:
        self._job = job
        self._task = job.task
        self._fixed = fixed
        self._aim = aim
        self._grown = False
        self._refits = 0
        # The measure of the setting that suits the fit, which is the first.
        self._at_center: float | None = None
        # Whether a fit that may not grow any more has been given more steps.
        self._settled = False
        self._use(job.task.grow(budget))

    def run(self) -> list[Encoding]:
        """Files, of which the last one is as wanted, if any is."""
        found: list[Encoding] = []
        setting: int | None = self._files.setting(0)
        while setting is not None and len(found) < _TRIES and not self._late:
            found.append(self._files.encode(setting))
            self._tried[setting] = self._aim.measure(found[-1])
            if self._at_center is None:
                self._at_center = self._tried[setting]
            self._fixed |= self._job.opacity is not None and len(found) >= _FITTING_TRIES
            setting = self._after(setting)
        return found

    @property
    def _late(self) -> bool:
        """Whether there is no time for another file, and one that can be handed out."""
        return not self._task.seconds_left and any(map(self._aim.allows, self._tried.values()))

    def _use(self, splats: Splats) -> None:
        """Go on with the files of a fit."""
        self._files = _files(self._job, splats)
        self._tried: dict[int, float] = {}
        self._at_center = None

    def _after(self, setting: int) -> int | None:
        """What to try after a setting, perhaps of another fit; None at the end of the search."""
        files, tried, aim = self._files, self._tried, self._aim
        if aim.low <= tried[setting] <= aim.high:
            return None
        above = min((s for s, value in tried.items() if value > aim.high), default=None)
        lower = (s for s, value in tried.items() if value < aim.low and (above is None or s < above))
        below = max(lower, default=None)
        if above is not None and below is not None:
            if above - below == 1 and files.hold_opacity(above):
                # The step between the two may be that of the opacity: with one of them, colours have steps in between.
                self._tried = {s: value for s, value in tried.items() if s >= above}
                return below
            share = (aim.middle - tried[below]) / (tried[above] - tried[below])
            return self._near((1 - share) * files.octave(below) + share * files.octave(above))
        octave, missing = files.octave(setting), aim.middle - tried[setting]
        away = missing / aim.slope.alone
        at_end = setting == (files.last if missing > 0 else files.first)
        # Of a fit that has grown because it was too small, fewer Gaussians would be too few once more.
        if (at_end or abs(octave + away) > _REFIT_BEYOND) and (missing > 0 or not self._grown):
            assert self._at_center is not None
            suited = (aim.middle - self._at_center) / aim.slope.refitted
            if missing > 0:
                suited *= _REFIT_GALLOP**self._refits
            if self._refit(files.gaussians(suited), missing > 0):
                return self._files.setting(0)
        return None if at_end else self._near(octave + _GALLOP ** (len(tried) - 1) * away)

    def _refit(self, gaussians: float, more: bool) -> bool:
        """Go on with a fit of about so many Gaussians, more than now or fewer, and say whether there is one."""
        before = len(self._files.splats)
        count = max(math.ceil(gaussians), before + 1) if more else min(math.floor(gaussians), before - 1)
        count = min(max(count, 1), self._task.most)
        settles = count == before and more and not self._settled
        if self._fixed or not self._task.in_time or (count == before and not settles):
            return False
        self._settled |= settles
        times = _STEPS_TO_SETTLE if settles else 1.0
        splats = self._task.grow(self._task.budget_of_count(count), self._files.splats, times=times)
        if more and len(splats) <= before and not settles:
            # The picture has no place for more.
            self._fixed = True
            return False
        self._grown |= more
        self._refits += 1
        self._use(splats)
        return True

    def _near(self, octave: float) -> int | None:
        """The setting next to a place that has not been tried: the measure may jump, or go the other way."""
        middle = self._files.setting(octave)
        near = (middle + sign * offset for offset in range(_FARTHEST_NEIGHBOR) for sign in (1, -1))
        return next((s for s in near if self._files.first <= s <= self._files.last and s not in self._tried), None)

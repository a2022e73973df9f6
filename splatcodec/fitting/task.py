"""A picture to fit, and everything that stays the same over several fits of it."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from splatkernels.gaussians import Gaussians

from ..splats import Splats
from . import rate
from .budget import Budget, Count, Distortion, Price
from .growth import FitState, asks_to_stop, grow, squared_error
from .loss import Loss
from .objective import Objective
from .objective import make_objective as objective_of
from .orientation import UPRIGHT, Orientation, usual_orientation
from .pace import Deadline, fitting_share
from .pruning import all_but_least, survivors
from .refinement import PictureRefiner
from .schedule import EFFORTS, Schedule

# A refinement of Gaussians that are being quantised takes so many times fewer steps than a fit.
_STEPS_OF_FIT_PER_STEP = 24
# A picture of no more samples has so few Gaussians that it shows when one of them ends in the wrong place.
_FEW_SAMPLES = 3 * 64**2
# Fits of such pictures take so many times more steps.
_STEPS_OF_SMALL = 1.7
# Pixels across a thin picture, which is small as long as it has no more than so many times as many samples.
_THIN, _LONG = 8, 8
# In a picture that is reduced for lack of time, more Gaussians would make steps longer than has been reckoned with.
_PIXELS_PER_GAUSSIAN = 80


class Task:
    """What is to be fitted, and how.

    A picture may be fitted at a reduced size; all Gaussians, squared errors and D that go in and come out are those of
    the whole picture.

    Args:
        target: [C, H, W] float32, full scale 1: the picture, or what `pace.reduce` makes of it.
        schedule: the course of a fit.
        size: height and width of the whole picture; that of the target if None.
        reduction: how many times smaller the target is.
        seed, device: as in `grow`.
        weights: [H, W], how much each pixel of the target counts; all the same if None.
        make_objective: makes what is to be minimised of a target and its weights; the squared error by default.
        deadline: when all shall be done.
        hurried: whether the schedule or the target have been chosen for lack of time.
        roundings: how many times the outcome of a fit will be rounded before the deadline.
        callback: as in `grow`; once it has returned True, there is no further fit.
    """

    def __init__(
        self,
        target: NDArray[np.float32],
        schedule: Schedule,
        *,
        size: tuple[int, int] | None = None,
        reduction: int = 1,
        seed: int = 0,
        device: str = "cpu",
        weights: NDArray[np.float32] | None = None,
        make_objective: Callable[[NDArray[np.float32], NDArray[np.float32] | None], Objective] | None = None,
        deadline: Deadline | None = None,
        hurried: bool = False,
        roundings: int = 1,
        callback: Callable[[FitState], bool | None] | None = None,
    ) -> None:
        _, self.height, self.width = target.shape if size is None else (0, *size)
        self.channels = len(target)
        self.stopped = False
        """Whether the callback wants no more."""
        self._target = target
        self._reduction = reduction
        make = make_objective or partial(objective_of, Loss(), device=device)
        self._objective = self._turned_objective = make(target, weights)
        turns = self.is_small and reduction == 1 and self._objective.may_turn
        self._orientation = way = usual_orientation(target) if turns else UPRIGHT
        if way != UPRIGHT:
            self._turned_objective = make(way.turn(target), None if weights is None else way.turn(weights))
        # Their few Gaussians are quick, and one that has not settled shows.
        times = _STEPS_OF_SMALL if self.is_small and not hurried else 1.0
        self._schedule = replace(schedule, steps=round(times * schedule.steps))
        self._seed = seed
        self._device = device
        self._deadline = deadline
        self._hurried = hurried
        self._seconds_of_fit = 0.0
        self._roundings = max(roundings, 1)
        self._callback = callback

    @property
    def samples(self) -> int:
        """Of the whole picture."""
        return self.channels * self.height * self.width

    @property
    def is_small(self) -> bool:
        """Whether it has but a few samples, or is a few pixels across and not very long."""
        thin = min(self.height, self.width) <= _THIN
        return self.samples <= _FEW_SAMPLES * (_LONG if thin else 1)

    @property
    def most(self) -> int:
        """As many Gaussians as ever make sense: one per pixel, fewer where time is too short for all pixels."""
        pixels = self._target[0].size
        return pixels if self._reduction == 1 else max(1, pixels // _PIXELS_PER_GAUSSIAN)

    @property
    def seconds_left(self) -> float:
        """Until all shall be done; infinite without a limit."""
        return math.inf if self._deadline is None else self._deadline.left

    @property
    def in_time(self) -> bool:
        """Whether there is time for another fit."""
        return not self.stopped and self.seconds_left > self._seconds_of_fit

    @property
    def hurried(self) -> bool:
        """Whether more time would make a difference."""
        return self._hurried or not self.in_time

    def budget_of_price(self, d: float) -> Budget:
        """As many Gaussians as are worth their price, given D."""
        return Price(self._orientation.turn(self._target), d / self._reduction, self.most)

    def budget_of_count(self, count: int, d: float | None = None) -> Budget:
        """So many Gaussians, to be stored with D, or what suits them."""
        return Count(count, None if d is None else d / self._reduction)

    def budget_of_error(self, squared_error: float) -> Budget:
        """As many Gaussians as it takes for a squared error, a sum over samples that all count the same."""
        return Distortion(
            self._orientation.turn(self._target), squared_error / self._reduction**2 * self._mean_weight, self.most
        )

    def grow(self, budget: Budget, start: Splats | None = None, attempt: int = 0, times: float = 1.0) -> Splats:
        """Fit Gaussians to the picture; from others, in half the steps. Another attempt finds others.

        The fit takes so many `times` the steps that the schedule has.
        """
        schedule = replace(self._schedule, steps=round(times * self._schedule.steps))
        if start is not None:
            schedule = replace(schedule, steps=schedule.steps // 2, stages=max(1, schedule.stages // 2))
        way = self._orientation if start is None else UPRIGHT
        before = self.seconds_left
        splats = grow(
            way.turn(self._target),
            budget,
            schedule,
            start=None if start is None else self._reduced(start),
            seed=self._seed + attempt,
            device=self._device,
            objective=self._objective if way == UPRIGHT else self._turned_objective,
            max_seconds=self._seconds(fitting_share(schedule, self._roundings)),
            callback=partial(self._observe, way),
        )
        if self._deadline is not None:
            self._seconds_of_fit = before - self.seconds_left
        return self._outward(splats, way)

    def _observe(self, way: Orientation, state: FitState) -> bool:
        if self._callback is not None:
            outward = replace(state, take=lambda: self._outward(state.take(), way))
            self.stopped |= asks_to_stop(self._callback(outward))
        return self.stopped

    def _outward(self, splats: Splats, way: Orientation) -> Splats:
        """Gaussians of the target, turned that way, on the whole picture."""
        splats = way.turn_back(splats)
        return splats if self._reduction == 1 else splats.magnified(self._reduction, self.height, self.width)

    def squared_error(self, splats: Splats) -> float:
        """Of Gaussians, a sum over samples, each as much as it counts."""
        image = self._reduced(splats).render().clip(0, 1)
        return squared_error(image, self._target, self._weights) * self._reduction**2

    def balanced_d(self, splats: Splats) -> float:
        """The D that suits Gaussians."""
        return rate.balanced_d(len(splats), self.squared_error(splats))

    def prune(self, splats: Splats, d: float) -> Splats:
        """The Gaussians whose removal would add more to the squared error than their price, given D."""
        price = rate.price(d / self._reduction)
        return self._kept(splats, lambda costs: costs > price)

    def trim(self, splats: Splats, count: int, deadline: Deadline | None) -> Splats:
        """The `count` Gaussians that the picture would miss most, refined if that makes up for the others."""
        if count >= len(splats):
            return splats
        kept = self._kept(splats, lambda costs: all_but_least(costs, len(costs) - count))
        refiner = self.refiner(kept, deadline=deadline)
        refined = Splats(*refiner.refine(kept.gaussians, *Gaussians._fields), height=kept.height, width=kept.width)
        # Where few are missing, a short refinement may spoil more than it mends.
        return min(kept, refined, key=lambda splats: refiner.loss(splats.gaussians))

    def begin_rounding(self) -> Deadline | None:
        """When the rounding that begins now shall be done, if time is limited."""
        seconds = self._seconds(1 / self._roundings)
        # Some searches take more of them than is usual.
        self._roundings = max(self._roundings - 1, 1)
        return None if seconds is None else Deadline(seconds)

    def refiner(self, splats: Splats, d: float | None = None, deadline: Deadline | None = None) -> PictureRefiner:
        """What quantisation asks to refine Gaussians like the given ones, for the rate too if D is given."""
        schedule = EFFORTS[min(EFFORTS)] if self.stopped else self._schedule
        return PictureRefiner(
            self._objective.balanced(self._reduced(splats).render()),
            schedule.steps // _STEPS_OF_FIT_PER_STEP,
            reduction=self._reduction,
            device=self._device,
            penalty=None if d is None else rate.penalty(d / self._reduction),
            deadline=deadline,
        )

    def _seconds(self, share: float) -> float | None:
        """A share of the time left, if that is limited; a little, lest nothing comes of it, if it is up."""
        return None if self._deadline is None else max(share * self._deadline.left, 0.01)

    def _kept(self, splats: Splats, keep: Callable[[NDArray[np.float64]], NDArray[np.bool_]]) -> Splats:
        reduced = self._reduced(splats)
        return splats.take(survivors(reduced.gaussians, reduced.height, reduced.width, self._weights, keep))

    def _reduced(self, splats: Splats) -> Splats:
        """Gaussians on the canvas of the target."""
        if self._reduction == 1:
            return splats
        return splats.magnified(1 / self._reduction, *self._target.shape[1:])

    @property
    def _mean_weight(self) -> float:
        """How much the squared error of a pixel counts on average."""
        return 1.0 if self._weights is None else float(self._weights.mean(dtype=np.float64))

    @property
    def _weights(self) -> NDArray[np.float32] | None:
        return self._objective.weights

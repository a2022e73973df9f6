"""Fits a sum of Gaussians to a picture by growth: place some where the residual is, refine all, repeat."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from splatkernels import CUTOFF
from splatkernels.adam import FrameAdam
from splatkernels.descent import Optimizer, Penalty, Rates
from splatkernels.gaussians import Gaussians

from ..splats import SMALLEST_SCALE, Splats
from . import rate
from .budget import Budget
from .loss import Loss, decibels
from .objective import Objective, make_objective
from .placement import propose
from .pruning import all_but_least, sample, survivors
from .schedule import FEWEST_STEPS, Schedule

_log = logging.getLogger(__name__)
# In longer sides of the picture: wider Gaussians are flat across it, and drift without end.
_LARGEST_SCALE = 2.0
# In pixels: what every profile can store.
_STORABLE_SCALE = 20_000.0
# In full scales. Without a bound, neighbours of opposite signs grow as long as their sum stays the same.
LARGEST_COLOR = 1.2
# Cutting Gaussians off a little early makes a step a third cheaper and costs nothing: the fit makes up for it.
FIT_CUTOFF = 3.5
# Mean squared error, 40 dB, below which it shows what steps do to Gaussians for speed.
_CLOSE = 1e-4
# Part of the colour that would remove most energy: neighbours placed at the same time share in it.
_INITIAL_AMPLITUDE = 0.85
# Below this share of the largest weight, colours start smaller than would be best: they are guesses there.
_LEAST_WEIGHT = 0.1
# Shares of a fit at which Gaussians are drawn exactly.
_CALIBRATED_AT = (0.5, 0.75, 0.9)
# How often a fit in limited time waits for its device.
_STEPS_BETWEEN_LOOKS = 16
# Decay, per step, of Adam's running means of the gradient, in short refinements, and of its square.
_MOMENTUM, _BETA2 = 0.95, 0.95
# Where no sample is brighter, in full scales, colours change more slowly in proportion, lest they jump about zero.
_BRIGHT = 0.25
_RATES = Rates(means=0.36, scales=0.225, rotations=0.225, colors=0.045)


@dataclass(frozen=True)
class FitState:
    """Where a fit stands after a step."""

    step: int
    """Steps done."""
    steps: int
    """Steps to do in all, unless the time is up before."""
    progress: float
    """Share of the fit that is done, from 0 to 1."""
    loss: SupportsFloat
    """Loss before the step, a mean in units of the squared error; on a GPU, `float` of it waits for the device."""
    squared_error: SupportsFloat
    """Mean squared error before the step, full scale 1; likewise."""
    n_gaussians: int
    """At present; some more than wanted until half of the fit is done."""
    seconds: float
    """Since the fit began."""
    take: Callable[[], Splats] = field(repr=False)
    """Copies the Gaussians as they are when it is called, as [N] rows on the canvas of the picture."""

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio before the step in dB, of float samples."""
        return decibels(float(self.squared_error))


def grow(
    target: NDArray[np.float32],
    budget: Budget,
    schedule: Schedule,
    *,
    start: Splats | None = None,
    seed: int = 0,
    device: str = "cpu",
    objective: Objective | None = None,
    max_seconds: float | None = None,
    callback: Callable[[FitState], bool | None] | None = None,
) -> Splats:
    """Fit Gaussians to a picture so that the squared error, or any other loss, becomes small.

    One very wide Gaussian carries the mean colour. The others come in `schedule.stages` equal groups, each placed on
    the residual of the current sum. Between stages the Gaussians that are missed least are dropped and placed anew.
    There are more of them than wanted until the rates begin to fall: which ones to keep shows only among the others.

    Args:
        target: [C, H, W] float32, full scale 1.
        budget: how many Gaussians; a picture that needs no more gets fewer.
        schedule: the course of the fit.
        start: Gaussians to begin with, instead of the mean colour.
        seed: of the random perturbations of new Gaussians; equal seeds give equal results on one device, unless time
            is limited.
        device: "cpu" or "cuda".
        objective: what to minimise, anew in the units of the squared error at each stage; the squared error if None.
        max_seconds: time to be done in, but for what is under way then: a step, or placing a group. The schedule is
            followed faster if it would take longer.
        callback: called after every step; where it returns True, the fit ends with what there is.

    Returns:
        As many Gaussians as the budget wants, or fewer.

    Raises:
        ValueError: the target or the gradient of the objective is not finite.
    """
    began = time.perf_counter()
    rng = np.random.default_rng(seed)
    _, height, width = target.shape
    objective = objective or make_objective(Loss(), target, None, device)
    weights = objective.weights
    rates = replace(_RATES, colors=_RATES.colors * min(1.0, float(target.max()) / _BRIGHT))
    optimizer = make_optimizer(target, device, weights, momentum=schedule.momentum)
    if start is None:
        size = np.array([[width, height]], np.float32)
        half, wide = np.float32(0.5) * size, np.float32(0.6) * size
        optimizer.append(Gaussians(half, wide, np.zeros(1, np.float32), 1.2 * target.mean(axis=(1, 2))[None]))
    else:
        optimizer.append(start.gaussians)

    def take() -> Splats:
        return Splats(*optimizer.gaussians.copy(), height=height, width=width)

    progress, steps, stage, calibrated = 0.0, float(schedule.steps), -1, 0
    first, changed, wanted, lowest = len(optimizer), 0, 0, math.inf
    loss: SupportsFloat = math.inf
    mean_error: SupportsFloat = math.inf
    for done in range(schedule.steps):
        following = schedule.stage(progress)
        # Where time is short, stages are passed over: Gaussians that have not settled leave more residual than before.
        settled = done == 0 or done - changed >= schedule.least(steps)
        if following > stage and (settled or following == schedule.stages):
            previous, stage, changed = stage, following, done
            image = optimizer.render()
            current = objective.at(progress, image)
            error = squared_error(image, target, weights)
            _log.info("step %d: %d Gaussians, squared error %.4g", done, len(optimizer), error)
            # If the error has risen, those of the last stage have not settled: it says nothing of how many are needed.
            budget.observe(len(optimizer), error, hasty=max_seconds is not None and steps < FEWEST_STEPS)
            wanted = min(wanted, budget.wanted) if error > lowest else budget.wanted
            lowest = min(lowest, error)
            penalty = rate.penalty(budget.d)
            if stage < schedule.stages:
                relocated = schedule.relocated if stage else 0.0
                count = schedule.gaussians(stage, first, wanted)
                _change(optimizer, count, relocated, weights, rng, budget.keep)
            elif previous == stage - 1 or not settled:
                _prune(optimizer, weights, budget.keep)
            else:
                _change(optimizer, wanted, 0.0, weights, rng, budget.keep)
        due = sum(progress >= share for share in _CALIBRATED_AT)
        if due > calibrated:
            calibrated = due
            if is_close(current, loss, mean_error):
                optimizer.calibrate()
        loss, mean_error = descend(optimizer, current, rates.scaled(schedule.rate(progress, steps)), penalty)
        if max_seconds and done % _STEPS_BETWEEN_LOOKS == 0:
            # A GPU may be far behind.
            float(mean_error)
        seconds = time.perf_counter() - began
        progress = max((done + 1) / schedule.steps, seconds / max_seconds if max_seconds else 0.0)
        steps = (done + 1) / progress
        state = FitState(done + 1, schedule.steps, min(progress, 1.0), loss, mean_error, len(optimizer), seconds, take)
        if (callback is not None and asks_to_stop(callback(state))) or progress >= 1:
            break
    _drop_invisible(optimizer)
    if stage < schedule.stages:
        _prune(optimizer, weights, budget.keep)
    return take()


def is_close(objective: Objective, loss: SupportsFloat, error: SupportsFloat) -> bool:
    """Whether a fit is so close that it shows what steps do to Gaussians for speed, given what `descend` returns."""
    if not objective.is_quadratic:
        return float(error) < _CLOSE
    # What does not count may be anything.
    weight = 1.0 if objective.weights is None else float(objective.weights.mean(dtype=np.float64))
    return float(loss) < _CLOSE * weight


def asks_to_stop(answer: object) -> bool:
    """Whether a callback has returned True, and not just something else."""
    return isinstance(answer, bool | np.bool_) and bool(answer)


def make_optimizer(
    target: NDArray[np.float32],
    device: str,
    weights: NDArray[np.float32] | None = None,
    largest_color: float = LARGEST_COLOR,
    momentum: float = _MOMENTUM,
) -> Optimizer:
    """No Gaussians yet, to descend on "cpu" or "cuda" towards a picture [C, H, W] whose pixels count as in [H, W]."""
    kind: Callable[..., Optimizer] = FrameAdam
    if device == "cuda":
        from splatkernels.gpu_adam import GpuFrameAdam

        kind = GpuFrameAdam
    return kind(
        target,
        weights,
        smallest_scale=SMALLEST_SCALE,
        largest_scale=min(_LARGEST_SCALE * max(target.shape[1:]), _STORABLE_SCALE),
        largest_color=largest_color,
        cutoff=FIT_CUTOFF,
        beta1=momentum,
        beta2=_BETA2,
    )


def descend(
    optimizer: Optimizer, objective: Objective, rates: Rates, penalty: Penalty | None
) -> tuple[SupportsFloat, SupportsFloat]:
    """Move every Gaussian once; returns the loss and the mean squared error before.

    The optimizer has the weights of the objective.
    """
    if objective.is_quadratic:
        return optimizer.step(rates, penalty)
    evaluated = []

    def differentiate(image: Any) -> Any:
        evaluated.append(objective.evaluate(image))
        return evaluated[0].gradient

    optimizer.step_along(differentiate, rates, penalty)
    return evaluated[0].loss, evaluated[0].squared_error


def _change(
    optimizer: Optimizer,
    wanted: int,
    relocated: float,
    weights: NDArray[np.float32] | None,
    rng: np.random.Generator,
    keep: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
) -> None:
    """Have as many Gaussians as `wanted`: a share `relocated` of them, those that are missed least, is placed anew.

    If there are more, those stay that are worth it by `keep`: how many are wanted is a guess.
    """
    moved = int(relocated * len(optimizer))
    if len(optimizer) - moved >= wanted:
        # None of them would come back.
        moved = 0
    dropped = max(moved, len(optimizer) - wanted)
    if dropped > 0:
        most, left = len(optimizer) - moved, len(optimizer) - dropped

        def kept(costs: NDArray[np.float64]) -> NDArray[np.bool_]:
            least = all_but_least(costs, len(costs) - left) | keep(costs)
            return least & all_but_least(costs, len(costs) - most)

        _prune(optimizer, weights, kept)
    if wanted > len(optimizer):
        _place(optimizer, wanted - len(optimizer), weights, rng)


def squared_error(
    image: NDArray[np.float32], target: NDArray[np.float32], weights: NDArray[np.float32] | None
) -> float:
    """Of two images [C, H, W], a sum over samples, each as much as it counts by `weights` [H, W]."""
    squares = (target - image) ** 2
    return float((squares if weights is None else squares * weights).sum(dtype=np.float64))


def _prune(
    optimizer: Optimizer,
    weights: NDArray[np.float32] | None,
    keep: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
) -> None:
    """Remove the Gaussians that are not worth it, as in `survivors`."""
    height, width = optimizer.target.shape[1:]
    optimizer.keep(survivors(optimizer.gaussians, height, width, weights, keep))


def _drop_invisible(optimizer: Optimizer) -> None:
    """Remove Gaussians that end before they reach the picture."""
    height, width = optimizer.target.shape[1:]
    gaussians = optimizer.gaussians
    reach = CUTOFF * gaussians.scales.max(axis=1, keepdims=True)
    outside = (gaussians.means + reach < 0) | (gaussians.means - reach > (width, height))
    optimizer.keep(~outside.any(axis=1))


def _place(optimizer: Optimizer, count: int, weights: NDArray[np.float32] | None, rng: np.random.Generator) -> None:
    """Add up to `count` Gaussians where they remove most of the residual.

    With weights w, a Gaussian removes most of the residual times sqrt(w), at a colour that is larger by as much. All
    are made slightly anisotropic in a random direction: at equal scales the rotation has no gradient.
    """
    residual = optimizer.target - optimizer.render()
    if weights is not None:
        residual *= np.sqrt(weights)
    proposals = propose(residual, count)
    colors = proposals.colors
    if weights is not None:
        gains = np.sqrt(np.maximum(sample(weights, proposals.means), _LEAST_WEIGHT))
        colors = (colors / gains[:, None]).astype(np.float32)
    found = len(proposals.scales)
    scales: NDArray[Any] = proposals.scales[:, None] * np.exp(rng.normal(0, 0.02, (found, 2)))
    rotations: NDArray[Any] = rng.uniform(0, np.pi, found)
    optimizer.append(Gaussians(proposals.means, scales, rotations, _INITIAL_AMPLITUDE * colors))

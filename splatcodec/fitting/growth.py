"""Fits a sum of Gaussians to a picture by growth: place some where the residual is, refine all, repeat."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from splatkernels import CUTOFF
from splatkernels.adam import FrameAdam, Rates

from ..splats import Splats
from .placement import propose
from .schedule import Schedule

if TYPE_CHECKING:
    from splatkernels.gpu_adam import GpuFrameAdam

    Optimizer = FrameAdam | GpuFrameAdam

_SMALLEST_SCALE = 0.35
# In longer sides of the picture: wider Gaussians are flat across it, and drift without end.
_LARGEST_SCALE = 2.0
# Cutting Gaussians off a little early makes a step a third cheaper and costs nothing: the fit makes up for it.
_CUTOFF = 3.5
# Part of the colour that would remove most energy: neighbours placed at the same time share in it.
_INITIAL_AMPLITUDE = 0.7
_BETA1, _BETA2 = 0.95, 0.99
_RATES = Rates(means=0.15, scales=0.1, rotations=0.1, colors=0.02)


@dataclass(frozen=True)
class FitState:
    """Where a fit stands after a step."""

    step: int
    """Steps done."""
    steps: int
    """Steps to do in all."""
    loss: SupportsFloat
    """Mean squared error before the step, full scale 1; on a GPU, `float` of it waits for the device."""
    n_gaussians: int
    seconds: float
    """Since the fit began."""

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio before the step in dB, of float samples."""
        return float(-10 * np.log10(max(float(self.loss), 1e-20)))


def grow(
    target: NDArray[np.float32],
    n_gaussians: int,
    schedule: Schedule,
    *,
    seed: int = 0,
    device: str = "cpu",
    callback: Callable[[FitState], None] | None = None,
) -> Splats:
    """Fit Gaussians to a picture so that the squared error becomes small.

    One very wide Gaussian carries the mean colour. The others come in `schedule.stages` equal groups, each placed on
    the residual of the current sum. Between stages the Gaussians of least energy are dropped and placed anew.

    Args:
        target: [C, H, W] float32, full scale 1.
        n_gaussians: number of Gaussians, >= 1; a picture that needs no more gets fewer.
        schedule: the course of the fit.
        seed: of the random perturbations of new Gaussians; equal seeds give equal results on one device.
        device: "cpu" or "cuda".
        callback: called after every step.
    """
    start = time.perf_counter()
    rng = np.random.default_rng(seed)
    _, height, width = target.shape
    optimizer = _optimizer(target, device)
    size = np.array([[width, height]], np.float32)
    optimizer.append(size / 2, 0.6 * size, np.zeros(1, np.float32), 1.2 * target.mean(axis=(1, 2))[None])

    done = 0
    for stage, steps in enumerate(schedule.stage_steps()):
        if stage > 0:
            _drop_weakest(optimizer, schedule.relocated)
        goal = max(1, round(n_gaussians * (stage + 1) / schedule.stages))
        if goal > len(optimizer):
            _place(optimizer, goal - len(optimizer), rng)
        for step in range(steps):
            rate = schedule.rate(stage, step)
            loss = optimizer.step(_RATES.scaled(rate))
            done += 1
            if callback is not None:
                callback(FitState(done, schedule.steps, loss, len(optimizer), time.perf_counter() - start))
    _drop_invisible(optimizer)
    return Splats(optimizer.means, optimizer.scales, optimizer.rotations, optimizer.colors, height, width)


def _optimizer(target: NDArray[np.float32], device: str) -> "Optimizer":
    kind: type[Optimizer] = FrameAdam
    if device == "cuda":
        from splatkernels.gpu_adam import GpuFrameAdam

        kind = GpuFrameAdam
    return kind(
        target,
        smallest_scale=_SMALLEST_SCALE,
        largest_scale=_LARGEST_SCALE * max(target.shape[1:]),
        cutoff=_CUTOFF,
        beta1=_BETA1,
        beta2=_BETA2,
    )


def _drop_weakest(optimizer: "Optimizer", share: float) -> None:
    """Remove the given share of the Gaussians, those of least energy (scale1 scale2 |color|^2)."""
    energy = optimizer.scales.prod(axis=1) * (optimizer.colors**2).sum(axis=1)
    kept = np.ones(len(optimizer), bool)
    kept[np.argsort(energy, kind="stable")[: int(share * len(optimizer))]] = False
    optimizer.keep(kept)


def _drop_invisible(optimizer: "Optimizer") -> None:
    """Remove Gaussians that end before they reach the picture."""
    height, width = optimizer.target.shape[1:]
    reach = CUTOFF * optimizer.scales.max(axis=1, keepdims=True)
    outside = (optimizer.means + reach < 0) | (optimizer.means - reach > (width, height))
    optimizer.keep(~outside.any(axis=1))


def _place(optimizer: "Optimizer", count: int, rng: np.random.Generator) -> None:
    """Add up to `count` Gaussians where they remove most of the residual.

    They are made slightly anisotropic in a random direction: at equal scales the rotation has no gradient.
    """
    proposals = propose(optimizer.target - optimizer.render(), count)
    found = len(proposals.scales)
    scales = proposals.scales[:, None] * np.exp(rng.normal(0, 0.02, (found, 2)))
    rotations = rng.uniform(0, np.pi, found)
    optimizer.append(proposals.means, scales, rotations, _INITIAL_AMPLITUDE * proposals.colors)

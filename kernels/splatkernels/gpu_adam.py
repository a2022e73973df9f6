"""Fits Gaussians to an image on a CUDA GPU: the twin of `adam`, whose steps the host does not wait for.

A step is a fixed sequence of kernels on buffers of a fixed capacity, replayed as one CUDA graph. Only the first two
steps after Gaussians come or go wait for the device: one counts the pairs, one captures the graph. When the Gaussians
grow until their pairs exceed the capacity, the device leaves them as they are and stops counting steps. The host finds
out when it next looks at a result, makes room and repeats the steps that were lost.
"""

import math
import threading
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import gpu, triton_update
from .descent import (
    CALM_SPREAD,
    Errors,
    Penalty,
    Rates,
    check_image_gradient,
    check_weights,
    longest_stride,
    penalty_numbers,
)
from .gaussians import LOG_SCALE1, LOG_SCALE2, ROTATION, SHAPE, Gaussians, X, Y, from_parameters, to_parameters
from .geometry import MOST_PAIRS, Output

# Pairs to make room for, per pair at the time: a sort takes time for room that is not used, too.
_HEADROOM = 1.25
_SMALLEST_CAPACITY = 1024
# torch allows one capture at a time in a process.
_capturing = threading.Lock()
# Steps after which the host looks at the device at the latest.
_MOST_PENDING = 128


class ErrorToCome:
    """A mean squared error before a step; `float()` of it waits for the device."""

    def __init__(self, settle: Callable[[], None]) -> None:
        self._settle: Callable[[], None] | None = settle
        self._value: float | None = None
        self._failure: ValueError | None = None

    def __float__(self) -> float:
        if self._settle is not None:
            self._settle()
        if self._failure is not None:
            raise self._failure
        assert self._value is not None
        return self._value

    def resolve(self, value: float) -> None:
        """Set the value."""
        self._value = value
        self._settle = None

    def fail(self, failure: ValueError) -> None:
        """Let whoever asks for the value have this exception instead."""
        self._failure = failure
        self._settle = None


_ErrorsToCome = tuple[ErrorToCome, ErrorToCome]
"""With and without weights."""


class GpuFrameAdam:
    """N Gaussians on a GPU that descend towards a target image; arrays go in and come out as those of `FrameAdam`.

    Args:
        target: [C, H, W] float32, full scale 1.
        weights: [H, W], how much the squared error of each pixel counts; all the same if None.
        smallest_scale, largest_scale: bounds on the scales in pixels.
        largest_color: bound on the absolute value of colours.
        cutoff: standard deviations at which Gaussians end while fitting.
        beta1, beta2: decay of Adam's running means of the gradient and its square, per step.
        device: where to fit.
    """

    def __init__(
        self,
        target: NDArray[np.float32],
        weights: NDArray[np.float32] | None = None,
        *,
        smallest_scale: float,
        largest_scale: float,
        largest_color: float = math.inf,
        cutoff: float,
        beta1: float = 0.9,
        beta2: float = 0.99,
        device: torch.device | str = "cuda",
    ) -> None:
        self.target = np.ascontiguousarray(target, np.float32)
        self._goal = torch.tensor(self.target, device=device)
        given = check_weights(weights, target)
        shape = target.shape[1:]
        self._weights = self._goal.new_ones(shape) if given is None else torch.tensor(given, device=device)
        channels, height, width = target.shape
        self._output = Output(height, width, cutoff=float(cutoff))
        self._bounds = (math.log(smallest_scale), math.log(largest_scale))
        self._largest_color = float(largest_color)
        self._betas = (beta1, beta2)
        self._parameters = self._goal.new_empty((0, SHAPE + channels))
        self._firsts = torch.empty_like(self._parameters)
        self._seconds = torch.empty_like(self._parameters)
        self._biases = self._goal.new_empty((0, 2))
        self._settings = self._goal.new_zeros(8)  # four rates, then the numbers of the penalty
        self._settings_there: tuple[float, ...] | None = None
        # A row for every step that may be pending: copies from pinned memory, and only these, do not keep the host
        # waiting, so none may be written to before it was read.
        self._settings_to_come = torch.empty((_MOST_PENDING, 8), pin_memory=self._goal.is_cuda)
        self._journal = self._goal.new_zeros(1 + 2 * _MOST_PENDING)
        self._pending: list[tuple[Rates, Penalty | None, _ErrorsToCome]] = []
        self._patience = 1
        self._replays = self._goal.is_cuda
        self._graph: torch.cuda.CUDAGraph | None = None
        self._start_over()

    def __len__(self) -> int:
        return len(self._parameters)

    @property
    def gaussians(self) -> Gaussians:
        """As they are, copied from the device at once."""
        self.settle()
        return from_parameters(self._parameters.cpu().numpy())

    def append(self, gaussians: Gaussians) -> None:
        """Add Gaussians; Adam starts afresh for them."""
        self.settle()
        rows = to_parameters(gaussians, self._bounds, self._largest_color)
        added = torch.from_numpy(rows).to(self._parameters.device)
        self._parameters = torch.cat([self._parameters, added])
        self._firsts = torch.cat([self._firsts, torch.zeros_like(added)])
        self._seconds = torch.cat([self._seconds, torch.zeros_like(added)])
        self._biases = torch.cat([self._biases, self._biases.new_zeros(len(added), 2)])
        self._start_over()

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop the Gaussians where `mask` [N] is false."""
        self.settle()
        kept = torch.from_numpy(np.flatnonzero(mask)).to(self._parameters.device)
        self._parameters = self._parameters[kept]
        self._firsts = self._firsts[kept]
        self._seconds = self._seconds[kept]
        self._biases = self._biases[kept]
        self._start_over()

    def calibrate(self) -> None:
        """Do nothing: steps neglect no more than what lies beyond the cutoff."""

    def render(self) -> NDArray[np.float32]:
        """The current image [C, H, W], not clamped."""
        self.settle()
        with torch.cuda.device_of(self._goal):
            projection = self._project()
            pairs = gpu.emit_pairs(projection, self._pair_count(projection), self._output)
            return gpu.forward(gpu.sort_into_tiles(projection, pairs, self._output), self._output).cpu().numpy()

    def step(self, rates: Rates, penalty: Penalty | None = None) -> Errors:
        """Move every Gaussian once, soon, to reduce the weighted squared error and a penalty.

        Raises:
            ValueError: in this call or a later one, if a row of the parameters is not finite.
        """
        if len(self._pending) >= self._patience:
            self.settle()
        errors = ErrorToCome(self.settle), ErrorToCome(self.settle)
        self._enqueue(rates, penalty, errors)
        return Errors(*errors)

    def step_along(
        self, differentiate: Callable[[Tensor], Tensor], rates: Rates, penalty: Penalty | None = None
    ) -> None:
        """Move every Gaussian once, to reduce any loss and a penalty; waits for the device.

        Args:
            differentiate: takes the current image and returns the gradient of the loss, both [C, H, W] on the device.
            rates: how far to move.
            penalty: added to the loss, if any.

        Raises:
            ValueError: the gradient has another shape, or a row of the parameters is not finite.
        """
        self.settle()
        with torch.cuda.device_of(self._goal):
            self._set(rates, penalty, 1.0)
            projection = self._project()
            pairs = gpu.emit_pairs(projection, self._pair_count(projection), self._output)
            image = gpu.forward(gpu.sort_into_tiles(projection, pairs, self._output), self._output)
            gradient = differentiate(image)
            check_image_gradient(gradient, image)
            self._descend(projection, pairs, gpu.cut_into_tiles(gradient))

    def settle(self) -> None:
        """Wait for the steps so far, and repeat those that were lost for want of room."""
        while self._pending:
            entries = self._journal[: 1 + 2 * len(self._pending)].tolist()
            completed = int(entries[0])
            lost = self._pending[completed:]
            for k, (*_, pending) in enumerate(self._pending[:completed]):
                for own, error in zip(pending, entries[1 + 2 * k : 3 + 2 * k], strict=True):
                    own.resolve(error / self._goal.numel())
            self._journal.zero_()
            self._pending = []
            self._patience = min(2 * self._patience, _MOST_PENDING)
            if lost:
                self._start_over()
            try:
                for step in lost:
                    self._enqueue(*step)
            except ValueError as failure:
                for *_, pending in lost:
                    for own in pending:
                        own.fail(failure)
                self._pending = []
                raise

    def _start_over(self) -> None:
        """Forget the buffers' capacity and the graph: the Gaussians are others, or have outgrown them."""
        self._capacity: int | None = None
        self._compiled = False
        # The graph itself lives until the next one was captured, which takes over its memory.
        self._captured = False
        # Room that has lasted for some steps is trusted for as many more, so few are lost when it does not.
        self._patience = 1

    def _enqueue(self, rates: Rates, penalty: Penalty | None, errors: _ErrorsToCome) -> None:
        """Start a step; its errors go into the journal behind those pending."""
        with torch.cuda.device_of(self._goal):
            if self._capacity is None:
                pairs = self._pair_count(self._project())
                self._capacity = min(max(int(_HEADROOM * pairs), _SMALLEST_CAPACITY), MOST_PAIRS)
            # The sums of a step are of half the squared error.
            self._set(rates, penalty, 0.5)
            if self._replays and self._compiled:
                if not self._captured:
                    self._graph = self._capture(self._capacity)
                    self._captured = True
                assert self._graph is not None
                self._graph.replay()
            else:
                # Kernels compile in their first run, which a capture could not do.
                self._run(self._capacity)
                self._compiled = True
        self._pending.append((rates, penalty, errors))

    def _set(self, rates: Rates, penalty: Penalty | None, share: float) -> None:
        """Tell the device how to move along sums that are of a share of the loss."""
        settings = (rates.means, rates.scales, rates.rotations, rates.colors, *penalty_numbers(penalty, share))
        if settings != self._settings_there:
            row = self._settings_to_come[len(self._pending)]
            row.copy_(torch.tensor(settings))
            self._settings.copy_(row, non_blocking=True)
            self._settings_there = settings

    def _capture(self, capacity: int) -> torch.cuda.CUDAGraph:
        """A graph of one step.

        `torch.cuda.graph` would wait for the device and empty torch's cache of memory, at every stage of a fit.
        """
        graph = torch.cuda.CUDAGraph()
        pool = None if self._graph is None else self._graph.pool()
        # Other threads may fit other images meanwhile, but only one may capture.
        with _capturing, torch.cuda.stream(torch.cuda.Stream(self._goal.device)):
            graph.capture_begin(pool, capture_error_mode="thread_local")
            try:
                self._run(capacity)
            finally:
                graph.capture_end()
        return graph

    def _run(self, capacity: int) -> None:
        """One step, without waiting for the device."""
        projection = self._project()
        pairs = gpu.emit_pairs(projection, capacity, self._output)
        tiles = gpu.sort_into_tiles(projection, pairs, self._output)
        errors, gradient = gpu.compare(tiles, self._goal, self._weights, self._output)
        self._descend(projection, pairs, gradient)
        triton_update.record_error[(1,)](
            errors, projection.offsets, self._journal, len(errors), len(self), capacity, BLOCK=1024, num_warps=4
        )

    def _descend(self, projection: gpu.Projection, pairs: gpu.Pairs, gradient: Tensor) -> None:
        """Move along a gradient in tiles."""
        triton_update.descend[(-(-len(self) // gpu.UPDATE["BLOCK"]),)](
            gpu.backward(projection, pairs, gradient, self._output),
            projection.offsets,
            self._parameters,
            self._firsts,
            self._seconds,
            self._biases,
            self._settings,
            len(self),
            len(self._goal),
            len(pairs.owners),
            longest_stride(self.target),
            *self._betas,
            *self._bounds,
            self._largest_color,
            CALM_SPREAD,
            **gpu.UPDATE,
        )

    def _project(self) -> gpu.Projection:
        return gpu.project(*self._split(), self._output, logarithmic=True)

    def _pair_count(self, projection: gpu.Projection) -> int:
        means, log_scales, rotations, colors = self._split()
        return gpu.pair_count(projection, means, log_scales.exp(), rotations, colors)

    def _split(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Views of the parameters: means, log-scales, rotations, colours."""
        table = self._parameters
        return table[:, X : Y + 1], table[:, LOG_SCALE1 : LOG_SCALE2 + 1], table[:, ROTATION], table[:, SHAPE:]

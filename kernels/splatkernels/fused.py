"""One step of a fit on the CPU: draws Gaussians on a pyramid, compares, and differentiates."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import empty
from numpy.typing import NDArray

from .arrays import render
from .cpu import MOST_CHANNELS, channel_groups
from .gate import meet, run_together, take
from .gaussians import MOMENTS, UU, UV, VV, U, V, from_parameters
from .geometry import check_gaussians
from .jit import kernel
from .pyramid import BAND_ROWS, clear_padding, enlarge, make_pyramid, reduce
from .simd import LANES, add_lanes, fma, load, splat, store
from .spans import BLUR1, BLUR2, Spans, add_slim, add_wide, differentiate_slim, differentiate_wide, put_on_levels

# That a thread adds the slots of at a time.
_GAUSSIANS = 512


@kernel
def _add_band(channels, spans, pyramid, level, band, colors, planes):
    """Add all Gaussians of a band, numbered over all levels, to its rows."""
    layout, size, own = pyramid.layouts[level], pyramid.sizes[level], band - pyramid.bands[level]
    middle = spans.starts[2 * band + 1]
    for k in range(spans.starts[2 * band], middle):
        i = spans.owners[k]
        add_slim(channels, spans.frames[i], colors, i * len(channels), size, layout, own, planes)
    for k in range(middle, spans.starts[2 * band + 2]):
        i = spans.owners[k]
        add_wide(channels, spans.frames[i], colors, i * len(channels), size, layout, own, planes)


@kernel
def _differentiate_band(channels, spans, pyramid, level, band, colors, planes, slots):
    """Write the sums of all pairs of a band, numbered over all levels, to their slots."""
    layout, size, own = pyramid.layouts[level], pyramid.sizes[level], band - pyramid.bands[level]
    middle = spans.starts[2 * band + 1]
    for k in range(spans.starts[2 * band], middle):
        i, slot = spans.owners[k], slots[spans.slots[k]]
        differentiate_slim(channels, spans.frames[i], colors, i * len(channels), size, layout, own, planes, slot)
    for k in range(middle, spans.starts[2 * band + 2]):
        i, slot = spans.owners[k], slots[spans.slots[k]]
        differentiate_wide(channels, spans.frames[i], colors, i * len(channels), size, layout, own, planes, slot)


@kernel
def _subtract(channels, pyramid, first, last, target, lack, emphasis, planes):
    """Turn rows of level 0 into the gradient of half the squared error; gives the error with weights and without."""
    height, width = pyramid.sizes[0]
    start, row_step, channel_step = pyramid.layouts[0]
    clear_padding(channels, pyramid, 0, planes, first, last)
    weighted = plain = splat(0.0)
    rest = np.zeros(2)
    for c in range(len(channels)):
        for row in range(first, last):
            at = start + row * row_step + c * channel_step
            goal = (c * height + row) * width
            for x in range(0, width - LANES + 1, LANES):
                residual = load(planes, at + x) - load(target, goal + x)
                if len(lack):
                    residual = residual + load(lack, goal + x)
                slope = residual
                if len(emphasis):
                    slope = residual * load(emphasis, row * width + x)
                store(planes, at + x, slope)
                weighted = fma(residual, slope, weighted)
                plain = fma(residual, residual, plain)
            for x in range(width // LANES * LANES, width):
                residual_x = planes[at + x] - target[c, row, x]
                if len(lack):
                    residual_x += lack[c, row, x]
                slope_x = residual_x
                if len(emphasis):
                    slope_x = residual_x * emphasis[0, row, x]
                planes[at + x] = slope_x
                rest[0] += residual_x * slope_x
                rest[1] += residual_x * residual_x
    sums = add_lanes((weighted, plain))
    return sums[0] + rest[0], sums[1] + rest[1]


@kernel
def _add_up(first, last, spans, colors, slots, sums):
    """Add the slots of some Gaussians up, and take the sums from the one that is drawn to the one that is meant.

    With k1, k2 the factors by which its scales are larger, those by u, v and uv grow by k1, k2 and k1 k2; and each
    scale also counts by the gain k1 k2 on the colour, whose logarithm changes by 1 - k^2 with that of the scale.
    """
    channels = colors.shape[1]
    for i in range(first, last):
        own = sums[i]
        own[:] = 0
        for slot in range(spans.offsets[i], spans.offsets[i + 1]):
            for k in range(sums.shape[1]):
                own[k] += slots[slot, k]
        blur1, blur2 = spans.frames[i, BLUR1], spans.frames[i, BLUR2]
        by_gain = 0.0
        for c in range(channels):
            by_gain += own[c] * colors[i, c]
            own[c] *= blur1 * blur2
        own[channels + U] *= blur1
        own[channels + V] *= blur2
        own[channels + UU] = own[channels + UU] * blur1**2 + by_gain * (1 - blur1**2)
        own[channels + UV] *= blur1 * blur2
        own[channels + VV] = own[channels + VV] * blur2**2 + by_gain * (1 - blur2**2)


@kernel
def _draw_level(gate, channels, spans, pyramid, level, colors, planes):
    """Draw a level on top of the next coarser one."""
    bands = pyramid.bands[level + 1] - pyramid.bands[level]
    band = take(gate, level)
    while band < bands:
        first = band * BAND_ROWS
        enlarge(channels, pyramid, level, planes, first, min(first + BAND_ROWS, pyramid.sizes[level, 0]))
        _add_band(channels, spans, pyramid, level, pyramid.bands[level] + band, colors, planes)
        band = take(gate, level)


@kernel
def _draw(part, parts, gate, channels, spans, pyramid, finest, colors, planes):
    """Draw levels from the coarsest to the finest that is asked for; False if other parts have failed."""
    for level in range(len(pyramid.sizes) - 1, finest - 1, -1):
        _draw_level(gate, channels, spans, pyramid, level, colors, planes)
        if not meet(gate, parts):
            return False
    return True


@kernel
def _differentiate_level(gate, channels, spans, pyramid, level, colors, planes, slots):
    """Write the slots of the pairs of a level, given the gradient by the next finer one, or by level 0 itself."""
    bands, phase = pyramid.bands[level + 1] - pyramid.bands[level], len(pyramid.sizes) + level
    band = take(gate, phase)
    while band < bands:
        first = band * BAND_ROWS
        if level:
            reduce(channels, pyramid, level, planes, first, min(first + BAND_ROWS, pyramid.sizes[level, 0]))
        _differentiate_band(channels, spans, pyramid, level, pyramid.bands[level] + band, colors, planes, slots)
        band = take(gate, phase)


@kernel
def _differentiate(part, parts, gate, channels, spans, pyramid, finest, colors, planes, slots, sums):
    """Write the slots from the finest level that is asked for on, and add all up by Gaussian."""
    for level in range(finest, len(pyramid.sizes)):
        _differentiate_level(gate, channels, spans, pyramid, level, colors, planes, slots)
        if not meet(gate, parts):
            return
    phase, gaussians = 2 * len(pyramid.sizes), len(sums)
    first = take(gate, phase) * _GAUSSIANS
    while first < gaussians:
        _add_up(first, min(first + _GAUSSIANS, gaussians), spans, colors, slots, sums)
        first = take(gate, phase) * _GAUSSIANS


@kernel
def _compare(part, parts, gate, channels, spans, pyramid, colors, target, lack, emphasis, planes, errors, slots, sums):
    """Draw all, turn it into the gradient of half the squared error against `target` [C, H, W], and differentiate.

    At level 0 that is done band by band, while everything is in cache. The errors are added to `errors` [B, 2] by band:
    with the weights `emphasis`, [1, H, W] or [0, H, W], and without. `lack` is what the image lacks, [C, H, W] or
    [0, H, W].
    """
    if not _draw(part, parts, gate, channels, spans, pyramid, 1, colors, planes):
        return
    band = take(gate, 0)
    while band < pyramid.bands[1]:
        first = band * BAND_ROWS
        last = min(first + BAND_ROWS, pyramid.sizes[0, 0])
        enlarge(channels, pyramid, 0, planes, first, last)
        _add_band(channels, spans, pyramid, 0, band, colors, planes)
        weighted, plain = _subtract(channels, pyramid, first, last, target, lack, emphasis, planes)
        errors[band, 0] += weighted
        errors[band, 1] += plain
        _differentiate_band(channels, spans, pyramid, 0, band, colors, planes, slots)
        band = take(gate, 0)
    if meet(gate, parts):
        _differentiate(part, parts, gate, channels, spans, pyramid, 1, colors, planes, slots, sums)


class FusedRasterizer:
    """Draws Gaussians on an image [channels, height, width], and differentiates losses of it; one thread at a time.

    Args:
        channels, height, width: of the image.
        cutoff: standard deviations at which Gaussians end.
    """

    def __init__(self, channels: int, height: int, width: int, cutoff: float) -> None:
        self._shape = channels, height, width
        self._cutoff = cutoff
        self._lack: NDArray[np.float32] | None = None
        self._pyramid, self._planes = make_pyramid(min(channels, MOST_CHANNELS), height, width)

    def calibrate(self, parameters: NDArray[np.float32]) -> None:
        """From now on, add to images what that of the Gaussians of `parameters` [N, SHAPE + C] lacks now.

        That is what levels and the cutoff do to it: it changes little as long as the Gaussians do.
        """
        self.forget()
        exact = render(*from_parameters(parameters), *self._shape[1:])
        self._lack = exact - self.image(self.place(parameters))

    def forget(self) -> None:
        """Add nothing any more: the Gaussians are others."""
        self._lack = None

    def place(self, parameters: NDArray[np.float32]) -> Spans:
        """Put the Gaussians of `parameters` [N, SHAPE + C] on their levels.

        Raises:
            ValueError: a row is not finite, or there are more pairs than 32 bits can number.
        """
        if not math.isfinite(parameters.sum()):
            check_gaussians(*from_parameters(parameters))
        return put_on_levels(parameters, self._pyramid, self._cutoff)

    def image(self, spans: Spans) -> NDArray[np.float32]:
        """[C, H, W], not clamped."""
        image = empty(self._shape, np.float32)
        for group, marker in channel_groups(self._shape[0]):
            self._run(_draw, marker, spans, 0, np.ascontiguousarray(spans.colors[:, group]), self._planes)
            image[group] = self._view(len(marker))
        if self._lack is not None:
            image += self._lack
        return image

    def backward(self, spans: Spans, gradient: NDArray[np.float32]) -> NDArray[np.float32]:
        """The sums [N, C + MOMENTS] that `geometry.parameter_gradients` starts from.

        Args:
            spans: N Gaussians.
            gradient: [C, H, W] of a loss.
        """

        def fill(marker: tuple[int, ...], group: slice, colors: NDArray[np.float32], *sums: Any) -> None:
            self._view(len(marker))[:] = gradient[group]
            self._clear()
            self._run(_differentiate, marker, spans, 0, colors, self._planes, *sums)

        return self._gather(spans, fill)

    def squared_error(
        self, spans: Spans, target: NDArray[np.float32], weights: NDArray[np.float32] | None
    ) -> tuple[float, float, NDArray[np.float32]]:
        """Squared error against `target` [C, H, W], with and without weights [H, W] on pixels.

        Third come the sums, as of `backward`, of the gradient of half the weighted error.
        """
        errors = np.zeros((self._pyramid.bands[1], 2))
        target = np.ascontiguousarray(target, np.float32)
        emphasis = target[:0] if weights is None else np.ascontiguousarray(weights[None], np.float32)
        lack = target[:0] if self._lack is None else self._lack

        def fill(marker: tuple[int, ...], group: slice, colors: NDArray[np.float32], *sums: Any) -> None:
            goal = target[group], lack[group], emphasis
            self._run(_compare, marker, spans, colors, *goal, self._planes, errors, *sums)

        sums = self._gather(spans, fill)
        weighted, plain = errors.sum(axis=0)
        return float(weighted), float(plain), sums

    def _gather(self, spans: Spans, fill: Callable[..., None]) -> NDArray[np.float32]:
        """Have slots filled for each group of channels, and added up by Gaussian: [N, C + MOMENTS]."""
        found = []
        for group, marker in channel_groups(spans.colors.shape[1]):
            slots = empty((len(spans.slots), len(marker) + MOMENTS), np.float32)
            found.append(empty((len(spans.colors), len(marker) + MOMENTS), np.float32))
            fill(marker, group, np.ascontiguousarray(spans.colors[:, group]), slots, found[-1])
        if len(found) == 1:
            return found[0]
        moments = np.sum([own[:, -MOMENTS:] for own in found], axis=0, dtype=np.float32)
        return np.concatenate([*(own[:, :-MOMENTS] for own in found), moments], axis=1)

    def _run(self, kernel: Callable[..., object], marker: tuple[int, ...], spans: Spans, *args: object) -> None:
        """Call a kernel that has a phase for each level, drawn and differentiated, and one more."""
        levels, bands = 2 * len(self._pyramid.sizes), int(self._pyramid.bands[1])
        run_together(kernel, bands, levels + 1, marker, spans, self._pyramid, *args)

    def _view(self, channels: int) -> NDArray[np.float32]:
        """The planes [C, H, W] of level 0."""
        start, row_step, channel_step = self._pyramid.layouts[0]
        shape, strides = (channels, *self._shape[1:]), (4 * channel_step, 4 * row_step, 4)
        return np.lib.stride_tricks.as_strided(self._planes[start:], shape, strides)

    def _clear(self) -> None:
        """Set the padding of level 0 to zero."""
        _, row_step, channel_step = self._pyramid.layouts[0]
        clear_padding((0,) * int(row_step // channel_step), self._pyramid, 0, self._planes, 0, self._shape[1])

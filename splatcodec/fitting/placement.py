"""Proposes where Gaussians would remove most of a residual.

The residual is correlated with isotropic Gaussians at a ladder of scales. A Gaussian g of scale s with its best colour
removes the energy |<residual, g>|^2 / <g, g>, where <g, g> = pi s^2. Maxima of that energy over space and scale are
taken greedily, each one suppressing its neighbourhood. Wide scales are computed on a reduced image.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from splatkernels.jit import kernel
from splatkernels.threads import run

_LADDER = tuple(0.8 * 1.5**k for k in range(11))
# Standard deviations at which the Gaussians of the ladder end.
_TRUNCATE = 3
# Samples that are worth a thread.
_SMALL = 2**15


@dataclass(frozen=True)
class Proposals:
    """M isotropic Gaussians, strongest first."""

    means: NDArray[np.float32]  # [M, 2] pixels
    scales: NDArray[np.float32]  # [M] pixels
    colors: NDArray[np.float32]  # [M, C] the amplitudes that remove most energy


def _reduce(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average 2 x 2 pixels; an odd edge is padded with zeros."""
    _, height, width = planes.shape
    planes = np.pad(planes, ((0, 0), (0, height % 2), (0, width % 2)))
    rows = planes[:, 0::2] + planes[:, 1::2]
    return np.float32(0.25) * (rows[:, :, 0::2] + rows[:, :, 1::2])


@kernel
def _select(count, levels, y, x, heights, widths, steps, scales):
    """Indices of up to `count` of the candidates, in order, such that none lies within the reach of an earlier one.

    `levels` gives the rung of the ladder on whose grid (`heights`, `widths`, pixel size `steps`) a candidate lies.
    """
    offsets = np.zeros(len(heights) + 1, np.int64)
    for level in range(len(heights)):
        offsets[level + 1] = offsets[level] + heights[level] * widths[level]
    taken = np.zeros(offsets[-1], np.bool_)
    chosen = np.empty(min(count, len(levels)), np.int64)
    found = 0
    for candidate in range(len(levels)):
        if found == len(chosen):
            break
        own = levels[candidate]
        if taken[offsets[own] + y[candidate] * widths[own] + x[candidate]]:
            continue
        chosen[found] = candidate
        found += 1
        center_y = (y[candidate] + 0.5) * steps[own]
        center_x = (x[candidate] + 0.5) * steps[own]
        for level in range(len(heights)):
            step = steps[level]
            reach = min(scales[own], scales[level]) + 0.5 * max(scales[own], scales[level])
            top = max(0, int(np.ceil((center_y - reach) / step - 0.5)))
            bottom = min(heights[level] - 1, int(np.floor((center_y + reach) / step - 0.5)))
            for row in range(top, bottom + 1):
                half = np.sqrt(max(0.0, reach**2 - ((row + 0.5) * step - center_y) ** 2))
                left = max(0, int(np.ceil((center_x - half) / step - 0.5)))
                right = min(widths[level] - 1, int(np.floor((center_x + half) / step - 0.5)))
                start = offsets[level] + row * widths[level]
                for column in range(left, right + 1):
                    taken[start + column] = True
    return chosen[:found]


class _Rung(NamedTuple):
    """The maxima of the energy at one scale of the ladder, on a grid of `shape` whose pixels are `step` wide."""

    energies: NDArray[np.float32]  # [M]
    y: NDArray[np.intp]  # [M]
    x: NDArray[np.intp]  # [M]
    colors: NDArray[np.float32]  # [M, C]
    shape: tuple[int, ...]
    step: float


@kernel
def _blur(part, parts, planes, taps, blurred):
    """Correlate `planes` [C, H, W] with `taps` [2 R + 1] along both axes; there are zeros beyond the edges."""
    channels, height, width = planes.shape
    reach = len(taps) // 2
    column_sums = np.zeros(width + 2 * reach, np.float32)
    for y in range(part * height // parts, (part + 1) * height // parts):
        for c in range(channels):
            middle = column_sums[reach : reach + width]
            middle[:] = 0
            for row in range(max(0, y - reach), min(height, y + reach + 1)):
                tap, line = taps[row - y + reach], planes[c, row]
                for x in range(width):
                    middle[x] += tap * line[x]
            out = blurred[c, y]
            out[:] = 0
            for k in range(len(taps)):
                tap, line = taps[k], column_sums[k : k + width]
                for x in range(width):
                    out[x] += tap * line[x]


@kernel
def _find_peaks(part, parts, energy, reach, is_peak):
    """Where `energy` [H, W] is above 0 and nowhere larger within `reach` pixels along both axes."""
    height, width = energy.shape
    for y in range(part * height // parts, (part + 1) * height // parts):
        for x in range(width):
            own = energy[y, x]
            # Most pixels have a larger neighbour in their row.
            found = own > 0 and own >= energy[y, max(x - 1, 0)] and own >= energy[y, min(x + 1, width - 1)]
            row = max(y - reach, 0)
            while found and row < min(y + reach + 1, height):
                for column in range(max(x - reach, 0), min(x + reach + 1, width)):
                    if energy[row, column] > own:
                        found = False
                        break
                row += 1
            is_peak[y, x] = found


def _rung(scale: float, planes: NDArray[np.float32], step: int) -> _Rung:
    # Averaging has blurred by the variance of a box already.
    sigma = np.sqrt(scale**2 - (step**2 - 1) / 12) / step
    offsets = np.arange(-int(_TRUNCATE * sigma + 0.5), int(_TRUNCATE * sigma + 0.5) + 1)
    taps = np.exp(-0.5 * (offsets / sigma) ** 2)
    fits = np.empty_like(planes)
    rows = planes.size // _SMALL
    run(_blur, rows, planes, (np.sqrt(2) * taps / taps.sum()).astype(np.float32), fits)
    energy = np.einsum("chw,chw->hw", fits, fits) * np.float32(np.pi * scale**2)
    is_peak = np.empty(energy.shape, np.bool_)
    run(_find_peaks, rows, energy, max(1, round(scale / step)), is_peak)
    y, x = np.nonzero(is_peak)
    return _Rung(energy[y, x], y, x, fits[:, y, x].T, energy.shape, float(step))


def propose(residual: NDArray[np.float32], count: int) -> Proposals:
    """Up to `count` Gaussians that together remove much of `residual` [C, H, W]."""
    planes, step = residual, 1
    ladder = []
    for scale in _LADDER:
        while scale > 3 * step and min(planes.shape[1:]) > 1:
            planes, step = _reduce(planes), 2 * step
        ladder.append(_rung(scale, planes, step))
    order = np.argsort(-np.concatenate([rung.energies for rung in ladder]), kind="stable")
    levels = np.repeat(np.arange(len(ladder)), [len(rung.y) for rung in ladder])[order]
    y, x = (np.concatenate([rung[k] for rung in ladder])[order] for k in (1, 2))
    heights, widths = np.array([rung.shape for rung in ladder]).T
    steps = np.array([rung.step for rung in ladder])
    chosen = _select(count, levels, y, x, heights, widths, steps, np.array(_LADDER))
    size = steps[levels[chosen]]
    means = np.stack([(x[chosen] + 0.5) * size, (y[chosen] + 0.5) * size], axis=1)
    return Proposals(
        means.astype(np.float32),
        np.array(_LADDER, np.float32)[levels[chosen]],
        np.concatenate([rung.colors for rung in ladder])[order[chosen]].astype(np.float32),
    )

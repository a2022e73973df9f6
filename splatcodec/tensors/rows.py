"""Splats as rows of numbers in one order, and back.

A Gaussian is a row of 6 + C numbers:

    x, y           mean, in widths and heights of the canvas
    size           (log s1 + log s2) / 2, of scales in units of sqrt(width * height)
    plus, cross    (log s1 - log s2) / 2 times cos 2r and times sin 2r, where r is the rotation
    presence       1; 0 in rows that only fill a table, whose other numbers are 0, too
    colors         C amplitudes

Size, plus and cross are the logarithm of the covariance matrix, 2 [[size + plus, cross], [cross, size - plus]]: the
log-Euclidean coordinates of Arsigny et al. (2006). However the axes of a Gaussian are named, its row is the same. Any
three numbers make an ellipse, and nothing jumps where the scales are equal and a rotation means nothing.
"""

import numpy as np
from numpy.typing import NDArray

from ..fitting.pruning import all_but_least, survivors
from ..splats import Splats

X, Y, SIZE, PLUS, CROSS, PRESENCE = range(6)
"""Columns of a row."""
COLORS = 6
"""Columns before those of the colours."""

Rows = NDArray[np.float32]
"""[..., N, 6 + C]."""

# The Hilbert curve has so many cells along a side, as a power of two. The canvas is one of the four squares in the
# middle of 4 x 4, so that the curve on it is a Hilbert curve of its own, and means beyond it have an order, too.
_LEVELS = 20
_BEFORE, _SIDE = 1, 4


def to_rows(splats: Splats, n: int | None = None) -> Rows:
    """The rows of Gaussians along a Hilbert curve, whatever order these come in.

    Args:
        splats: N Gaussians.
        n: number of rows. If there are more Gaussians, those are left out that the picture misses least; if there are
            fewer, absent rows follow. As many as there are if None.

    Returns:
        Rows [n, 6 + C].

    Raises:
        ValueError: `n` is negative.
    """
    if n is not None and n < 0:
        raise ValueError(f"n must be at least 0, got {n}")
    if n is not None and len(splats) > n:
        splats = _trimmed(splats, n)
    logs = np.log(splats.scales.astype(np.float64) / np.sqrt(splats.height * splats.width))
    stretch, angles = (logs[:, 0] - logs[:, 1]) / 2, 2 * splats.rotations.astype(np.float64)
    rows = np.zeros((len(splats) if n is None else n, COLORS + splats.channels), np.float32)
    present = rows[: len(splats)]
    present[:, [X, Y]] = splats.means / (splats.width, splats.height)
    present[:, SIZE] = logs.mean(axis=1)
    present[:, PLUS] = stretch * np.cos(angles)
    present[:, CROSS] = stretch * np.sin(angles)
    present[:, PRESENCE] = 1
    present[:, COLORS:] = splats.colors
    present[:] = present[_order(present)]
    return rows


def from_rows(rows: NDArray[np.floating], height: int, width: int) -> Splats:
    """The Gaussians of rows on a canvas, which may be another one than they come from.

    Args:
        rows: [N, 6 + C]; those with a presence below one half are absent.
        height, width: canvas in pixels.

    Returns:
        Splats of the rows that are present; scales in falling order, rotations in (-pi / 2, pi / 2].

    Raises:
        ValueError: the shape is another, or a row is not finite.
    """
    rows = np.asarray(rows)
    if rows.ndim != 2 or rows.shape[1] <= COLORS:
        raise ValueError(f"rows must have the shape [N, {COLORS} + C], got {list(rows.shape)}")
    if not np.isfinite(rows).all():
        raise ValueError(f"rows[{int((~np.isfinite(rows)).any(axis=1).argmax())}] is not finite")
    rows = rows[rows[:, PRESENCE] >= 0.5].astype(np.float64)
    stretch = np.hypot(rows[:, PLUS], rows[:, CROSS])
    logs = np.stack([rows[:, SIZE] + stretch, rows[:, SIZE] - stretch], axis=1)
    return Splats(
        means=rows[:, [X, Y]] * (width, height),
        scales=np.exp(logs) * np.sqrt(height * width),
        rotations=np.arctan2(rows[:, CROSS], rows[:, PLUS]) / 2,
        colors=rows[:, COLORS:],
        height=height,
        width=width,
    )


def _trimmed(splats: Splats, n: int) -> Splats:
    """The `n` Gaussians that the picture would miss most."""
    if n == 0:
        return splats.take(np.arange(0))
    kept = survivors(
        splats.gaussians, splats.height, splats.width, None, lambda costs: all_but_least(costs, len(costs) - n)
    )
    return splats.take(kept)


def _order(rows: Rows) -> NDArray[np.int64]:
    """The order [N] of rows along the curve; where they share a cell, that of their numbers."""
    cells = np.floor((rows[:, [X, Y]].astype(np.float64) + _BEFORE) / _SIDE * 2**_LEVELS)
    index = _hilbert(*np.clip(cells, 0, 2**_LEVELS - 1).astype(np.int64).T)
    return np.lexsort((*rows.T[::-1], index))


def _hilbert(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """How far along Hilbert's curve cells [N] lie, in a square of 2^_LEVELS cells a side.

    The curve visits the four quarters of a square in the shape of a U, whose first and last quarter hold the same curve
    transposed, the last about the other diagonal.
    """
    index = np.zeros_like(x)
    for level in reversed(range(_LEVELS)):
        right, lower = x >> level & 1, y >> level & 1
        index = index << 2 | 3 * right ^ lower
        rest = (1 << level) - 1
        x, y = x & rest, y & rest
        flip = np.where(right & ~lower & 1, rest, 0)
        x, y = np.where(lower, x, y ^ flip), np.where(lower, y, x ^ flip)
    return index

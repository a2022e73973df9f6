"""Neighbours of Gaussians: those that are already known when a Gaussian is coded tell what it will be like.

Attributes are coded in passes over the walk through the tree of positions: every 32nd Gaussian, then those halfway
between, and so on until a last pass over every other. Of the known ones, the eight before and the eight after in the
walk count as neighbours, the nearer the more. Everything is of integers, so that all decoders see the same.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from .coder import Integers
from .positions import Cells

_PASSES = 6
_REACH = 8
_RANKS = (1, 2, 4, 8)
FEATURES = 1 + len(_RANKS)
"""Numbers that describe how dense the Gaussians are around one."""
PER_OCTAVE = 16
"""Units of these numbers in an octave of lengths."""
_FARTHEST = 2**26
FULL_WEIGHT = 256
"""The weight of a neighbour at a distance of zero."""


@dataclass(frozen=True)
class Pass:
    """Gaussians that are coded one after the other without knowing each other.

    Attributes:
        rows: [n] which they are.
        neighbors: [16, n] rows of the neighbours of each.
        weights: [16, n] how much each counts, 0 for those that do not exist.
    """

    rows: Integers
    neighbors: Integers
    weights: Integers

    @cached_property
    def largest(self) -> Integers:
        """Weight [n] of the nearest neighbour."""
        return self.weights.max(axis=0)

    def sums(self, values: Integers) -> Integers:
        """Weighted sums [n] of the values [N] of neighbours."""
        return (self.weights * values[self.neighbors]).sum(axis=0)

    def means(self, values: Integers) -> Integers:
        """Weighted means [n] of the values [N] of neighbours, drawn towards 0 as if one neighbour more had that."""
        return self.sums(values) // np.maximum(self.weights.sum(axis=0) + self.largest, 1)


class Surroundings:
    """What the cells of Gaussians say about their neighbourhood.

    Args:
        cells: of N Gaussians.

    Attributes:
        densities: [N, FEATURES] logarithms in units of 1 / PER_OCTAVE octave: of the area of the cell in pixels, and of
            the distances to the nearest, second, fourth and eighth nearest Gaussian in half pixels.
        passes: in the order of coding.
    """

    def __init__(self, cells: Cells) -> None:
        self._x, self._y = (2 * cells.corners + (1 << cells.sides)).T
        rows = np.arange(len(self._x))
        offsets = np.arange(-_REACH, _REACH + 1)
        _, squares = self._near(rows, offsets[offsets != 0])
        ranks = [rank - 1 for rank in _RANKS]
        nearest = np.partition(squares, ranks, axis=0)[ranks]
        logarithms = np.searchsorted(_powers(), nearest, side="right")
        self.densities = np.column_stack([PER_OCTAVE * cells.sides.sum(axis=1), *logarithms])
        self._scale = np.maximum(nearest[1], 1)
        self.passes = [self._pass(rows, number) for number in range(_PASSES)]

    def _near(self, rows: Integers, offsets: Integers) -> tuple[Integers, Integers]:
        """Rows [offsets, n] that far away in the walk, and squared distances in half pixels."""
        near = rows + offsets[:, None]
        exist = (near >= 0) & (near < len(self._x))
        near = np.where(exist, near, rows)
        squares = (self._x[near] - self._x[rows]) ** 2 + (self._y[near] - self._y[rows]) ** 2
        return near, np.where(exist, np.minimum(squares, _FARTHEST - 1), _FARTHEST)

    def _pass(self, rows: Integers, number: int) -> Pass:
        stride = 1 << _PASSES - 1 - number
        rows = rows[::stride] if number == 0 else rows[stride :: 2 * stride]
        near, squares = self._near(rows, stride * np.arange(1 - 2 * _REACH, 2 * _REACH, 2))
        scale = self._scale[rows]
        weights = FULL_WEIGHT * scale // (scale + squares)
        return Pass(rows, near, np.where((squares < _FARTHEST) & (number > 0), weights, 0))

    @cached_property
    def all(self) -> Pass:
        """All passes in one, by row: neighbours are as in the pass of each."""
        order = np.argsort(np.concatenate([one.rows for one in self.passes]))
        neighbors = np.concatenate([one.neighbors for one in self.passes], axis=1)[:, order]
        weights = np.concatenate([one.weights for one in self.passes], axis=1)[:, order]
        return Pass(np.arange(len(order)), neighbors, weights)


@cache
def _powers() -> NDArray[np.int64]:
    """Squares of distances at which their logarithms step: 2^(i / 8) for i = 1, 2, ..., rounded up."""
    # The integer root three times over: exact where floats might not be.
    return np.array([1 + isqrt(isqrt(isqrt(2**i - 1))) for i in range(1, 13 * PER_OCTAVE + 1)], np.int64)

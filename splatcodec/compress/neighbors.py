"""Neighbours of Gaussians: those that are already known when a Gaussian is coded tell what it will be like.

Gaussians are coded in passes over the walk through the tree of positions: every 32nd, then those halfway between, and
so on until a last pass over every other. Of the known ones, the eight before and the eight after in the walk count as
neighbours, the nearer the more. Everything is of integers, so that all decoders see the same.
"""

from functools import cache
from math import isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from splatkernels.jit import inlined, kernel

from .bisection import first_at_least
from .positions import Cells
from .rangecoder import Integers

FIRST_STRIDE = 32
"""From one Gaussian of the first pass to the next."""
NEIGHBORS = 16
_REACH = 8
_RANKS = (1, 2, 4, 8)
FEATURES = 1 + len(_RANKS)
"""Numbers that describe how dense the Gaussians are around one."""
PER_OCTAVE = 16
"""Units of these numbers in an octave of lengths."""
_FARTHEST = 2**26
FULL_WEIGHT = 256
"""The weight of a neighbour at a distance of zero."""


class Surroundings(NamedTuple):
    """What the cells of N Gaussians say about the neighbourhood of each."""

    densities: Integers
    """[N, FEATURES] logarithms in units of 1 / PER_OCTAVE octave: of the area of the cell in pixels, and of the
    distances to the nearest, second, fourth and eighth nearest Gaussian in half pixels."""
    neighbors: NDArray[np.int32]
    """[N, NEIGHBORS] rows of those that are known before."""
    weights: NDArray[np.int32]
    """[N, NEIGHBORS] how much each counts, 0 for those that do not exist."""
    largest: Integers
    """[N] the largest of the weights."""


def surroundings(cells: Cells) -> Surroundings:
    """Those of the Gaussians in cells, in the order of the walk."""
    count = len(cells.corners)
    found = Surroundings(
        np.empty((count, FEATURES), np.int64),
        np.empty((count, NEIGHBORS), np.int32),
        np.empty((count, NEIGHBORS), np.int32),
        np.empty(count, np.int64),
    )
    _fill(cells.corners, cells.sides, _powers(), *found)
    return found


@inlined
def _square(x, y, i, j):
    """Squared distance between the centres of two cells in half pixels, within bounds."""
    if not 0 <= j < len(x):
        return _FARTHEST
    return min((x[i] - x[j]) ** 2 + (y[i] - y[j]) ** 2, _FARTHEST - 1)


@kernel
def _fill(corners, sides, powers, densities, neighbors, weights, largest):
    """Fill the parts of `Surroundings`, given the cells."""
    count = len(corners)
    x = np.empty(count, np.int64)
    y = np.empty(count, np.int64)
    for i in range(count):
        x[i] = 2 * corners[i, 0] + (1 << sides[i, 0])
        y[i] = 2 * corners[i, 1] + (1 << sides[i, 1])
    # The squares of the distances to the nearest ones, in rising order, as many as ranks ask for.
    nearest = np.empty(_RANKS[-1], np.int64)
    for i in range(count):
        nearest[:] = _FARTHEST
        for offset in range(-_REACH, _REACH + 1):
            square = _square(x, y, i, i + offset)
            place = _RANKS[-1] - 1
            if offset == 0 or square >= nearest[place]:
                continue
            while place > 0 and nearest[place - 1] > square:
                nearest[place] = nearest[place - 1]
                place -= 1
            nearest[place] = square
        densities[i, 0] = PER_OCTAVE * (sides[i, 0] + sides[i, 1])
        logarithm = first_at_least(powers, nearest[0] + 1)
        for k in range(len(_RANKS)):
            # They rise, so that the next is not far.
            while logarithm < len(powers) and powers[logarithm] <= nearest[_RANKS[k] - 1]:
                logarithm += 1
            densities[i, 1 + k] = logarithm

        scale = max(nearest[1], 1)
        stride = min(i & -i, FIRST_STRIDE) if i else FIRST_STRIDE
        largest[i] = 0
        for k in range(NEIGHBORS):
            other = i + (2 * k + 1 - NEIGHBORS) * stride
            exists = stride < FIRST_STRIDE and 0 <= other < count
            neighbors[i, k] = other if exists else i
            # Of numbers below 2^35, the quotient of floats lies on the right side of each integer.
            weights[i, k] = int(FULL_WEIGHT * scale / (scale + _square(x, y, i, other))) if exists else 0
            largest[i] = max(largest[i], weights[i, k])


@cache
def _powers() -> Integers:
    """Squares of distances at which their logarithms step: 2^(i / 8) for i = 1, 2, ..., rounded up."""
    # The integer root three times over: exact where floats might not be.
    return np.array([1 + isqrt(isqrt(isqrt(2**i - 1))) for i in range(1, 13 * PER_OCTAVE + 1)], np.int64)

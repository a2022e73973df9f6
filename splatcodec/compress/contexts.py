"""Contexts: what the attributes of a Gaussian are likely to be, given what is known when they are coded.

Classes say how finely an attribute is rounded and so what its symbols mean; neighbours say what is usual nearby. Linear
predictions, whose weights are trained, and sums over neighbours are of integers throughout, below 2^53.
"""

from functools import cache

import numpy as np

from splatkernels.jit import inlined

from . import lattice
from .neighbors import FEATURES, NEIGHBORS, PER_OCTAVE
from .rangecoder import Integers

AREAS = 20
"""Contexts of classes: the base-2 logarithm of the area of the cell."""
COLOR_CLASSES, SCALE_CLASSES = 16, 20
SIZES = 20
DIRECTIONS, ECCENTRICITIES = 16, 4
HINTS = 2 * DIRECTIONS + 1
_PREDICTIONS = np.array([-12, -5, -1, 2, 6, 13])
HUES = len(_PREDICTIONS) + 1
_LUMAS = np.array([2, 6, 10, 14, 18, 26, 36])
LUMAS = len(_LUMAS) + 1
REMAINDERS = 4
WEIGHTS = {"larger": SCALE_CLASSES + FEATURES, "smaller": SCALE_CLASSES + FEATURES + 1}
"""Sizes of the predictions of scales: an offset in units for each class, and a weight for each feature."""
ONE = 1024
"""What stands for a weight of 1."""
# A fiftieth of the square of an amplitude, for what neighbours may get wrong.
_FLOOR = 82
# Bits that sums of products lose, so that products of two of them and a colour stay below 2^53.
_SHIFT = 6
# Larger scales are predicted in thirds of octaves, differences in quarters, of which two are below zero.
_LARGER_BINS, _SMALLER_BINS, _BELOW = 3, 4, 2
_OCTAVE = lattice.OCTAVE
_TURN = 64
# Length of what is unknown: six neighbours an octave long, of the smallest class.
_UNSURE = 6 * 8 * 16


@cache
def inverses() -> Integers:
    """2^(30 - m / 2) for each class."""
    return np.rint(2.0 ** (30 - np.arange(lattice.CLASSES) / 2)).astype(np.int64)


@cache
def strengths() -> Integers:
    """16 * 2^(m / 4) for the lowest classes; others count as the last."""
    return np.rint(16 * 2.0 ** (np.arange(13) / 4)).astype(np.int64)


@cache
def turns() -> Integers:
    """Unit vectors [ANGLES, 2] of twice the angle, times 64."""
    angles = np.arange(lattice.ANGLES) * 2 * np.pi / lattice.ANGLES
    return np.rint(_TURN * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype(np.int64)


@inlined
def color_shift(m):
    """Lowest bits of colours of a class that have no table."""
    return max(0, (m >> 1) - 3)


@inlined
def _color_row(m):
    return m if m < COLOR_CLASSES - 2 else COLOR_CLASSES - 2 + m % 2


@inlined
def normalised(k, m, inverses):
    """A colour of a class as a number of about 64, whatever the class."""
    return min(max(k * inverses[m] >> 24, -127), 127)


@inlined
def color_sums(i, near, units, sums):
    """Fill `sums` [5] with the products yy, yu, yv, uu and uv of colours around Gaussian i, `units` [N, 3]."""
    sums[:] = 0
    for k in range(NEIGHBORS):
        weight = near.weights[i, k]
        if weight:
            j = near.neighbors[i, k]
            y, u, v = units[j, 0], units[j, 1], units[j, 2]
            sums[0] += weight * y * y
            sums[1] += weight * y * u
            sums[2] += weight * y * v
            sums[3] += weight * u * u
            sums[4] += weight * u * v
    # Above zero, whatever the neighbours.
    floor = near.largest[i] * _FLOOR + (1 << _SHIFT)
    sums[0] += floor
    sums[3] += floor
    for k in range(5):
        sums[k] >>= _SHIFT


@inlined
def _bin(value, borders):
    """How many borders are at most a value."""
    found = 0
    for border in borders:
        found += border <= value
    return found


@inlined
def color_context(channel, m, known, sums):
    """Context of a channel of a colour picture, given those before, `known` [3], and `color_sums`."""
    row = _color_row(m)
    if channel == 0:
        return row
    shift = color_shift(m)
    luma = 4 * known[0] >> shift
    yy, yu, yv, uu, uv = sums[0], sums[1], sums[2], sums[3], sums[4]
    if channel == 1:
        return (row * HUES + _bin(luma * yu // yy, _PREDICTIONS)) * LUMAS + _bin(abs(luma), _LUMAS)
    chroma = 4 * known[1] >> shift
    predicted = (luma * (yv * uu - uv * yu) + chroma * (uv * yy - yv * yu)) // max(yy * uu - yu * yu, 1)
    left = max((3 << m >> 1) - known[0] * known[0] - known[1] * known[1], 0)
    return (row * HUES + _bin(predicted, _PREDICTIONS)) * REMAINDERS + min(left * 8 // 3 >> m, REMAINDERS - 1)


@inlined
def grey_context(m):
    """Context of the colour of a grey picture."""
    return _color_row(m)


@inlined
def _scale_row(m):
    return min(m, SCALE_CLASSES - 1)


@inlined
def base(i, m, near, further, weights):
    """Logarithm of a scale of Gaussian i or of a ratio of scales, in units, as far as class and features tell.

    Features are the densities around it and, where there are as many weights, `further`.
    """
    total = 0
    for k in range(FEATURES):
        total += near.densities[i, k] * weights[SCALE_CLASSES + k]
    if len(weights) > SCALE_CLASSES + FEATURES:
        total += further * weights[SCALE_CLASSES + FEATURES]
    return weights[_scale_row(m)] + total * (_OCTAVE // PER_OCTAVE) // ONE


@inlined
def feature(units):
    """The logarithm of a scale, given in units, as the densities have it."""
    return units * PER_OCTAVE // _OCTAVE


@inlined
def expected(i, near, surplus):
    """Weighted mean of the surplus [N] of neighbours, drawn towards 0 as if one neighbour more had that."""
    total, weight = 0, near.largest[i]
    for k in range(NEIGHBORS):
        total += near.weights[i, k] * surplus[near.neighbors[i, k]]
        weight += near.weights[i, k]
    return total // max(weight, 1)


@inlined
def larger_context(m, predicted):
    """Context of a larger scale, given the prediction in units."""
    return _scale_row(m) * SIZES + min(max(_LARGER_BINS * predicted // _OCTAVE, 0), SIZES - 1)


@inlined
def smaller_context(m, predicted):
    """Context of the difference between two scales, given the prediction in units."""
    return _scale_row(m) * SIZES + min(max(_SMALLER_BINS * predicted // _OCTAVE + _BELOW, 0), SIZES - 1)


@inlined
def length(m, eccentricity, strengths):
    """How much the direction of a Gaussian counts: the long and strong ones before others."""
    return min(max(eccentricity * 8 // _OCTAVE, 0), 24) * strengths[min(m, len(strengths) - 1)]


@inlined
def rotation_context(i, near, eccentricity, vectors, lengths, turns):
    """Context of a rotation: which way neighbours point, whose `vectors` [N, 2] have `lengths` [N] times 64."""
    x, y, whole = 0, 0, near.largest[i] * _UNSURE
    for k in range(NEIGHBORS):
        weight = near.weights[i, k]
        if weight:
            j = near.neighbors[i, k]
            x += weight * vectors[j, 0]
            y += weight * vectors[j, 1]
            whole += weight * lengths[j]
    row = min(max(eccentricity // _OCTAVE, 0), ECCENTRICITIES - 1) * HINTS
    # How much they agree: |vector| / whole is above 1/5, above 1/2.
    agreed = (x // _TURN) ** 2 + (y // _TURN) ** 2
    if 25 * agreed <= whole * whole:
        return row + HINTS - 1
    best, hint = x * turns[0, 0] + y * turns[0, 1], 0
    for direction in range(1, DIRECTIONS):
        at = direction * (len(turns) // DIRECTIONS)
        along = x * turns[at, 0] + y * turns[at, 1]
        if along > best:
            best, hint = along, direction
    return row + 2 * hint + (4 * agreed > whole * whole)

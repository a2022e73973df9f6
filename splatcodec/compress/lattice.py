"""Which values the attributes of a Gaussian can take in the `adaptive` profile: steps that follow its amplitude.

Let E = pi s1 s2 be the squared norm of a Gaussian of amplitude 1, c its colour and r = s1 / s2. Around a fitted
Gaussian, the squared error grows with the square of an offset times

    E                            for a colour, in any orthonormal basis
    |c|^2 E / 2                  for the mean, along an axis in units of the scale
    3 |c|^2 E / 4                for the logarithm of a scale
    |c|^2 E (r - 1/r)^2 / 4      for the rotation.

A rate is spent best where each step costs the same error (reverse water-filling). One number, D, sets them all.
Colours are multiples k of D / sqrt(E). With |k| = |c| sqrt(E) / D about 2^(m/2) for an integer m, the amplitude class,
and M = 2^(m/2), the others would be 1.15 / M for the logarithm of a scale, 2 / (M (r - 1/r)) for the rotation, and
1.41 / M conditional deviations for the mean along x and y. Since attributes that are rounded later make up for part of
the error, the steps are larger: 1.5, 2.4 and 1.54. All that a decoder needs to know while it reads follows from
integers: the tables below are of integers, made from numbers that lie far from where rounding turns.
"""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from splatkernels.jit import inlined, kernel

from ..splats import SMALLEST_SCALE
from .positions import Cells
from .rangecoder import Integers

CLASSES = 48
"""Amplitude classes m = 0, 1, ... that a file can use."""
OCTAVE = 1024
"""Units of the logarithms of scales in an octave."""
_OCTAVES = 16
ANGLES = 64
"""Directions that the steps of means tell apart in half a turn."""
MOST_ROTATIONS = 2**16
_FINEST_MEAN = 20
# Eighths of octaves: of the smallest scale they are -12.
_SMALLEST_DEVIATION = 12
_EIGHTHS = 8 * _OCTAVES

_STEP_SCALE, _STEP_ROTATION = 1.5, 2.4
# The step of means is 2^(5/8) = 1.54.
_STEP_MEAN_EIGHTHS = 5

_BASIS = {
    1: np.ones((1, 1)),
    3: np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]]),
}
"""Orthonormal rows: luma and two chroma differences."""


@dataclass(frozen=True)
class Symbols:
    """N Gaussians as integers.

    Attributes:
        classes: [N] amplitude classes m.
        colors: [N, C] multiples k of D / sqrt(E), in the luma/chroma basis; |k| is about 2^(m/2).
        scales: [N, 2] multiples of the step of logarithms of scales, the larger scale first.
        rotations: [N] multiples of half a turn / `rotation_counts`.
    """

    classes: Integers
    colors: Integers
    scales: Integers
    rotations: Integers

    def __len__(self) -> int:
        return len(self.colors)

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> "Symbols":
        """The given rows."""
        return Symbols(self.classes[index], self.colors[index], self.scales[index], self.rotations[index])


@cache
def _class_limits() -> Integers:
    """Smallest |k|^2 of the classes 1, 2, ...: powers of two times sqrt(1/2), rounded up."""
    return np.array([int(np.ceil(2.0**m * np.sqrt(0.5))) for m in range(1, CLASSES)], np.int64)


def classes_of(colors: Integers) -> Integers:
    """Amplitude classes [N] of colours [N, C]: |k| lies between 2^((m - 1/2)/2) and 2^((m + 1/2)/2)."""
    return np.searchsorted(_class_limits(), (colors**2).sum(axis=1), side="right")


@cache
def scale_steps() -> Integers:
    """Steps [CLASSES] of the logarithms of scales, in units."""
    octaves = _STEP_SCALE / np.log(2) * 2.0 ** (-np.arange(CLASSES) / 2)
    return np.maximum(1, np.rint(np.minimum(octaves, 1.0) * OCTAVE)).astype(np.int64)


def scale_units(scales: Integers, classes: Integers) -> Integers:
    """Logarithms [N, 2] of the scales, in units."""
    return scales * scale_steps()[classes][:, None]


def largest_scales(classes: Integers) -> Integers:
    """Largest symbols [N] of scales."""
    return (_OCTAVES * OCTAVE - 1) // scale_steps()[classes]


def _eccentricities(units: Integers) -> Integers:
    """Eighths of octaves [N] between the two scales."""
    return np.clip((units[:, 0] - units[:, 1]) * 8 // OCTAVE, 0, _EIGHTHS - 1)


@cache
def _rotation_counts() -> Integers:
    ratios = 2.0 ** ((np.arange(_EIGHTHS) + 0.5) / 8)
    amplitudes = 2.0 ** (np.arange(CLASSES) / 2)
    counts = np.ceil(np.pi * amplitudes[:, None] * (ratios - 1 / ratios) / _STEP_ROTATION)
    return np.clip(counts, 1, MOST_ROTATIONS).astype(np.int64)


def rotation_counts(units: Integers, classes: Integers) -> Integers:
    """How many rotations [N] in half a turn are told apart."""
    return _rotation_counts()[classes, _eccentricities(units)]


@cache
def _conditional() -> Integers:
    """Eighths of octaves [eccentricity, angle] by which the conditional deviation along x is below the larger scale."""
    angles = (np.arange(ANGLES) + 0.5) * np.pi / ANGLES
    ratios = 2.0 ** ((np.arange(_EIGHTHS) + 0.5) / 4)
    return np.rint(4 * np.log2(np.cos(angles) ** 2 + np.sin(angles) ** 2 * ratios[:, None])).astype(np.int64)


@cache
def _counts() -> Integers:
    """2^(e / 8) as an integer, for e = 0, 1, ..."""
    return np.rint(2.0 ** (np.arange(8 * _FINEST_MEAN + 1) / 8)).astype(np.int64)


def mean_counts(symbols: Symbols, cell_log2: Integers) -> Integers:
    """How many places [N, 2] for means along x and y are told apart in cells of 2^cell_log2 [N, 2] pixels."""
    counts = np.empty((len(symbols), 2), np.int64)
    units = scale_units(symbols.scales, symbols.classes)
    _fill_place_counts(symbols.classes, units, symbols.rotations, cell_log2, steps(), counts)
    return counts


@cache
def _scale_shifts() -> Integers:
    return np.array([(-(-256 // int(step)) - 1).bit_length() for step in scale_steps()], np.int64)


def scale_shifts(classes: Integers) -> Integers:
    """Lowest bits [N] of scales that have no table."""
    return _scale_shifts()[classes]


class Steps(NamedTuple):
    """The tables of this module, as compiled code sees them."""

    scales: Integers
    """[CLASSES], as `scale_steps`."""
    shifts: Integers
    """[CLASSES], as `scale_shifts`."""
    largest: Integers
    """[CLASSES], the largest symbols of scales."""
    rotations: Integers
    """[CLASSES, eccentricities], how many rotations there are."""
    conditional: Integers
    """[eccentricities, ANGLES], as `_conditional`."""
    places: Integers
    """[8 _FINEST_MEAN + 1], 2^(e / 8)."""


@cache
def steps() -> Steps:
    """All of them."""
    classes = np.arange(CLASSES)
    return Steps(
        scale_steps(), scale_shifts(classes), largest_scales(classes), _rotation_counts(), _conditional(), _counts()
    )


@inlined
def eccentricity(larger, smaller):
    """Eighths of octaves between two scales, given in units."""
    return min(max((larger - smaller) * 8 // OCTAVE, 0), _EIGHTHS - 1)


@inlined
def place_count(axis, m, larger, smaller, rotation, side, steps):
    """How many places for the mean along x or y, axis 0 or 1, are told apart in a cell of 2^side pixels.

    Scales are given in units.
    """
    apart = eccentricity(larger, smaller)
    angle = (rotation * ANGLES // steps.rotations[m, apart] + axis * (ANGLES // 2)) % ANGLES
    deviation = larger * 8 // OCTAVE - _SMALLEST_DEVIATION - steps.conditional[apart, angle]
    finer = 8 * side - (deviation + _STEP_MEAN_EIGHTHS - 4 * m)
    return steps.places[min(max(finer, 0), 8 * _FINEST_MEAN)]


@kernel
def _fill_place_counts(classes, units, rotations, sides, steps, counts):
    for i in range(len(classes)):
        for axis in range(2):
            counts[i, axis] = place_count(
                axis, classes[i], units[i, 0], units[i, 1], rotations[i], sides[i, axis], steps
            )


def places(means: NDArray[np.floating], cells: Cells, counts: Integers) -> Integers:
    """Which of the places [N, 2] of cells, `counts` [N, 2] of them, means [N, 2] lie in."""
    shares = (means - cells.corners) / np.exp2(cells.sides)
    return np.clip(np.floor(shares * counts).astype(np.int64), 0, counts - 1)


def mean_values(places: Integers, cells: Cells, counts: Integers) -> NDArray[np.float64]:
    """Means [N, 2] in pixels."""
    return cells.corners + (places + 0.5) / counts * np.exp2(cells.sides)


def scale_values(units: Integers) -> NDArray[np.float64]:
    """Scales in pixels: powers of two times the smallest one."""
    return SMALLEST_SCALE * 2.0 ** (units / OCTAVE)


def color_steps(scales: NDArray[np.floating], d: float) -> NDArray[np.float64]:
    """Steps [N, 1] of colours, for scales [N, 2] and D."""
    return d / np.sqrt(np.pi * scales.astype(np.float64).prod(axis=1, keepdims=True))


def amplitudes(scales: NDArray[np.floating], colors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Norms [N] of Gaussians, as the roots of sums of squares over samples, for scales [N, 2] and colours [N, C]."""
    return np.linalg.norm(colors / color_steps(scales, 1.0), axis=1)


def smallest_d(scales: NDArray[np.floating], colors: NDArray[np.floating]) -> float:
    """The D from which on the amplitude classes suffice for Gaussians."""
    return float(amplitudes(scales, colors).max(initial=1e-6)) * 2.0 ** (1 - CLASSES / 2)


def color_values(symbols: Symbols, d: float) -> NDArray[np.float64]:
    """Colours [N, C] in full scales."""
    scales = scale_values(scale_units(symbols.scales, symbols.classes))
    return from_basis(symbols.colors * color_steps(scales, d))


def to_basis(colors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Colours [N, C], or gradients by them, in the luma/chroma basis."""
    return colors @ _BASIS[colors.shape[1]].T


def from_basis(colors: NDArray[np.floating]) -> NDArray[np.float64]:
    """The colours [N, C] of a picture, from the luma/chroma basis."""
    return colors @ _BASIS[colors.shape[1]]


def rotation_values(symbols: Symbols) -> NDArray[np.float64]:
    """Rotations [N] in radians."""
    counts = rotation_counts(scale_units(symbols.scales, symbols.classes), symbols.classes)
    return symbols.rotations * np.pi / counts

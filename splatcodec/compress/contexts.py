"""Contexts: what the attributes of a Gaussian are likely to be, given what is known when they are coded.

Classes say how finely an attribute is rounded and so what its symbols mean; neighbours say what is usual nearby. Linear
predictions, whose weights are trained, and sums over neighbours are of integers throughout.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from . import lattice
from .coder import Integers
from .neighbors import FEATURES, PER_OCTAVE, Pass
from .positions import Cells

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
# Larger scales are predicted in thirds of octaves, differences in quarters, of which two are below zero.
_LARGER_BINS, _SMALLER_BINS, _BELOW = 3, 4, 2


def areas(cells: Cells) -> Integers:
    """Contexts [N] of classes."""
    return np.minimum(cells.sides.sum(axis=1), AREAS - 1)


def color_shifts(classes: Integers) -> Integers:
    """Lowest bits [N] of colours that have no table."""
    return np.maximum(0, (classes >> 1) - 3)


@cache
def _inverses() -> Integers:
    """2^(30 - m / 2)."""
    return np.rint(2.0 ** (30 - np.arange(lattice.CLASSES) / 2)).astype(np.int64)


class Colors:
    """Contexts of the colours of a pass.

    Args:
        near: the pass.
        classes: [N] all classes.
        colors: [N, C] colours, of which those of earlier passes are used.
    """

    def __init__(self, near: Pass, classes: Integers, colors: Integers) -> None:
        own = classes[near.rows]
        self._classes = own
        self._shifts = color_shifts(own)
        self._rows = np.where(own < COLOR_CLASSES - 2, own, COLOR_CLASSES - 2 + own % 2)
        self._grey = colors.shape[1] == 1
        if not self._grey:
            # Of amplitude 64 or so each, whatever their classes.
            units = np.clip(colors * _inverses()[classes, None] >> 24, -127, 127)
            floor = near.largest * _FLOOR + 1
            y, u, v = units.T[:, near.neighbors]
            weighted = near.weights * y
            yy, yu, yv = ((weighted * other).sum(axis=0) for other in (y, u, v))
            weighted = near.weights * u
            uu, uv = ((weighted * other).sum(axis=0) for other in (u, v))
            self._luma = yu, yy + floor
            determinant = (yy + floor) * (uu + floor) - yu**2
            self._chroma = yv * (uu + floor) - uv * yu, uv * (yy + floor) - yv * yu, determinant

    def channel(self, known: Integers) -> tuple[str, Integers]:
        """Table and contexts [n] of the channel after those that are known, [n, channels]."""
        if self._grey:
            return "grey", self._rows
        channel = known.shape[1]
        if channel == 0:
            return "color0", self._rows
        quarters = 4 * known >> self._shifts[:, None]
        if channel == 1:
            predicted = quarters[:, 0] * self._luma[0] // self._luma[1]
            finer, bins = np.searchsorted(_LUMAS, np.abs(quarters[:, 0]), "right"), LUMAS
        else:
            by_luma, by_chroma, determinant = self._chroma
            predicted = (quarters[:, 0] * by_luma + quarters[:, 1] * by_chroma) // determinant
            left = np.maximum((3 << self._classes >> 1) - (known**2).sum(axis=1), 0)
            finer, bins = np.minimum(left * 8 // 3 >> self._classes, REMAINDERS - 1), REMAINDERS
        hues = np.searchsorted(_PREDICTIONS, predicted, "right")
        return f"color{channel}", (self._rows * HUES + hues) * bins + finer


def base(weights: Integers, classes: Integers, features: Integers) -> Integers:
    """Logarithms [N] of scales or ratios of them, in units, as far as classes [N] and features [N, F] tell.

    `weights` are those of one of `WEIGHTS`. Features are `Surroundings.densities`, for ratios followed by `feature`.
    """
    offsets = weights[:SCALE_CLASSES][_scale_rows(classes)]
    return offsets + (features @ weights[SCALE_CLASSES:]) * (lattice.OCTAVE // PER_OCTAVE) // ONE


def feature(units: Integers) -> Integers:
    """Logarithms of scales, given in units, as the densities have them."""
    return units * PER_OCTAVE // lattice.OCTAVE


def _scale_rows(classes: Integers) -> Integers:
    return np.minimum(classes, SCALE_CLASSES - 1)


def larger_scales(classes: Integers, predicted: Integers) -> Integers:
    """Contexts [n] of larger scales, given classes and predictions in units."""
    return _scale_rows(classes) * SIZES + np.clip(_LARGER_BINS * predicted // lattice.OCTAVE, 0, SIZES - 1)


def smaller_scales(classes: Integers, predicted: Integers) -> Integers:
    """Contexts [n] of differences between scales, given classes and predictions in units."""
    bins = _SMALLER_BINS * predicted // lattice.OCTAVE + _BELOW
    return _scale_rows(classes) * SIZES + np.clip(bins, 0, SIZES - 1)


class Directions:
    """Contexts of the rotations: which way neighbours point, the long and strong ones before others.

    Args:
        classes: [N] classes.
        units: [N, 2] logarithms of scales, in units.
        counts: [N] how many rotations there are.
    """

    def __init__(self, classes: Integers, units: Integers, counts: Integers) -> None:
        self._eccentricities = units[:, 0] - units[:, 1]
        eighths = np.clip(self._eccentricities * 8 // lattice.OCTAVE, 0, 24)
        self._lengths = eighths * _strengths()[np.minimum(classes, len(_strengths()) - 1)]
        self._counts = counts

    def contexts(self, near: Pass, rotations: Integers) -> Integers:
        """Contexts [n] of a pass, given the rotations of those before."""
        vectors = _turns()[rotations * lattice.ANGLES // self._counts] * self._lengths[:, None]
        x, y = near.sums(vectors[:, 0]), near.sums(vectors[:, 1])
        toward = _turns()[:: lattice.ANGLES // DIRECTIONS]
        hints = (x[:, None] * toward[:, 0] + y[:, None] * toward[:, 1]).argmax(axis=1)
        whole = near.sums(self._lengths) + near.largest * _UNSURE
        # How much they agree: |vector| / whole is above 1/5, above 1/2.
        agreed = (x**2 + y**2) // _TURN**2
        strength = (25 * agreed > whole**2).astype(np.int64) + (4 * agreed > whole**2)
        rows = np.clip(self._eccentricities[near.rows] // lattice.OCTAVE, 0, ECCENTRICITIES - 1)
        return rows * HINTS + np.where(strength > 0, 2 * hints + strength - 1, HINTS - 1)


_TURN = 64
# Length of what is unknown: six neighbours an octave long, of the smallest class.
_UNSURE = 6 * 8 * 16


@cache
def _strengths() -> Integers:
    """16 * 2^(m / 4)."""
    return np.rint(16 * 2.0 ** (np.arange(13) / 4)).astype(np.int64)


@cache
def _turns() -> NDArray[np.int64]:
    """Unit vectors [ANGLES, 2] of twice the angle, times `_TURN`."""
    angles = np.arange(lattice.ANGLES) * 2 * np.pi / lattice.ANGLES
    return np.rint(_TURN * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype(np.int64)

"""The model of the `adaptive` profile: which symbols describe Gaussians, in which order, and what makes them likely.

Positions come first, as a tree of counts; then, Gaussian by Gaussian in the passes of `neighbors`, all attributes and
where in its cell the mean lies, conditioned on what is known of the Gaussian itself and of its neighbours.
`docs/compression.md` explains the choices, `docs/format.md` specifies the bits.
"""

from functools import cache
from importlib import resources
from math import prod

import numpy as np
from numpy.typing import NDArray

from splatkernels.jit import inlined, kernel

from . import contexts, lattice, positions
from .contexts import color_context, color_shift, color_sums, expected, grey_context, larger_context, smaller_context
from .lattice import Symbols
from .neighbors import FIRST_STRIDE, surroundings
from .rangecoder import DAMAGED, Coder, Tables, symbol, tables_of, uniform, weighted_symbol

COLOR_SYMBOLS, SCALE_SYMBOLS = 32, 64
SHAPES = {
    "few": (positions.FEW - 1, positions.CONTEXTS, positions.FEW + 1),
    "many": (positions.CONTEXTS, positions.BINS),
    "class": (contexts.AREAS, lattice.CLASSES),
    "grey": (contexts.COLOR_CLASSES, COLOR_SYMBOLS),
    "color0": (contexts.COLOR_CLASSES, COLOR_SYMBOLS),
    "color1": (contexts.COLOR_CLASSES, contexts.HUES, contexts.LUMAS, COLOR_SYMBOLS),
    "color2": (contexts.COLOR_CLASSES, contexts.HUES, contexts.REMAINDERS, COLOR_SYMBOLS),
    "scale0": (contexts.SCALE_CLASSES, contexts.SIZES, SCALE_SYMBOLS),
    "scale1": (contexts.SCALE_CLASSES, contexts.SIZES, SCALE_SYMBOLS),
    "rotation": (contexts.ECCENTRICITIES, contexts.HINTS, contexts.DIRECTIONS),
}
"""Contexts and symbols of the tables: the last number counts the symbols, the others the values of each context."""
FEW, MANY, CLASS, GREY, COLOR0, COLOR1, COLOR2, SCALE0, SCALE1, ROTATION = range(len(SHAPES))
LABELS = ("means", "classes", "colors", "scales", "rotations")
"""What symbols describe, where they are measured."""
_MEANS, _CLASSES, _COLORS, _SCALES, _ROTATIONS = range(len(LABELS))
# From so many rotations in each direction on, directions count the same.
_EVEN = 8
_HALF_COLORS = COLOR_SYMBOLS // 2
_DIRECTIONS = contexts.DIRECTIONS


@cache
def trained() -> dict[str, NDArray[np.integer]]:
    """What every file begins with: the frequencies [contexts, symbols] of tables, and the weights of predictions.

    They are part of the format, which describes their file.
    """
    data = (resources.files(__package__) / "priors.bin").read_bytes()
    found: dict[str, NDArray[np.integer]] = {}
    at = 0
    for name, shape in SHAPES.items():
        found[name] = np.frombuffer(data, "<u2", prod(shape), at).reshape(-1, shape[-1])
        at += found[name].nbytes
    for name, size in contexts.WEIGHTS.items():
        found[name] = np.frombuffer(data, "<i4", size, at)
        at += found[name].nbytes
    return found


def trained_file(given: dict[str, NDArray[np.integer]]) -> bytes:
    """What `trained` reads: tables, of any shape, in little-endian integers of 16 bits, and weights in those of 32."""
    tables = [given[name].astype("<u2").tobytes() for name in SHAPES]
    return b"".join(tables + [given[name].astype("<i4").tobytes() for name in contexts.WEIGHTS])


@cache
def _begun() -> Tables:
    """The tables that every file begins with."""
    return tables_of([trained()[name] for name in SHAPES])


class Model:
    """The probabilities of symbols, as they are before the first one of a file.

    Args:
        given: as `trained` returns it.
    """

    def __init__(self, given: dict[str, NDArray[np.integer]] | None = None) -> None:
        self.tables = _begun().copy() if given is None else tables_of([given[name] for name in SHAPES])
        self._larger, self._smaller = ((given or trained())[name].astype(np.int64) for name in contexts.WEIGHTS)

    def code(
        self, coder: Coder, symbols: Symbols, means: NDArray[np.floating], width: int, height: int
    ) -> NDArray[np.float64]:
        """Pass N Gaussians through a coder.

        Args:
            coder: where to.
            symbols: of the Gaussians, in the order of the tree; a decoder writes into their arrays.
            means: [N, 2] in pixels; a decoder does without.
            width, height: of the canvas.

        Returns:
            Means [N, 2] as far as they are stored.

        Raises:
            ValueError: what is decoded is damaged.
        """
        tree = positions.Tree(width, height)
        paths = tree.paths(means)
        cells = tree.code(coder, self.tables, FEW, MANY, _MEANS, len(symbols), paths)
        if coder.state[DAMAGED]:
            raise ValueError("the coded positions are damaged")
        shares, counts = (means - cells.corners) / np.exp2(cells.sides), np.ones((len(symbols), 2), np.int64)
        places = np.zeros((len(symbols), 2), np.int64)
        _code(
            coder,
            self.tables,
            surroundings(cells),
            cells.sides,
            lattice.steps(),
            (contexts.inverses(), contexts.strengths(), contexts.turns()),
            self._larger,
            self._smaller,
            symbols.classes,
            symbols.colors,
            symbols.scales,
            symbols.rotations,
            shares,
            counts,
            places,
        )
        return lattice.mean_values(places, cells, counts)


@kernel
def _code(
    coder,
    tables,
    near,
    sides,
    steps,
    constants,
    larger_weights,
    smaller_weights,
    classes,
    colors,
    scales,
    rotations,
    shares,
    counts,
    places,
):
    """Pass all attributes [N, ...] and the `places` [N, 2] of means, of `counts` [N, 2].

    Means lie at `shares` [N, 2] of their cells.
    """
    inverses, strengths, turns = constants
    n = len(classes)
    channels = colors.shape[1]
    units = np.zeros((n, 3), np.int64)
    larger_surplus = np.zeros(n, np.int64)
    smaller_surplus = np.zeros(n, np.int64)
    vectors = np.zeros((n, 2), np.int64)
    lengths = np.zeros(n, np.int64)
    sums = np.zeros(5, np.int64)
    known = np.zeros(3, np.int64)
    weights = np.zeros(_DIRECTIONS, np.int64)
    stride, start = FIRST_STRIDE, 0
    while stride:
        for i in range(start, n, stride if start == 0 else 2 * stride):
            if coder.state[DAMAGED]:
                return
            area = min(sides[i, 0] + sides[i, 1], contexts.AREAS - 1)
            m = symbol(coder, tables, CLASS, area, classes[i], _CLASSES)
            classes[i] = m

            shift = color_shift(m)
            if channels == 1:
                colors[i, 0] = _shifted(
                    coder, tables, GREY, grey_context(m), shift, _HALF_COLORS, colors[i, 0], _COLORS
                )
            else:
                color_sums(i, near, units, sums)
                for channel in range(channels):
                    row = color_context(channel, m, known, sums)
                    known[channel] = _shifted(
                        coder, tables, COLOR0 + channel, row, shift, _HALF_COLORS, colors[i, channel], _COLORS
                    )
                    colors[i, channel] = known[channel]
                    units[i, channel] = contexts.normalised(known[channel], m, inverses)

            step, shift = steps.scales[m], steps.shifts[m]
            base = contexts.base(i, m, near, 0, larger_weights)
            row = larger_context(m, base + expected(i, near, larger_surplus))
            larger = _shifted(coder, tables, SCALE0, row, shift, 0, scales[i, 0], _SCALES)
            if larger > steps.largest[m]:
                coder.state[DAMAGED] = 1
                larger = steps.largest[m]
            larger_surplus[i] = larger * step - base
            base = contexts.base(i, m, near, contexts.feature(larger * step), smaller_weights)
            row = smaller_context(m, base + expected(i, near, smaller_surplus))
            below = _shifted(coder, tables, SCALE1, row, shift, 0, scales[i, 0] - scales[i, 1], _SCALES)
            if below > larger:
                coder.state[DAMAGED] = 1
                below = larger
            smaller_surplus[i] = below * step - base
            scales[i, 0], scales[i, 1] = larger, larger - below

            apart = below * step
            count = steps.rotations[m, lattice.eccentricity(apart, 0)]
            if count > 1:
                row = contexts.rotation_context(i, near, apart, vectors, lengths, turns)
                rotations[i] = _rotation(coder, tables, row, count, weights, rotations[i])
            else:
                rotations[i] = 0
            lengths[i] = contexts.length(m, apart, strengths)
            turn = rotations[i] * lattice.ANGLES // count
            vectors[i, 0], vectors[i, 1] = lengths[i] * turns[turn, 0], lengths[i] * turns[turn, 1]

            for axis in range(2):
                count = lattice.place_count(
                    axis, m, larger * step, scales[i, 1] * step, rotations[i], sides[i, axis], steps
                )
                given = min(max(int(np.floor(shares[i, axis] * count)), 0), count - 1)
                counts[i, axis] = count
                places[i, axis] = uniform(coder, count, given, _MEANS)
        if start == 0:
            start = FIRST_STRIDE // 2
        else:
            start //= 2
        stride = start


@inlined
def _shifted(coder, tables, table, context, shift, offset, value, label):
    """Pass a number: its lowest bits as they are, the others by a table, where symbol 0 stands for -offset."""
    high = symbol(coder, tables, table, context, (value >> shift) + offset, label) - offset
    return (high << shift) + uniform(coder, 1 << shift, value & ((1 << shift) - 1), label)


@inlined
def _rotation(coder, tables, context, count, shares, value):
    """Pass one of `count` > 1 rotations: one of `_DIRECTIONS`, and the place within it."""
    direction = value * _DIRECTIONS // count
    if count >= _EVEN * _DIRECTIONS:
        # Many rotations are spread evenly enough.
        direction = symbol(coder, tables, ROTATION, context, direction, _ROTATIONS)
    else:
        for k in range(_DIRECTIONS):
            shares[k] = _edge(k + 1, count) - _edge(k, count)
        direction = weighted_symbol(coder, tables, ROTATION, context, shares, direction, _ROTATIONS)
    low, high = _edge(direction, count), _edge(direction + 1, count)
    return low + uniform(coder, high - low, value - low, _ROTATIONS)


@inlined
def _edge(direction, count):
    """The first rotation that lies in a direction."""
    return -(-direction * count // _DIRECTIONS)

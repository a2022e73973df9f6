"""The `adaptive` profile: integer symbols under trained frequencies, which follow the file.

Positions come first, as a tree of counts; then attribute by attribute, in passes over the Gaussians in the order of the
tree, conditioned on what is known of themselves and of their neighbours; last, where in its cell each mean lies, as
precisely as its Gaussian needs.
`docs/compression.md` explains the choices, `docs/format.md` specifies the bits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..container import Chunk, Header, Reader, check_tags, varint
from ..splats import Splats
from . import contexts, ladder, lattice, positions
from .coder import Coder, Decoder, Encoder, Integers, Meter, Table
from .lattice import Symbols
from .neighbors import Surroundings
from .profiles import Hints, Profile, Slope
from .refiner import Refiner

# No file comes near; it bounds what a forged count makes a decoder do.
_MOST_PER_BYTE = 1
# From so many rotations in each direction on, directions count the same.
_EVEN = 8

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


class Canvas(NamedTuple):
    """What a picture is drawn on: pixels across and down, and colour channels."""

    width: int
    height: int
    channels: int


@dataclass(frozen=True)
class Quantized:
    """N Gaussians as the profile can store them.

    Attributes:
        notch: of D on its ladder.
        symbols: colours, scales and rotations, in the order of the tree.
        means: [N, 2] x, y in pixels, of the same rows.
        canvas: where they lie.
    """

    notch: int
    symbols: Symbols
    means: NDArray[np.floating]
    canvas: Canvas

    def splats(self) -> Splats:
        """The Gaussians."""
        units = lattice.scale_units(self.symbols.scales, self.symbols.classes)
        return Splats(
            self.means.astype(np.float32),
            lattice.scale_values(units).astype(np.float32),
            lattice.rotation_values(self.symbols).astype(np.float32),
            lattice.color_values(self.symbols, ladder.value(self.notch)).astype(np.float32),
            self.canvas.height,
            self.canvas.width,
        )


@cache
def trained() -> dict[str, NDArray[np.integer]]:
    """What every file begins with: the frequencies [contexts, symbols] of tables, and the weights of predictions.

    They are part of the format.
    """
    with resources.as_file(resources.files(__package__) / "priors.npz") as path, np.load(path) as arrays:
        tables = {name: arrays[name].reshape(-1, shape[-1]) for name, shape in SHAPES.items()}
        return tables | {name: arrays[name].reshape(size) for name, size in contexts.WEIGHTS.items()}


class Model:
    """The probabilities of symbols, as they are before the first one of a file.

    Args:
        given: as `trained` returns it.
    """

    def __init__(self, given: dict[str, NDArray[np.integer]] | None = None) -> None:
        given = given or trained()
        self.tables = {name: Table(given[name]) for name in SHAPES}
        self.weights = {name: given[name].astype(np.int64) for name in contexts.WEIGHTS}

    def decode(self, coder: Coder, notch: int, count: int, canvas: Canvas) -> Quantized:
        """The `count` Gaussians that a decoder reads."""
        numbers, pairs = np.zeros(count, np.int64), np.zeros((count, 2), np.int64)
        blank = Symbols(numbers, np.zeros((count, canvas.channels), np.int64), pairs, numbers)
        return self.code(coder, Quantized(notch, blank, pairs.astype(float), canvas))

    def code(self, coder: Coder, given: Quantized) -> Quantized:
        """Pass Gaussians, in the order of the tree, through a coder; the outcome is what has passed.

        Their means must be among those that can be stored.
        """
        tree = positions.Tree(given.canvas.width, given.canvas.height)
        known = given.symbols
        coder.label = "means"
        cells = tree.code(coder, self.tables["few"], self.tables["many"], len(known), tree.paths(given.means))
        coder.label = "classes"
        classes = self.tables["class"].code(coder, contexts.areas(cells), known.classes)
        attributes = _Attributes(self, coder, Surroundings(cells), classes)
        coder.label = "colors"
        colors = attributes.colors(known.colors)
        coder.label = "scales"
        scales = attributes.scales(known.scales)
        coder.label = "rotations"
        rotations = attributes.rotations(scales, known.rotations)
        symbols = Symbols(classes, colors, scales, rotations)
        coder.label = "means"
        counts = lattice.mean_counts(symbols, cells.sides)
        places = lattice.places(given.means, cells, counts)
        places = np.stack([coder.uniform(counts[:, axis], places[:, axis]) for axis in (0, 1)], axis=1)
        return Quantized(given.notch, symbols, lattice.mean_values(places, cells, counts), given.canvas)


class _Attributes:
    """Passes attributes through a coder, in the passes of `Surroundings`, once cells and classes are known.

    Args:
        model: tables and weights.
        coder: where to.
        surroundings: of the N Gaussians.
        classes: [N].
    """

    def __init__(self, model: Model, coder: Coder, surroundings: Surroundings, classes: Integers) -> None:
        self._model = model
        self._coder = coder
        self._surroundings = surroundings
        self._classes = classes

    def colors(self, known: Integers) -> Integers:
        """Colours [N, C], channel after channel."""
        shifts = contexts.color_shifts(self._classes)
        colors = np.zeros_like(known)
        for near in self._surroundings.passes:
            model = contexts.Colors(near, self._classes, colors)
            for channel in range(known.shape[1]):
                table, rows = model.channel(colors[near.rows, :channel])
                given = known[near.rows, channel]
                own = self._shifted(table, rows, shifts[near.rows], COLOR_SYMBOLS // 2, given)
                colors[near.rows, channel] = own
        return colors

    def scales(self, known: Integers) -> Integers:
        """Scales [N, 2]: the larger ones, and by how much the others are smaller."""
        weights, classes, densities = self._model.weights, self._classes, self._surroundings.densities
        base = contexts.base(weights["larger"], classes, densities)
        first = self._predicted("scale0", contexts.larger_scales, base, known[:, 0])
        larger = contexts.feature(first * lattice.scale_steps()[classes])
        base = contexts.base(weights["smaller"], classes, np.column_stack([densities, larger]))
        below = self._predicted("scale1", contexts.smaller_scales, base, known[:, 0] - known[:, 1])
        if (below > first).any() or (first > lattice.largest_scales(classes)).any():
            raise ValueError("a scale is out of range")
        return np.stack([first, first - below], axis=1)

    def rotations(self, scales: Integers, known: Integers) -> Integers:
        """Rotations [N]: one of 16 directions, and the place within it."""
        units = lattice.scale_units(scales, self._classes)
        counts = lattice.rotation_counts(units, self._classes)
        model = contexts.Directions(self._classes, units, counts)
        edges = -(-np.arange(contexts.DIRECTIONS + 1) * counts[:, None] // contexts.DIRECTIONS)
        shares = np.diff(edges, axis=1)
        # Many rotations are spread evenly enough.
        shares[counts >= _EVEN * contexts.DIRECTIONS] = 1
        rotations = np.zeros_like(known)
        for near in self._surroundings.passes:
            free = counts[near.rows] > 1
            rows = near.rows[free]
            given = known[rows] * contexts.DIRECTIONS // counts[rows]
            hints = model.contexts(near, rotations)[free]
            directions = self._model.tables["rotation"].code(self._coder, hints, given, shares[rows])
            low, high = edges[rows, directions], edges[rows, directions + 1]
            if (high <= low).any():
                raise ValueError("a rotation falls between two values")
            rotations[rows] = low + self._coder.uniform(high - low, known[rows] - low)
        return rotations

    def _predicted(
        self, table: str, context: Callable[[Integers, Integers], Integers], base: Integers, known: Integers
    ) -> Integers:
        """Multiples [N] of the steps of scales, about `base` units and as much more as with neighbours."""
        shifts, steps = scale_shifts(self._classes), lattice.scale_steps()[self._classes]
        symbols, surplus = np.zeros_like(known), np.zeros_like(known)
        for near in self._surroundings.passes:
            rows = near.rows
            likely = context(self._classes[rows], base[rows] + near.means(surplus))
            symbols[rows] = self._shifted(table, likely, shifts[rows], 0, known[rows])
            surplus[rows] = symbols[rows] * steps[rows] - base[rows]
        return symbols

    def _shifted(self, table: str, rows: Integers, shifts: Integers, offset: int, known: Integers) -> Integers:
        """Numbers: the lowest bits as they are, the others by a table, where symbol 0 stands for -offset."""
        high = self._model.tables[table].code(self._coder, rows, (known >> shifts) + offset) - offset
        return (high << shifts) + self._coder.uniform(1 << shifts, known & (1 << shifts) - 1)


@cache
def _scale_shifts() -> Integers:
    return np.array([(-(-256 // int(step)) - 1).bit_length() for step in lattice.scale_steps()], np.int64)


def scale_shifts(classes: Integers) -> Integers:
    """Lowest bits [N] of scales that have no table."""
    return _scale_shifts()[classes]


class Adaptive(Profile):
    """The `adaptive` profile."""

    name = "adaptive"
    follows_d = True
    hints = Hints(bits_per_gaussian=31, log_size=Slope(0.24, 1.15), psnr=Slope(1.1, 4.8))

    def quantise(self, splats: Splats, notch: int, refiner: Refiner) -> Quantized:
        from .quantizer import quantize

        return quantize(splats, notch, refiner)

    def write(self, quantised: Quantized) -> tuple[int, list[Chunk]]:
        return len(quantised.symbols), encode(quantised)

    def read(self, header: Header, chunks: Sequence[Chunk], name: str) -> Splats:
        return read(header, chunks, name).splats()

    def describe(self, header: Header, chunks: Sequence[Chunk], name: str) -> dict[str, float]:
        return measure(read(header, chunks, name))


PROFILE = Adaptive()


def measure(quantized: Quantized) -> dict[str, float]:
    """Bits by attribute."""
    meter = Meter()
    Model().code(meter, quantized)
    return dict(meter.bits)


def encode(quantized: Quantized) -> list[Chunk]:
    """Code all attributes."""
    coder = Encoder()
    Model().code(coder, quantized)
    return [Chunk("ADAP", varint(quantized.notch) + coder.bytes())]


def read(header: Header, chunks: Sequence[Chunk], name: str) -> Quantized:
    """Read the symbols back.

    Raises:
        GsiError: chunks are missing or hold values that describe no Gaussian.
    """
    check_tags(chunks, ["ADAP"], name)
    chunk = chunks[0]
    reader = Reader(chunk.payload, name, chunk.offset)
    notch = reader.varint("ADAP step")
    if notch > ladder.LAST:
        raise reader.error("ADAP step", "value out of range", 0)
    if header.n_gaussians > _MOST_PER_BYTE * len(chunk.payload):
        raise reader.error("ADAP", f"{header.n_gaussians} Gaussians in {len(chunk.payload)} bytes", 0)
    try:
        coder = Decoder(chunk.payload[reader.position :])
        canvas = Canvas(header.width, header.height, header.channels)
        quantized = Model().decode(coder, notch, header.n_gaussians, canvas)
        coder.end()
        return quantized
    except ValueError as error:
        raise reader.error("ADAP", str(error)) from error

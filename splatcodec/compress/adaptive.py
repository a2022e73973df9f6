"""The `adaptive` profile: integer symbols under trained frequencies, which follow the file.

Positions come first, as a tree of counts; then each attribute of all Gaussians, in the order of the tree, conditioned
on those already known; last, where in its cell each mean lies, as precisely as its Gaussian needs.
`docs/compression.md` explains the choices, `docs/format.md` specifies the bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..container import Chunk, Header, Reader, check_tags, varint
from ..splats import Splats
from . import lattice, positions
from .coder import Coder, Decoder, Encoder, Integers, Meter, Table
from .lattice import Symbols

STEPS_PER_OCTAVE = 32
_LARGEST_STEP = 4.0
LAST_STEP = 767
# No file comes near; it bounds what a forged count makes a decoder do.
_MOST_PER_BYTE = 1
# From so many rotations in each direction on, directions count the same.
_EVEN = 8

AREAS, COLOR_CLASSES, SCALE_CLASSES = 20, 16, 20
COLOR_SYMBOLS, SCALE_SYMBOLS, DIRECTIONS, ECCENTRICITIES = 32, 64, 16, 8
_COLOR_EDGES = np.array([-9, -6, -4, -2, -1, 0, 1, 2, 4, 6, 9])
_REMAINDERS = 12
_SIZES = 24

SHAPES = {
    "few": (positions.FEW - 1, positions.CONTEXTS, positions.FEW + 1),
    "many": (positions.CONTEXTS, positions.BINS),
    "class": (AREAS, lattice.CLASSES),
    "grey": (COLOR_CLASSES, COLOR_SYMBOLS),
    "color0": (COLOR_CLASSES, COLOR_SYMBOLS),
    "color1": (COLOR_CLASSES, len(_COLOR_EDGES) + 1, COLOR_SYMBOLS),
    "color2": (COLOR_CLASSES, _REMAINDERS, COLOR_SYMBOLS),
    "scale0": (SCALE_CLASSES, AREAS, SCALE_SYMBOLS),
    "scale1": (SCALE_CLASSES, _SIZES, SCALE_SYMBOLS),
    "rotation": (ECCENTRICITIES, DIRECTIONS),
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
        step: index of D, which is 4 * 2^(-step / 32).
        symbols: colours, scales and rotations, in the order of the tree.
        means: [N, 2] x, y in pixels, of the same rows.
        canvas: where they lie.
    """

    step: int
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
            lattice.color_values(self.symbols, step_value(self.step)).astype(np.float32),
            self.canvas.height,
            self.canvas.width,
        )


def step_value(step: int) -> float:
    """D of a step index."""
    return _LARGEST_STEP * 2.0 ** (-step / STEPS_PER_OCTAVE)


def nearest_step(value: float) -> int:
    """Index of the step nearest to D in ratio."""
    return int(np.clip(np.rint(STEPS_PER_OCTAVE * np.log2(_LARGEST_STEP / value)), 0, LAST_STEP))


def finest_step(scales: NDArray[np.floating], colors: NDArray[np.floating]) -> int:
    """Index of the finest step at which the amplitude classes suffice for Gaussians."""
    amplitudes = np.linalg.norm(colors / lattice.color_steps(scales, 1.0), axis=1)
    finest = amplitudes.max(initial=1e-6) * 2.0 ** (1 - lattice.CLASSES / 2)
    return min(LAST_STEP, int(np.floor(STEPS_PER_OCTAVE * np.log2(_LARGEST_STEP / finest))))


@cache
def trained() -> dict[str, NDArray[np.uint16]]:
    """The frequencies [contexts, symbols] that every file begins with, by table; they are part of the format."""
    with resources.as_file(resources.files(__package__) / "priors.npz") as path, np.load(path) as arrays:
        return {name: arrays[name].reshape(-1, shape[-1]) for name, shape in SHAPES.items()}


class Model:
    """The probabilities of symbols, as they are before the first one of a file."""

    def __init__(self) -> None:
        self.tables = {name: Table(prior) for name, prior in trained().items()}

    def code(self, coder: Coder, given: Quantized) -> Quantized:
        """Pass Gaussians, in the order of the tree, through a coder; their means are rounded on the way."""
        return self._code(coder, given.step, len(given.symbols), given.canvas, given)

    def decode(self, coder: Coder, step: int, count: int, canvas: Canvas) -> Quantized:
        """The `count` Gaussians that a decoder reads."""
        return self._code(coder, step, count, canvas, None)

    def _code(self, coder: Coder, step: int, count: int, canvas: Canvas, given: Quantized | None) -> Quantized:
        tree = positions.Tree(canvas.width, canvas.height)
        known = None if given is None else given.symbols
        coder.label = "means"
        paths = None if given is None else tree.paths(given.means)
        cells = tree.code(coder, self.tables["few"], self.tables["many"], count, paths)
        areas = np.minimum(cells.sides.sum(axis=1), AREAS - 1)
        coder.label = "classes"
        classes = self.tables["class"].code(coder, areas, None if known is None else known.classes)
        coder.label = "colors"
        colors = self._colors(coder, classes, canvas.channels, None if known is None else known.colors)
        coder.label = "scales"
        scales = self._scales(coder, classes, areas, None if known is None else known.scales)
        coder.label = "rotations"
        rotations = self._rotations(coder, classes, scales, None if known is None else known.rotations)
        symbols = Symbols(classes, colors, scales, rotations)
        coder.label = "means"
        counts = lattice.mean_counts(symbols, cells.sides)
        sides = np.exp2(cells.sides)
        places = None if given is None else np.floor((given.means - cells.corners) / sides * counts).astype(np.int64)
        columns = [coder.uniform(counts[:, k], None if places is None else places[:, k]) for k in (0, 1)]
        means = cells.corners + (np.stack(columns, axis=1) + 0.5) / counts * sides
        return Quantized(step, symbols, means.astype(np.float64), canvas)

    def _colors(self, coder: Coder, classes: Integers, channels: int, known: Integers | None) -> Integers:
        """Pass colours, channel after channel."""
        shifts = color_shifts(classes)
        colors = np.zeros((len(classes), channels), np.int64)
        for channel in range(channels):
            table, contexts = color_contexts(classes, colors, channel)
            colors[:, channel] = self._shifted(
                coder, table, contexts, shifts, COLOR_SYMBOLS // 2, None if known is None else known[:, channel]
            )
        return colors

    def _scales(self, coder: Coder, classes: Integers, areas: Integers, known: Integers | None) -> Integers:
        """Pass the larger scales, and by how much the others are smaller."""
        shifts = scale_shifts(classes)
        rows = np.minimum(classes, SCALE_CLASSES - 1)
        first = self._shifted(coder, "scale0", rows * AREAS + areas, shifts, 0, None if known is None else known[:, 0])
        sizes = np.minimum(lattice.scale_units(first[:, None], classes)[:, 0] * 2 // lattice.OCTAVE, _SIZES - 1)
        below = self._shifted(
            coder, "scale1", rows * _SIZES + sizes, shifts, 0, None if known is None else known[:, 0] - known[:, 1]
        )
        if (below > first).any() or (first > lattice.largest_scales(classes)).any():
            raise ValueError("a scale is out of range")
        return np.stack([first, first - below], axis=1)

    def _rotations(self, coder: Coder, classes: Integers, scales: Integers, known: Integers | None) -> Integers:
        """Pass one of 16 directions, and the place within it."""
        units = lattice.scale_units(scales, classes)
        counts = lattice.rotation_counts(units, classes)
        rows = np.minimum((units[:, 0] - units[:, 1]) * 2 // lattice.OCTAVE, ECCENTRICITIES - 1)
        edges = -(-np.arange(DIRECTIONS + 1) * counts[:, None] // DIRECTIONS)
        shares = np.diff(edges, axis=1)
        # Many rotations are spread evenly enough.
        shares[counts >= _EVEN * DIRECTIONS] = 1
        free = counts > 1
        directions = np.zeros(len(counts), np.int64)
        given = None if known is None else (known * DIRECTIONS // counts)[free]
        directions[free] = self.tables["rotation"].code(coder, rows[free], given, shares[free])
        low = np.take_along_axis(edges, directions[:, None], axis=1)[:, 0]
        high = np.take_along_axis(edges, directions[:, None] + 1, axis=1)[:, 0]
        if (high <= low)[free].any():
            raise ValueError("a rotation falls between two values")
        return low + coder.uniform(np.maximum(high - low, 1), None if known is None else known - low)

    def _shifted(
        self, coder: Coder, table: str, contexts: Integers, shifts: Integers, offset: int, known: Integers | None
    ) -> Integers:
        """Pass numbers: the lowest bits as they are, the others by a table, where symbol 0 stands for -offset."""
        high = None if known is None else (known >> shifts) + offset
        high = self.tables[table].code(coder, contexts, high) - offset
        low = coder.uniform(1 << shifts, None if known is None else known & (1 << shifts) - 1)
        return (high << shifts) + low


def color_contexts(classes: Integers, colors: Integers, channel: int) -> tuple[str, Integers]:
    """Table and contexts [N] of a channel of colours, of which those before it are known and the others are ignored."""
    rows = np.where(classes < COLOR_CLASSES - 2, classes, COLOR_CLASSES - 2 + classes % 2)
    if colors.shape[1] == 1:
        return "grey", rows
    if channel == 0:
        return "color0", rows
    if channel == 1:
        bins = np.searchsorted(_COLOR_EDGES, colors[:, 0] >> color_shifts(classes), "right")
        return "color1", rows * (len(_COLOR_EDGES) + 1) + bins
    left = np.maximum((3 << classes >> 1) - (colors[:, :2] ** 2).sum(axis=1), 0)
    return "color2", rows * _REMAINDERS + np.minimum(left * 8 >> classes, _REMAINDERS - 1)


@cache
def _costs(table: str) -> NDArray[np.float64]:
    """Bits [contexts, symbols] of symbols under the trained frequencies."""
    prior = trained()[table].astype(np.float64)
    return np.log2(prior.sum(axis=1, keepdims=True) / prior)


def color_bits(classes: Integers, colors: Integers) -> NDArray[np.float64]:
    """Bits [N] that colours [N, C] take about, infinite where they cannot be stored."""
    bits = np.zeros(len(colors))
    shifts = color_shifts(classes)
    for channel in range(colors.shape[1]):
        table, contexts = color_contexts(classes, colors, channel)
        symbol = (colors[:, channel] >> shifts) + COLOR_SYMBOLS // 2
        valid = (symbol >= 0) & (symbol < COLOR_SYMBOLS)
        bits += np.where(valid, _costs(table)[contexts, np.clip(symbol, 0, COLOR_SYMBOLS - 1)], np.inf)
    return bits


def color_shifts(classes: Integers) -> Integers:
    """Lowest bits [N] of colours that have no table."""
    return np.maximum(0, (classes >> 1) - 3)


@cache
def _scale_shifts() -> Integers:
    return np.array([(-(-256 // int(step)) - 1).bit_length() for step in lattice.scale_steps()], np.int64)


def scale_shifts(classes: Integers) -> Integers:
    """Lowest bits [N] of scales that have no table."""
    return _scale_shifts()[classes]


def round_means(quantized: Quantized) -> Quantized:
    """The same Gaussians with the nearest means that can be stored."""
    return Model().code(Meter(), quantized)


def measure(quantized: Quantized) -> dict[str, float]:
    """Bits by attribute."""
    meter = Meter()
    Model().code(meter, quantized)
    return dict(meter.bits)


def encode(quantized: Quantized) -> list[Chunk]:
    """Code all attributes."""
    coder = Encoder()
    Model().code(coder, quantized)
    return [Chunk("ADAP", varint(quantized.step) + coder.bytes())]


def decode(header: Header, chunks: Sequence[Chunk], name: str) -> Splats:
    """Read the Gaussians back.

    Raises:
        GsiError: chunks are missing or hold values that describe no Gaussian.
    """
    return read(header, chunks, name).splats()


def read(header: Header, chunks: Sequence[Chunk], name: str) -> Quantized:
    """Read the symbols back, as `decode`."""
    check_tags(chunks, ["ADAP"], name)
    chunk = chunks[0]
    reader = Reader(chunk.payload, name, chunk.offset)
    step = reader.varint("ADAP step")
    if step > LAST_STEP:
        raise reader.error("ADAP step", "value out of range", 0)
    if header.n_gaussians > _MOST_PER_BYTE * len(chunk.payload):
        raise reader.error("ADAP", f"{header.n_gaussians} Gaussians in {len(chunk.payload)} bytes", 0)
    try:
        coder = Decoder(chunk.payload[reader.position :])
        canvas = Canvas(header.width, header.height, header.channels)
        quantized = Model().decode(coder, step, header.n_gaussians, canvas)
        coder.end()
        return quantized
    except ValueError as error:
        raise reader.error("ADAP", str(error)) from error

"""The `adaptive` profile: integer symbols under trained frequencies, which follow the file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..container import Chunk, Layer, Reader, check_tags, varint
from ..errors import GsiError
from ..splats import Splats
from . import ladder, lattice, rangecoder
from .lattice import Symbols
from .model import LABELS, Model
from .profiles import TAGS, Hints, Profile, Slope
from .refiner import Refiner

# Gaussians for each byte of a file at most: a bound on what a forged count makes a decoder do.
_MOST_PER_BYTE = 8
# Bytes to make room for, for each Gaussian; there may be more.
_USUAL_BYTES = 8


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

    def read(self, layer: Layer, chunks: Sequence[Chunk], name: str) -> Splats:
        return read(layer, chunks, name).splats()

    def describe(self, layer: Layer, chunks: Sequence[Chunk], name: str) -> dict[str, float]:
        return measure(read(layer, chunks, name))


PROFILE = Adaptive()


def measure(quantized: Quantized) -> dict[str, float]:
    """Bits by attribute."""
    meter = rangecoder.meter(len(LABELS))
    code(Model(), meter, quantized)
    return dict(zip(LABELS, meter.bits.tolist(), strict=True))


def code(model: Model, coder: rangecoder.Coder, quantized: Quantized) -> None:
    """Pass Gaussians through a coder that does not read."""
    model.code(coder, quantized.symbols, quantized.means, quantized.canvas.width, quantized.canvas.height)


def encode(quantized: Quantized) -> list[Chunk]:
    """Code all attributes.

    Raises:
        GsiError: there are more Gaussians than the bytes they take allow.
    """
    room = 64 + _USUAL_BYTES * len(quantized.symbols)
    try:
        coded = _coded(quantized, room)
    except rangecoder.NoRoomError as error:
        coded = _coded(quantized, error.size)
    count = len(quantized.symbols)
    if count > _MOST_PER_BYTE * (len(coded) + 1):
        raise GsiError(f"ADAP: {count} Gaussians so much alike that they fit {len(coded)} bytes cannot be stored")
    return [Chunk("ADAP", varint(quantized.notch) + coded)]


def _coded(quantized: Quantized, room: int) -> bytes:
    coder = rangecoder.encoder(room)
    code(Model(), coder, quantized)
    return rangecoder.finished(coder)


def read(layer: Layer, chunks: Sequence[Chunk], name: str) -> Quantized:
    """Read the symbols back.

    Raises:
        GsiError: chunks are missing or hold values that describe no Gaussian.
    """
    check_tags(chunks, TAGS["adaptive"], name)
    chunk = chunks[0]
    reader = Reader(chunk.payload, name, chunk.offset)
    notch = reader.varint("ADAP step")
    if notch > ladder.LAST:
        raise reader.error("ADAP step", "value out of range", 0)
    if layer.n_gaussians > _MOST_PER_BYTE * len(chunk.payload):
        raise reader.error("ADAP", f"{layer.n_gaussians} Gaussians in {len(chunk.payload)} bytes", 0)
    count, canvas = layer.n_gaussians, Canvas(layer.width, layer.height, layer.channels)
    symbols = Symbols(
        np.zeros(count, np.int64),
        np.zeros((count, canvas.channels), np.int64),
        np.zeros((count, 2), np.int64),
        np.zeros(count, np.int64),
    )
    try:
        coder = rangecoder.decoder(chunk.payload[reader.position :])
        means = Model().code(coder, symbols, np.zeros((count, 2)), canvas.width, canvas.height)
        rangecoder.check_end(coder)
    except ValueError as error:
        raise reader.error("ADAP", str(error)) from error
    return Quantized(notch, symbols, means, canvas)

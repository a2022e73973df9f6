"""The `half` profile: every attribute in half precision (IEEE 754 binary16), without any further loss.

A half-precision coordinate near x = 768 would be off by a quarter of a pixel. Gaussians have no order, so they are
sorted into square cells of the canvas, and a mean is stored relative to the centre of its cell: off by 1/128 pixel at
most, whatever the size of the canvas, unless the mean lies beyond it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..container import Chunk, Layer, Reader, check_tags, varint
from ..errors import GsiError
from ..splats import Splats
from .profiles import TAGS, Hints, Profile, Slope
from .refiner import Refiner

CELL = 64
"""Side of a cell in pixels."""

# Ratio of the scales.
_NEEDLE = 32
_HALF = np.dtype("<f2")
_ATTRIBUTES = {"SCAL": 2, "ROTA": 1}


def encode(splats: Splats) -> list[Chunk]:
    """Code all attributes as half-precision chunks.

    Raises:
        GsiError: a value does not fit half precision.
    """
    order, chunks = encode_means(splats.means, splats.width, splats.height)
    # An axis has no direction, so half a turn leaves a Gaussian as it is; small angles are stored more precisely. Axes
    # have no order either, so a quarter of a turn exchanges the scales: the ends of needles need it.
    rotations, scales = np.remainder(splats.rotations + np.pi / 2, np.pi) - np.pi / 2, splats.scales
    across = (np.abs(rotations) > np.pi / 4) & (scales.max(axis=1) > _NEEDLE * scales.min(axis=1))
    rotations = np.where(across, rotations - np.copysign(np.pi / 2, rotations), rotations)
    scales = np.where(across[:, None], scales[:, ::-1], scales)
    for tag, array in {"SCAL": scales, "ROTA": rotations, "COLR": splats.colors}.items():
        chunks.append(Chunk(tag, to_half(array[order], tag).tobytes()))
    return chunks


def decode(layer: Layer, chunks: Sequence[Chunk], name: str) -> Splats:
    """Read the Gaussians back.

    Raises:
        GsiError: chunks are missing, of the wrong length or hold values that describe no Gaussian.
    """
    check_tags(chunks, TAGS["half"], name)
    means = decode_means(layer, chunks[0], chunks[1], name)
    widths = [*_ATTRIBUTES.values(), layer.channels]
    scales, rotations, colors = (
        _read(chunk, layer.n_gaussians, width, name) for chunk, width in zip(chunks[2:], widths, strict=True)
    )
    return Splats(means, scales, rotations[:, 0], colors, layer.height, layer.width)


class Half(Profile):
    """The `half` profile."""

    name = "half"
    follows_d = False
    needs_picture = False
    hints = Hints(bits_per_gaussian=128, log_size=Slope(0.69, 0.69), psnr=Slope(2.6, 2.6))

    def quantise(self, splats: Splats, notch: int, refiner: Refiner) -> Splats:
        """They are stored as they are."""
        return splats

    def write(self, quantised: Splats) -> tuple[int, list[Chunk]]:
        return len(quantised), encode(quantised)

    def read(self, layer: Layer, chunks: Sequence[Chunk], name: str) -> Splats:
        return decode(layer, chunks, name)


PROFILE = Half()


def encode_means(means: NDArray[np.float32], width: int, height: int) -> tuple[NDArray[np.intp], list[Chunk]]:
    """Code means [N, 2] as chunks `CELL` and `MEAN`; returns the order in which they come, too.

    Raises:
        GsiError: a mean lies too far beyond the canvas for half precision.
    """
    columns, rows = _grid(width, height)
    column, row = np.clip(means // CELL, 0, (columns - 1, rows - 1)).astype(np.int64).T
    cell = row * columns + column
    order = np.argsort(cell, kind="stable")
    counts = np.bincount(cell, minlength=columns * rows)
    offsets = to_half((means - _centers(cell, columns))[order], "MEAN")
    return order, [Chunk("CELL", b"".join(varint(int(count)) for count in counts)), Chunk("MEAN", offsets.tobytes())]


def decode_means(layer: Layer, cells: Chunk, means: Chunk, name: str) -> NDArray[np.float32]:
    """Read means [N, 2] back.

    Raises:
        GsiError: a chunk is of the wrong length or holds values that are no means.
    """
    columns, rows = _grid(layer.width, layer.height)
    reader = Reader(cells.payload, name, cells.offset)
    if len(cells.payload) < columns * rows:
        raise reader.error("CELL", f"fewer bytes than the canvas has cells ({columns * rows})")
    counts = _varints(reader, cells.payload, columns * rows, "CELL")
    reader.end("CELL")
    if counts.sum() != layer.n_gaussians:
        raise reader.error("CELL", f"counts add up to {counts.sum()}, not to {layer.n_gaussians} Gaussians", 0)
    offsets = _read(means, layer.n_gaussians, 2, name)
    return offsets + _centers(np.repeat(np.arange(columns * rows), counts), columns)


def to_half(values: NDArray[np.floating], tag: str) -> NDArray[np.float16]:
    """Values in half precision.

    Raises:
        GsiError: one does not fit.
    """
    with np.errstate(over="ignore"):
        half = values.astype(_HALF)
    bad = ~np.isfinite(half) | ((half == 0) if tag == "SCAL" else False)
    if bad.any():
        raise GsiError(f"{tag}: the value {values[bad].flat[0]:g} of a Gaussian does not fit half precision")
    return half


def _read(chunk: Chunk, rows: int, columns: int, name: str) -> NDArray[np.float32]:
    reader = Reader(chunk.payload, name, chunk.offset)
    size = rows * columns * _HALF.itemsize
    if len(chunk.payload) != size:
        raise reader.error(chunk.tag, f"{len(chunk.payload)} bytes where {rows} Gaussians take {size}")
    values = np.frombuffer(chunk.payload, _HALF).astype(np.float32)
    bad = ~np.isfinite(values) | ((values <= 0) if chunk.tag == "SCAL" else False)
    if bad.any():
        index = int(bad.argmax())
        raise reader.error(chunk.tag, f"{values[index]} is not a valid value", index * _HALF.itemsize)
    return values.reshape(rows, columns)


def _varints(reader: Reader, payload: bytes, count: int, field: str) -> NDArray[np.int64]:
    """The first varints of the payload that a reader begins with, all at once: a canvas may have a million cells."""
    data = np.frombuffer(payload, np.uint8)
    ends = np.flatnonzero(data < 0x80)[:count] + 1
    sizes = np.diff(ends, prepend=0)
    faulty = (sizes > 5) | ((sizes > 1) & (data[ends - 1] == 0))
    sound = int(faulty.argmax()) if faulty.any() else len(ends)
    reader.position = int(ends[sound - 1]) if sound else 0
    if sound < count:
        # The reader says what is wrong with the next.
        reader.varint(field)
    starts = ends - sizes
    places = np.arange(reader.position) - np.repeat(starts, sizes)
    return np.add.reduceat((data[: reader.position] & 0x7F).astype(np.int64) << 7 * places, starts)


def _grid(width: int, height: int) -> tuple[int, int]:
    """Columns and rows of cells on a canvas."""
    return -(-width // CELL), -(-height // CELL)


def _centers(cell: NDArray[np.int64], columns: int) -> NDArray[np.float32]:
    return (np.stack([cell % columns, cell // columns], axis=1) * CELL + CELL // 2).astype(np.float32)

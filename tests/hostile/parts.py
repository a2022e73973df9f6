"""Small valid files of every kind, taken apart: anything in them can be forged under checksums that are right."""

import struct
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from zlib import crc32

import numpy as np

from splatcodec import Splats
from splatcodec.compress import adaptive, half, lattice, profiles, vq
from splatcodec.compress.adaptive import Canvas, Quantized
from splatcodec.compress.lattice import Symbols
from splatcodec.compress.model import COLOR_SYMBOLS, SCALE_SYMBOLS
from splatcodec.compress.positions import Tree
from splatcodec.container import HEADER_SIZE, MAGIC, MAJOR, MINOR, Chunk, unpack, varint

FIELDS = ("major", "minor", "profile", "channels", "width", "height", "n_gaussians", "depth", "space")
SIZES = (1, 1, 1, 1, 2, 2, 4, 1, 1)
"""Bytes that a field takes in the header."""


@dataclass(frozen=True)
class Parts:
    """A file taken apart.

    Attributes:
        fields: numbers of the header by `FIELDS`; what is too large for its bytes loses its upper bits.
        chunks: tags and payloads.
        lengths: what is written before the payload of a chunk of a number, where it is not its length.
        count: what the header says of the number of chunks, where that is not true.
    """

    fields: tuple[int, ...]
    chunks: tuple[tuple[bytes, bytes], ...]
    lengths: tuple[tuple[int, bytes], ...] = ()
    count: int | None = None

    def __getitem__(self, name: str) -> int:
        return self.fields[FIELDS.index(name)]

    def with_field(self, name: str, value: int) -> "Parts":
        """The same with another number in the header."""
        return replace(self, fields=tuple(value if f == name else v for f, v in zip(FIELDS, self.fields, strict=True)))

    def with_payload(self, number: int, payload: bytes) -> "Parts":
        """The same with other content of a chunk."""
        chunks = list(self.chunks)
        chunks[number] = (chunks[number][0], payload)
        return replace(self, chunks=tuple(chunks))

    def pack(self) -> bytes:
        """The file, under checksums that are right."""
        count = len(self.chunks) if self.count is None else self.count
        numbers = [(v & (1 << 8 * n) - 1).to_bytes(n, "little") for v, n in zip(self.fields, SIZES, strict=True)]
        head = MAGIC + b"".join(numbers) + bytes([count & 0xFF])
        lengths = dict(self.lengths)
        bodies = [
            tag + lengths.get(number, varint(len(payload))) + payload
            for number, (tag, payload) in enumerate(self.chunks)
        ]
        return b"".join(part + struct.pack("<I", crc32(part)) for part in (head, *bodies))


def taken_apart(data: bytes) -> Parts:
    """The parts of a valid file."""
    header, chunks = unpack(data, "file")
    numbers = struct.unpack_from("<BBBBHHIBB", data, len(MAGIC))
    assert len(MAGIC) + struct.calcsize("<BBBBHHIBBB") + 4 == HEADER_SIZE
    assert numbers[2] == header.profile
    return Parts(numbers, tuple((chunk.tag.encode(), chunk.payload) for chunk in chunks))


@cache
def valid() -> tuple[Parts, ...]:
    """Files of every profile, grey and in colour, with and without opacity, of no, one, some or extreme Gaussians."""
    found = []
    for name, channels, n_gaussians, has_alpha in product(profiles.NAMES, (1, 3), (0, 1, 37, 40), (False, True)):
        rng = np.random.default_rng(len(found))
        # On tiny canvases the tree of the positions is all leaves.
        width, height = (int(side) for side in rng.integers(1, rng.choice([4, 200]), 2))
        write = {"half": _half, "vq": _vq, "adaptive": _adaptive}[name]
        extreme = n_gaussians == 40
        chunks = write(rng, width, height, channels, n_gaussians, extreme)
        if has_alpha:
            count = n_gaussians // 2
            kind = bytes([n_gaussians % 2]) + varint(count)
            chunks += [Chunk("ALPH", kind), *write(rng, width, height, 1, count, extreme)]
        space = 0
        if n_gaussians == 37:
            chunks += [Chunk("iccp", rng.bytes(40)), Chunk("exif", b"II*\0" + rng.bytes(9)), Chunk("xmpp", b"<x/>")]
            space = 255
        number = profiles.named(name).number
        fields = (MAJOR, MINOR, number, channels + has_alpha, width, height, n_gaussians, 8 + 8 * has_alpha, space)
        found.append(Parts(fields, tuple((chunk.tag.encode(), chunk.payload) for chunk in chunks)))
    return tuple(found)


def _half(rng: np.random.Generator, width: int, height: int, channels: int, count: int, extreme: bool) -> list[Chunk]:
    means = rng.uniform(-0.2, 1.2, (count, 2)) * (width, height)
    scales, rotations = np.exp(rng.uniform(-1, 4, (count, 2))), rng.uniform(-1.5, 1.5, count)
    colors = rng.normal(0, 0.4, (count, channels))
    if extreme:
        means = rng.choice([-65000, 0, 65000], (count, 2))
        scales, colors = rng.choice([6e-8, 1, 65504], (count, 2)), rng.choice([-65504, 6e-8, 65504], (count, channels))
    return half.encode(Splats(means, scales, rotations, colors, height, width))


def _vq(rng: np.random.Generator, width: int, height: int, channels: int, count: int, extreme: bool) -> list[Chunk]:
    size, largest = min(count, 5), 65504 if extreme else 1
    books = [rng.uniform(-largest, largest, (size, columns)).astype(np.float32) for columns in (3, channels, channels)]
    shapes, *indices = (rng.integers(0, max(size, 1), count) for _ in books)
    means = (rng.uniform(-0.2, 1.2, (count, 2)) * (width, height)).astype(np.float32)
    return vq.encode(vq.Coded(means, books[0], shapes, books[1:], indices, height, width))


def _adaptive(
    rng: np.random.Generator, width: int, height: int, channels: int, count: int, extreme: bool
) -> list[Chunk]:
    tree = Tree(width, height)
    means = tree.clip(rng.uniform(-0.2, 1.2, (count, 2)) * (width, height))
    # Some in one place: the tree goes down to its leaves.
    means[count // 2 :] = means[: count - count // 2]
    means[count // 2 + 5 :] = means[: min(count, 1)]
    means = means[np.argsort(tree.paths(means), kind="stable")]
    classes = rng.choice([0, 13, 14, 15, 46, 47], count) if extreme else rng.integers(0, 14, count)
    # As far as the tables reach, with all of the lowest bits that stand apart.
    shifts = np.maximum(classes // 2 - 3, 0)[:, None]
    half_table = COLOR_SYMBOLS // 2
    colors = rng.choice([-half_table, 0, half_table - 1] if extreme else [-3, -1, 0, 1, 5], (count, channels))
    colors = (colors << shifts) + (1 << shifts) - 1
    larger = np.minimum(lattice.largest_scales(classes), (SCALE_SYMBOLS << lattice.scale_shifts(classes)) - 1)
    if not extreme:
        larger = rng.integers(0, larger // 2 + 1)
    sizes = np.stack([larger, larger * rng.integers(0, 2, count)], axis=1)
    turns = lattice.rotation_counts(lattice.scale_units(sizes, classes), classes)
    symbols = Symbols(classes, colors, sizes, turns - 1 if extreme else rng.integers(0, turns))
    cells = tree.cells(tree.paths(means))
    counts = lattice.mean_counts(symbols, cells.sides)
    means = lattice.mean_values(lattice.places(means, cells, counts), cells, counts)
    return adaptive.encode(Quantized(0 if extreme else 64, symbols, means, Canvas(width, height, channels)))

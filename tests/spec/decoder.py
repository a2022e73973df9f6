"""A decoder of .gsi files in plain Python, written from docs/format.md alone.

Whatever overflows, rounds or looks at the wrong neighbour in the codec differs from this. As a program it prints what a
file holds, as JSON:

    python -m tests.spec.decoder picture.gsi
"""

import json
import math
import struct
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

from .adaptive import adaptive
from .layers import Gaussian, Layer
from .reading import Bytes, RangeDecoder, Table, check


@dataclass
class File:
    """What a file holds; `alpha` is None in an opaque picture."""

    minor: int
    profile: int
    channels: int
    width: int
    height: int
    depth: int
    color_space: int
    colors: Layer
    alpha: Layer | None
    is_transparency: bool
    ancillary: dict[str, bytes]

    def pixel(self, column: int, row: int, depth: int = 8) -> list[int]:
        """The integer samples of a pixel, alpha last."""
        most, at = 2**depth - 1, (column + 0.5, row + 0.5)
        samples = [round(most * sample) for sample in self.colors.sample(*at)]
        if self.alpha is None:
            return samples
        alpha = self.alpha.sample(*at)[0]
        opaque = round(most * (1 - alpha if self.is_transparency else alpha))
        return [*samples, opaque] if opaque else [0] * (len(samples) + 1)


def decode(data: bytes) -> File:
    """Decode a file."""
    check(data[:4] == b"\x89GSI", "no .gsi file")
    check(data[4:5] == b"\1", "another major version")
    check(len(data) >= 23, "ends too early")
    check(zlib.crc32(data[:19]) == int.from_bytes(data[19:23], "little"), "CRC of the header")
    minor, profile, channels, width, height, n, depth, space, count = struct.unpack_from("<BBBHHIBBB", data, 5)
    check(profile in (0, 1, 2) and channels in (1, 2, 3, 4) and width > 0 and height > 0, "header")
    check(n < 2**31 and depth in (8, 16) and space in (0, 1, 2, 255), "header")
    chunks = read_chunks(data, count)
    critical = [chunk for chunk in chunks if chunk[0][0].isupper()]
    ancillary: dict[str, bytes] = {}
    for tag, payload in chunks:
        if tag in ("iccp", "exif", "xmpp"):
            check(tag not in ancillary, "a second one of a chunk")
            ancillary[tag] = payload
    tags = (["CELL", "MEAN", "SCAL", "ROTA", "COLR"], ["ADAP"], ["CELL", "MEAN", "BOOK", "INDX"])[profile]
    has_alpha = channels in (2, 4)
    check([tag for tag, _ in critical] == tags + (["ALPH", *tags] if has_alpha else []), "critical chunks")

    read = (half, adaptive, vq)[profile]
    colors, alpha, kind = Layer(n, channels - has_alpha, width, height), None, 0
    read(colors, [payload for _, payload in critical[: len(tags)]])
    if has_alpha:
        reader = Bytes(critical[len(tags)][1])
        kind, n = reader.take(1)[0], reader.varint()
        reader.end()
        check(kind < 2 and n < 2**31, "ALPH")
        alpha = Layer(n, 1, width, height)
        read(alpha, [payload for _, payload in critical[len(tags) + 1 :]])
    return File(minor, profile, channels, width, height, depth, space, colors, alpha, kind == 1, ancillary)


def read_chunks(data: bytes, count: int) -> list[tuple[str, bytes]]:
    """Tags and payloads."""
    reader, chunks = Bytes(data), []
    reader.take(23)
    for _ in range(count):
        start = reader.at
        tag = reader.take(4).decode("latin-1")
        check(tag.isascii() and tag.isalnum() and tag[0].isalpha(), "tag")
        payload = reader.take(reader.varint())
        crc = zlib.crc32(data[start : reader.at])
        check(crc == int.from_bytes(reader.take(4), "little"), f"CRC of {tag}")
        chunks.append((tag, payload))
    reader.end()
    return chunks


def half(layer: Layer, chunks: list[bytes]) -> None:
    """Profile 0."""
    means = read_means(layer, chunks[0], chunks[1])
    channels = layer.channels
    scales = read_halves(layer, "SCAL", chunks[2], 2)
    rotations = read_halves(layer, "ROTA", chunks[3], 1)
    colors = read_halves(layer, "COLR", chunks[4], channels)
    check(all(scale > 0 for scale in scales), "scale")
    for i, (x, y) in enumerate(means):
        own = colors[channels * i : channels * (i + 1)]
        layer.gaussians.append(Gaussian(x, y, scales[2 * i], scales[2 * i + 1], rotations[i], own))


def read_halves(layer: Layer, tag: str, payload: bytes, width: int) -> list[float]:
    """So many numbers of each Gaussian."""
    reader = Bytes(payload)
    layer.symbols[tag], values = reader.halves(width * layer.n)
    reader.end()
    return values


def read_means(layer: Layer, cells: bytes, offsets: bytes) -> list[tuple[float, float]]:
    """The means of `CELL` and `MEAN`."""
    columns, rows = -(-layer.width // 64), -(-layer.height // 64)
    check(len(cells) >= columns * rows, "CELL")
    reader = Bytes(cells)
    counts = [reader.varint() for _ in range(columns * rows)]
    reader.end()
    check(sum(counts) == layer.n, "counts of cells")
    layer.symbols["CELL"] = counts
    values = read_halves(layer, "MEAN", offsets, 2)
    centers = [(64 * (k % columns) + 32, 64 * (k // columns) + 32) for k, own in enumerate(counts) for _ in range(own)]
    return [(x + values[2 * i], y + values[2 * i + 1]) for i, (x, y) in enumerate(centers)]


def vq(layer: Layer, chunks: list[bytes]) -> None:
    """Profile 2."""
    means = read_means(layer, chunks[0], chunks[1])
    reader = Bytes(chunks[2])
    sizes = [reader.varint() for _ in range(3)]
    for size, most in zip(sizes, (1024, 256, 256), strict=True):
        check(min(layer.n, 1) <= size <= most, "size of a codebook")
    books, bits = [], []
    for size, width in zip(sizes, (3, layer.channels, layer.channels), strict=True):
        own, values = reader.halves(size * width)
        bits.append(own)
        books.append([values[at : at + width] for at in range(0, size * width, width)])
    reader.end()
    coder = RangeDecoder(chunks[3])
    indices = []
    for size in sizes:
        table = Table([[4096 // max(size, 1)] * size])
        indices.append([table.read(coder, 0) for _ in range(layer.n)])
    coder.end()
    layer.symbols |= {"BOOK": bits, "INDX": indices}
    for (x, y), *entries in zip(means, *indices, strict=True):
        (a, b, c), first, second = (book[k] for book, k in zip(books, entries, strict=True))
        g, e = (a - b) / 2, c / math.sqrt(2)
        h = math.hypot(g, e)
        s1, s2 = (math.exp(min(20, max(-20, (a + b) / 2 + sign * h))) for sign in (1, -1))
        colors = [p + q for p, q in zip(first, second, strict=True)]
        layer.gaussians.append(Gaussian(x, y, s1, s2, math.atan2(e, g) / 2, colors))


if __name__ == "__main__":
    found = decode(Path(sys.argv[1]).read_bytes())
    print(json.dumps(found, default=lambda value: value.hex() if isinstance(value, bytes) else vars(value)))

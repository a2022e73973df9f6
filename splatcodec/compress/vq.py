"""The `vq` profile: vector quantisation, as in the literature on compressing Gaussians.

Means are stored in half precision. Each Gaussian refers to one of K shapes and, for its colour, to one entry of each of
two codebooks, whose sum it is (residual vector quantisation). The codebooks are in the file, the references are coded
under frequencies that follow them. Codebooks and references are fine-tuned against the picture: Gaussians are refined
freely, then clustered again around where they have gone.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..container import Chunk, Layer, Reader, check_tags, varint
from ..splats import Splats
from . import rangecoder
from .half import decode_means, encode_means, to_half
from .profiles import TAGS, Hints, Profile, Slope
from .rangecoder import PRIOR_WEIGHT, Coder, Integers
from .refiner import Refiner

_GAUSSIANS_PER_SHAPE, _GAUSSIANS_PER_COLOR = 8, 32
_MOST_SHAPES, _MOST_COLORS = 1024, 256
_COLOR_STAGES = 2
_FEWEST = 16
_ROUNDS = 3
_DRAWS = 4


@dataclass(frozen=True)
class Coded:
    """N Gaussians as references to codebooks.

    Attributes:
        means: [N, 2] x, y in pixels.
        shapes: codebook [K, 3] of shapes, as of `_to_log`.
        shape_indices: [N].
        colors: codebooks [K, C] of colours, one for each stage.
        color_indices: [N] for each stage.
        height, width: canvas in pixels.
    """

    means: NDArray[np.float32]
    shapes: NDArray[np.float32]
    shape_indices: Integers
    colors: list[NDArray[np.float32]]
    color_indices: list[Integers]
    height: int
    width: int

    def __len__(self) -> int:
        return len(self.means)

    def splats(self) -> Splats:
        """The Gaussians."""
        scales, rotations = _from_log(self.shapes)
        colors = _sum(self.colors, self.color_indices)
        shapes = self.shape_indices
        return Splats(self.means, scales[shapes], rotations[shapes], colors, self.height, self.width)


def quantize(splats: Splats, refiner: Refiner) -> Coded:
    """Find codebooks for Gaussians, with as little error as possible."""
    count, channels = splats.colors.shape
    gaussians = splats.gaussians
    shapes = _cluster(_to_log(splats.scales, splats.rotations), _size(count, _GAUSSIANS_PER_SHAPE, _MOST_SHAPES))
    for round_ in range(_ROUNDS):
        if round_:
            gaussians = refiner.refine(gaussians, "means", "scales", "rotations", "colors")
        logs = _to_log(gaussians.scales, gaussians.rotations)
        shape_indices = _nearest(logs, shapes)
        shapes = _centers(logs, np.ones(count), shape_indices, shapes)
        scales, rotations = _from_log(shapes[shape_indices])
        gaussians = refiner.refine(gaussians._replace(scales=scales, rotations=rotations), "means", "colors")

    order, chunks = encode_means(gaussians.means, splats.width, splats.height)
    layer = Layer(channels, splats.width, splats.height, count)
    means = decode_means(layer, chunks[0], chunks[1], "")
    gaussians = refiner.refine(gaussians.take(order)._replace(means=means), "colors")

    energies = gaussians.scales.prod(axis=1, dtype=np.float64)
    size = _size(count, _GAUSSIANS_PER_COLOR, _MOST_COLORS)
    books: list[NDArray[np.float32]] = []
    indices: list[Integers] = []
    for round_ in range(_ROUNDS):
        if round_:
            gaussians = refiner.refine(gaussians._replace(colors=_sum(books, indices)), "colors")
        for stage in range(_COLOR_STAGES):
            others = [k for k in range(len(books)) if k != stage]
            rest = gaussians.colors - sum(books[k][indices[k]] for k in others)
            if round_ == 0:
                books.append(_cluster(rest, size, energies))
                indices.append(np.zeros(count, np.int64))
            indices[stage] = _nearest(rest, books[stage])
            books[stage] = _centers(rest, energies, indices[stage], books[stage])
    return Coded(means, shapes, shape_indices[order], books, indices, splats.height, splats.width)


def encode(coded: Coded) -> list[Chunk]:
    """Code means, codebooks and references."""
    order, chunks = encode_means(coded.means, coded.width, coded.height)
    books = [coded.shapes, *coded.colors]
    indices = [index[order] for index in (coded.shape_indices, *coded.color_indices)]
    # More than an index can take.
    coder = rangecoder.encoder(8 + 4 * len(books) * len(coded))
    _code(coder, [len(book) for book in books], indices)
    sizes = b"".join(varint(len(book)) for book in books)
    values = b"".join(to_half(book, "BOOK").tobytes() for book in books)
    return [*chunks, Chunk("BOOK", sizes + values), Chunk("INDX", rangecoder.finished(coder))]


def read(layer: Layer, chunks: Sequence[Chunk], name: str) -> Coded:
    """Read references and codebooks back.

    Raises:
        GsiError: chunks are missing, of the wrong length or hold values that describe no Gaussian.
    """
    check_tags(chunks, TAGS["vq"], name)
    means = decode_means(layer, chunks[0], chunks[1], name)
    reader = Reader(chunks[2].payload, name, chunks[2].offset)
    sizes = [reader.varint("BOOK size") for _ in range(1 + _COLOR_STAGES)]
    least = min(layer.n_gaussians, 1)
    if not (least <= sizes[0] <= _MOST_SHAPES and all(least <= n <= _MOST_COLORS for n in sizes[1:])):
        raise reader.error("BOOK size", "value out of range", 0)
    books = []
    for size, width in zip(sizes, (3, *[layer.channels] * _COLOR_STAGES), strict=True):
        values = np.frombuffer(reader.bytes(2 * size * width, "BOOK"), "<f2").astype(np.float32)
        if not np.isfinite(values).all():
            raise reader.error("BOOK", "a value is not finite")
        books.append(values.reshape(size, width))
    reader.end("BOOK")
    try:
        coder = rangecoder.decoder(chunks[3].payload)
        indices = [np.zeros(layer.n_gaussians, np.int64) for _ in sizes]
        _code(coder, sizes, indices)
        rangecoder.check_end(coder)
    except ValueError as error:
        raise Reader(chunks[3].payload, name, chunks[3].offset).error("INDX", str(error)) from error
    return Coded(means, books[0], indices[0], books[1:], indices[1:], layer.height, layer.width)


class Vq(Profile):
    """The `vq` profile."""

    name = "vq"
    follows_d = False
    hints = Hints(bits_per_gaussian=56, log_size=Slope(0.64, 0.64), psnr=Slope(2.6, 2.6))

    def quantise(self, splats: Splats, notch: int, refiner: Refiner) -> Coded:
        return quantize(splats, refiner)

    def write(self, quantised: Coded) -> tuple[int, list[Chunk]]:
        return len(quantised), encode(quantised)

    def read(self, layer: Layer, chunks: Sequence[Chunk], name: str) -> Splats:
        return read(layer, chunks, name).splats()


PROFILE = Vq()


def _code(coder: Coder, sizes: list[int], indices: list[Integers]) -> None:
    """Pass references to codebooks of the given sizes; a decoder writes into them."""
    tables = rangecoder.tables_of([np.full((1, size), max(1, PRIOR_WEIGHT // max(size, 1))) for size in sizes])
    for table, own in enumerate(indices):
        rangecoder.symbols(coder, tables, table, own)


def _size(count: int, per_entry: int, most: int) -> int:
    """Entries of a codebook for so many Gaussians."""
    return int(np.clip(count // per_entry, min(count, _FEWEST), most))


def _cluster(
    points: NDArray[np.floating], size: int, weights: NDArray[np.floating] | None = None
) -> NDArray[np.float32]:
    """A codebook [size, D] or smaller for points [N, D], by k-means, as the file will hold it."""
    from scipy.cluster.vq import kmeans2

    points = points.astype(np.float64)
    if weights is not None and len(points) > size:
        # k-means knows no weights: points are drawn as often as they count.
        rng = np.random.default_rng(0)
        points = points[rng.choice(len(points), _DRAWS * len(points), p=weights / weights.sum())]
    distinct = np.unique(points, axis=0)
    if len(distinct) <= size:
        return _rounded(distinct)
    with warnings.catch_warnings():
        # Of clusters that become empty: their entries are spare.
        warnings.simplefilter("ignore", UserWarning)
        return _rounded(kmeans2(points, size, minit="++", seed=0)[0])


def _nearest(points: NDArray[np.floating], book: NDArray[np.float32]) -> Integers:
    """Index [N] of the entry nearest to each point."""
    from scipy.cluster.vq import vq

    if len(points) == 0:
        return np.zeros(0, np.int64)
    return vq(points.astype(np.float64), book.astype(np.float64))[0].astype(np.int64)


def _centers(
    points: NDArray[np.floating], weights: NDArray[np.floating], indices: Integers, book: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The weighted means of the points that refer to each entry; entries without any stay."""
    totals = np.bincount(indices, weights, len(book))
    sums = np.stack([np.bincount(indices, weights * column, len(book)) for column in points.T], axis=1)
    used = totals > 0
    centers = book.astype(np.float64)
    centers[used] = sums[used] / totals[used, None]
    return _rounded(centers)


def _rounded(book: NDArray[np.floating]) -> NDArray[np.float32]:
    return to_half(book, "BOOK").astype(np.float32)


def _sum(books: list[NDArray[np.float32]], indices: list[Integers]) -> NDArray[np.float32]:
    return np.sum([book[index] for book, index in zip(books, indices, strict=True)], axis=0)


def _to_log(scales: NDArray[np.floating], rotations: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logarithms of the roots of covariances: xx, yy and sqrt(2) xy [N, 3], whose distances do not wrap around."""
    logs = np.log(scales.astype(np.float64))
    mean, half = logs.mean(axis=1), 0.5 * (logs[:, 0] - logs[:, 1])
    cos, sin = np.cos(2 * rotations), np.sin(2 * rotations)
    return np.stack([mean + half * cos, mean - half * cos, np.sqrt(2) * half * sin], axis=1)


def _from_log(logs: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scales [N, 2] and rotations [N]."""
    xx, yy, xy = logs.astype(np.float64).T
    mean, across, xy = 0.5 * (xx + yy), 0.5 * (xx - yy), xy / np.sqrt(2)
    half = np.hypot(across, xy)
    scales = np.exp(np.clip(np.stack([mean + half, mean - half], axis=1), -20, 20))
    return scales.astype(np.float32), (0.5 * np.arctan2(xy, across)).astype(np.float32)

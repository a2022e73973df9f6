"""The product decodes what a decoder decodes that was written from docs/format.md alone."""

import numpy as np
import pytest

import splatcodec
from splatcodec.compress import adaptive, lattice, vq
from splatcodec.compress.adaptive import Canvas, Quantized
from splatcodec.compress.lattice import Symbols
from splatcodec.compress.model import COLOR_SYMBOLS, SCALE_SYMBOLS, trained
from splatcodec.compress.positions import Tree
from splatcodec.container import Chunk, Header, pack, unpack

from . import specification
from .test_frozen import DATA


def assert_equal(splats: splatcodec.Splats, expected: tuple[np.ndarray, ...]) -> None:
    for own, other in zip(splats.gaussians, expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-6, atol=1e-6)


def decoded(data: bytes) -> specification.Adaptive:
    header, chunks = unpack(data, "file")
    size = header.width, header.height, header.channels, header.n_gaussians
    return specification.Adaptive(chunks[0].payload, trained(), *size)


@pytest.mark.parametrize("name", ["adaptive-rgb", "adaptive-grey"])
def test_frozen_files_are_decoded_alike(name):
    data = (DATA / f"{name}.gsi").read_bytes()
    assert_equal(splatcodec.read(data), decoded(data).gaussians())


@pytest.mark.parametrize("name", ["vq-rgb", "vq-grey"])
def test_frozen_codebooks_are_decoded_alike(name):
    data = (DATA / f"{name}.gsi").read_bytes()
    header, chunks = unpack(data, name)
    splats, book = splatcodec.read(data), chunks[2].payload
    sizes, at = [], 0
    for _ in range(3):
        size, at = specification.varint(book, at)
        sizes.append(size)
    entries = np.frombuffer(book[at:], "<f2").astype(float)
    shapes, first, second = np.split(entries, np.cumsum([3 * sizes[0], header.channels * sizes[1]]))
    found = specification.indices(chunks[3].payload, sizes, header.n_gaussians)
    described = np.array([specification.shape(*shapes.reshape(-1, 3)[k]) for k in found[0]])
    np.testing.assert_allclose(splats.scales, described[:, :2], rtol=1e-5)
    np.testing.assert_allclose(splats.rotations, described[:, 2], atol=1e-5)
    colors = [book.reshape(-1, header.channels)[own] for book, own in zip((first, second), found[1:], strict=True)]
    np.testing.assert_allclose(splats.colors, sum(colors), atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 2, 33, 150])
@pytest.mark.parametrize("side", [300, 65535])
@pytest.mark.parametrize("channels", [1, 3])
def test_extreme_values_neither_overflow_nor_break(count, side, channels):
    """As a forged file may hold them: the largest colours in any class, the longest Gaussians, places far apart."""
    rng = np.random.default_rng(count)
    tree = Tree(side, side)
    means = tree.clip(rng.uniform(-1, 2, (count, 2)) * side)
    means[count // 2 :] /= 1000
    means = means[np.argsort(tree.paths(means), kind="stable")]
    classes = rng.choice([0, 1, 12, 13, 14, 15, 30, 46, 47], count)
    shifts = np.maximum(classes // 2 - 3, 0)[:, None]
    half = COLOR_SYMBOLS // 2
    colors = (rng.choice([-half, -3, 0, 1, half - 1], (count, channels)) << shifts) + rng.integers(0, 2) * (
        (1 << shifts) - 1
    )
    larger = np.minimum(lattice.largest_scales(classes), (SCALE_SYMBOLS << lattice.scale_shifts(classes)) - 1)
    scales = np.stack([larger, larger * rng.integers(0, 2, count)], axis=1)
    rotations = lattice.rotation_counts(lattice.scale_units(scales, classes), classes) - 1
    symbols = Symbols(classes, colors, scales, rotations * rng.integers(0, 2, count))
    cells = tree.cells(tree.paths(means))
    counts = lattice.mean_counts(symbols, cells.sides)
    means = lattice.mean_values(lattice.places(means, cells, counts), cells, counts)
    given = Quantized(100, symbols, means, Canvas(side, side, channels))
    data = pack(Header(adaptive.PROFILE.number, channels, side, side, count), adaptive.encode(given))
    assert_equal(given.splats(), decoded(data).gaussians())
    assert_equal(splatcodec.read(data), decoded(data).gaussians())


def test_codebooks_of_one_entry_take_no_bytes():
    coded = vq.Coded(
        np.full((3, 2), 5.0, np.float32),
        np.zeros((1, 3), np.float32),
        np.zeros(3, np.int64),
        [np.ones((1, 3), np.float32)] * 2,
        [np.zeros(3, np.int64)] * 2,
        10,
        10,
    )
    chunks = vq.encode(coded)
    assert chunks[3] == Chunk("INDX", b"")
    assert specification.indices(b"", [1, 1, 1], 3) == [[0, 0, 0]] * 3

"""Files of random Gaussians: every profile, any symbols that the format can hold."""

from typing import NamedTuple

import numpy as np

from splatcodec.compress import adaptive, half, lattice, vq
from splatcodec.compress.adaptive import Canvas, Quantized
from splatcodec.compress.lattice import Symbols
from splatcodec.compress.model import COLOR_SYMBOLS, SCALE_SYMBOLS
from splatcodec.compress.positions import Tree
from splatcodec.container import Chunk, Layer
from splatcodec.document import Coded, CodedAlpha, to_bytes
from splatcodec.metadata import ColorSpace, Metadata
from splatcodec.splats import Splats

PROFILES = {"half": half.PROFILE, "adaptive": adaptive.PROFILE, "vq": vq.PROFILE}
METADATA = Metadata(ColorSpace.ICC, b"a profile", b"II*\0", b"<x:xmpmeta/>")


class Case(NamedTuple):
    """What a file is to be like."""

    profile: str
    channels: int
    width: int
    height: int
    count: int
    """Of Gaussians of the colours; those of an alpha layer are half as many."""


def file(case: Case, *, depth: int = 8, metadata: Metadata | None = None) -> bytes:
    """A file; the same whenever it is asked for."""
    rng = np.random.default_rng([ord(letter) for letter in repr(case)])
    has_alpha = case.channels in (2, 4)
    colors = coded(rng, case, case.channels - has_alpha, case.count)
    alpha = CodedAlpha(coded(rng, case, 1, case.count // 2), bool(rng.integers(2))) if has_alpha else None
    return to_bytes(PROFILES[case.profile].number, colors, alpha, depth, metadata)


def coded(rng: np.random.Generator, case: Case, channels: int, count: int) -> Coded:
    """A layer of a file."""
    make = {"half": half_chunks, "adaptive": adaptive_chunks, "vq": vq_chunks}[case.profile]
    layer = Layer(channels, case.width, case.height, count)
    return Coded(layer, make(rng, layer))


def half_chunks(rng: np.random.Generator, layer: Layer) -> list[Chunk]:
    """Gaussians of all sizes, a few beyond the canvas."""
    return half.encode(
        Splats(
            rng.uniform(-0.1, 1.1, (layer.n_gaussians, 2)) * (layer.width, layer.height),
            np.exp(rng.uniform(-3, 4, (layer.n_gaussians, 2))),
            rng.uniform(-4, 4, layer.n_gaussians),
            rng.normal(0, 0.5, (layer.n_gaussians, layer.channels)),
            layer.height,
            layer.width,
        )
    )


def vq_chunks(rng: np.random.Generator, layer: Layer) -> list[Chunk]:
    """Codebooks of a few entries, of one in some."""
    count = layer.n_gaussians
    sizes = rng.integers(1, [40, 9, 3]).tolist()
    widths = (3, layer.channels, layer.channels)
    books = [
        rng.normal(0, 0.7, (size, width)).astype(np.float16).astype(np.float32)
        for size, width in zip(sizes, widths, strict=True)
    ]
    indices = [rng.integers(0, size, count) for size in sizes]
    means = (rng.uniform(0, 1, (count, 2)) * (layer.width, layer.height)).astype(np.float32)
    return vq.encode(vq.Coded(means, books[0], indices[0], books[1:], indices[1:], layer.height, layer.width))


def adaptive_chunks(rng: np.random.Generator, layer: Layer, extreme: bool = False) -> list[Chunk]:
    """Symbols of any size; `extreme`: only the largest and smallest ones, as a forged file may hold them."""
    return adaptive.encode(quantized(rng, layer, extreme))


def quantized(rng: np.random.Generator, layer: Layer, extreme: bool) -> Quantized:
    """What `adaptive_chunks` codes."""
    count, half_colors = layer.n_gaussians, COLOR_SYMBOLS // 2
    tree = Tree(layer.width, layer.height)
    means = rng.uniform(-1, 2, (count, 2)) if extreme else rng.normal(0.5, 0.2, (count, 2))
    means = tree.clip(means * (layer.width, layer.height))
    # Half of them close together, so that cells become as small as can be.
    means[count // 2 :] /= 1000 if extreme else 3
    means = means[np.argsort(tree.paths(means), kind="stable")]
    if extreme:
        classes = rng.choice([0, 1, 12, 13, 14, 15, 30, 46, 47], count)
        high = rng.choice([-half_colors, -3, 0, 1, half_colors - 1], (count, layer.channels))
        ratios = rng.integers(0, 2, count).astype(float)
    else:
        classes = np.minimum(rng.geometric(0.15, count), lattice.CLASSES) - 1
        high = np.clip(np.rint(rng.normal(0, 4, (count, layer.channels))), -half_colors, half_colors - 1).astype(int)
        ratios = rng.uniform(0, 1, count)
    shifts = np.maximum(classes // 2 - 3, 0)[:, None]
    low = (1 << shifts) - 1 if extreme else rng.integers(0, 1 << shifts, (count, layer.channels))
    most = np.minimum(lattice.largest_scales(classes), (SCALE_SYMBOLS << lattice.scale_shifts(classes)) - 1)
    larger = most if extreme else np.floor(most * rng.uniform(0, 0.5, count)).astype(np.int64)
    scales = np.stack([larger, np.floor(larger * ratios).astype(np.int64)], axis=1)
    rotations = lattice.rotation_counts(lattice.scale_units(scales, classes), classes) - 1
    turns = rng.integers(0, 2, count) * rotations if extreme else rng.integers(0, rotations + 1)
    symbols = Symbols(classes, (high << shifts) + low, scales, turns)
    cells = tree.cells(tree.paths(means))
    counts = lattice.mean_counts(symbols, cells.sides)
    means = lattice.mean_values(lattice.places(means, cells, counts), cells, counts)
    return Quantized(100, symbols, means, Canvas(layer.width, layer.height, layer.channels))

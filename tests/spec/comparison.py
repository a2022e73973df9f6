"""Comparison of the codec with the decoder of the specification, symbol by symbol."""

from typing import Any

import numpy as np

from splatcodec import document
from splatcodec.compress import adaptive, lattice, profiles, vq
from splatcodec.compress.positions import Tree
from splatcodec.container import Chunk, Reader, unpack
from splatcodec.document import Coded
from splatcodec.splats import Splats

from . import decoder
from .layers import Layer


def assert_same(data: bytes) -> decoder.File:
    """Fail unless both decoders read the same symbols and Gaussians from a file, which they must not refuse."""
    header, chunks = unpack(data, "file")
    found = decoder.decode(data)
    content = document.from_bytes(data, "file")
    colors, alpha = document.layers(header, chunks, "file")
    assert_layer(found.colors, content.splats, symbols(header.profile, colors))
    assert (content.alpha is None) == (found.alpha is None)
    if found.alpha is not None:
        assert content.alpha.is_transparency == found.is_transparency
        assert_layer(found.alpha, content.alpha.splats, symbols(header.profile, alpha.coded))
    assert (content.depth, header.minor) == (found.depth, found.minor)
    assert (content.metadata.exif, content.metadata.xmp) == (found.ancillary.get("exif"), found.ancillary.get("xmpp"))
    return found


def assert_layer(found: Layer, splats: Splats, expected: dict[str, Any]) -> None:
    assert found.symbols == expected
    shown = found.gaussians
    for own, other in (
        (splats.means, [(g.x, g.y) for g in shown]),
        (splats.scales, [(g.s1, g.s2) for g in shown]),
        (splats.rotations, [g.rotation for g in shown]),
        (splats.colors, [g.colors for g in shown]),
    ):
        # A unit in the last place of float32.
        np.testing.assert_allclose(own, np.reshape(other, own.shape), rtol=1.2e-7, atol=1e-12)


def symbols(profile: int, coded: Coded) -> dict[str, Any]:
    """All integers that the chunks of a layer hold, as the codec reads them, under the names of `decoder`."""
    name = profiles.name_of(profile, "file")
    return {"half": of_half, "adaptive": of_adaptive, "vq": of_vq}[name](coded)


def of_half(coded: Coded) -> dict[str, Any]:
    cells, *halves = coded.chunks
    return {"CELL": counts(cells)} | {chunk.tag: bits(np.frombuffer(chunk.payload, "<f2")) for chunk in halves}


def of_vq(coded: Coded) -> dict[str, Any]:
    found = vq.read(*coded, "file")
    cells, means, _, _ = coded.chunks
    return {
        "CELL": counts(cells),
        "MEAN": bits(np.frombuffer(means.payload, "<f2")),
        "BOOK": [bits(book) for book in (found.shapes, *found.colors)],
        "INDX": [own.tolist() for own in (found.shape_indices, *found.color_indices)],
    }


def counts(chunk: Chunk) -> list[int]:
    reader, found = Reader(chunk.payload, "file"), []
    while reader.position < len(chunk.payload):
        found.append(reader.varint("CELL"))
    return found


def bits(values: np.ndarray) -> list[int]:
    return values.astype("<f2").view("<u2").ravel().tolist()


def of_adaptive(coded: Coded) -> dict[str, Any]:
    layer = coded.layer
    found = adaptive.read(*coded, "file")
    tree = Tree(layer.width, layer.height)
    cells = tree.cells(tree.paths(found.means))
    places = lattice.places(found.means, cells, lattice.mean_counts(found.symbols, cells.sides))
    return {
        "d": found.notch,
        "cell": [tuple(row) for row in np.concatenate([cells.corners, cells.sides], axis=1).tolist()],
        "class": found.symbols.classes.tolist(),
        "color": found.symbols.colors.tolist(),
        "scale": found.symbols.scales.tolist(),
        "rotation": found.symbols.rotations.tolist(),
        "place": places.tolist(),
    }

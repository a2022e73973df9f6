"""Files written once must decode for ever. They are never written anew: a missing file is a failure.

`tests/data/v1/manifest.json` says what each holds: its SHA-256, that of its symbols, and what its header says. The
picture beside each is what it shows.
"""

import hashlib
import json
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import splatcodec
from splatcodec import document
from splatcodec.compress import adaptive, half, vq
from splatcodec.container import Chunk, pack, read_header, unpack
from splatcodec.document import Coded

from . import decoder
from .comparison import assert_same

DATA = Path(__file__).parents[1] / "data" / "v1"
MANIFEST = json.loads((DATA / "manifest.json").read_text())
KNOWN = {"CELL", "MEAN", "SCAL", "ROTA", "COLR", "ADAP", "BOOK", "INDX", "ALPH", "iccp", "exif", "xmpp"}


@cache
def data_of(name: str) -> bytes:
    return (DATA / f"{name}.gsi").read_bytes()


@cache
def decoded(name: str) -> decoder.File:
    return decoder.decode(data_of(name))


def digest(found: decoder.File) -> str:
    """Of all symbols."""
    symbols = [found.colors.symbols, found.alpha and found.alpha.symbols]
    return hashlib.sha256(json.dumps(symbols, sort_keys=True).encode()).hexdigest()


def described(name: str) -> dict[str, object]:
    """What the manifest says of a file."""
    found = decoded(name)
    return {
        "sha256": hashlib.sha256(data_of(name)).hexdigest(),
        "profile": found.profile,
        "channels": found.channels,
        "size": [found.width, found.height],
        "gaussians": [found.colors.n, None if found.alpha is None else found.alpha.n],
        "depth": found.depth,
        "color_space": found.color_space,
        "symbols": digest(found),
    }


def test_no_file_is_missing():
    expected = {"manifest.json", *(f"{name}.{kind}" for name in MANIFEST for kind in ("gsi", "png"))}
    assert {path.name for path in DATA.iterdir()} == expected


@pytest.mark.parametrize("name", MANIFEST)
def test_frozen_file_holds_the_same_symbols(name):
    assert described(name) == MANIFEST[name]
    assert_same(data_of(name))


@pytest.mark.parametrize("name", MANIFEST)
def test_frozen_file_shows_the_same_picture(name):
    expected = np.asarray(Image.open(DATA / f"{name}.png")).astype(float)
    for depth, full in ((8, 1), (16, 257)):
        pixels = splatcodec.decode(data_of(name), depth=depth) / full
        assert pixels.shape == expected.shape
        differences = np.abs(pixels - expected)
        if decoded(name).alpha is not None:
            # Where next to nothing is seen, colours are black or not.
            differences[:, :, :-1][expected[:, :, -1] <= 1] = 0
        assert differences.max() <= 1


@pytest.mark.parametrize("name", MANIFEST)
def test_frozen_file_is_still_what_is_written(name):
    header, chunks = unpack(data_of(name), name)
    colors, alpha = document.layers(header, chunks, name)
    written = again(header.profile, colors)
    if alpha is not None:
        written += [chunk for chunk in chunks if chunk.tag == "ALPH"] + again(header.profile, alpha.coded)
    # Ancillary chunks stay where they are.
    order = iter(written)
    assert pack(header, [next(order) if chunk.is_critical else chunk for chunk in chunks]) == data_of(name)


def again(profile: int, coded: Coded) -> list[Chunk]:
    """The chunks of a layer, read and written."""
    if profile == half.PROFILE.number:
        return half.encode(half.decode(*coded, ""))
    own = adaptive if profile == adaptive.PROFILE.number else vq
    return own.encode(own.read(*coded, ""))


def test_there_is_a_file_of_every_kind():
    headers = {name: read_header(data_of(name), name) for name in MANIFEST}
    kinds = {(header.profile, header.channels) for header in headers.values()}
    assert kinds == set(product(range(3), (1, 2, 3, 4)))
    for of in ("profile", "channels"):
        for value in {getattr(header, of) for header in headers.values()}:
            sizes = {(own.width, own.height) for own in headers.values() if getattr(own, of) == value}
            assert len(sizes) >= 3, f"{of} {value} has pictures of few sizes: {sizes}"
    found = [decoded(name) for name in MANIFEST]
    assert {own.is_transparency for own in found if own.alpha} == {False, True}
    assert {own.depth for own in found} == {8, 16}
    assert {own.color_space for own in found} == {0, 1, 2, 255}
    assert any({"iccp", "exif", "xmpp"} <= {*own.ancillary} for own in found)
    assert {own.profile for own in found if own.colors.n == 0} == {0, 1, 2}
    assert {own.profile for own in found if own.colors.n == 1} == {0, 1, 2}
    assert any(own.minor > 0 for own in found)
    tags = {chunk.tag for name in MANIFEST for chunk in unpack(data_of(name), name)[1]}
    assert tags > KNOWN, "each chunk occurs, and an unknown one"

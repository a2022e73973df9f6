"""Files written once must decode for ever. They are never written anew: a missing file is a failure."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import splatcodec
from splatcodec.compress import adaptive, contexts, model
from splatcodec.container import pack, unpack
from splatcodec.encoding.encode import to_bytes

DATA = Path(__file__).parent.parent / "data"


@pytest.mark.parametrize("name", ["half-rgb", "half-grey", "adaptive-rgb", "adaptive-grey", "vq-rgb", "vq-grey"])
def test_frozen_file_decodes(name):
    expected = np.asarray(Image.open(DATA / f"{name}.png")).astype(int)
    assert np.abs(splatcodec.decode(DATA / f"{name}.gsi") - expected).max() <= 1


@pytest.mark.parametrize("name", ["half-rgb", "half-grey"])
def test_frozen_file_is_still_what_is_written(name):
    data = (DATA / f"{name}.gsi").read_bytes()
    assert to_bytes(splatcodec.read(data)) == data


@pytest.mark.parametrize("name", ["adaptive-rgb", "adaptive-grey"])
def test_frozen_symbols_are_still_coded_alike(name):
    data = (DATA / f"{name}.gsi").read_bytes()
    header, chunks = unpack(data, name)
    assert pack(header, adaptive.encode(adaptive.read(header, chunks, name))) == data


def test_the_tables_are_those_of_the_specification():
    trained = model.trained()
    data = b"".join(trained[name].astype("<u2").tobytes() for name in model.SHAPES)
    data += b"".join(trained[name].astype("<i4").tobytes() for name in contexts.WEIGHTS)
    text = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
    assert hashlib.sha256(data).hexdigest() in text


def test_first_bytes_are_those_of_the_specification():
    data = (DATA / "half-rgb.gsi").read_bytes()
    # Magic, version 1.0, profile half, three channels, 100 x 80 pixels, 40 Gaussians, 8 bits, no profile, five chunks.
    assert data[:19] == bytes([0x89, 0x47, 0x53, 0x49, 1, 0, 0, 3, 100, 0, 80, 0, 40, 0, 0, 0, 8, 0, 5])

import io
import zipfile

import numpy as np
import pytest

from splatcodec.errors import InterchangeError
from splatcodec.interchange import load, save

from .pictures import SHAPES, assert_same, random_splats


def archive(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def arrays_of(n: int = 3, **others) -> dict:
    splats = random_splats(0, n)
    return splats.gaussians._asdict() | {"height": splats.height, "width": splats.width} | others


@pytest.mark.parametrize(("height", "width"), SHAPES)
@pytest.mark.parametrize(("n", "channels"), [(0, 3), (1, 1), (50, 1), (50, 3)])
def test_what_was_written_reads_back_exactly(height, width, n, channels, tmp_path):
    splats = random_splats(1, n, channels, height, width)
    save(splats, tmp_path / "out.npz")
    assert_same(load(tmp_path / "out.npz"), splats)
    with np.load(tmp_path / "out.npz") as arrays:
        assert set(arrays) == {"means", "scales", "rotations", "colors", "height", "width"}
        np.testing.assert_array_equal(arrays["colors"], splats.colors)


def test_equal_gaussians_make_equal_files():
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        save(random_splats(2, 9), file, extension=".npz")
    assert files[0].getvalue() == files[1].getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scales": np.array([[1, 1], [1, 0], [1, 1]])}, 'key "scales", row 1: expected 2 numbers above 0, got'),
        ({"means": np.array([[1, 1], [1, 0], [1, np.inf]])}, 'key "means", row 2: expected 2 numbers, got [1.0, inf]'),
        ({"means": np.ones((3, 3))}, 'key "means": expected the shape [N, 2], got [3, 3]'),
        ({"colors": np.ones((3, 2))}, 'key "colors": expected the shape [N, 3], got [3, 2]'),
        ({"rotations": np.ones((3, 1))}, 'key "rotations": expected the shape [N], got [3, 1]'),
        ({"rotations": np.ones(2)}, 'key "rotations": expected 3 rows, got 2'),
        ({"rotations": np.array(["a", "b", "c"])}, 'key "rotations": expected numbers, got the type <U1'),
        ({"height": 0}, 'key "height": expected a whole number from 1 to 65535, got 0'),
        ({"width": 2.5}, 'key "width": expected a whole number from 1 to 65535, got 2.5'),
        ({"width": [40]}, 'key "width": expected a whole number from 1 to 65535, got array([40])'),
    ],
)
def test_bad_values_are_named(change, message):
    with pytest.raises(InterchangeError) as raised:
        load(archive(**arrays_of(**change)), extension=".npz")
    assert str(raised.value).startswith(f"<bytes>: {message}")


@pytest.mark.parametrize("key", ["scales", "rotations", "colors", "height", "width"])
def test_a_missing_key_is_named(key):
    arrays = arrays_of()
    del arrays[key]
    with pytest.raises(InterchangeError, match=f'key "{key}" is missing'):
        load(archive(**arrays), extension=".npz")


def test_nothing_is_unpickled():
    arrays = arrays_of(means=np.array([[1, 2], None, None], object))
    with pytest.raises(InterchangeError, match=r'key "means": expected numbers, got the type object'):
        load(archive(**arrays), extension=".npz")


def forged(header: str, content: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive whose `means` have a header of our choice."""
    file = io.BytesIO()
    padded = header.encode().ljust(117) + b"\n"
    with zipfile.ZipFile(file, "w", method) as written:
        written.writestr("means.npy", b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + content)
    return file.getvalue()


@pytest.mark.parametrize("shape", ["(2**40, 2)", "(1099511627776, 2)", "(-1, 2)", "(2, 2, 2)", "'x'"])
def test_a_header_that_asks_for_memory_is_refused(shape):
    data = forged(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}", bytes(8))
    with pytest.raises(InterchangeError, match=r"^<bytes>: "):
        load(data, extension=".npz")


def test_no_memory_is_set_aside_for_what_is_not_there():
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2000000, 2)}"
    with pytest.raises(InterchangeError, match=r'key "means": does not hold the \[2000000, 2\] values of its header'):
        load(forged(header, bytes(8)), extension=".npz")


def test_a_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr("splatcodec.interchange.npz.MAX_ROWS", 1000)
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4000, 2)}"
    data = forged(header, bytes(32000), zipfile.ZIP_DEFLATED)
    assert len(data) < 500
    with pytest.raises(InterchangeError, match=r'key "means": .* are not read'):
        load(data, extension=".npz")


def test_truncated_files_are_refused():
    data = archive(**arrays_of())
    for end in range(0, len(data), 37):
        with pytest.raises(InterchangeError, match=r"^<bytes>: "):
            load(data[:end], extension=".npz")


def test_damaged_files_end_in_no_other_error():
    data = archive(**arrays_of())
    rng = np.random.default_rng(3)
    refused = 0
    for place in rng.integers(0, len(data), 300):
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.integers(8)
        try:
            load(bytes(damaged), extension=".npz")
        except InterchangeError:
            refused += 1
    assert refused > 100


def test_what_is_not_looked_for_is_not_unpacked():
    data = archive(**arrays_of())
    file = io.BytesIO(data)
    with zipfile.ZipFile(file, "a") as added:
        added.writestr("junk.npy", b"not even an array")
    assert_same(load(file.getvalue(), extension=".npz"), load(data, extension=".npz"))

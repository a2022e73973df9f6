"""The vq profile: codebooks and references to them."""

import numpy as np
import pytest

import splatcodec
from splatcodec import GsiError, Splats
from splatcodec.compress import vq
from splatcodec.container import Chunk, pack, unpack, varint


@pytest.fixture(scope="module")
def data(picture) -> bytes:
    return splatcodec.encode(picture, profile="vq", n_gaussians=150, effort=3)


def test_a_picture_comes_back(data, picture):
    assert splatcodec.evaluate(picture, data).psnr > 28
    assert len(data) < 16 * 150


@pytest.mark.parametrize("shape", [(1, 1), (9, 30, 3), (40, 40)])
def test_any_size(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert splatcodec.decode(splatcodec.encode(pixels, profile="vq", effort=1)).shape == shape


def test_black_needs_no_gaussians():
    assert not splatcodec.decode(splatcodec.encode(np.zeros((9, 9), np.uint8), profile="vq", effort=1)).any()


@pytest.mark.parametrize("count", [1, 2, 5, 16])
def test_few_gaussians_keep_their_colours(count):
    """Codebooks have room for all of them, however little some count."""

    class Still:
        def refine(self, gaussians, *free):
            return gaussians

    rng = np.random.default_rng(count)
    scales = np.exp(rng.uniform(-1, 6, (count, 2)))
    colors = rng.normal(0, 0.5, (count, 3)).astype(np.float16)
    splats = Splats(rng.uniform(0, 90, (count, 2)), scales, rng.uniform(0, 3, count), colors, 90, 90)
    found = vq.quantize(splats, Still()).splats().colors
    np.testing.assert_allclose(np.sort(found, axis=0), np.sort(splats.colors, axis=0), atol=2e-3)


def test_shapes_survive_their_logarithms():
    rng = np.random.default_rng(0)
    scales, rotations = np.exp(rng.normal(1, 1, (50, 2))), rng.uniform(-9, 9, 50)
    splats = Splats(np.zeros((50, 2)), scales, rotations, np.ones((50, 1)), 9, 9)
    scales, rotations = vq._from_log(vq._to_log(splats.scales, splats.rotations))
    twin = Splats(splats.means, scales, rotations, splats.colors, 9, 9)
    np.testing.assert_allclose(twin.render(), splats.render(), rtol=1e-3)


def test_turns_of_half_a_circle_are_near():
    logs = vq._to_log(np.array([[4, 2], [4, 2]]), np.array([0.001, np.pi - 0.001]))
    np.testing.assert_allclose(logs[0], logs[1], atol=0.01)


def test_damage_behind_right_checksums_is_refused_or_harmless(data):
    header, chunks = unpack(data, "file")
    book = chunks[2].payload
    wrong = {
        "BOOK size: value out of range": varint(5000) + book[1:],
        "BOOK": book[:-1],
        "not finite": book[:-2] + b"\x00\x7e",
    }
    for message, payload in wrong.items():
        with pytest.raises(GsiError, match=message):
            splatcodec.read(pack(header, [*chunks[:2], Chunk("BOOK", payload), chunks[3]]))
    with pytest.raises(GsiError, match="INDX: bytes follow"):
        splatcodec.read(pack(header, [*chunks[:3], Chunk("INDX", chunks[3].payload + b"12345678")]))
    with pytest.raises(GsiError, match="expected CELL MEAN BOOK INDX"):
        splatcodec.read(pack(header, chunks[:3]))

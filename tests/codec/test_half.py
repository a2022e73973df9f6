"""The half profile keeps what half precision can."""

import numpy as np
import pytest

import splatcodec
from splatcodec import GsiError, Splats
from splatcodec.encoding.encode import to_bytes


def random_splats(count: int = 500, height: int = 3000, width: int = 4000, channels: int = 3) -> Splats:
    rng = np.random.default_rng(0)
    return Splats(
        means=rng.uniform((-20, -20), (width + 20, height + 20), (count, 2)),
        scales=np.exp(rng.uniform(-1, 6, (count, 2))),
        rotations=rng.uniform(-10, 10, count),
        colors=rng.normal(0, 0.5, (count, channels)),
        height=height,
        width=width,
    )


def match_up(splats: Splats, other: Splats) -> np.ndarray:
    """Rows of `other` that come closest to the rows of `splats`: files do not keep the order."""
    distances = np.linalg.norm(splats.means[:, None] - other.means[None], axis=2)
    return distances.argmin(axis=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_attributes_survive_to_half_precision(channels):
    splats = random_splats(channels=channels)
    decoded = splatcodec.read(to_bytes(splats))
    rows = match_up(splats, decoded)
    assert sorted(rows) == list(range(len(splats)))
    np.testing.assert_allclose(decoded.means[rows], splats.means, atol=1 / 64)
    np.testing.assert_allclose(decoded.colors[rows], splats.colors, rtol=2**-10, atol=1e-6)
    # Axes have neither direction nor order.
    turned = decoded.rotations[rows] - splats.rotations
    quarters = np.rint(turned / (np.pi / 2))
    np.testing.assert_allclose(turned, quarters * np.pi / 2, atol=2**-11)
    scales = np.where(quarters[:, None] % 2, splats.scales[:, ::-1], splats.scales)
    np.testing.assert_allclose(decoded.scales[rows], scales, rtol=2**-11)


def test_a_second_round_trip_changes_nothing():
    once = to_bytes(splatcodec.read(to_bytes(random_splats())))
    assert to_bytes(splatcodec.read(once)) == once


def test_no_gaussians_is_a_valid_file():
    empty = Splats(np.empty((0, 2)), np.empty((0, 2)), np.empty(0), np.empty((0, 3)), 5, 7)
    assert len(splatcodec.read(to_bytes(empty))) == 0
    assert splatcodec.decode(to_bytes(empty)).shape == (5, 7, 3)


def test_values_beyond_half_precision_are_refused():
    splats = random_splats(3)
    splats.colors[1, 2] = 1e6
    with pytest.raises(GsiError, match=r"COLR: the value 1e\+06 of a Gaussian does not fit half precision"):
        to_bytes(splats)

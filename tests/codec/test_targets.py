"""Files of a given size or PSNR."""

import numpy as np
import pytest

import splatcodec
from splatcodec import TargetError

PROFILES = ["adaptive", "vq", "half"]


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """Blobs of many sizes, uint8 [144, 192, 3]."""
    rng = np.random.default_rng(0)
    truth = splatcodec.Splats(
        rng.uniform(0, 1, (900, 2)) * (192, 144),
        np.exp(rng.uniform(0, 3, (900, 2))),
        rng.uniform(0, np.pi, 900),
        rng.normal(0, 0.1, (900, 3)),
        144,
        192,
    )
    return np.uint8(255 * np.clip(truth.render() + 0.5, 0, 1)).transpose(1, 2, 0)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("size", [1500, 5000])
def test_a_size_is_never_exceeded_and_nearly_used(photo, profile, size):
    data = splatcodec.encode(photo, target_size=size, effort=2, profile=profile)
    assert len(data) <= size
    assert len(data) >= 0.97 * size


def test_bits_per_pixel_are_a_size(photo):
    data = splatcodec.encode(photo, target_bpp=0.5, effort=2)
    assert 0.97 * 192 * 144 / 16 <= len(data) <= 192 * 144 / 16


@pytest.mark.parametrize(("profile", "tolerance"), [("adaptive", 0.1), ("vq", 0.6), ("half", 0.6)])
@pytest.mark.parametrize("target", [26, 31])
def test_a_psnr_is_never_missed_and_hardly_exceeded(photo, profile, tolerance, target):
    """Where only whole Gaussians can be added, and there are few, they may not come nearer."""
    data = splatcodec.encode(photo, target_psnr=target, effort=2, profile=profile)
    assert target <= splatcodec.evaluate(photo, data).psnr <= target + tolerance


def test_what_cannot_be_met_is_said(photo):
    with pytest.raises(TargetError, match=r"a size of 20 bytes cannot be met: \d+ bytes can"):
        splatcodec.encode(photo, target_size=20, effort=1)
    with pytest.raises(TargetError, match=r"a PSNR of 70 dB cannot be met: \d+\.\d\d dB can"):
        splatcodec.encode(photo, target_psnr=70, effort=1, n_gaussians=10)


def test_a_simple_picture_takes_less_than_it_may():
    flat = np.full((60, 80, 3), 99, np.uint8)
    data = splatcodec.encode(flat, target_size=5000, effort=1)
    assert len(data) <= 5000
    assert splatcodec.evaluate(flat, data).psnr > 45

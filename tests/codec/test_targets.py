"""Files of a given size or PSNR."""

import numpy as np
import pytest

import splatcodec
from splatcodec import TargetError

PROFILES = ["adaptive", "vq", "half"]


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


@pytest.mark.parametrize(
    ("profile", "tolerance", "seed"), [("adaptive", 0.5, 0), ("vq", 1, 0), ("vq", 1, 3), ("half", 0.1, 0)]
)
def test_noise_gets_as_many_gaussians_as_it_takes(profile, tolerance, seed):
    """Where each of a few Gaussians is worth a tenth of a dB, steps are coarse; there is one for two samples."""
    noise = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    data = splatcodec.encode(noise, target_psnr=24, effort=2, profile=profile)
    assert 24 <= splatcodec.evaluate(noise, data).psnr <= 24 + tolerance


@pytest.mark.parametrize("profile", PROFILES)
def test_few_bytes_are_used(photo, profile):
    data = splatcodec.encode(photo, target_size=100, effort=2, profile=profile)
    # In half precision, a Gaussian takes sixteen.
    assert 100 - 16 < len(data) <= 100


def test_a_fit_that_turns_out_too_large_is_coded_more_coarsely():
    """Of text, a few Gaussians more are worth many decibels."""
    strokes = np.kron(np.random.default_rng(1).random((12, 16)) < 0.3, np.ones((8, 8)))
    page = np.uint8(255 * (1 - strokes))
    data = splatcodec.encode(page, target_psnr=40, effort=2)
    assert 40 <= splatcodec.evaluate(page, data).psnr <= 40.5


def test_what_cannot_be_met_is_said(photo):
    with pytest.raises(TargetError, match=r"a size of 20 bytes cannot be met: \d+ bytes can"):
        splatcodec.encode(photo, target_size=20, effort=1)
    with pytest.raises(TargetError, match=r"a PSNR of 70 dB cannot be met: \d+\.\d\d dB can"):
        splatcodec.encode(photo, target_psnr=70, effort=1, n_gaussians=10)


def test_the_smallest_file_is_tried_before_anything_else():
    flat = np.full((32, 32), 200, np.uint8)
    for options in ({"target_bpp": 0.005}, {"target_size": 1}):
        with pytest.raises(TargetError, match=r"cannot be met: (3\d bytes|0\.\d+ bpp) can"):
            splatcodec.encode(flat, effort=9, **options)


@pytest.mark.parametrize("shape", [(1, 1), (24, 24)])
def test_pictures_that_come_out_perfectly(shape):
    black = np.zeros(shape, np.uint8)
    data = splatcodec.encode(black, target_psnr=40, effort=1)
    assert not splatcodec.decode(data).any()


def test_no_fit_follows_once_the_user_has_had_enough(photo):
    states = []

    def stop(state):
        states.append(state)
        return state.step == 30

    splatcodec.encode(photo, target_psnr=33, effort=2, callback=stop)
    assert len(states) == 30


@pytest.mark.parametrize("options", [{"loss": "l1"}, {"tune": "ssim"}, {"weighted": True}])
def test_targets_are_met_with_any_loss_and_weights(photo, options):
    if options.pop("weighted", False):
        options["weights"] = np.linspace(0.1, 1, photo[..., 0].size).reshape(photo.shape[:2])
    data = splatcodec.encode(photo, target_psnr=30, effort=2, **options)
    # PSNR does not follow what is aimed at as smoothly then.
    assert 30 <= splatcodec.evaluate(photo, data).psnr <= 30.2
    data = splatcodec.encode(photo, target_size=3000, effort=2, **options)
    assert 0.97 * 3000 <= len(data) <= 3000


def test_a_psnr_beyond_what_samples_can_tell_is_refused(photo):
    with pytest.raises(ValueError, match="at most 100"):
        splatcodec.encode(photo, target_psnr=4000)


def test_a_simple_picture_takes_less_than_it_may():
    flat = np.full((60, 80, 3), 99, np.uint8)
    data = splatcodec.encode(flat, target_size=5000, effort=1)
    assert len(data) <= 5000
    assert splatcodec.evaluate(flat, data).psnr > 45

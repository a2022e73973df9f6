"""Translucent pictures: colours and opacity come back, and what is not seen costs and disturbs nothing."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import splatcodec
from splatcodec.decoder import read_document
from splatcodec.image import load_image
from splatcodec.metadata import Metadata
from splatcodec.metrics import picture_psnr

MODES = {"grey": 1, "grey and opacity": 2, "RGB": 3, "RGB and opacity": 4}


def mask(height: int, width: int, softness: float = 0.0) -> NDArray[np.uint8]:
    """A disk and a bar, with hard or soft edges."""
    y, x = np.mgrid[:height, :width]
    inside = np.hypot(x - 0.4 * width, y - 0.5 * height) < 0.35 * min(height, width)
    inside |= (abs(x - 0.8 * width) < 0.1 * width) & (abs(y - 0.5 * height) < 0.3 * height)
    return np.uint8(np.rint(gaussian_filter(255.0 * inside, softness) if softness else 255 * inside))


def psnr_on(
    reference: NDArray[np.uint8], decoded: NDArray[np.uint8], background: NDArray[np.floating] | float
) -> float:
    """PSNR of two pictures [H, W, 4] laid on a background."""
    first, second = (load_image(pixels).over(background) for pixels in (reference, decoded))
    return float(-10 * np.log10(((first - second) ** 2).mean()))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (17, 33)])
@pytest.mark.parametrize("channels", MODES.values(), ids=MODES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_of_every_kind_come_back(size, channels, dtype):
    rng = np.random.default_rng(size[0] + channels)
    smooth = gaussian_filter(rng.random((*size, channels)), (3, 3, 0))
    smooth = (smooth - smooth.min()) / max(np.ptp(smooth), 1e-9) * 0.8 + 0.1
    pixels = np.squeeze(np.rint(smooth * np.iinfo(dtype).max).astype(dtype), axis=() if channels > 1 else 2)
    data = splatcodec.encode(pixels, effort=1, quality=80)
    depth = 8 * np.dtype(dtype).itemsize
    decoded = splatcodec.decode(data, depth=depth)
    assert decoded.shape == pixels.shape
    assert decoded.dtype == dtype
    assert read_document(data).depth == depth
    assert picture_psnr(load_image(pixels), load_image(decoded)) > 30


@pytest.mark.parametrize("softness", [0, 1, 6])
def test_a_mask_does_not_cost_quality(photo, softness):
    """On any background, at the price that the opaque picture is encoded at."""
    translucent = np.dstack([photo, mask(*photo.shape[:2], softness)])
    opaque = splatcodec.decode(splatcodec.encode(photo, effort=2))
    decoded = splatcodec.decode(splatcodec.encode(translucent, effort=2))
    reference = picture_psnr(load_image(photo), load_image(opaque))
    for background in (0.0, 1.0, load_image(photo[::-1, ::-1]).planes):
        assert psnr_on(translucent, decoded, background) > reference - 1


def test_what_is_not_seen_changes_nothing(photo):
    alpha = mask(*photo.shape[:2], 1)
    noise = np.random.default_rng(0).integers(0, 256, photo.shape, np.uint8)
    other = np.where(alpha[:, :, None] > 0, photo, noise)
    assert splatcodec.encode(np.dstack([photo, alpha]), effort=1) == splatcodec.encode(
        np.dstack([other, alpha]), effort=1
    )


def test_one_pixel_of_a_mask_costs_little(photo):
    alpha = np.full(photo.shape[:2], 255, np.uint8)
    opaque = splatcodec.encode(photo, effort=2)
    assert splatcodec.encode(np.dstack([photo, alpha]), effort=2) == opaque
    alpha[70, 90] = 0
    pierced = splatcodec.encode(np.dstack([photo, alpha]), effort=2)
    assert len(pierced) <= len(opaque) + 150
    decoded = splatcodec.decode(pierced)[:, :, 3]
    assert decoded[70, 90] < 60
    assert decoded.mean() > 254


def test_an_invisible_picture_is_nothing():
    data = splatcodec.encode(np.zeros((20, 30, 4), np.uint8), effort=1)
    assert not splatcodec.decode(data).any()
    assert len(data) < 80


@pytest.mark.parametrize("profile", ["adaptive", "half"])
@pytest.mark.parametrize("size", [1200, 4000])
def test_sizes_are_met_with_a_mask(photo, profile, size):
    translucent = np.dstack([photo, mask(*photo.shape[:2])])
    assert 0.97 * size <= len(splatcodec.encode(translucent, effort=1, target_size=size, profile=profile)) <= size


def icon(side: int) -> NDArray[np.uint8]:
    """A ring of one colour: all that there is to see is opacity."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    ring = np.clip(0.12 * side - abs(np.hypot(x, y) - 0.3 * side), 0, 1)
    return np.dstack([np.full((side, side, 3), (200, 60, 30)), np.rint(255 * ring)]).astype(np.uint8)


@pytest.mark.parametrize(("side", "size"), [(24, 900), (64, 400), (64, 900)])
def test_sizes_are_used_where_the_opacity_is_all_there_is(side, size):
    data = splatcodec.encode(icon(side), effort=1, target_size=size)
    assert 0.7 * size < len(data) <= size
    assert picture_psnr(load_image(icon(side)), read_document(data).render()) > 28


def test_quality_counts_where_the_opacity_is_all_there_is():
    """Of the files that a small picture is worth, the one whose opacity is the coarsest is not the best."""
    coarse, fine = (splatcodec.encode(icon(24), effort=1, quality=quality) for quality in (40, 60))
    found = [picture_psnr(load_image(icon(24)), read_document(data).render()) for data in (coarse, fine)]
    assert found[0] > 30
    assert found[1] > found[0] + 1


@pytest.mark.parametrize("seed", range(4))
def test_psnr_is_met_with_a_mask(photo, seed):
    """Although the mask goes from one kind of file to another between two settings."""
    noise = np.random.default_rng(seed).integers(-1, 2, photo.shape)
    noisy = np.uint8(np.clip(photo + noise, 0, 255)) if seed else photo
    translucent = load_image(np.dstack([noisy, mask(*photo.shape[:2])]))
    data = splatcodec.encode(translucent, effort=1, target_psnr=32)
    assert 32 <= picture_psnr(translucent, read_document(data).render()) < 32.2


@pytest.mark.parametrize("target", [24, 26, 28, 30])
def test_psnr_is_met_with_a_mask_and_so_many_gaussians(photo, target):
    """No other fit comes to help where the opacity changes."""
    translucent = load_image(np.dstack([photo, mask(*photo.shape[:2])]))
    data = splatcodec.encode(translucent, effort=1, target_psnr=target, n_gaussians=100)
    assert picture_psnr(translucent, read_document(data).render()) >= target


def test_metadata_counts_as_size(photo):
    noted = replace(load_image(photo), metadata=Metadata(exif=bytes(1000)))
    assert 0.97 * 3000 <= len(splatcodec.encode(noted, effort=1, target_size=3000)) <= 3000


def test_limited_time_leaves_some_for_the_mask(photo):
    translucent = np.dstack([photo, mask(*photo.shape[:2], 2)])
    decoded = splatcodec.decode(splatcodec.encode(translucent, effort=9, max_seconds=2))
    assert picture_psnr(load_image(translucent), load_image(decoded)) > 30


@pytest.mark.parametrize("height", [64, 128])
def test_a_ramp_of_all_levels_is_finer_than_eight_bits(height):
    """No sample is off by half a step of 8 bits."""
    levels = np.linspace(0, 65535, 512)[None] if height == 64 else np.arange(65536).reshape(512, 128).T
    ramp = np.broadcast_to(np.rint(levels), (height, 512)).astype(np.uint16)
    decoded = splatcodec.decode(splatcodec.encode(ramp, quality=100), depth=16)
    assert np.abs(decoded.astype(float) - ramp).max() < 0.5 * 65535 / 255

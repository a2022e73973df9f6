"""Fitting: quality, repeatability and pictures of awkward shape."""

import numpy as np
import pytest
import torch

import splatcodec
from splatcodec.fitting.growth import grow
from splatcodec.fitting.placement import propose
from splatcodec.fitting.schedule import EFFORTS, Schedule
from splatcodec.image import load_image


def psnr_of(splats: splatcodec.Splats, planes: np.ndarray) -> float:
    return -10 * np.log10(np.mean((np.clip(splats.render(), 0, 1) - planes) ** 2))


def test_more_effort_and_more_gaussians_give_a_better_picture(picture):
    planes = load_image(picture)
    quick = psnr_of(splatcodec.fit(picture, n_gaussians=60, effort=1), planes)
    thorough = psnr_of(splatcodec.fit(picture, n_gaussians=60, effort=4), planes)
    many = psnr_of(splatcodec.fit(picture, n_gaussians=200, effort=4), planes)
    assert quick > 20
    assert thorough > quick + 1
    assert many > thorough + 1


def test_equal_seeds_give_equal_files_and_others_do_not(picture):
    first, second, other = (splatcodec.encode(picture, n_gaussians=30, effort=1, seed=seed) for seed in (1, 1, 2))
    assert first == second
    assert first != other


@pytest.mark.parametrize("shape", [(1, 1), (1, 9, 3), (300, 2, 3), (2, 301), (7, 5, 1), (33, 65, 3)])
def test_any_size_encodes_and_decodes(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    decoded = splatcodec.decode(splatcodec.encode(pixels, effort=1))
    assert decoded.shape == (shape[:2] if len(shape) == 2 or shape[2] == 1 else shape)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_colour_takes_few_gaussians(value):
    pixels = np.full((48, 64, 3), value, np.uint8)
    data = splatcodec.encode(pixels, effort=2)
    assert np.abs(splatcodec.decode(data).astype(int) - value).max() <= 2


def test_a_picture_gets_no_more_gaussians_than_it_needs():
    assert len(splatcodec.fit(np.eye(5), n_gaussians=10**9, effort=1)) < 100


def test_too_large_a_picture_is_refused_before_the_fit():
    with pytest.raises(splatcodec.ImageError, match="70000x1 pixels is too large"):
        splatcodec.fit(np.zeros((1, 70000), np.uint8), effort=9)


def test_the_default_is_a_gaussian_per_200_pixels_and_at_least_100():
    noise = np.random.default_rng(0).integers(0, 256, (200, 150, 3)).astype(np.uint8)
    assert len(splatcodec.fit(noise, effort=1)) == 150
    assert len(splatcodec.fit(noise[:40, :50], effort=1)) == 100


def test_a_single_gaussian_is_recovered():
    truth = splatcodec.Splats([[20.3, 14.8]], [[6, 3]], [0.6], [[0.8, 0.5, 0.2]], 32, 40)
    found = splatcodec.fit(np.clip(truth.render(), 0, 1).transpose(1, 2, 0), n_gaussians=8, effort=4)
    assert psnr_of(found, truth.render()) > 45


def test_a_thorough_fit_of_a_simple_picture_does_not_drift():
    """Few Gaussians and many steps at full learning rates would end below their best, with means that fit no file."""
    y, x = np.mgrid[:64, :64]
    pixels = np.where(np.hypot(x - 40, y - 20) < 14, 0.9, 0.2) * (0.3 + 0.7 * x / 64)
    states = []
    data = splatcodec.encode(pixels, n_gaussians=30, effort=8, callback=states.append)
    assert states[-1].psnr > max(state.psnr for state in states) - 1
    splats = splatcodec.read(data)
    assert splats.scales.max() <= 2 * 64 * 1.001
    assert np.abs(splats.means).max() < 10 * 64


def test_callback_sees_every_step(picture):
    states = []
    splatcodec.fit(picture, n_gaussians=20, effort=1, callback=states.append)
    assert [state.step for state in states] == list(range(1, EFFORTS[1].steps + 1))
    assert states[-1].n_gaussians == 20
    assert states[-1].psnr > states[0].psnr


@pytest.mark.parametrize("stages", [1, 4])
def test_a_schedule_spends_exactly_its_steps(stages):
    schedule = Schedule(steps=103, stages=stages)
    assert sum(schedule.stage_steps()) == 103
    rates = [schedule.rate(schedule.stages - 1, step) for step in range(schedule.stage_steps()[-1])]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 1
    assert rates[-1] < 0.05


def test_efforts_grow():
    assert sorted(EFFORTS) == list(range(1, 10))
    assert all(EFFORTS[k].steps < EFFORTS[k + 1].steps for k in range(1, 9))


def test_proposals_find_a_blob():
    truth = splatcodec.Splats([[70, 40]], [[9, 9]], [0], [[0.5, -0.2, 0.1]], 90, 120)
    proposals = propose(truth.render(), 3)
    np.testing.assert_allclose(proposals.means[0], [70, 40], atol=2)
    np.testing.assert_allclose(proposals.scales[0], 9, rtol=0.3)
    np.testing.assert_allclose(proposals.colors[0], [0.5, -0.2, 0.1], rtol=0.2)


@pytest.mark.parametrize("scale", [4.05, 13.669, 30.755])
def test_proposals_know_the_best_amplitude_at_every_scale(scale):
    truth = splatcodec.Splats([[150, 130]], [[scale, scale]], [0], [[0.5]], 260, 300)
    proposals = propose(truth.render(), 1)
    np.testing.assert_allclose(proposals.scales[0], scale, rtol=0.01)
    np.testing.assert_allclose(proposals.colors[0], 0.5, rtol=0.03)


def test_idle_gaussians_move_to_where_they_are_needed():
    """Relocation alone finds the second of two blobs when the first stage has spent all Gaussians on noise."""
    truth = splatcodec.Splats([[20, 20], [60, 40]], [[8, 8], [3, 3]], [0, 0], [[0.5], [0.4]], 64, 80)
    planes = np.clip(truth.render(), 0, 1)
    still = psnr_of(grow(planes, 8, Schedule(steps=200, stages=6, relocated=0.0)), planes)
    moving = psnr_of(grow(planes, 8, Schedule(steps=200, stages=6, relocated=0.2)), planes)
    assert moving > still


def test_proposals_keep_their_distance():
    rng = np.random.default_rng(0)
    proposals = propose(rng.normal(0, 1, (3, 64, 64)).astype(np.float32), 200)
    assert 20 < len(proposals.scales) <= 200
    distance = np.linalg.norm(proposals.means[:, None] - proposals.means[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (distance.min(axis=1) > proposals.scales * 0.5).all()


def test_no_residual_needs_no_gaussians():
    assert len(propose(np.zeros((3, 20, 20), np.float32), 5).scales) == 0


def test_kodak_reaches_its_floor(kodak):
    """29.0 dB on average over all 24 pictures at 2000 Gaussians; two of them stand for all here."""
    for path, floor in ((kodak[18], 29.2), (kodak[4], 23.7)):
        data = splatcodec.encode(path, n_gaussians=2000)
        assert splatcodec.evaluate(path, data).psnr > floor


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"effort": 0}, "effort"),
        ({"effort": 10}, "effort"),
        ({"n_gaussians": 0}, "n_gaussians"),
        ({"seed": -1}, "seed"),
        ({"device": "tpu"}, "device must be"),
        pytest.param(
            {"device": "cuda"},
            "device cuda cannot be used",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device"),
        ),
        ({"profile": "jpeg"}, "unknown profile"),
    ],
)
def test_bad_options_are_named(picture, options, message):
    with pytest.raises(ValueError, match=message):
        splatcodec.encode(picture, **options)


def test_grow_starts_from_the_mean_colour():
    target = np.full((1, 20, 20), 0.5, np.float32)
    splats = grow(target, 1, Schedule(steps=50, stages=1))
    assert len(splats) == 1
    np.testing.assert_allclose(splats.render(), target, atol=0.05)

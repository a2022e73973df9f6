"""Losses other than the squared error: their values, their gradients and what fits with them come to."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

import splatcodec
from splatcodec.fitting.loss import Loss, Objective, ssim_map
from splatcodec.image import load_image


def noisy(image: np.ndarray, seed: int = 0) -> np.ndarray:
    return (image + np.random.default_rng(seed).normal(0, 0.05, image.shape)).astype(np.float32)


@pytest.fixture
def target(picture) -> np.ndarray:
    return load_image(picture)


def test_names_of_losses():
    assert Loss.parse("l2") == Loss()
    assert Loss.parse("l1") == Loss("l1", 0)
    assert Loss.parse("l1+ssim") == Loss("l1", 0.2)
    assert Loss.parse("l2+ssim:0.85") == Loss("l2", 0.85)


def test_ssim_is_that_of_scikit_image(target):
    image = noisy(target)
    expected = structural_similarity(
        target, image, channel_axis=0, data_range=1, gaussian_weights=True, use_sample_covariance=False
    )
    found = ssim_map(torch.tensor(image, dtype=torch.float64), torch.tensor(target, dtype=torch.float64)).mean()
    assert abs(float(found) - expected) < 1e-6


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("text", ["l2", "l1", "l2+ssim:0.3", "l1+ssim"])
def test_values_are_those_of_the_definition(target, text, weighted):
    image, loss = noisy(target), Loss.parse(text)
    weights = np.random.default_rng(1).uniform(0, 2, target.shape[1:]).astype(np.float32) if weighted else None
    share = np.ones(target.shape[1:]) if weights is None else weights
    difference = abs(image - target) if loss.base == "l1" else (image - target) ** 2
    base = np.average(difference.mean(axis=0), weights=share)
    _, similarity = structural_similarity(
        target, image, channel_axis=0, data_range=1, gaussian_weights=True, use_sample_covariance=False, full=True
    )
    similarity = np.average(similarity.mean(axis=0)[5:-5, 5:-5], weights=share[5:-5, 5:-5])
    expected = (1 - loss.ssim) * base + loss.ssim * (1 - similarity)
    found = Objective(loss, target, weights, "cpu").evaluate(image)
    np.testing.assert_allclose(float(found.loss), expected, rtol=1e-4)
    np.testing.assert_allclose(float(found.squared_error), ((image - target) ** 2).mean(), rtol=1e-5)


@pytest.mark.parametrize("text", ["l2", "l1", "l2+ssim:0.3"])
def test_gradients_are_those_of_the_values(target, text):
    image = noisy(target)
    objective = Objective(Loss.parse(text), target, None, "cpu")
    direction = np.random.default_rng(2).normal(0, 1, target.shape).astype(np.float32)
    step = 1e-4
    ahead, behind = (float(objective.evaluate(image + sign * step * direction).loss) for sign in (1, -1))
    gradient = objective.evaluate(image).gradient
    assert isinstance(gradient, np.ndarray)
    slope = (gradient * direction).sum() / gradient.size
    np.testing.assert_allclose((ahead - behind) / (2 * step), slope, rtol=0.02)


def errors_of(picture: np.ndarray, **options) -> tuple[float, float, float]:
    """Squared and absolute error and SSIM of a fit."""
    planes = load_image(picture)
    image = np.clip(splatcodec.fit(picture, n_gaussians=40, effort=5, **options).render(), 0, 1)
    similarity = structural_similarity(planes, image, channel_axis=0, data_range=1, gaussian_weights=True)
    return ((image - planes) ** 2).mean(), abs(image - planes).mean(), similarity


def test_each_loss_is_best_at_what_it_minimises(picture):
    l2, l1, mixed = (errors_of(picture, loss=loss) for loss in ("l2", "l1", "l2+ssim:0.5"))
    assert l2[0] < l1[0]
    assert l1[1] < l2[1]
    assert mixed[2] > l2[2]


def test_weights_draw_the_quality_to_where_they_are(picture):
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[:, :28] = 255
    planes = load_image(picture)

    def error_of_left_half(**options) -> float:
        image = np.clip(splatcodec.fit(picture, n_gaussians=40, effort=3, **options).render(), 0, 1)
        return ((image - planes)[:, :, :28] ** 2).mean()

    assert error_of_left_half(weights=mask) < 0.5 * error_of_left_half()


def test_equal_weights_change_nothing_but_rounding(picture):
    plain, equal = [], []
    weights = np.full(picture.shape[:2], 77, np.uint8)
    splatcodec.fit(picture, n_gaussians=20, effort=1, callback=plain.append)
    splatcodec.fit(picture, n_gaussians=20, effort=1, weights=weights, callback=equal.append)
    np.testing.assert_allclose([s.psnr for s in plain[:30]], [s.psnr for s in equal[:30]], atol=0.01)


def test_a_mask_may_be_boolean_and_spare_the_middle(picture):
    mask = np.ones(picture.shape[:2], bool)
    mask[10:30, 14:42] = False
    planes = load_image(picture)
    image = np.clip(splatcodec.fit(picture, n_gaussians=40, effort=3, weights=mask).render(), 0, 1)
    assert ((image - planes)[:, mask] ** 2).mean() < 1e-3


def test_ssim_of_a_tiny_picture_is_refused():
    with pytest.raises(ValueError, match="11x11"):
        splatcodec.fit(np.zeros((10, 40)), loss="l1+ssim", effort=1)

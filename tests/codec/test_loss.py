"""Losses other than the squared error: their values, their gradients and what fits with them come to."""

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_msssim import ms_ssim
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

import splatcodec
from splatcodec.compress import quantizer
from splatcodec.fitting.loss import Loss, Parts, similarities
from splatcodec.fitting.measures import CpuMeasure, TorchMeasure
from splatcodec.fitting.objective import STRUCTURE, make_objective, structure_weights, tuned_to_structure
from splatcodec.fitting.similarity import Similarity, scales_within
from splatcodec.image import load_image

EXAMPLE = Path(__file__).parents[2] / "examples" / "astronaut.png"


def noisy(image: np.ndarray, seed: int = 0) -> np.ndarray:
    return (image + np.random.default_rng(seed).normal(0, 0.05, image.shape)).astype(np.float32)


@pytest.fixture
def target(picture) -> np.ndarray:
    return load_image(picture).planes


def scene(height: int, width: int, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A picture of blobs and a noisy copy, [C, H, W]."""
    rng = np.random.default_rng(height * width)
    image = gaussian_filter(rng.normal(0, 1, (channels, height, width)), (0, 2, 2))
    target = np.clip(0.5 + image / (4 * image.std()), 0, 1).astype(np.float32)
    return target, noisy(target)


def test_names_of_losses():
    assert Loss.parse("l2") == Loss()
    assert Loss.parse("l1") == Loss(l2=0, l1=1)
    assert Loss.parse("l1+ssim") == Loss(l2=0, l1=0.8, ssim=0.2)
    assert Loss.parse("l2+ssim:0.75") == Loss(l2=0.25, ssim=0.75)


def test_ssim_is_that_of_scikit_image(target):
    image = noisy(target)
    expected = structural_similarity(
        target, image, channel_axis=0, data_range=1, gaussian_weights=True, use_sample_covariance=False
    )
    planes = (torch.tensor(array, dtype=torch.float64) for array in (image, target))
    found, _ = similarities(*planes, torch.ones(target.shape[1:], dtype=torch.float64))
    assert abs(float(found) - expected) < 1e-6


@pytest.mark.parametrize("channels", [1, 3])
def test_ms_ssim_is_that_of_pytorch_msssim(channels):
    """At sizes that halve evenly: it pads others by zeros."""
    target, image = (torch.tensor(planes, dtype=torch.float64) for planes in scene(176, 208, channels))
    _, found = similarities(image, target, torch.ones(176, 208, dtype=torch.float64))
    # Its window is of single precision.
    assert abs(float(found) - float(ms_ssim(image[None], target[None], data_range=1))) < 2e-6


def test_pictures_have_as_many_scales_as_there_is_room_for():
    sizes = [(10, 400), (11, 11), (21, 400), (22, 22), (175, 400), (176, 176), (4000, 4000)]
    assert [scales_within(*size) for size in sizes] == [0, 1, 1, 2, 4, 5, 5]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(1, 11, 11), (3, 12, 31), (3, 47, 33), (1, 180, 201), (3, 177, 192)])
def test_compiled_losses_are_those_of_torch(shape, weighted):
    target, image = scene(*shape[1:], channels=shape[0])
    maps = np.random.default_rng(1).uniform(0, 2, (2, *shape[1:])).astype(np.float32) if weighted else (None, None)
    factors = Parts(0.7, 0.2, 0.4, 1.3)
    ours = CpuMeasure(target, *maps)(image, factors)
    # In double precision, of float32 inputs.
    twin = TorchMeasure(target.astype(np.float64), *(m if m is None else m.astype(np.float64) for m in maps), "cpu")
    expected = twin(image.astype(np.float64), factors)
    np.testing.assert_allclose(ours.parts, expected.parts, atol=2e-6)
    np.testing.assert_allclose(ours.squared_error, float(expected.squared_error), rtol=1e-5)
    np.testing.assert_allclose(ours.gradient, expected.gradient, atol=2e-4 * np.abs(expected.gradient).max())


@pytest.mark.parametrize("factors", [Parts(1, 0, 0, 0), Parts(0, 1, 0, 0), Parts(0, 0, 1, 0), Parts(0, 0, 0, 1)])
def test_parts_that_do_not_count_are_not_computed(factors):
    target, image = scene(30, 40)
    ours, twin = CpuMeasure(target, None, None)(image, factors), TorchMeasure(target, None, None, "cpu")(image, factors)
    for found in (ours, twin):
        assert found.parts.l2 > 0
        assert (found.parts.l1 > 0) == (factors.l1 > 0)
        assert (found.parts.ssim > 0) == (found.parts.ms_ssim > 0) == (factors.ssim + factors.ms_ssim > 0)
    np.testing.assert_allclose(ours.gradient, twin.gradient, atol=2e-4 * np.abs(twin.gradient).max())


@pytest.mark.parametrize("offset", [1e-6, 3e-4])
@pytest.mark.parametrize("slope", [0, 0.004])
def test_what_is_nearly_perfect_is_not_blown_up(offset, slope):
    """There, 1 - SSIM is nothing but rounding."""
    target = np.broadcast_to(np.float32(0.2) + np.float32(slope) * np.arange(192, dtype=np.float32), (3, 192, 192))
    image = target + np.float32(offset)
    objective = tuned_to_structure(np.ascontiguousarray(target), None, "cpu").balanced(image)
    largest = np.abs(2 * (image - target)).max() * objective.weights.max()
    assert np.abs(objective.evaluate(image).gradient).max() < 20 * largest
    assert objective.curvature(image).max() < 3 * objective.weights.max()


def test_a_similarity_forgets_the_image_before():
    target, image = scene(40, 50)
    fresh, used = Similarity(target), Similarity(target)
    used.evaluate(np.flip(image, 1), 1.0, 1.0, np.zeros_like(image))
    gradients = []
    for similarity in (fresh, used):
        gradients.append(np.zeros_like(image))
        gradients.append(similarity.evaluate(image, 0.5, 2.0, gradients[-1]))
    np.testing.assert_array_equal(gradients[0], gradients[2])
    assert gradients[1] == gradients[3]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("text", ["l2", "l1", "l2+ssim:0.3", "l1+ssim"])
def test_values_are_those_of_the_definition(target, text, weighted):
    image, loss = noisy(target), Loss.parse(text)
    weights = np.random.default_rng(1).uniform(0, 2, target.shape[1:]).astype(np.float32) if weighted else None
    share = np.ones(target.shape[1:]) if weights is None else weights
    _, similarity = structural_similarity(
        target, image, channel_axis=0, data_range=1, gaussian_weights=True, use_sample_covariance=False, full=True
    )
    similarity = np.average(similarity.mean(axis=0)[5:-5, 5:-5], weights=share[5:-5, 5:-5])
    expected = (
        loss.l2 * (share * (image - target) ** 2).mean()
        + loss.l1 * (share * abs(image - target)).mean()
        + loss.ssim * share.mean() * (1 - similarity)
    )
    objective = make_objective(loss, target, weights, "cpu")
    if objective is None:
        assert (text, weights) == ("l2", None)
        return
    found = objective.evaluate(image)
    np.testing.assert_allclose(float(found.loss), expected, rtol=1e-4)
    np.testing.assert_allclose(float(found.squared_error), ((image - target) ** 2).mean(), rtol=1e-5)


@pytest.mark.parametrize("loss", [Loss.parse("l1"), Loss.parse("l2+ssim:0.3"), STRUCTURE])
def test_gradients_are_those_of_the_values(target, loss):
    image = noisy(target)
    objective = make_objective(loss, target, structure_weights(target), "cpu").balanced(image)
    direction = np.random.default_rng(2).normal(0, 1, target.shape).astype(np.float32)
    step = 1e-4
    ahead, behind = (float(objective.evaluate(image + sign * step * direction).loss) for sign in (1, -1))
    gradient = objective.evaluate(image).gradient
    assert isinstance(gradient, np.ndarray)
    slope = (gradient * direction).sum() / gradient.size
    np.testing.assert_allclose((ahead - behind) / (2 * step), slope, rtol=0.02)


@pytest.mark.parametrize("scale", [1, 1e-3])
@pytest.mark.parametrize("loss", [Loss.parse("l1"), Loss.parse("l2"), Loss(l2=0.3, l1=0.2)])
def test_a_balanced_loss_is_as_steep_as_the_squared_error(target, loss, scale):
    """Along the residual, be it small or large."""
    image, weights = target + scale * (noisy(target) - target), structure_weights(target)
    gradient = make_objective(loss, target, weights, "cpu").balanced(image).evaluate(image).gradient
    residual = image - target
    np.testing.assert_allclose((gradient * residual).sum(), 2 * (weights * residual**2).sum(), rtol=1e-4)


@pytest.mark.parametrize("loss", [Loss.parse("l1"), Loss.parse("l2+ssim:0.5"), STRUCTURE])
def test_curvatures_are_about_those_of_the_loss(target, loss):
    """Of what random changes, smaller than the residuals, add beyond the gradient."""
    image, weights = noisy(target), structure_weights(target)
    objective = make_objective(loss, target, weights, "cpu").balanced(image)
    change = np.random.default_rng(3).normal(0, 0.02, image.shape).astype(np.float32)
    before, after = (objective.evaluate(planes) for planes in (image, image + change))
    added = (after.loss - before.loss) * image.size - (before.gradient * change).sum()
    assert 0.3 < added / (objective.curvature(image) * change**2).sum() < 2


def test_each_part_of_an_even_loss_weighs_its_share(target):
    image = noisy(target)
    objective = make_objective(STRUCTURE, target, None, "cpu").balanced(image)
    parts = objective.measure(image, objective.factors).parts
    weights = np.multiply(objective.factors, parts)
    np.testing.assert_allclose(weights / weights.sum(), [0.6, 0, 0.2, 0.2], rtol=1e-6)


def test_weights_of_structure_spare_what_is_busy():
    target = np.full((3, 60, 80), 0.5, np.float32)
    target[:, :, 40:] += np.random.default_rng(0).normal(0, 0.2, (3, 60, 40)).astype(np.float32)
    weights = structure_weights(target)
    assert weights[:, :30].min() > 3 * weights[:, 50:].max()
    np.testing.assert_array_equal(structure_weights(np.full((1, 9, 9), 0.5, np.float32)), 1)


def errors_of(picture: np.ndarray, **options) -> np.ndarray:
    """Squared and absolute error and SSIM of fits, means over seeds: single ones end in other local minima."""
    planes = load_image(picture).planes
    found = []
    for seed in range(4):
        image = np.clip(splatcodec.fit(picture, n_gaussians=40, effort=4, seed=seed, **options).render(), 0, 1)
        similarity = structural_similarity(planes, image, channel_axis=0, data_range=1, gaussian_weights=True)
        found.append((((image - planes) ** 2).mean(), abs(image - planes).mean(), similarity))
    return np.mean(found, axis=0)


def test_each_loss_is_best_at_what_it_minimises(picture):
    l2, l1, mixed = (errors_of(picture, loss=loss) for loss in ("l2", "l1", "l2+ssim:0.5"))
    assert l2[0] < l1[0]
    assert l1[1] < l2[1]
    assert mixed[2] > l2[2]


def test_the_tune_ssim_is_better_by_structure_at_equal_size():
    face = np.asarray(Image.open(EXAMPLE).convert("RGB"))[20:212, 130:322]
    plain, tuned = (splatcodec.encode(face, target_size=2000, effort=3, tune=tune) for tune in ("psnr", "ssim"))
    before, after = (splatcodec.evaluate(face, data) for data in (plain, tuned))
    assert after.ssim > before.ssim + 0.005
    assert after.ms_ssim > before.ms_ssim + 0.001
    assert before.psnr > after.psnr


@pytest.mark.parametrize("shape", [(7, 40, 3), (11, 11), (30, 20), (23, 190, 3)])
def test_the_tune_ssim_takes_any_size(shape):
    """Smaller than a window, and with room for one or two of five scales."""
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    data = splatcodec.encode(pixels, tune="ssim", quality=90, effort=1)
    assert splatcodec.evaluate(pixels, data).psnr > 15


@pytest.mark.parametrize("value", [0, 128, 255])
def test_the_tune_ssim_keeps_flat_colour_flat(value):
    pixels = np.full((48, 64, 3), value, np.uint8)
    data = splatcodec.encode(pixels, tune="ssim", effort=2)
    assert splatcodec.evaluate(pixels, data).psnr > 45


@pytest.mark.parametrize("options", [{"profile": "vq"}, {"profile": "half"}])
def test_the_tune_ssim_goes_with_everything_else(picture, options):
    data = splatcodec.encode(picture, tune="ssim", effort=2, **options)
    assert splatcodec.evaluate(picture, data).ssim > 0.8


@pytest.mark.parametrize("tune", ["psnr", "ssim"])
@pytest.mark.parametrize("radius", [3, 8, 14])
def test_what_a_mask_shows_is_there(picture, radius, tune):
    """Whatever Gaussians show it, wide ones from far outside too."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    for center in ((30, 18), (8, 8), (50, 30)):
        mask = np.hypot(x - center[0], y - center[1]) < radius
        data = splatcodec.encode(picture, weights=mask, tune=tune, effort=2)
        error = (splatcodec.decode(data).astype(float) - picture)[mask]
        assert np.sqrt((error**2).mean()) < 12


def test_a_tune_has_a_loss_of_its_own(picture):
    with pytest.raises(ValueError, match="tune"):
        splatcodec.fit(picture, tune="ssim", loss="l1", effort=1)
    with pytest.raises(ValueError, match="unknown tune 'ms-ssim'"):
        splatcodec.fit(picture, tune="ms-ssim", effort=1)


@pytest.mark.parametrize("text", ["l1", "l2+ssim:0.2"])
def test_flips_serve_any_loss(photo, text):
    """They follow its gradient: without them it is larger, at a rate that is not smaller by as much."""
    with_flips = splatcodec.encode(photo, quality=40, loss=text, effort=2)
    with mock.patch.object(quantizer, "_FLIP_ROUNDS", 0):
        without = splatcodec.encode(photo, quality=40, loss=text, effort=2)
    planes = load_image(photo).planes
    objective = make_objective(Loss.parse(text), planes, None, "cpu")
    after, before = (objective.evaluate(splatcodec.read(data).render()).loss for data in (with_flips, without))
    assert after < 0.999 * before
    assert len(with_flips) < 1.005 * len(without)


def test_weights_draw_the_quality_to_where_they_are(picture):
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[:, :28] = 255
    planes = load_image(picture).planes

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
    planes = load_image(picture).planes
    image = np.clip(splatcodec.fit(picture, n_gaussians=40, effort=3, weights=mask).render(), 0, 1)
    assert ((image - planes)[:, mask] ** 2).mean() < 1e-3


def test_ssim_of_a_tiny_picture_is_refused():
    with pytest.raises(ValueError, match="11x11"):
        splatcodec.fit(np.zeros((10, 40)), loss="l1+ssim", effort=1)

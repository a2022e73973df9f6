"""The optimiser's step against Adam written out in NumPy."""

import numpy as np
import pytest

from splatkernels.adam import FrameAdam
from splatkernels.arrays import render, render_backward
from splatkernels.descent import CALM_SPREAD, Penalty, Rates, longest_stride

from .scenes import random_scene

RATES = Rates(means=0.02, scales=0.03, rotations=0.05, colors=0.07)
PENALTY = Penalty(weight=3.0, step=1.5, scales=0.3, ratios=0.2)


def optimizer_of(scene, target, **options) -> FrameAdam:
    bounds = {"smallest_scale": 0.1, "largest_scale": 1000.0, "cutoff": 6.0}
    optimizer = FrameAdam(target, **(bounds | options))
    optimizer.append(scene.gaussians)
    return optimizer


def penalty_gradients(scales, colors):
    """Derivatives [N, 2] and [N, C] of `PENALTY` by the logarithms of scales and by colours."""
    energy = (colors**2).sum(1) * np.pi * scales.prod(1) / PENALTY.step**2
    price = PENALTY.weight * energy / (1 + energy)
    ratio = scales[:, 0] / scales[:, 1]
    # That of log(1 + energy (ratio - 1 / ratio)^2) / 2 by log(ratio).
    apart = energy * (ratio - 1 / ratio) * (ratio + 1 / ratio) / (1 + energy * (ratio - 1 / ratio) ** 2)
    by_scales = price[:, None] * (PENALTY.scales + PENALTY.ratios * np.stack([apart, -apart], 1))
    return by_scales, price[:, None] * colors / (colors**2).sum(1, keepdims=True)


def expected_steps(scene, target, steps, beta1=0.9, beta2=0.99, penalty=0.0):
    """Adam on means along the axes in units of the scales, log-scales, rotation and colours, in float64.

    The loss is half the squared error, and `penalty` times PENALTY.
    """
    means, scales, rotations, colors = (array.astype(np.float64) for array in scene.gaussians)
    first = second = 0.0
    for step in range(1, steps + 1):
        residual = render(means, scales, rotations, colors, *target.shape[1:], cutoff=6) - target
        gradients = render_backward(means, scales, rotations, colors, residual, cutoff=6)
        axes = np.stack(
            [np.stack([np.cos(rotations), np.sin(rotations)], 1), np.stack([-np.sin(rotations), np.cos(rotations)], 1)],
            1,
        )  # [N, axis, xy]
        along = np.einsum("nax,nx->na", axes, gradients.means) * scales
        parts = [along, gradients.scales * scales, gradients.rotations[:, None], gradients.colors]
        gradient = np.concatenate(parts, axis=1)
        by_scales, by_colors = penalty_gradients(scales, colors)
        gradient[:, 2:4] += penalty * by_scales
        gradient[:, 5:] += penalty * by_colors
        first = 0.1 * gradient + beta1 * first
        second = 0.01 * gradient**2 + beta2 * second
        update = first / (1 - beta1**step) / (np.sqrt(second / (1 - beta2**step)) + 1e-8)
        strides = np.minimum(scales, longest_stride(target))
        means = means - np.einsum("nax,na->nx", axes, RATES.means * update[:, :2] * strides)
        calm = np.maximum(abs(scales[:, 0] / scales[:, 1] - scales[:, 1] / scales[:, 0]) / CALM_SPREAD, 1)
        rotations = rotations - RATES.rotations * update[:, 4] / calm
        scales = scales * np.exp(-RATES.scales * update[:, 2:4])
        colors = colors - RATES.colors * update[:, 5:]
    return means, scales, rotations, colors


def assert_adam(step, penalty: float) -> None:
    """Three of `step`, which takes an optimizer and its target, are those of Adam with `penalty` times PENALTY."""
    # Too small a picture to have coarser levels, which are approximate.
    scene = random_scene(12, 30, 32, scales=(2, 8))
    target = np.random.default_rng(0).uniform(0, 1, (3, 30, 32)).astype(np.float32)
    optimizer = optimizer_of(scene, target)
    for _ in range(3):
        step(optimizer, target)
    for ours, expected in zip(optimizer.gaussians, expected_steps(scene, target, 3, penalty=penalty), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


def test_steps_are_adam_in_the_gaussians_own_frame():
    assert_adam(lambda optimizer, target: optimizer.step(RATES), 0.0)


def test_a_penalty_counts_against_the_whole_squared_error():
    assert_adam(lambda optimizer, target: optimizer.step(RATES, PENALTY), 0.5)


def test_a_penalty_is_added_to_any_loss():
    assert_adam(lambda optimizer, target: optimizer.step_along(lambda image: image - target, RATES, PENALTY), 1.0)


def test_a_step_returns_the_error_before_it():
    scene = random_scene(12, 31, 41)
    target = np.random.default_rng(0).uniform(0, 1, (3, 31, 41)).astype(np.float32)
    optimizer = optimizer_of(scene, target)
    expected = np.mean((optimizer.render().astype(np.float64) - target) ** 2)
    np.testing.assert_allclose(optimizer.step(RATES), 2 * [expected], rtol=1e-5)
    assert optimizer.step(RATES).plain < expected


def test_scales_stay_within_their_bounds():
    scene = random_scene(12, 30, 40, scales=(0.5, 60))
    optimizer = optimizer_of(scene, np.zeros((3, 30, 40), np.float32), smallest_scale=2, largest_scale=9)
    for _ in range(20):
        optimizer.step(RATES.scaled(10))
    assert optimizer.gaussians.scales.min() >= 2 * (1 - 1e-6)
    assert optimizer.gaussians.scales.max() <= 9 * (1 + 1e-6)


def test_wide_gaussians_do_not_leave_the_image_at_once():
    """In a step of Adam, means move by about the rate."""
    scene = random_scene(12, 30, 40, scales=(60, 90))
    optimizer = optimizer_of(scene, np.zeros((3, 30, 40), np.float32))
    for _ in range(5):
        optimizer.step(RATES)
    moved = np.linalg.norm(optimizer.gaussians.means - scene.means, axis=1)
    assert 0 < moved.max() < 5 * 1.5 * RATES.means * 40 / 10


def test_colours_stay_within_their_bound():
    scene = random_scene(12, 30, 40, scales=(2, 8))
    optimizer = optimizer_of(scene, np.full((3, 30, 40), 5, np.float32), largest_color=0.25)
    assert np.abs(optimizer.gaussians.colors).max() <= 0.25
    for _ in range(20):
        optimizer.step(RATES)
    assert np.abs(optimizer.gaussians.colors).max() == 0.25


def test_a_step_along_the_residual_is_the_step_that_reduces_the_squared_error():
    scene = random_scene(12, 30, 40, scales=(2, 8))
    target = np.random.default_rng(0).uniform(0, 1, (3, 30, 40)).astype(np.float32)
    fused, separate = optimizer_of(scene, target), optimizer_of(scene, target)
    for _ in range(3):
        fused.step(RATES)
        separate.step_along(lambda image: image - target, RATES)
    for one, other in zip(fused.gaussians, separate.gaussians, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_weights_count_in_a_step_and_its_error(channels):
    scene = random_scene(12, 31, 41, channels=channels, scales=(2, 8))
    rng = np.random.default_rng(0)
    target = rng.uniform(0, 1, (channels, 31, 41)).astype(np.float32)
    weights = rng.uniform(0, 2, (31, 41)).astype(np.float32)
    fused, separate = optimizer_of(scene, target, weights=weights), optimizer_of(scene, target)
    squares = (fused.render().astype(np.float64) - target) ** 2
    for step in range(3):
        errors = fused.step(RATES)
        if step == 0:
            np.testing.assert_allclose(errors, [(squares * weights).mean(), squares.mean()], rtol=1e-5)
        separate.step_along(lambda image: weights * (image - target), RATES)
    for one, other in zip(fused.gaussians, separate.gaussians, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_weights_have_the_shape_of_the_picture():
    with pytest.raises(ValueError, match=r"shape \[30, 40\], got \[40, 30\]"):
        FrameAdam(np.zeros((3, 30, 40)), np.ones((40, 30)), smallest_scale=1, largest_scale=9, cutoff=4)


def test_rows_that_are_not_finite_are_named():
    scene = random_scene(5, 30, 40)
    scene.scales[3, 1] = np.nan
    optimizer = optimizer_of(scene, np.zeros((3, 30, 40), np.float32))
    with pytest.raises(ValueError, match=r"scales\[3\] is not finite"):
        optimizer.step(RATES)


def test_rates_scale_together():
    assert RATES.scaled(2) == Rates(means=0.04, scales=0.06, rotations=0.1, colors=0.14)


def test_dropping_gaussians_keeps_the_momentum_of_the_others():
    """With a target that a single Gaussian meets by itself, another that is far away changes nothing."""
    scene = random_scene(2, 30, 40, scales=(2, 4))
    scene.means[:] = (12, 14), (5000, 5000)
    target = np.random.default_rng(0).uniform(0, 1, (3, 30, 40)).astype(np.float32)
    whole, part = optimizer_of(scene, target), optimizer_of(scene, target)
    whole.step(RATES)
    part.step(RATES)
    part.keep(np.array([True, False]))
    for _ in range(2):
        whole.step(RATES)
        part.step(RATES)
    np.testing.assert_array_equal(part.gaussians.means, whole.gaussians.means[:1])
    np.testing.assert_array_equal(part.gaussians.colors, whole.gaussians.colors[:1])

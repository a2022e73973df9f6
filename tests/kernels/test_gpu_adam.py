"""`GpuFrameAdam` against its CPU twin, on a CUDA device or under Triton's interpreter."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch

from splatkernels.adam import FrameAdam
from splatkernels.descent import Penalty, Rates
from splatkernels.gaussians import Gaussians

from .devices import DEVICE, INTERPRETED, gpu_code, needs_device, needs_interpreter, poisoned_buffers, shuffled_programs
from .scenes import random_scene

pytest.importorskip("triton")

from splatkernels import gpu_adam
from splatkernels.gpu_adam import GpuFrameAdam

__all__ = ["poisoned_buffers", "shuffled_programs"]

pytestmark = [*gpu_code, pytest.mark.usefixtures("poisoned_buffers")]

RATES = Rates(means=0.15, scales=0.1, rotations=0.1, colors=0.02)
PENALTY = Penalty(weight=3.0, step=1.5, scales=0.3, ratios=0.2)
OPTIONS = {"smallest_scale": 0.4, "largest_scale": 15.0, "cutoff": 6.5}


def target_of(channels: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(2).uniform(0, 1, (channels, height, width)).astype(np.float32)


def assert_same(ours, twin):
    # A device's exponentials and divisions are approximate, and Adam makes as much of small gradients as of large ones.
    tolerance = 2e-5 if INTERPRETED else 1e-3
    for actual, expected in zip(ours.gaussians, twin.gaussians, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def assert_close(errors, expected):
    np.testing.assert_allclose([float(error) for error in errors], expected, rtol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 6])
def test_steps_are_those_of_the_cpu(channels, weighted):
    target = target_of(channels, 21, 35)
    weights = np.random.default_rng(4).uniform(0, 2, (21, 35)).astype(np.float32) if weighted else None
    ours, twin = GpuFrameAdam(target, weights, **OPTIONS, device=DEVICE), FrameAdam(target, weights, **OPTIONS)
    for optimizer in (ours, twin):
        optimizer.append(random_scene(5, 21, 35, channels=channels, scales=(1, 5)).gaussians)
    for step in range(3):
        rates = replace(RATES, scales=0.1 - 0.02 * step)
        assert_close(ours.step(rates), twin.step(rates))
    assert_same(ours, twin)
    for optimizer in (ours, twin):
        optimizer.keep(np.array([True, False, True, True, False]))
        optimizer.append(random_scene(2, 21, 35, channels=channels, scales=(1, 5), seed=3).gaussians)
        assert len(optimizer) == 5
    errors = [ours.step(RATES) for _ in range(3)]
    for pending in errors:
        assert_close(pending, twin.step(RATES))
    assert_same(ours, twin)
    np.testing.assert_allclose(ours.render(), twin.render(), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_steps_with_a_penalty_are_those_of_the_cpu(channels):
    target = target_of(channels, 21, 35)
    ours, twin = GpuFrameAdam(target, **OPTIONS, device=DEVICE), FrameAdam(target, **OPTIONS)
    goal = torch.tensor(target, device=DEVICE)
    for optimizer in (ours, twin):
        optimizer.append(random_scene(5, 21, 35, channels=channels, scales=(1, 5)).gaussians)
    for step in range(3):
        penalty = replace(PENALTY, weight=3.0 - step)
        assert_close(ours.step(RATES, penalty), twin.step(RATES, penalty))
    ours.step_along(lambda image: image - goal, RATES, PENALTY)
    twin.step_along(lambda image: image - target, RATES, PENALTY)
    assert_same(ours, twin)


def test_it_stands_in_for_the_cpu():
    target = target_of(1, 9, 9)
    ours = GpuFrameAdam(target, **OPTIONS, device=DEVICE)
    for name in vars(FrameAdam):
        assert name.startswith("_") or hasattr(ours, name), name
    np.testing.assert_array_equal(ours.target, target)


def test_scales_stay_within_their_bounds():
    optimizer = GpuFrameAdam(target_of(1, 9, 9), smallest_scale=1, largest_scale=2, cutoff=4, device=DEVICE)
    optimizer.append(random_scene(4, 9, 9, channels=1, scales=(0.2, 9)).gaussians)
    for _ in range(3):
        optimizer.step(replace(RATES, scales=1.0))
    assert 0.999 < optimizer.gaussians.scales.min() < optimizer.gaussians.scales.max() < 2.001


def test_steps_along_any_loss_are_those_of_the_cpu():
    target = target_of(3, 21, 35)
    ours, twin = GpuFrameAdam(target, **OPTIONS, device=DEVICE), FrameAdam(target, **OPTIONS)
    goal = torch.tensor(target, device=DEVICE)
    for optimizer in (ours, twin):
        optimizer.append(random_scene(5, 21, 35, scales=(1, 5)).gaussians)
    for _ in range(3):
        ours.step_along(lambda image: (image - goal) ** 3, RATES)
        twin.step_along(lambda image: (image - target) ** 3, RATES)
    assert_same(ours, twin)


def test_colours_stay_within_their_bound():
    optimizer = GpuFrameAdam(np.full((1, 9, 9), 5, np.float32), **OPTIONS, largest_color=0.25, device=DEVICE)
    optimizer.append(random_scene(4, 9, 9, channels=1, scales=(1, 4)).gaussians)
    for _ in range(20):
        optimizer.step(RATES)
    assert np.abs(optimizer.gaussians.colors).max() == 0.25


def growing(monkeypatch, headroom: float) -> GpuFrameAdam:
    """Small Gaussians that a bright target makes grow over several tiles, with room for so many times their pairs."""
    monkeypatch.setattr(gpu_adam, "_SMALLEST_CAPACITY", 1)
    monkeypatch.setattr(gpu_adam, "_HEADROOM", headroom)
    optimizer = GpuFrameAdam(np.ones((1, 48, 48), np.float32), **OPTIONS, device=DEVICE)
    means = np.array([[24, 24], [10, 30]], np.float32)
    shapes = np.full((2, 2), 0.8, np.float32), np.zeros(2, np.float32)
    optimizer.append(Gaussians(means, *shapes, np.full((2, 1), 0.3, np.float32)))
    return optimizer


def test_steps_without_room_are_repeated(monkeypatch):
    rates = [
        replace(RATES, scales=0.6),
        replace(RATES, scales=0.5),
        replace(RATES, scales=0.4),
        replace(RATES, scales=0.3),
        replace(RATES, scales=0.2),
    ]
    roomy = growing(monkeypatch, 50)
    expected = [float(roomy.step(rate).plain) for rate in rates]
    tight = growing(monkeypatch, 1)
    capacities = []
    errors = []
    for rate in rates:
        errors.append(tight.step(rate).plain)
        capacities.append(tight._capacity)
    assert [float(error) for error in errors] == expected
    assert tight._capacity > capacities[0]
    for actual, wanted in zip(tight.gaussians, roomy.gaussians, strict=True):
        np.testing.assert_array_equal(actual, wanted)


def test_a_step_without_room_changes_nothing(monkeypatch):
    optimizer = growing(monkeypatch, 1)
    error = float(optimizer.step(RATES).plain)
    state = [optimizer._parameters, optimizer._firsts, optimizer._seconds, optimizer._biases, optimizer._journal]
    before = [tensor.clone() for tensor in state]
    optimizer._start_over()
    optimizer._capacity = 1
    lost = optimizer.step(RATES).plain
    for tensor, old in zip(state, before, strict=True):
        assert torch.equal(tensor, old)
    assert float(lost) < error
    assert optimizer._capacity > 1
    assert not torch.equal(optimizer._parameters, before[0])


def test_rows_that_are_no_longer_finite_are_named():
    optimizer = GpuFrameAdam(target_of(1, 9, 9), **OPTIONS, device=DEVICE)
    optimizer.append(random_scene(4, 9, 9, channels=1).gaussians)
    optimizer.step(RATES)
    optimizer._parameters[2, 1] = np.nan
    optimizer.step(RATES)
    last = optimizer.step(RATES)
    for look in (optimizer.settle, last.weighted.__float__, last.plain.__float__):
        with pytest.raises(ValueError, match=r"means\[2\] is not finite"):
            look()


def test_no_gaussians_leave_the_target_as_error():
    target = target_of(3, 9, 9)
    optimizer = GpuFrameAdam(target, **OPTIONS, device=DEVICE)
    assert_close(optimizer.step(RATES), 2 * [(target**2).mean()])
    np.testing.assert_array_equal(optimizer.render(), 0)


@needs_interpreter
def test_steps_do_not_depend_on_the_order_of_programs(request):
    def fitted() -> Gaussians:
        optimizer = GpuFrameAdam(target_of(2, 21, 35), **OPTIONS, device=DEVICE)
        optimizer.append(random_scene(9, 21, 35, channels=2, scales=(1, 20)).gaussians)
        for _ in range(2):
            optimizer.step(RATES, PENALTY)
        return optimizer.gaussians

    ordered = fitted()
    request.getfixturevalue("shuffled_programs")
    for first, second in zip(ordered, fitted(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_capture_that_fails_leaves_no_graph(monkeypatch):
    target = target_of(1, 9, 9)
    ours, twin = GpuFrameAdam(target, **OPTIONS, device=DEVICE), FrameAdam(target, **OPTIONS)
    for optimizer in (ours, twin):
        optimizer.append(random_scene(3, 9, 9, channels=1, scales=(1, 4)).gaussians)
    first = ours.step(RATES)
    with monkeypatch.context() as broken:
        # Without a device, torch fails before the step does.
        broken.setattr(ours, "_replays", True)
        broken.setattr(ours, "_run", mock.Mock(side_effect=RuntimeError("out of memory")))
        for _ in range(2):
            with pytest.raises(RuntimeError):
                ours.step(RATES)
    assert_close(first, twin.step(RATES))
    assert_close(ours.step(RATES), twin.step(RATES))
    assert_same(ours, twin)


@needs_device
def test_replayed_steps_are_those_run_one_by_one():
    target = target_of(3, 40, 50)
    replayed, eager = (GpuFrameAdam(target, **OPTIONS, device=DEVICE) for _ in range(2))
    for optimizer in (replayed, eager):
        optimizer.append(random_scene(40, 40, 50).gaussians)
    eager._replays = False
    for stage in range(3):
        for optimizer in (replayed, eager):
            optimizer.append(random_scene(10, 40, 50, seed=stage + 1).gaussians)
        for step in range(10):
            rates = replace(RATES, means=0.1 + 0.01 * step)
            replayed.step(rates)
            eager.step(rates)
        assert replayed._captured
    assert eager._graph is None
    for actual, expected in zip(replayed.gaussians, eager.gaussians, strict=True):
        np.testing.assert_array_equal(actual, expected)

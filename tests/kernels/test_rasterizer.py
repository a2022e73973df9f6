"""The rasteriser against its float64 definition, on NumPy arrays and on torch tensors."""

import os
from concurrent.futures import ThreadPoolExecutor

import numba.core.caching
import numpy as np
import pytest
import torch

import splatkernels
from splatkernels import Viewport, cpu, rasterize, rasterize_reference, render, render_backward, tiles
from splatkernels.jit import kernel
from splatkernels.threads import run

from .scenes import SCENES, Scene, random_scene

# At six standard deviations the cutoff vanishes in float32's rounding.
WIDE = 6.5


def reference(scene: Scene, dtype: torch.dtype, upstream: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    tensors = [torch.tensor(array, dtype=dtype, requires_grad=True) for array in scene.gaussians]
    image = rasterize_reference(*tensors, scene.height, scene.width, scene.viewport)
    (image * torch.tensor(upstream, dtype=dtype)).sum().backward()
    return image.detach().numpy(), [tensor.grad.numpy() for tensor in tensors]


def upstream_of(scene: Scene) -> np.ndarray:
    shape = (scene.colors.shape[1], scene.height, scene.width)
    return np.random.default_rng(1).normal(0, 1, shape).astype(np.float32)


@pytest.fixture(autouse=True)
def poisoned_buffers(monkeypatch):
    """Fill the buffers that kernels get to write with NaN, or with the largest integer."""

    def poisoned(shape, dtype=float):
        array = np.empty(shape, dtype)
        array.fill(np.nan if array.dtype.kind == "f" else np.iinfo(array.dtype).max)
        return array

    for module in (cpu, tiles):
        monkeypatch.setattr(module, "empty", poisoned)


def test_buffers_are_poisoned():
    assert np.isnan(cpu.empty(3)).all()
    assert tiles.empty(2, np.int8).tolist() == [127, 127]


@pytest.fixture(params=SCENES)
def scene(request) -> Scene:
    return SCENES[request.param]


def test_image_matches_the_definition(scene):
    exact, _ = reference(scene, torch.float64, upstream_of(scene))
    image = render(*scene.gaussians, scene.height, scene.width, scene.viewport, cutoff=WIDE)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, exact, atol=1e-5)


def test_default_cutoff_is_invisible(scene):
    exact, _ = reference(scene, torch.float64, upstream_of(scene))
    image = render(*scene.gaussians, scene.height, scene.width, scene.viewport)
    np.testing.assert_allclose(image, exact, atol=1e-4)


def test_gradients_match_the_definition(scene):
    upstream = upstream_of(scene)
    _, exact = reference(scene, torch.float64, upstream)
    _, single = reference(scene, torch.float32, upstream)
    gradients = render_backward(*scene.gaussians, upstream, scene.viewport, cutoff=WIDE)
    for name, ours, double, float32 in zip(gradients._fields, gradients, exact, single, strict=True):
        largest = np.abs(double).max(initial=0)
        allowed = 2 * np.abs(float32 - double).max(initial=0) + 2e-6 * largest
        assert np.abs(ours - double).max(initial=0) <= allowed, name


def test_torch_op_matches_the_arrays():
    scene = SCENES["zoomed out"]
    upstream = upstream_of(scene)
    tensors = [torch.tensor(array, requires_grad=True) for array in scene.gaussians]
    image = rasterize(*tensors, scene.height, scene.width, scene.viewport)
    image.backward(torch.tensor(upstream))
    np.testing.assert_array_equal(
        image.detach().numpy(), render(*scene.gaussians, scene.height, scene.width, scene.viewport)
    )
    for tensor, gradient in zip(tensors, render_backward(*scene.gaussians, upstream, scene.viewport), strict=True):
        np.testing.assert_array_equal(tensor.grad.numpy(), gradient)


def test_torch_op_passes_opcheck():
    scene = random_scene(6, 9, 11)
    tensors = [torch.tensor(array, requires_grad=True) for array in scene.gaussians]
    torch.library.opcheck(torch.ops.splatkernels.rasterize.default, (*tensors, 9, 11, 0.0, 0.0, 1.0, 4.5))


@pytest.mark.parametrize("viewport", [None, Viewport(1, 2, 0.4)])
def test_reference_passes_gradcheck(viewport):
    scene = random_scene(3, 5, 6, scales=(1, 4))
    tensors = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in scene.gaussians]
    assert torch.autograd.gradcheck(lambda *g: rasterize_reference(*g, 5, 6, viewport), tensors)


def test_first_axis_turns_from_x_towards_y():
    image = render([[32, 32]], [[20, 1]], [np.deg2rad(30)], [[1]], 64, 64)[0]
    along = image[int(32 + 15 * np.sin(np.deg2rad(30))), int(32 + 15 * np.cos(np.deg2rad(30)))]
    mirrored = image[int(32 - 15 * np.sin(np.deg2rad(30))), int(32 + 15 * np.cos(np.deg2rad(30)))]
    assert along > 0.5
    assert mirrored < 1e-3


def test_pixel_centres_lie_at_halves():
    assert render([[0.5, 0.5]], [[1, 1]], [0], [[1]], 3, 3)[0, 0, 0] == 1


def test_result_does_not_depend_on_threads():
    scene = random_scene(900, 130, 170)
    upstream = upstream_of(scene)
    threads = splatkernels.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            splatkernels.set_num_threads(count)
            image = render(*scene.gaussians, scene.height, scene.width)
            results.append((image, *render_backward(*scene.gaussians, upstream)))
    finally:
        splatkernels.set_num_threads(threads)
    for result in results[1:]:
        for first, other in zip(results[0], result, strict=True):
            np.testing.assert_array_equal(first, other)


def test_calls_from_several_threads_agree():
    scene = random_scene(300, 100, 100)
    expected = render(*scene.gaussians, 100, 100)
    with ThreadPoolExecutor(4) as pool:
        for image in pool.map(lambda _: render(*scene.gaussians, 100, 100), range(16)):
            np.testing.assert_array_equal(image, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_can_render():
    scene = random_scene(900, 100, 100)
    expected = render(*scene.gaussians, 100, 100)
    child = os.fork()
    if child == 0:
        equal = False
        try:
            equal = np.array_equal(render(*scene.gaussians, 100, 100), expected)
        finally:
            os._exit(0 if equal else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_kernels_compile_where_nothing_can_be_cached(monkeypatch):
    monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [])
    assert kernel(lambda x: x + 1)(2) == 3


def test_thousands_of_gaussians_in_one_tile_all_count():
    count = 3000
    image = render(np.full((count, 2), 8.5), np.full((count, 2), 2), np.zeros(count), np.full((count, 1), 1e-3), 16, 16)
    np.testing.assert_allclose(image[0, 8, 8], count * 1e-3, rtol=1e-4)


def test_zooming_in_samples_the_same_image():
    scene = random_scene(50, 40, 60, scales=(2, 8))
    native = render(*scene.gaussians, 40, 60)
    tripled = render(*scene.gaussians, 120, 180, Viewport(0, 0, 3))
    np.testing.assert_allclose(tripled[:, 1::3, 1::3], native, atol=1e-4)


def test_viewport_shows_a_region():
    scene = random_scene(50, 40, 60)
    native = render(*scene.gaussians, 40, 60)
    part = render(*scene.gaussians, 11, 17, Viewport(20, 9, 1))
    np.testing.assert_allclose(part, native[:, 9:20, 20:37], atol=1e-4)


def test_zooming_out_does_not_alias():
    """Stripes finer than an output pixel turn into their mean instead of a moire pattern."""
    x, y = np.meshgrid(np.arange(-32, 160, 3) + 0.5, np.arange(-32, 160) + 0.5)
    means = np.stack([x.ravel(), y.ravel()], axis=1)
    count = len(means)
    stripes = [means, np.full((count, 2), 0.8), np.zeros(count), np.full((count, 1), 0.6)]
    native = render(*stripes, 128, 128)
    small = render(*stripes, 16, 16, Viewport(0, 0, 1 / 8))
    np.testing.assert_allclose(small, native.mean(), rtol=0.02)


def test_the_worst_pattern_is_all_but_averaged_out():
    """Stripes as wide as the output pixels would be all there or not at all, depending on where they lie."""
    y = np.arange(-64, 256, 8) + 0.5
    samples = []
    for shift in (0, 4):
        stripes = [
            np.stack([np.full(40, 64), y + shift], 1),
            np.full((40, 2), (500, 2.0)),
            np.zeros(40),
            np.ones((40, 1)),
        ]
        samples.append(render(*stripes, 16, 16, Viewport(0, 0, 1 / 8)))
    contrast = np.abs(samples[0] - samples[1]).max() / np.mean(samples)
    assert contrast < 0.15


@pytest.mark.parametrize(
    ("name", "row", "value", "message"),
    [
        ("means", 3, np.nan, r"means\[3\] is not finite"),
        ("scales", 2, np.inf, r"scales\[2\] is not finite"),
        ("rotations", 1, -np.inf, r"rotations\[1\] is not finite"),
        ("colors", 0, np.nan, r"colors\[0\] is not finite"),
        ("rotations", 1, 2e9, r"rotations\[1\] is beyond 1e\+09 radians"),
        ("scales", 4, 0, r"scales\[4\] is not positive"),
        ("scales", 4, -1, r"scales\[4\] is not positive"),
    ],
)
def test_bad_values_are_named(name, row, value, message):
    scene = random_scene(5, 8, 8)
    getattr(scene, name)[row] = value
    with pytest.raises(ValueError, match=message):
        render(*scene.gaussians, 8, 8)


def test_bad_shapes_are_named():
    scene = random_scene(5, 8, 8)
    with pytest.raises(ValueError, match=r"scales must have shape \[5, 2\]"):
        render(scene.means, scene.scales[:4], scene.rotations, scene.colors, 8, 8)
    with pytest.raises(ValueError, match=r"colors must have shape \[N, C\]"):
        render(scene.means, scene.scales, scene.rotations, scene.colors[:, 0], 8, 8)
    with pytest.raises(ValueError, match="output size"):
        render(*scene.gaussians, 0, 8)
    with pytest.raises(ValueError, match="viewport"):
        render(*scene.gaussians, 8, 8, Viewport(0, 0, -1))
    with pytest.raises(TypeError, match="means must be float32"):
        rasterize(*(torch.tensor(array, dtype=torch.float64) for array in scene.gaussians), 8, 8)


def test_a_gaussian_of_no_width_is_one_pixel():
    image = render([[4.5, 4.5], [4, 4]], [[1e-30, 1e-30]] * 2, [0.3, 0.3], [[1], [1]], 9, 9)
    assert image[0, 4, 4] == 1
    assert image.sum() == pytest.approx(1)


def test_a_gaussian_of_any_width_is_flat():
    image = render([[4.5, 4.5]], [[1e30, 1e30]], [0.3], [[0.7]], 40, 50)
    np.testing.assert_allclose(image, 0.7, rtol=1e-5)


def test_parts_cover_the_work():
    seen = []
    threads = splatkernels.get_num_threads()
    try:
        splatkernels.set_num_threads(3)
        run(lambda part, parts: seen.append((part, parts)), 100)
        run(lambda part, parts: seen.append((part, parts)), 2)
        run(lambda part, parts: seen.append((part, parts)), 0)
    finally:
        splatkernels.set_num_threads(threads)
    assert sorted(seen[:3]) == [(0, 3), (1, 3), (2, 3)]
    assert sorted(seen[3:5]) == [(0, 2), (1, 2)]
    assert seen[5:] == [(0, 1)]
    with pytest.raises(ValueError, match="at least 1"):
        splatkernels.set_num_threads(0)

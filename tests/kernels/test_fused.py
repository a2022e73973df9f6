"""The rasteriser of fits, which draws wide Gaussians on smaller canvases, against the exact one."""

import numpy as np
import pytest

from splatkernels import set_num_threads
from splatkernels.arrays import render, render_backward
from splatkernels.fused import FusedRasterizer
from splatkernels.gaussians import to_parameters
from splatkernels.geometry import parameter_gradients
from splatkernels.threads import get_num_threads

from .scenes import SCENES, Scene, random_scene

# What enlarging does to a Gaussian beyond its variance, and what is cut off at 3.5 standard deviations, in amplitudes.
SHARE = 0.01
SIZES = [(1, 1), (1, 300), (300, 1), (17, 3), (31, 33), (45, 37), (64, 64), (129, 200), (130, 257)]


def on_canvas(height: int, width: int, channels: int = 3, seed: int = 0):
    """Gaussians of all widths, from dots to what is wider than the canvas, and needles."""
    return random_scene(40, height, width, channels=channels, scales=(0.4, 2.0 * max(height, width) + 2), seed=seed)


def placed(scene, cutoff: float = 3.5):
    """A rasteriser, and the Gaussians on its levels."""
    rasterizer = FusedRasterizer(scene.colors.shape[1], scene.height, scene.width, cutoff)
    parameters = to_parameters(scene.gaussians, (-30.0, 30.0), np.inf)
    return rasterizer, rasterizer.place(parameters)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_images_are_nearly_exact(size):
    scene = on_canvas(*size)
    rasterizer, spans = placed(scene)
    bound = SHARE * render(*scene.gaussians._replace(colors=np.abs(scene.colors)), *size)
    error = np.abs(rasterizer.image(spans) - render(*scene.gaussians, *size))
    assert (error <= bound + 0.003 * np.abs(scene.colors).sum(axis=0).max()).all()


@pytest.mark.parametrize(
    ("scales", "worst"), [((2.2, 2.2), 1e-5), ((2.51, 2.51), 8e-3), ((2.51, 20), 5e-3), ((4.9, 4.9), 4e-4)]
)
def test_a_gaussian_alone_is_nearly_exact(scales, worst):
    """Wherever it lies between the pixels of its level."""
    rng = np.random.default_rng(4)
    for _ in range(10):
        mean, rotation = rng.uniform(50, 90, (1, 2)), rng.uniform(0, 3, 1)
        alone = Scene(*map(np.float32, (mean, [scales], rotation, np.ones((1, 1)))), 140, 150)
        rasterizer, spans = placed(alone, cutoff=6.0)
        assert np.abs(rasterizer.image(spans) - render(*alone.gaussians, 140, 150, cutoff=6.5)).max() < worst


def test_what_was_drawn_before_does_not_matter():
    scene = on_canvas(129, 200)
    rasterizer, spans = placed(scene)
    gradient = np.random.default_rng(1).normal(size=(3, 129, 200)).astype(np.float32)
    image, sums = rasterizer.image(spans), rasterizer.backward(spans, gradient)
    for _ in range(2):
        np.testing.assert_array_equal(rasterizer.backward(spans, gradient), sums)
        np.testing.assert_array_equal(rasterizer.image(spans), image)


@pytest.mark.parametrize(("channels", "size"), [(1, (70, 9)), (3, (129, 200)), (6, (70, 90))])
def test_calibrated_images_are_exact(channels, size):
    scene = on_canvas(*size, channels)
    parameters = to_parameters(scene.gaussians, (-30.0, 30.0), np.inf)
    rasterizer, spans = placed(scene)
    approximate, exact = rasterizer.image(spans), render(*scene.gaussians, *size)
    rasterizer.calibrate(parameters)
    np.testing.assert_allclose(rasterizer.image(spans), exact, atol=1e-5 * np.abs(exact).max())
    target = np.random.default_rng(5).uniform(0, 1, (channels, *size)).astype(np.float32)
    _, plain, sums = rasterizer.squared_error(spans, target, None)
    np.testing.assert_allclose(plain, ((exact - target).astype(np.float64) ** 2).sum(), rtol=1e-4)
    expected = rasterizer.backward(spans, exact - target)
    np.testing.assert_allclose(sums, expected, atol=1e-4 * np.abs(expected).max())
    rasterizer.forget()
    np.testing.assert_array_equal(rasterizer.image(spans), approximate)


@pytest.mark.parametrize("column", range(8))
def test_parameters_that_are_not_finite_are_refused(column):
    rasterizer, _ = placed(on_canvas(100, 100))
    parameters = to_parameters(on_canvas(100, 100).gaussians, (-30.0, 30.0), np.inf)
    parameters[7, column] = np.nan
    with pytest.raises(ValueError, match=r"\[7\] is not finite"):
        rasterizer.place(parameters)


def test_wide_gaussians_lie_on_coarser_levels():
    scene = on_canvas(200, 300)
    _, spans = placed(scene)
    octaves = np.log2(scene.scales.min(axis=1) / 1.25)
    np.testing.assert_array_equal(spans.levels, np.clip(np.floor(octaves), 0, 3))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_gradients_are_those_of_its_images(size):
    """Images are linear in colours: their product with any gradient is that of colours with theirs."""
    scene = on_canvas(*size)
    rasterizer, spans = placed(scene)
    gradient = np.random.default_rng(1).normal(size=(3, *size)).astype(np.float32)
    by_colors = rasterizer.backward(spans, gradient)[:, :3]
    product = (rasterizer.image(spans).astype(np.float64) * gradient).sum()
    terms = by_colors.astype(np.float64) * scene.colors
    np.testing.assert_allclose(terms.sum(), product, atol=1e-5 * np.abs(terms).sum() + 1e-9)


def levels_of_all_kinds() -> Scene:
    """Gaussians near the narrowest of each level, round and long."""
    scene = random_scene(30, 200, 300, seed=6)
    scene.scales[:10] = np.linspace(2.6, 4, 10)[:, None]
    scene.scales[10:20] = 5.5, 9
    scene.scales[20:] = 10.5, 40
    return scene


GRADIENT_SCENES = [*(SCENES[name] for name in ("several tiles", "canvas-sized", "edges", "twelve channels"))]


@pytest.mark.parametrize("scene", [*GRADIENT_SCENES, levels_of_all_kinds()])
def test_gradients_of_all_attributes_are_nearly_exact(scene):
    rasterizer, spans = placed(scene, cutoff=5.0)
    y, x = np.mgrid[: scene.height, : scene.width]
    waves = [np.sin(x / (3 + c) + c) * np.cos(y / (4 + c)) for c in range(scene.colors.shape[1])]
    gradient = np.stack(waves).astype(np.float32)
    found = parameter_gradients(rasterizer.backward(spans, gradient), *scene.gaussians[1:], 1.0)
    exact = render_backward(*scene.gaussians, gradient, cutoff=5.0)
    for ours, expected in zip(found, exact, strict=True):
        np.testing.assert_allclose(ours, expected, atol=0.02 * np.abs(expected).max())


@pytest.mark.parametrize("channels", [1, 3, 6])
@pytest.mark.parametrize("size", [(45, 37), (70, 128)], ids=str)
def test_squared_error_is_that_of_the_image(size, channels):
    scene = on_canvas(*size, channels)
    rng = np.random.default_rng(2)
    target = rng.uniform(0, 1, (channels, *size)).astype(np.float32)
    rasterizer, spans = placed(scene)
    residual = rasterizer.image(spans) - target
    for weights in (None, rng.uniform(0, 2, size).astype(np.float32)):
        weighted, plain, sums = rasterizer.squared_error(spans, target, weights)
        slope = residual if weights is None else residual * weights
        np.testing.assert_allclose(plain, (residual.astype(np.float64) ** 2).sum(), rtol=1e-5)
        np.testing.assert_allclose(weighted, (residual.astype(np.float64) * slope).sum(), rtol=1e-5)
        expected = rasterizer.backward(spans, slope)
        np.testing.assert_allclose(sums, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", [name for name in SCENES if not name.startswith("zoomed")])
def test_awkward_scenes_are_nearly_exact(name):
    scene = SCENES[name]
    rasterizer, spans = placed(scene)
    image = rasterizer.image(spans)
    exact = render(*scene.gaussians, scene.height, scene.width)
    whole = render(*scene.gaussians._replace(colors=np.abs(scene.colors)), scene.height, scene.width)
    assert (np.abs(image - exact) <= SHARE * whole + 2e-3 * np.abs(scene.colors).sum(axis=0).max()).all()


def test_the_number_of_threads_changes_nothing():
    # Large enough for level 1 to be shared, too.
    scene = on_canvas(520, 560)
    target = np.random.default_rng(3).uniform(0, 1, (3, 520, 560)).astype(np.float32)
    before, found = get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            set_num_threads(threads)
            rasterizer, spans = placed(scene)
            found.append((rasterizer.image(spans), *rasterizer.squared_error(spans, target, None)))
    finally:
        set_num_threads(before)
    for other in found[1:]:
        for ours, expected in zip(other, found[0], strict=True):
            np.testing.assert_array_equal(ours, expected)

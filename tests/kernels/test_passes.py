"""Gaussians are drawn some at a time: in bounded memory, and with the very result of all at once."""

import tracemalloc

import numpy as np
import pytest

from splatkernels import Viewport, arrays, render, tiles
from splatkernels.geometry import Output

from .scenes import SCENES, Scene, random_scene


def drawn(scene: Scene) -> np.ndarray:
    return render(*scene.gaussians, scene.height, scene.width, scene.viewport)


@pytest.mark.parametrize("name", SCENES)
def test_passes_add_up_to_the_very_image(name, monkeypatch):
    whole = drawn(SCENES[name])
    monkeypatch.setattr(tiles, "PAIRS_PER_PASS", 5)
    monkeypatch.setattr(arrays, "_GAUSSIANS_PER_PASS", 7)
    np.testing.assert_array_equal(drawn(SCENES[name]), whole)


@pytest.mark.parametrize("seed", range(20))
def test_random_scenes_do_not_depend_on_passes(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    zoom = np.exp(rng.uniform(np.log(1e-2), np.log(1e2)))
    viewport = Viewport(*rng.uniform(-50, 100, 2), zoom)
    height, width = rng.integers(1, 150, 2)
    scene = random_scene(
        60, height, width, channels=rng.integers(1, 7), scales=(1e-3, 1e6), viewport=viewport, seed=seed
    )
    whole = drawn(scene)
    monkeypatch.setattr(tiles, "PAIRS_PER_PASS", int(rng.integers(1, 60)))
    monkeypatch.setattr(arrays, "_GAUSSIANS_PER_PASS", int(rng.integers(1, 60)))
    np.testing.assert_array_equal(drawn(scene), whole)


@pytest.mark.parametrize("gaussians", [0, 1, 6, 40])
def test_every_gaussian_is_in_one_pass(gaussians, monkeypatch):
    scene = random_scene(gaussians, 100, 120, scales=(0.5, 200))
    output = Output(100, 120)
    monkeypatch.setattr(tiles, "PAIRS_PER_PASS", 11)
    passes = list(tiles.sort_in_passes(scene.means, scene.scales, scene.rotations, output))
    rows = np.concatenate([np.arange(gaussians)[run] for run, _ in passes])
    assert (np.diff(rows) == 1).all()
    # Those that are left out have no pairs.
    listed = tiles.sort_into_tiles(scene.means, scene.scales, scene.rotations, output)
    assert listed.offsets[len(rows)] == listed.offsets[-1]
    assert all(len(found.slots) <= 11 or run.stop - run.start == 1 for run, found in passes)


def test_memory_does_not_grow_with_pairs(monkeypatch):
    monkeypatch.setattr(tiles, "PAIRS_PER_PASS", 2**12)
    monkeypatch.setattr(arrays, "_GAUSSIANS_PER_PASS", 2**8)
    peaks = []
    for count in (500, 4000):
        scene = random_scene(count, 256, 256, scales=(300, 900))
        tracemalloc.start()
        drawn(scene)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 100_000


def test_what_lies_beside_the_output_has_no_pairs():
    """Wide and flat or tall and thin Gaussians, above, below and beside."""
    means = np.array([[500, -400], [500, 1400], [-400, 500], [1400, 500]], np.float32)
    scales = np.array([[1e6, 50], [1e6, 50], [50, 1e6], [50, 1e6]], np.float32)
    found = tiles.sort_into_tiles(means, scales, np.zeros(4, np.float32), Output(1000, 1000))
    assert found.offsets[-1] == 0


@pytest.mark.parametrize("zoom", [1e-6, 0.5, 1, 1e6])
@pytest.mark.parametrize("scale", [1e12, 1e19, 1e30, 3e38])
def test_the_widest_gaussians_are_flat_at_any_magnification(zoom, scale):
    image = render([[20, 30]], [[scale, scale]], [0.3], [[0.7]], 40, 50, Viewport(1, 2, zoom))
    np.testing.assert_allclose(image, 0.7, rtol=1e-5)


@pytest.mark.parametrize("seed", range(30))
def test_extreme_gaussians_are_finite_in_extreme_views(seed):
    rng = np.random.default_rng(seed)
    count = 50
    means = np.copysign(10 ** rng.uniform(-3, 30, (count, 2)), rng.normal(size=(count, 2)))
    scales = 10 ** rng.uniform(-44, 38, (count, 2))
    viewport = Viewport(*np.copysign(10 ** rng.uniform(-3, 300, 2), rng.normal(size=2)), 10 ** rng.uniform(-6, 6))
    if seed % 2:
        viewport = Viewport(*means[0], viewport.scale)
    colors = np.full((count, 1), 1e30)
    image = render(means, scales, rng.uniform(-1e8, 1e8, count), colors, 70, 40, viewport)
    assert np.isfinite(image).all()
    assert image.min() >= 0
    assert image.max() <= 1.001 * colors.sum()

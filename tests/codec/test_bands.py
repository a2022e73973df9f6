"""Large outputs are rendered in bands: nobody sees where one ends."""

import tracemalloc

import numpy as np
import pytest

from splatcodec import Splats, splats
from splatcodec.document import Alpha, Document


def random_splats(rng: np.random.Generator, height: int, width: int) -> Splats:
    """Of all scales; colours are such that samples stay about full scale, as those of pictures do."""
    count = 80
    means = rng.uniform(-0.3, 1.3, (count, 2)) * (width, height)
    scales = np.exp(rng.uniform(np.log(0.35), np.log(3 * max(height, width)), (count, 2)))
    colors = rng.normal(0, 0.1, (count, rng.choice([1, 3])))
    return Splats(means, scales, rng.uniform(-4, 4, count), colors, height, width)


@pytest.mark.parametrize("seed", range(40))
def test_bands_are_the_picture(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(1, 300, 2))
    picture = random_splats(rng, height, width)
    view = {}
    if seed % 2:
        view["region"] = (*rng.uniform(-1, 1, 2) * (width, height), *rng.uniform(0.01, 1.5, 2) * (width, height))
    if seed % 3 == 0:
        view["scale"] = float(np.exp(rng.uniform(-3, 1)))
    else:
        view |= {"height": int(rng.integers(1, 400)), "width": int(rng.integers(1, 400))}
    monkeypatch.setattr(splats, "_BAND_PIXELS", 1)
    bands = list(picture.bands(**view))
    assert {band.shape[1] for band in bands[:-1]} <= {64}
    np.testing.assert_allclose(np.concatenate(bands, axis=1), picture.render(**view), atol=1e-5)


def test_far_views_have_no_seams(monkeypatch):
    """Bands begin where rounding of large numbers puts them."""
    monkeypatch.setattr(splats, "_BAND_PIXELS", 1)
    rng = np.random.default_rng(0)
    picture = Splats([[60000, 60000]], [[0.4, 0.5]], [0.3], [[1]], 65535, 65535)
    for zoom in (1e2, 1e4, 1e6):
        region = (60000 + rng.uniform(-1, 1), 60000 + rng.uniform(-1, 1), 200 / zoom, 300 / zoom)
        whole = picture.render(scale=zoom, region=region)
        np.testing.assert_allclose(
            np.concatenate(list(picture.bands(scale=zoom, region=region)), axis=1), whole, atol=1e-5
        )


def test_bands_are_few_and_small():
    picture = Splats([[50, 50]], [[2, 3]], [0], [[1]], 100, 100)
    assert len(list(picture.bands())) == len(list(picture.bands(height=2048, width=2048))) == 1
    shapes = [band.shape for band in picture.bands(height=2900, width=2900)]
    assert shapes == [(1, 1408, 2900), (1, 1408, 2900), (1, 84, 2900)]
    assert [band.shape[1] for band in picture.bands(height=130, width=65535)] == [64, 64, 2]


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("is_transparency", [None, False, True])
def test_samples_of_bands_are_those_of_the_picture(depth, is_transparency, monkeypatch):
    rng = np.random.default_rng(0)
    opacity = Splats([[100, 90]], [[40, 60]], [0.4], [[1.5]], 300, 200)
    alpha = None if is_transparency is None else Alpha(opacity, is_transparency)
    content = Document(random_splats(rng, 300, 200), alpha)
    view = {"width": 250, "region": (-20.0, 10.0, 200.0, 300.0)}
    expected = content.render(**view).pixels(depth)
    monkeypatch.setattr(splats, "_BAND_PIXELS", 1)
    found = content.pixels(**view, depth=depth)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.astype(int), expected, atol=1)
    assert (found != expected).mean() < 1e-3


def test_large_outputs_are_not_held_as_floats():
    content = Document(Splats([[50, 50]], [[20, 30]], [0], [[1, 1, 1]], 100, 100))
    content.pixels()
    tracemalloc.start()
    pixels = content.pixels(height=6000, width=4000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pixels.shape == (6000, 4000, 3)
    assert peak < pixels.nbytes + 120e6 < 12 * 6000 * 4000


@pytest.mark.parametrize(("height", "width"), [(1, 65535), (65535, 1), (3, 40000), (100, 100)])
def test_the_smallest_outputs_show_the_picture(height, width):
    """However few pixels of a thin canvas are left: they are as bright as it is."""
    flat = Splats([[width / 2, height / 2]], [[1e6, 1e6]], [0], [[0.6]], height, width)
    for scale in (1e-6, 1e-4, 0.01):
        image = flat.render(scale=scale)
        assert image.shape[1:] == flat.output_size(scale=scale)
        np.testing.assert_allclose(image, 0.6, rtol=0.02)


def test_every_size_that_is_accepted_can_be_rendered():
    rng = np.random.default_rng(0)
    picture = random_splats(rng, 90, 120)
    rendered = 0
    for _ in range(2000):
        view = {}
        if rng.random() < 0.7:
            view["region"] = (
                *np.copysign(10 ** rng.uniform(-3, 15, 2), rng.normal(size=2)),
                *10 ** rng.uniform(-9, 12, 2),
            )
        if rng.random() < 0.5:
            view["scale"] = 10 ** rng.uniform(-7, 7)
        else:
            view |= {name: int(10 ** rng.uniform(0, 5)) for name in ("height", "width") if rng.random() < 0.6}
        try:
            size = picture.output_size(**view)
        except ValueError:
            continue
        if size[0] * size[1] < 10_000:
            image = picture.render(**view)
            assert image.shape[1:] == size
            assert np.isfinite(image).all()
            rendered += 1
    assert rendered > 100

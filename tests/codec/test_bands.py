"""Large outputs are rendered in bands: nobody sees where one ends."""

import numpy as np
import pytest

from splatcodec import Splats, splats


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
    assert len(list(picture.bands())) == len(list(picture.bands(2048, 2048))) == 1
    shapes = [band.shape for band in picture.bands(2900, 2900)]
    assert shapes == [(1, 1408, 2900), (1, 1408, 2900), (1, 84, 2900)]
    assert [band.shape[1] for band in picture.bands(130, 65535)] == [64, 64, 2]

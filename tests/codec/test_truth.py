"""Pictures of known Gaussians: within range, the same for the same seed, and found again by a fit."""

import numpy as np
import pytest

import splatcodec
from splatcodec.image import to_uint8


@pytest.mark.parametrize(("n", "height", "width"), [(0, 8, 8), (1, 1, 1), (20, 128, 160), (300, 30, 400)])
def test_the_sum_fits_a_picture(n, height, width):
    truth = splatcodec.synthetic(n, height, width, seed=n)
    assert (len(truth), truth.height, truth.width, truth.channels) == (n, height, width, 3)
    image = truth.render()
    assert image.min() >= 0
    assert image.max() <= 1 + 1e-5


def test_seeds_decide():
    one, again, other = (splatcodec.synthetic(5, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.means, again.means)
    assert not np.array_equal(one.means, other.means)


def test_a_fit_recovers_it():
    truth = splatcodec.synthetic(12, 64, 80, seed=3)
    found = splatcodec.fit(to_uint8(truth.render()), n_gaussians=24, effort=4)
    error = np.mean((found.render() - truth.render()) ** 2)
    assert -10 * np.log10(error) > 50


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="n must be at least 0"):
        splatcodec.synthetic(-1)

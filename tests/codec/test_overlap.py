"""Bright Gaussians do not pile up."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

import splatcodec


def test_amplitudes_add_up():
    splats = splatcodec.Splats(
        [[5.5, 5.5], [5.5, 5.5], [90, 90]], [[3, 3]] * 3, [0.0] * 3, [[1.5, 0, 0], [-1.0, 0, 0], [0, 2.0, 0]], 100, 100
    )
    assert splats.overlap().peak == pytest.approx(2.5, rel=1e-3)
    assert splats.overlap().above == pytest.approx(2 / 3)


def test_without_gaussians_there_is_nothing():
    assert splatcodec.synthetic(0).overlap() == (0, 0)


@pytest.mark.parametrize("name", ["chelsea", "coffee"])
def test_a_thousand_gaussians_of_a_photograph_do_not_pile_up(name):
    """640 x 427 pixels and 1000 Gaussians, where unbounded fits grow pairs that cancel each other."""
    picture = np.asarray(Image.fromarray(getattr(data, name)()).resize((640, 427)))
    overlap = splatcodec.fit(picture, n_gaussians=1000, effort=2).overlap()
    assert overlap.peak < 5
    assert overlap.above < 0.03

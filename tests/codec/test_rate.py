"""What a fit knows of the rate."""

from unittest import mock

import numpy as np
import pytest

import splatcodec
from splatcodec.fitting import rate
from splatcodec.fitting.budget import Count, Distortion
from splatcodec.fitting.growth import grow
from splatcodec.fitting.schedule import EFFORTS
from splatcodec.image import load_image
from splatcodec.rd import METRICS, Curve, bd_rate


def curve_of(photo, **options) -> Curve:
    files = [splatcodec.encode(photo, quality=quality, effort=2, **options) for quality in (25, 45, 65)]
    points = [splatcodec.evaluate(photo, file) for file in files]
    unknown = np.full(len(points), np.nan)
    values = dict.fromkeys(METRICS, unknown) | {"psnr": np.array([point.psnr for point in points])}
    return Curve("", np.array([point.bpp for point in points]), values)


def test_the_price_of_amplitudes_saves_bytes(photo):
    with_price = curve_of(photo)
    with mock.patch.object(rate, "_WEIGHT", 0.0):
        without = curve_of(photo)
    assert bd_rate(with_price, without).percent < -2


def test_gaussians_of_a_priced_fit_have_less_energy(photo):
    planes = load_image(photo).planes

    def energy() -> float:
        splats = grow(planes, Count(200), EFFORTS[2])
        return float((splats.scales.prod(axis=1) * (splats.colors**2).sum(axis=1))[1:].sum())

    priced = energy()
    with mock.patch.object(rate, "_WEIGHT", 0.0):
        assert priced < 0.8 * energy()


@pytest.mark.parametrize("kind", [Count, Distortion])
def test_a_fit_is_priced_for_the_d_that_suits_it(photo, kind):
    """The D it reckoned with at the end is about the one that its Gaussians and their error call for."""
    planes = load_image(photo).planes
    reached = ((grow(planes, Count(300), EFFORTS[3]).render() - planes) ** 2).sum()
    budgets = {
        Count: lambda: Count(300),
        Distortion: lambda: Distortion(planes, float(reached), 10_000),
    }
    budget = budgets[kind]()
    splats = grow(planes, budget, EFFORTS[3])
    suited = rate.balanced_d(len(splats), float(((splats.render() - planes) ** 2).sum()))
    assert budget.d == pytest.approx(suited, rel=0.25)


@pytest.mark.parametrize("tune", ["psnr", "ssim"])
def test_more_quality_is_never_worse_nor_smaller(photo, tune):
    files = [splatcodec.encode(photo, quality=quality, effort=1, tune=tune) for quality in range(0, 101, 20)]
    sizes, psnrs = [len(file) for file in files], [splatcodec.evaluate(photo, file).psnr for file in files]
    assert sizes == sorted(sizes)
    assert min(np.diff(psnrs)) > -0.1

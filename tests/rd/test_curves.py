import math

import bjontegaard
import numpy as np
import pytest

from splatcodec.rd import METRICS, Curve, bd_rate
from splatcodec.rd.curves import decibels

# The example of the bjontegaard package, whose "pchip" gives what the JVET's spreadsheet (JVET-T2010) gives.
ANCHOR = ([1358.24, 2486.44, 4593.60, 9487.76], [34.851, 36.845, 38.615, 40.037])
TEST = ([1356.24, 2451.52, 4469.00, 9787.80], [34.987, 36.970, 38.651, 40.121])


def curve(bpp, psnr, name="codec") -> Curve:
    unknown = np.full(len(bpp), np.nan)
    return Curve(name, np.array(bpp), dict.fromkeys(METRICS, unknown) | {"psnr": np.array(psnr)})


def independent(anchor, test) -> float:
    return bjontegaard.bd_rate(*anchor, *test, method="pchip", require_matching_points=False, min_overlap=0)


def test_the_published_example():
    found = bd_rate(curve(*TEST), curve(*ANCHOR))
    assert found.percent == pytest.approx(independent(ANCHOR, TEST), abs=1e-9)
    assert found.percent == pytest.approx(-4.4175, abs=1e-4)
    assert found.overlap == pytest.approx((40.037 - 34.987) / (40.037 - 34.851))


@pytest.mark.parametrize("seed", range(10))
def test_random_curves_agree_with_an_independent_computation(seed):
    rng = np.random.default_rng(seed)
    anchor, test = ((np.sort(rng.uniform(0.05, 2, points)), np.sort(rng.uniform(25, 40, points))) for points in (5, 9))
    assert bd_rate(curve(*test), curve(*anchor)).percent == pytest.approx(independent(anchor, test), abs=1e-6)


def test_half_the_bytes_are_minus_fifty_percent():
    rate = np.array([0.1, 0.3, 0.5, 1.0])
    assert bd_rate(curve(rate / 2, [25, 28, 30, 34]), curve(rate, [25, 28, 30, 34])).percent == pytest.approx(-50)


def test_the_range_is_that_of_the_anchor():
    # Up to 0.4 bpp of the anchor the test takes half, from there on twice the bytes.
    rate, psnr = np.geomspace(0.1, 1.6, 9), np.linspace(24, 40, 9)
    test = curve(np.where(psnr <= 32, rate / 2, rate * 2), psnr)
    anchor = curve(rate, psnr)
    assert bd_rate(test, anchor, bpp_range=(0.1, 0.283)).percent == pytest.approx(-50, abs=0.1)
    assert bd_rate(test, anchor, bpp_range=(0.8, 1.6)).percent == pytest.approx(100, abs=0.1)
    assert bd_rate(test, anchor, bpp_range=(0.2, 0.3)).overlap == pytest.approx(1)


@pytest.mark.parametrize("bpp_range", [(0.1, 0.2), (0.2, 0.4), (0.1, 0.4), (0.05, 0.9)])
def test_a_range_may_end_at_points(bpp_range):
    rate, psnr = np.array([0.1, 0.2, 0.4]), np.array([25.1, 28.3, 31.7])
    found = bd_rate(curve(rate / 2, psnr), curve(rate, psnr), bpp_range=bpp_range)
    assert found.percent == pytest.approx(-50)
    assert found.overlap == pytest.approx(1)


def test_points_that_a_cheaper_one_beats_do_not_count():
    anchor = curve([0.1, 0.2, 0.4], [25, 28, 31])
    test = curve([0.05, 0.1, 0.12, 0.2], [25, 28, 26, 31])
    assert bd_rate(test, anchor).percent == pytest.approx(-50)


def test_lossless_points_do_not_count():
    test = curve([0.05, 0.1, 0.2, 3.0], [25, 28, 31, np.inf])
    assert bd_rate(test, curve([0.1, 0.2, 0.4], [25, 28, 31])).percent == pytest.approx(-50)


@pytest.mark.parametrize("test", [curve([0.1, 0.2], [10, 20]), curve([0.1], [30.0]), curve([], [])])
def test_without_overlap_there_is_no_rate(test):
    found = bd_rate(test, curve([0.1, 0.2], [30, 40]))
    assert math.isnan(found.percent)
    assert found.overlap == 0


def test_decibels():
    np.testing.assert_allclose(decibels(np.array([0.9, 0.99, 1.0])), [10, 20, np.inf])

"""Rate-distortion curves and the Bjontegaard delta between two of them."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.interpolate import PchipInterpolator

METRICS = {
    "psnr": "PSNR (dB)",
    "psnr-y": "luma PSNR (dB)",
    "ssim": "SSIM (dB)",
    "ms-ssim": "MS-SSIM (dB)",
    "ssimulacra2": "SSIMULACRA 2",
}
"""Metrics of curves, with the titles of their axes. Those of structural similarity are in decibels in curves."""


@dataclass(frozen=True)
class Curve:
    """What a codec reaches at K rates, from the lowest to the highest.

    Attributes:
        name: of the codec.
        bpp: [K] rates in bits per pixel.
        values: [K] of each of `METRICS`; NaN where unknown.
    """

    name: str
    bpp: NDArray[np.float64]
    values: dict[str, NDArray[np.float64]]

    def frontier(self, metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rates and values of the points that no cheaper point equals or beats; both rise strictly."""
        known = np.isfinite(self.values[metric])
        bpp, values = self.bpp[known], self.values[metric][known]
        order = np.lexsort((-values, bpp))
        bpp, values = bpp[order], values[order]
        kept = values > np.concatenate([[-np.inf], np.maximum.accumulate(values)])[:-1]
        return bpp[kept], values[kept]


@dataclass(frozen=True)
class BdRate:
    """Difference in rate between two codecs at equal quality.

    Attributes:
        percent: mean difference; below zero where fewer bytes than the anchor's are needed. NaN where there is no
            overlap.
        overlap: part of the anchor's span of quality that both curves cover and that went into `percent`, 0 to 1.
    """

    percent: float
    overlap: float

    def __str__(self) -> str:
        return "none" if math.isnan(self.percent) else f"{self.percent:+.1f} % ({self.overlap:.2f})"


def decibels(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Structural similarity as -10 log10(1 - similarity), so that differences near 1 count as they are seen."""
    with np.errstate(divide="ignore"):
        # Rounding may take float32 above 1.
        return -10 * np.log10(1 - np.minimum(similarity, 1))


def bd_rate(
    test: Curve, anchor: Curve, metric: str = "psnr", bpp_range: tuple[float, float] = (0.0, math.inf)
) -> BdRate:
    """Bjontegaard delta rate (VCEG-M33, 2001) of `test` against `anchor`, by piecewise cubic Hermite interpolation.

    The logarithm of the rate is interpolated as a function of quality through the points on the frontier of each curve,
    and the difference is averaged over the span of quality that both cover.

    Args:
        test: the codec to judge.
        anchor: the codec to compare it to.
        metric: one of `METRICS`.
        bpp_range: only where the anchor's rate lies within, in bits per pixel.

    Returns:
        The difference and the overlap.
    """
    from scipy.interpolate import PchipInterpolator

    rates, lows, highs = [], [], []
    for curve in (anchor, test):
        bpp, values = curve.frontier(metric)
        if len(bpp) < 2:
            return BdRate(math.nan, 0.0)
        rates.append(PchipInterpolator(values, np.log(bpp)))
        lows.append(values[0])
        highs.append(values[-1])
    lows[0], highs[0] = (_quality_at(rates[0], lows[0], highs[0], bpp) for bpp in bpp_range)
    low, high = max(lows), min(highs)
    if not low < high:
        return BdRate(math.nan, 0.0)
    anchors, tests = (float(rate.integrate(low, high)) / (high - low) for rate in rates)
    return BdRate(100 * math.expm1(tests - anchors), float((high - low) / (highs[0] - lows[0])))


def _quality_at(rate: "PchipInterpolator", low: float, high: float, bpp: float) -> float:
    """The quality from `low` to `high` at which a curve reaches a rate, or nearest to it."""
    from scipy.optimize import brentq

    if bpp <= math.exp(rate(low)):
        return low
    if bpp >= math.exp(rate(high)):
        return high
    return float(brentq(lambda quality: rate(quality) - math.log(bpp), low, high))

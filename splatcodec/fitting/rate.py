"""What a fit knows of the rate: the price of a Gaussian, and that of its amplitude.

The error alone makes amplitudes grow that cancel each other, and every octave of amplitude costs bits in all attributes
of a Gaussian: they are stored the more finely, the larger it is. All follows from one number, D: the root of
the squared error, a sum over samples, that rounding is going to cost each attribute, times sqrt(12).
"""

import math

from splatkernels.descent import Penalty

# Squared error in units of D^2 that a Gaussian must be worth.
_PRICE = 2.66
# A fit of N Gaussians and squared error e is quantised best with about D = this * sqrt(e / N).
_BALANCE = 0.6
# Squared error in units of D^2 that an amplitude e times as large must be worth, and shares of it in the scales.
_WEIGHT, _SCALES, _RATIOS = 1.2, 0.35, 0.07


def price(d: float) -> float:
    """Squared error that a Gaussian must be worth, given D."""
    return _PRICE * d**2


def penalty(d: float) -> Penalty:
    """What amplitudes cost, given D."""
    return Penalty(_WEIGHT * d**2, d, _SCALES, _RATIOS)


def balanced_d(n_gaussians: float, squared_error: float) -> float:
    """The D that suits a fit, given its squared error, a sum over samples."""
    return _BALANCE * math.sqrt(max(squared_error, 1e-9) / max(n_gaussians, 1))

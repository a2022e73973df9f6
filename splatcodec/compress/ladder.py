"""The ladder of D, the one number that says how finely Gaussians are stored: notch n stands for D = 4 * 2^(-n / 32).

D is the root of the squared error that a bit is worth, up to a constant: `docs/compression.md` has its place in the
lattice of values, `docs/fitting.md` in the fit.
"""

import math

PER_OCTAVE = 32
LAST = 767
_COARSEST = 4.0
SLOPE = 0.08
"""Lambda in units of D^2: the squared error that a bit is worth, along the curve of best rates and distortions."""


def value(notch: int) -> float:
    """D at a notch."""
    return _COARSEST * 2.0 ** (-notch / PER_OCTAVE)


def nearest(d: float) -> int:
    """The notch nearest to D, in ratio."""
    return min(max(round(PER_OCTAVE * math.log2(_COARSEST / d)), 0), LAST)


def finest(amplitude: float) -> int:
    """The last notch at which D is at least as large as that."""
    return min(LAST, math.floor(PER_OCTAVE * math.log2(_COARSEST / amplitude)))

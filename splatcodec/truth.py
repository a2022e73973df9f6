"""Pictures whose Gaussians are known: what a fit should find."""

from dataclasses import replace

import numpy as np

from splatkernels.gaussians import Gaussians

from .splats import SMALLEST_SCALE, Splats

# Standard deviations, in shorter sides of the picture.
_NARROWEST, _WIDEST = 1 / 40, 1 / 8
# Means keep a tenth of either side away from its ends.
_INNER = 0.8


def synthetic(n: int = 20, height: int = 128, width: int = 128, seed: int = 0) -> Splats:
    """Random Gaussians whose sum lies in [0, 1], so that a picture of it holds all there is to recover.

    Args:
        n: number of Gaussians, >= 0.
        height, width: canvas in pixels.
        seed: equal seeds give equal Gaussians.

    Returns:
        Splats in RGB: means in the inner 80 % of the canvas, scales log-uniform from 1/40 to 1/8 of the shorter side
        but no less than `SMALLEST_SCALE`, any direction, colours positive.

    Raises:
        ValueError: a number is negative, or the canvas has no pixels.
    """
    if n < 0:
        raise ValueError(f"n must be at least 0, got {n}")
    rng = np.random.default_rng(seed)
    shorter = min(height, width)
    means = (0.5 + _INNER * (rng.random((n, 2)) - 0.5)) * (width, height)
    scales = np.maximum(shorter * np.exp(rng.uniform(np.log(_NARROWEST), np.log(_WIDEST), (n, 2))), SMALLEST_SCALE)
    rotations, colors = rng.uniform(0, np.pi, n), rng.uniform(0.2, 1.0, (n, 3))
    gaussians = Gaussians(*(part.astype(np.float32) for part in (means, scales, rotations, colors)))
    truth = Splats(*gaussians, height=height, width=width)
    brightest = float(truth.render().max())
    return truth if brightest <= 1 else replace(truth, colors=truth.colors / np.float32(brightest))

"""Random Gaussians, and the definition of what they show."""

import numpy as np

from splatcodec import Splats

SHAPES = [(100, 100), (427, 640), (31, 8), (1, 9), (7, 1), (1, 1)]
"""Heights and widths of canvases."""


def random_splats(seed: int, n: int, channels: int = 3, height: int = 40, width: int = 56) -> Splats:
    """Gaussians of many sizes and both signs, some with their centres beyond the canvas."""
    rng = np.random.default_rng(seed)
    return Splats(
        rng.uniform(-0.1, 1.1, (n, 2)) * (width, height),
        np.exp(rng.uniform(np.log(0.7), np.log(1 + max(height, width) / 3), (n, 2))),
        rng.uniform(-7, 7, n),
        rng.normal(0, 0.2, (n, channels)),
        height,
        width,
    )


def evaluate(x, y, centers, covariances, colors) -> np.ndarray:
    """sum_i colors_i exp(-0.5 d^T covariances_i^-1 d) at all x [W] and y [H] in float64: [H, W, C], never cut off."""
    image = np.zeros((len(y), len(x), np.shape(colors)[1]))
    for center, covariance, color in zip(centers, covariances, colors, strict=True):
        (xx, xy), (_, yy) = np.linalg.inv(covariance)
        dx, dy = (x - center[0])[None, :], (y - center[1])[:, None]
        image += np.exp(-0.5 * (xx * dx**2 + 2 * xy * dx * dy + yy * dy**2))[:, :, None] * color
    return image


def rotated(scales, angles) -> np.ndarray:
    """Covariances R diag(scales^2) R^T [N, 2, 2], where R turns by the angles from the first axis to the second."""
    cos, sin = np.cos(angles), np.sin(angles)
    turns = np.moveaxis(np.array([[cos, -sin], [sin, cos]]), 2, 0)
    return turns @ (np.square(scales)[:, :, None] * turns.transpose(0, 2, 1))


def shown(splats: Splats) -> np.ndarray:
    """What is rendered, [H, W, C]."""
    return splats.render().transpose(1, 2, 0)


def assert_same(a: Splats, b: Splats) -> None:
    """All attributes are the same, bit by bit."""
    assert (a.height, a.width) == (b.height, b.width)
    for name, x, y in zip(a.gaussians._fields, a.gaussians, b.gaussians, strict=True):
        np.testing.assert_array_equal(x, y, err_msg=name)

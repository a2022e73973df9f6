"""The JSON layout of the teaching notebook that splatcodec grew from: Gaussians on a plane with y up.

The notebook adds up alphas_i exp(-0.5 (p - centers_i)^T Sigma_i^-1 (p - centers_i)) at the points of
linspace(*x_dim, res_x) x linspace(*y_dim, res_y), where y points up, and shows the last row at the top. Sigma_i is
R diag(sigmas_i^2) R^T with the rotation R by thetas_i from +x towards +y. So the first and the last sample lie on the
ends of the plane, where our canvas goes on for half a pixel.
"""

import json
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from splatkernels.geometry import covariances, principal_axes

from ..container import MAX_SIDE
from ..errors import InterchangeError
from ..splats import Splats
from .fields import MAX_ROWS, Fields, Size, canvas
from .formats import Format

_WIDTH = 10.0
"""Of the plane that is written."""
_DEFAULT_DIM = [-_WIDTH / 2, _WIDTH / 2]


class _Axis(NamedTuple):
    """Where pixels lie along x or y of the plane."""

    first: float
    """Of the centre of the first pixel, the leftmost or the topmost."""
    step: float
    """From one pixel to the next; not 0."""

    def pixels(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions on the plane in pixels of the canvas."""
        return (positions - self.first) / self.step + 0.5

    def positions(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """The reverse of `pixels`."""
        return (pixels - 0.5) * self.step + self.first


def write(splats: Splats) -> bytes:
    """The file of some Gaussians: a plane [-5, 5] wide, and as high as square pixels make it."""
    # The single sample of a side of one pixel lies at the beginning of its range, which is empty here.
    step = _WIDTH / (max(splats.width - 1, 0) or max(splats.height - 1, 1))
    right, top = (0.5 * step * (side - 1) for side in (splats.width, splats.height))
    x, y = _Axis(-right, step), _Axis(top, -step)
    means = splats.means.astype(np.float64)
    values = {
        "x_dim": [-right, right],
        "y_dim": [-top, top],
        "res_x": splats.width,
        "res_y": splats.height,
        "N": len(splats),
        "dims": splats.channels,
        "alphas": _rounded(splats.colors),
        "centers": np.stack([x.positions(means[:, 0]), y.positions(means[:, 1])], axis=1).tolist(),
        "sigmas": (splats.scales.astype(np.float64) * step).tolist(),
        "thetas": _rounded(-splats.rotations),
    }
    return (json.dumps(values, allow_nan=False) + "\n").encode()


def read(data: bytes, name: str, size: Size | None) -> Splats:
    """The Gaussians of a file.

    Any plane is read exactly: where its pixels are not square, ellipses are sheared into other ellipses.

    Raises:
        InterchangeError: it is no such file, or the size is another one.
    """
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InterchangeError(f"{name}: not a JSON file: {error}") from None
    if not isinstance(values, dict):
        raise InterchangeError(
            f"{name}: expected an object with the keys of the notebook, got a {type(values).__name__}"
        )
    fields = Fields(values, name)
    width, height = (fields.whole(key, 1, MAX_SIDE) for key in ("res_x", "res_y"))
    channels = fields.whole("dims", 1, 3)
    if channels == 2:
        raise fields.error("dims", "expected 1 or 3, got 2")
    count = fields.whole("N", 0, MAX_ROWS)
    colors = fields.array("alphas", count, channels)
    centers = fields.array("centers", count, 2)
    sigmas = fields.array("sigmas", count, 2, positive=True)
    thetas = fields.array("thetas", count, None)
    with np.errstate(all="ignore"):
        x, y = _axes(fields, width, height)
        means = np.stack([x.pixels(centers[:, 0]), y.pixels(centers[:, 1])], axis=1)
        scales, rotations = _sheared(sigmas, thetas, 1 / x.step, 1 / y.step)
    return fields.splats(means, scales, rotations, colors, canvas(name, (height, width), size))


def _axes(fields: Fields, width: int, height: int) -> tuple[_Axis, _Axis]:
    """Where pixels lie along x and y. The width of a single one changes no sample; it is that of the other side."""
    ranges, steps = [], []
    for key, side in (("x_dim", width), ("y_dim", height)):
        start, end = fields.array(key, 2, None) if key in fields else _DEFAULT_DIM
        step = (end - start) / (side - 1) if side > 1 else None
        if step == 0:
            raise fields.error(key, f"expected two different numbers, got {start:g} twice")
        ranges.append((start, end))
        steps.append(step)
    (left, _), (bottom, top) = ranges
    step_x, step_y = steps[0] or steps[1] or _WIDTH, steps[1] or steps[0] or _WIDTH
    return _Axis(left, step_x), _Axis(top if height > 1 else bottom, -step_y)


def _sheared(
    scales: NDArray[np.float64], rotations: NDArray[np.float64], along_x: float, along_y: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scales and rotations of ellipses whose x and y are multiplied by two factors."""
    if np.isclose(abs(along_x), abs(along_y), rtol=1e-9, atol=0):
        # A similarity keeps axes, and their order.
        return scales * abs(along_x), rotations * np.sign(along_x * along_y)
    xx, xy, yy = covariances(scales, rotations)
    determinants = (scales.prod(axis=1) * along_x * along_y) ** 2
    return principal_axes(xx * along_x**2, xy * along_x * along_y, yy * along_y**2, determinants)


def _rounded(values: NDArray[np.float32]) -> list[object]:
    """Numbers as lists that print with no more digits than single precision needs."""
    return values.astype(np.str_).astype(np.float64).tolist()


FORMAT = Format(write, read)

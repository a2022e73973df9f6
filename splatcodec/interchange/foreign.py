"""The Gaussians of other programs as arrays by name, in the conventions of these programs.

GaussianImage (Zhang et al., ECCV 2024): Xinjie-Q/GaussianImage, `gaussianimage_cholesky.py` and `gaussianimage_rs.py`,
with the rasteriser of XingtongGe/gsplat, `gsplat/cuda/csrc/foward2d.cu`, `forward.cu` and `helpers.cuh`. It adds up
colours times weights as we do, but leaves out weights below 1/255, tiles further than three standard deviations from a
centre, and all but the first 256 Gaussians of a tile.

Image-GS (Zhang et al., SIGGRAPH 2025): NYU-ICL/image-gs, `model.py` and its `gsplat`, which derives from the rasteriser
above and is taken to turn as that does. It normalises the ten largest weights of a pixel unless that is switched off,
which a sum cannot express: then only the attributes come over, and the picture looks different.

Both sample pixel (i, j) at (j, i), where our pixel has its centre at (j + 0.5, i + 0.5), and turn by a positive angle
from +x towards -y.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from splatkernels.geometry import principal_axes

from ..errors import InterchangeError
from ..splats import Splats
from .fields import Fields, Size, canvas, sigmoid

_HALF_PIXEL = 0.5
_CHOLESKY_BOUND = (0.5, 0.0, 0.5)
_SCALING_BOUND = 0.5


def read(fields: Fields, size: Size | None) -> Splats:
    """The Gaussians of another program, which is told by the names of its arrays.

    Args:
        fields: the arrays.
        size: height and width of the canvas in pixels, which no such file holds.

    Raises:
        InterchangeError: the names are those of no program that is known, an array or the size is missing, or an array
            holds something that is no Gaussian.
    """
    for key, convert in _PROGRAMS.items():
        if key in fields:
            return convert(fields, canvas(fields.name, None, size))
    raise InterchangeError(f"{fields.name}: holds no Gaussians: expected one of the keys means, {', '.join(_PROGRAMS)}")


def _gaussian_image(fields: Fields, size: Size) -> Splats:
    height, width = size
    positions = fields.array("_xyz", None, 2)
    count = len(positions)
    means = 0.5 * (np.tanh(positions) + 1) * (width, height) + _HALF_PIXEL
    colors = fields.array("_features_dc", count, 3)
    if "_opacity" in fields:
        colors = colors * fields.array("_opacity", count, 1)
    with np.errstate(all="ignore"):
        if "_cholesky" in fields:
            l11, l21, l22 = (fields.array("_cholesky", count, 3) + _CHOLESKY_BOUND).T
            _check_scales(fields, "_cholesky", np.abs([l11, l22]).min(axis=0))
            scales, rotations = principal_axes(l11**2, l11 * l21, l21**2 + l22**2, (l11 * l22) ** 2)
        else:
            scales = np.abs(fields.array("_scaling", count, 2) + _SCALING_BOUND)
            _check_scales(fields, "_scaling", scales.min(axis=1))
            rotations = -2 * np.pi * sigmoid(fields.array("_rotation", count, 1)[:, 0])
    return fields.splats(means, scales, rotations, colors, size)


def _image_gs(fields: Fields, size: Size) -> Splats:
    height, width = size
    means = fields.array("xy", None, 2) * (width, height) + _HALF_PIXEL
    inverse = np.abs(fields.array("scale", len(means), 2))
    _check_scales(fields, "scale", inverse.min(axis=1))
    rotations = -fields.array("rot", len(means), 1)[:, 0]
    colors = fields.colors("feat", len(means))
    with np.errstate(all="ignore"):
        return fields.splats(means, 1 / inverse, rotations, colors, size)


def _check_scales(fields: Fields, key: str, smallest: NDArray[np.float64]) -> None:
    """Raise an error unless the smaller scales [N] are above 0."""
    if (smallest == 0).any():
        raise fields.error(key, "a scale is 0", int((smallest == 0).argmax()))


_PROGRAMS: dict[str, Callable[[Fields, Size], Splats]] = {"_xyz": _gaussian_image, "xy": _image_gs}
"""What converts the arrays of a program, by the array that tells it."""

KEYS = ("_xyz", "_cholesky", "_scaling", "_rotation", "_features_dc", "_opacity", "xy", "scale", "rot", "feat")
"""All arrays that are read."""

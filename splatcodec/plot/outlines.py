"""Pictures and the ellipses of their Gaussians, on axes whose units are pixels of the canvas."""

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from matplotlib.collections import EllipseCollection
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from ..image import load_pixels, to_uint8
from ..splats import Splats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..image import ImageLike

Measure = Literal["energy", "scale"]
"""What colours show: the energy of a Gaussian, pi s1 s2 |color|^2, or the geometric mean of its scales in pixels."""

COLORMAP = "plasma"
GROUND = "#16161d"
# Lines get thinner, and centres smaller, the more of them there are.
_THICKEST, _THINNEST, _LINE = 1.4, 0.2, 40.0
# Few Gaussians have most of the energy: colours are for the others.
_LOW, _HIGH = 0.05, 0.98
# The first part of the colours is too dark for the ground.
_DARK = 0.25


def measure(splats: Splats, by: Measure) -> NDArray[np.float64]:
    """The energy or the scale [N] of each Gaussian.

    Raises:
        ValueError: `by` is neither.
    """
    if by not in get_args(Measure):
        raise ValueError(f"Gaussians are coloured by {' or '.join(get_args(Measure))}, got {by!r}")
    area = splats.scales.prod(axis=1, dtype=np.float64)
    return np.sqrt(area) if by == "scale" else np.pi * area * (splats.colors.astype(np.float64) ** 2).sum(axis=1)


def limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """What the first and the last colour stand for, given values [N], in logarithmic steps."""
    positive = values[values > 0]
    if len(positive) == 0:
        return 0.1, 1.0
    low, high = np.log(np.quantile(positive, (_LOW, _HIGH)))
    low -= max(high - low, 1.0) * _DARK / (1 - _DARK)
    return float(np.exp(low)), float(np.exp(high))


def outlines(
    splats: Splats,
    ax: "Axes | None" = None,
    *,
    sigmas: float = 1.0,
    by: Measure = "energy",
    centers: bool = True,
) -> "Axes":
    """Draw each Gaussian as an ellipse, the strongest on top.

    Args:
        splats: what to draw.
        ax: where to draw; new axes if None. Those that hold a picture keep it below.
        sigmas: size of the ellipses in standard deviations.
        by: what their colours show.
        centers: whether to mark the means by dots.

    Returns:
        The axes, in pixels of the canvas with y down. Their last collection can be given to `Figure.colorbar`.

    Raises:
        ValueError: `sigmas` is not positive, or `by` is unknown.
    """
    if not sigmas > 0:
        raise ValueError(f"sigmas must be positive, got {sigmas}")
    values = measure(splats, by)
    order = np.argsort(values)
    splats, values = splats.take(order), values[order]
    low, high = limits(values)
    ax = _on_canvas(ax, splats.height, splats.width)
    if not ax.images:
        ax.set_facecolor(GROUND)
    line = float(np.clip(_LINE / np.sqrt(max(len(splats), 1)), _THINNEST, _THICKEST))
    norm = LogNorm(low, high, clip=True)
    values = np.maximum(values, low)
    if centers:
        x, y = splats.means.T
        ax.scatter(x, y, line**2, values, cmap=COLORMAP, norm=norm, linewidths=0)
    widths, heights = 2 * sigmas * splats.scales.T
    ellipses = EllipseCollection(
        widths,
        heights,
        np.degrees(splats.rotations),
        units="xy",
        offsets=splats.means,
        offset_transform=ax.transData,
        facecolors="none",
        linewidths=line,
        array=values,
        cmap=COLORMAP,
        norm=norm,
    )
    ax.add_collection(ellipses, autolim=False)
    return ax


def picture(image: "Splats | ImageLike", ax: "Axes | None" = None) -> "Axes":
    """Show a picture, or what Gaussians add up to, where `outlines` will be at the right place.

    Args:
        image: Splats, or anything `splatcodec.image.load_image` reads.
        ax: where to show it; new axes if None.

    Raises:
        ImageError, OSError: the picture cannot be read.
    """
    pixels = to_uint8(image.render()) if isinstance(image, Splats) else load_pixels(image)
    height, width = pixels.shape[:2]
    ax = _on_canvas(ax, height, width)
    ax.imshow(pixels, extent=(0, width, height, 0), cmap="gray", vmin=0, vmax=255)
    return ax


def _on_canvas(ax: "Axes | None", height: int, width: int) -> "Axes":
    """Axes that show a canvas, in pixels."""
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.subplots(layout="constrained")[1]
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    return ax

"""All there is to see of a file on one sheet."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..files import source_name
from ..image import as_color, load_pixels, to_uint8
from ..metrics import psnr
from ..splats import Splats
from .outlines import Measure, outlines, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..image import ImageLike

_WIDTH, _ROW = 13.0, 3.2
# Inches of the pictures, whatever their aspect.
_LOWEST, _HIGHEST = 2.0, 9.0
_BINS = 60
# Rounder Gaussians have no direction to speak of.
_ROUND = 1.05


def sheet(
    splats: Splats,
    reference: "ImageLike | None" = None,
    figure: "Figure | None" = None,
    *,
    title: str | None = None,
    sigmas: float = 1.0,
    by: Measure = "energy",
) -> "dict[str, Axes]":
    """Draw the picture, its outlines, the error, and how scales, amplitudes and directions are spread.

    Args:
        splats: what to show.
        reference: the original, anything `splatcodec.image.load_image` reads; without it there is no map of the error.
        figure: where to draw, at a size that suits the picture; a new one if None, which is the axes' `figure`.
        title: of the sheet; some facts follow it.
        sigmas, by: as of `outlines`.

    Returns:
        The axes by name: picture, outlines, error (with a reference), scales, amplitudes and directions.

    Raises:
        ImageError: the reference cannot be read, or has another size.
        OSError: its file cannot be read.
        ValueError: as of `outlines`.
    """
    pixels = to_uint8(splats.render())
    original = None if reference is None else load_pixels(reference)
    if original is not None and original.shape[:2] != pixels.shape[:2]:
        height, width = original.shape[:2]
        raise ImageError(
            f"{source_name(reference)}: is {width}x{height} pixels, but the splats' canvas is "
            f"{splats.width}x{splats.height}"
        )
    if figure is None:
        from matplotlib import pyplot

        figure = pyplot.figure(layout="constrained")
    top = ["picture", "outlines"] if original is None else ["picture", "outlines", "error"]
    bottom = ["scales", "amplitudes", "directions"]
    shown = np.clip(_WIDTH / len(top) * splats.height / splats.width, _LOWEST, _HIGHEST)
    figure.set_size_inches(_WIDTH, shown + _ROW)
    layout = [np.repeat(top, 6 // len(top)), np.repeat(bottom, 2)]
    axes: dict[str, Axes] = figure.subplot_mosaic(np.array(layout).tolist(), height_ratios=(shown, _ROW))
    picture(pixels, axes["picture"]).set_title("picture")
    outlines(splats, axes["outlines"], sigmas=sigmas, by=by).set_title("Gaussians")
    figure.colorbar(axes["outlines"].collections[-1], ax=axes["outlines"], label=by)
    facts = f"{splats.width}x{splats.height}, {len(splats)} Gaussians"
    if original is not None:
        if original.ndim != pixels.ndim:
            original, pixels = as_color(original), as_color(pixels)
        facts += f", PSNR {psnr(original, pixels):.2f} dB"
        _error(axes["error"], original, pixels)
    _histograms(axes, splats)
    peak, above = splats.overlap()
    facts += f", amplitudes of up to {peak:.1f} full scales at one pixel, {above:.1%} of the Gaussians above one"
    figure.suptitle(facts if title is None else f"{title}: {facts}", parse_math=False)
    return axes


def _error(ax: "Axes", original: NDArray[np.uint8], pixels: NDArray[np.uint8]) -> None:
    """A map of the absolute error, a mean of the channels."""
    error = np.atleast_3d(np.abs(original.astype(np.float32) - pixels)).mean(axis=2)
    height, width = error.shape
    image = ax.imshow(error, extent=(0, width, height, 0), cmap="inferno", vmin=0, vmax=max(1.0, error.max()))
    ax.set_title("error")
    ax.figure.colorbar(image, ax=ax, label="levels of 255")


def _histograms(axes: "dict[str, Axes]", splats: Splats) -> None:
    scales = splats.scales.astype(np.float64)
    if len(splats):
        bins = np.geomspace(scales.min() * 0.99, scales.max() * 1.01, _BINS).tolist()
        axes["scales"].hist(scales.min(axis=1), bins, histtype="step", label="narrow axis")
        axes["scales"].hist(scales.max(axis=1), bins, histtype="step", label="wide axis")
        axes["scales"].legend()
        for channel, color in enumerate(("tab:red", "tab:green", "tab:blue") if splats.channels == 3 else ("0.3",)):
            axes["amplitudes"].hist(splats.colors[:, channel], _BINS, histtype="step", color=color)
        wide = np.where(scales[:, 0] >= scales[:, 1], splats.rotations, splats.rotations + np.pi / 2)
        directions = np.degrees(wide[scales.max(axis=1) > _ROUND * scales.min(axis=1)]) % 180
        axes["directions"].hist(directions, np.linspace(0, 180, _BINS + 1).tolist())
    axes["scales"].set(xscale="log", xlabel="scale (pixels)", ylabel="Gaussians")
    axes["amplitudes"].set(yscale="log", xlabel="amplitude (full scales)")
    axes["directions"].set(xlabel="direction of the wide axis (degrees, y down)", xlim=(0, 180))
    axes["directions"].set_xticks(range(0, 181, 45))

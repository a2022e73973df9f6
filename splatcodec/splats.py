"""Splats: a picture as 2D Gaussians, the one data structure that travels through the codec."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from splatkernels.gaussians import Gaussians
from splatkernels.geometry import Viewport, check_gaussians, covariances, principal_axes

SMALLEST_SCALE = 0.35
"""Standard deviation in pixels of the narrowest Gaussians that are fitted and stored: a pixel is about as wide."""

# Pixels: beyond any canvas, and finite at any magnification.
_REGION_LIMIT = 1e12
_ZOOM_LIMITS = (1e-6, 1e6)
_SIDE_LIMIT = _REGION_LIMIT * _ZOOM_LIMITS[1]
# For a look at the whole canvas that needs not be exact.
_MOST_PIXELS = 2**22
# Of a band, but for outputs so wide that a few rows have more; a multiple of so many rows renders alike in any band.
_BAND_PIXELS = 2**22
_BAND_ROWS = 64

Region = tuple[float, float, float, float]
"""A rectangle of the canvas: x, y, width, height in pixels."""


class View(TypedDict, total=False):
    """What to show, and how large, as `Splats.render` takes it."""

    height: int | None
    width: int | None
    scale: float | None
    region: Region | None


class Overlap(NamedTuple):
    """How bright Gaussians are, one by one and together."""

    peak: float
    """Sum of their absolute amplitudes in the pixel and the channel where it is largest, in full scales."""
    above: float
    """Share of those with an amplitude above full scale, 0 to 1."""


@dataclass(frozen=True, eq=False)
class Splats:
    """N Gaussians on a canvas of `height` x `width` pixels, whose sum is the picture.

    The picture at a point p is sum_i colors_i * exp(-0.5 (p - means_i)^T Sigma_i^-1 (p - means_i)) with
    Sigma = R diag(scales^2) R^T; samples are clamped to [0, 1] only when pixels are written.

    Attributes:
        means: [N, 2] x, y in pixels; the centre of the top-left pixel is (0.5, 0.5).
        scales: [N, 2] standard deviations in pixels along the principal axes, > 0.
        rotations: [N] radians; the first axis points along (cos, sin) in (x, y), and y points down.
        colors: [N, C] amplitudes, 1.0 is full scale, may be negative; C is 1 for grey, 3 for RGB.
        height, width: canvas in pixels.

    Raises:
        ValueError: a shape does not fit, or a row holds a NaN, an infinity or a scale that is not positive.
    """

    means: NDArray[np.float32]
    scales: NDArray[np.float32]
    rotations: NDArray[np.float32]
    colors: NDArray[np.float32]
    height: int
    width: int

    def __post_init__(self) -> None:
        for name in Gaussians._fields:
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), np.float32))
        check_gaussians(self.means, self.scales, self.rotations, self.colors)
        if self.height < 1 or self.width < 1:
            raise ValueError(f"canvas must be at least 1x1, got {self.width}x{self.height}")

    def __len__(self) -> int:
        return len(self.means)

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> "Splats":
        """The Gaussians of the given rows, on the same canvas."""
        return Splats(*self.gaussians.take(index), height=self.height, width=self.width)

    @property
    def gaussians(self) -> Gaussians:
        """The Gaussians without the canvas."""
        return Gaussians(self.means, self.scales, self.rotations, self.colors)

    @property
    def channels(self) -> int:
        """Number of colour channels."""
        return self.colors.shape[1]

    def output_size(
        self,
        height: int | None = None,
        width: int | None = None,
        *,
        scale: float | None = None,
        region: Region | None = None,
    ) -> tuple[int, int]:
        """Height and width in pixels that `render` gives the same arguments.

        Raises:
            ValueError: the size, the scale or the region is not positive or is too large, or `scale` comes with a size.
        """
        region_width, region_height = region[2:] if region else (self.width, self.height)
        if region and not (np.isfinite(region).all() and 0 < min(region[2:]) <= max(region[2:]) < _REGION_LIMIT):
            raise ValueError(f"region must have a positive width and height below {_REGION_LIMIT:g}, got {region}")
        if scale is not None and (height is not None or width is not None):
            raise ValueError("scale cannot be combined with a height or width")
        for name, value in (("height", height), ("width", width), ("scale", scale)):
            if value is not None and not 0 < value < _SIDE_LIMIT:
                raise ValueError(f"{name} must be positive and below {_SIDE_LIMIT:g}")
        if scale is None:
            scale = 1.0
            if width is not None:
                scale = width / region_width
            elif height is not None:
                scale = height / region_height
        zooms = (
            scale,
            scale if height is None else height / region_height,
            scale if width is None else width / region_width,
        )
        # The shortest side is magnified to a pixel at least.
        for zoom in (min(zooms), max(*zooms, 1 / region_height, 1 / region_width)):
            if not _ZOOM_LIMITS[0] <= zoom <= _ZOOM_LIMITS[1]:
                raise ValueError(
                    f"magnification {zoom:g} is beyond the limits of {_ZOOM_LIMITS[0]:g} to {_ZOOM_LIMITS[1]:g}"
                )
        return (
            max(1, round(region_height * scale)) if height is None else height,
            max(1, round(region_width * scale)) if width is None else width,
        )

    def render(
        self,
        height: int | None = None,
        width: int | None = None,
        *,
        scale: float | None = None,
        region: Region | None = None,
    ) -> NDArray[np.float32]:
        """Rasterise the picture, or a region of it, at any size.

        Args:
            height, width: output size in pixels; one alone keeps the aspect ratio, neither keeps the size.
            scale: output pixels per canvas pixel, instead of a size.
            region: rectangle of the canvas to show, which may reach beyond its edges; the whole canvas if None.

        Returns:
            Image [C, height, width] float32, 1.0 is full scale, not clamped.

        Raises:
            ValueError: as in `output_size`.
        """
        from splatkernels import render

        placed, height, width, viewport = self._placed(height=height, width=width, scale=scale, region=region)
        return render(*placed, height, width, viewport)

    def bands(self, **view: Unpack[View]) -> Iterator[NDArray[np.float32]]:
        """As `render`, but from the top down in bands [C, rows, width]: large outputs need not be in memory as floats.

        Bands depend on the size of the output only. Outputs of up to four million pixels are one band.
        """
        from splatkernels import render

        placed, height, width, viewport = self._placed(**view)
        rows = max(1, _BAND_PIXELS // (width * _BAND_ROWS)) * _BAND_ROWS
        for top in range(0, height, rows):
            y0 = viewport.y0 + top / viewport.scale
            yield render(*placed, min(rows, height - top), width, viewport._replace(y0=y0))

    def _placed(self, **view: Unpack[View]) -> tuple[Gaussians, int, int, Viewport]:
        """What `render` shows: Gaussians, the height and width of the output, and which part of the plane it is."""
        height, width = self.output_size(**view)
        scale = view.get("scale")
        x, y, region_width, region_height = view.get("region") or (0.0, 0.0, float(self.width), float(self.height))
        zoom = width / region_width
        # A size rounded to whole pixels is no reason to change the magnification or to distort the picture.
        if scale is not None and _agree(width, region_width * scale) and _agree(height, region_height * scale):
            zoom = scale
        if _agree(height, region_height * zoom):
            return self.gaussians, height, width, Viewport(x, y, zoom)
        stretch = height / (region_height * zoom)
        return self._stretched(stretch).gaussians, height, width, Viewport(x, y * stretch, zoom)

    def magnified(self, factor: float, height: int, width: int) -> "Splats":
        """The picture on another canvas, so many times as large."""
        return Splats(*self.gaussians.magnified(factor), height=height, width=width)

    def overlap(self) -> Overlap:
        """How much Gaussians pile up: bright ones that cancel each other cost bits, and rounding shows in them.

        Canvases of more than 4 million pixels are looked at at a smaller size.
        """
        if not len(self):
            return Overlap(0.0, 0.0)
        amplitudes = np.abs(self.colors)
        scale = min(1.0, (_MOST_PIXELS / (self.height * self.width)) ** 0.5)
        peak = replace(self, colors=amplitudes).render(scale=scale).max()
        return Overlap(float(peak), float((amplitudes > 1).any(axis=1).mean()))

    def _stretched(self, factor: float) -> "Splats":
        """The picture with its height multiplied by `factor`."""
        xx, xy, yy = covariances(self.scales, self.rotations)
        determinants = self.scales.prod(axis=1, dtype=np.float64) ** 2 * factor**2
        scales, rotations = principal_axes(xx, xy * factor, yy * factor**2, determinants)
        return replace(
            self,
            means=self.means * np.array([1, factor], np.float32),
            scales=scales.astype(np.float32),
            rotations=rotations.astype(np.float32),
            height=max(1, round(self.height * factor)),
        )


def _agree(side: int, exact: float) -> bool:
    """Whether a side in pixels is what it should be, but for rounding."""
    return abs(side / exact - 1) * side <= 1

"""Picture: samples as floats, and what they mean."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metadata import Metadata


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture of `height` x `width` pixels.

    Attributes:
        planes: [C, H, W] float32 samples in [0, 1], of C = 1 for grey or C = 3 for RGB; colours are not multiplied by
            the opacity, and mean nothing where that is 0.
        alpha: [H, W] float32, how opaque each pixel is, from 0 to 1; None if all are.
        depth: bits of the samples that it comes from, 8 or 16.
        metadata: colour space, EXIF and XMP.
    """

    planes: NDArray[np.float32]
    alpha: NDArray[np.float32] | None = None
    depth: int = 8
    metadata: Metadata = field(default_factory=Metadata)

    @classmethod
    def of(cls, samples: NDArray[np.generic], metadata: Metadata | None = None) -> "Picture":
        """The picture of samples [H, W] or [H, W, C], of C = 1 to 4: uint8, uint16, or floats in [0, 1].

        Floats have the depth 16. Alpha that is opaque is left out.
        """
        planes = np.atleast_3d(samples).transpose(2, 0, 1).astype(np.float32)
        if samples.dtype in (np.uint8, np.uint16):
            planes /= np.float32(255 if samples.dtype == np.uint8 else 65535)
        alpha = None
        if len(planes) in (2, 4):
            planes, alpha = planes[:-1], planes[-1]
            if (alpha == 1).all():
                alpha = None
        depth = 8 if samples.dtype == np.uint8 else 16
        return cls(np.ascontiguousarray(planes), alpha, depth, metadata or Metadata())

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.planes.shape[1]

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.planes.shape[2]

    def over(self, background: float | NDArray[np.floating]) -> NDArray[np.float32]:
        """Planes [C, H, W] of the picture laid on a grey from 0 to 1, or on planes that broadcast to its own."""
        if self.alpha is None:
            return self.planes
        return np.asarray(self.planes * self.alpha + background * (1 - self.alpha), np.float32)

    def pixels(self, depth: int = 8) -> NDArray[Any]:
        """Integer samples of 8 or 16 bits: [H, W] of a grey picture, otherwise [H, W, C].

        C is 2 for grey and alpha, 3 for RGB, 4 for RGB and alpha. Pixels that are not seen at all are black.
        """
        if self.alpha is None:
            return to_integers(self.planes, depth)
        alpha = to_integers(self.alpha[None], depth)
        pixels = to_integers(np.concatenate([self.planes, self.alpha[None]]), depth)
        pixels[alpha == 0] = 0
        return pixels


def to_integers(planes: NDArray[np.floating], depth: int = 8) -> NDArray[Any]:
    """Clamp planes [C, H, W] to [0, 1] and round to 8 or 16 bits: [H, W] if C is 1, [H, W, C] otherwise."""
    kind, largest = (np.uint16, 65535) if depth == 16 else (np.uint8, 255)
    pixels = np.empty((*planes.shape[1:], len(planes)), kind)
    for channel, plane in enumerate(planes):
        pixels[:, :, channel] = np.rint(np.clip(plane, 0, 1) * largest)
    return pixels[:, :, 0] if len(planes) == 1 else pixels


def to_uint8(planes: NDArray[np.floating]) -> NDArray[np.uint8]:
    """`to_integers` of 8 bits."""
    return to_integers(planes, 8)


def as_color(pixels: NDArray[Any]) -> NDArray[Any]:
    """Pixels [H, W, 3] of a grey [H, W] or a colour picture [H, W, 3]."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)

"""What a picture carries beside its samples: what their colours mean, and what others have noted."""

from dataclasses import dataclass
from enum import IntEnum

MAX_METADATA = 2**16
"""Bytes that a colour profile, EXIF and XMP may take each, unless more are asked for."""


class ColorSpace(IntEnum):
    """What the colours of samples mean, as files number it."""

    UNSPECIFIED = 0
    """Nobody has said; usually sRGB is meant."""
    SRGB = 1
    DISPLAY_P3 = 2
    ICC = 255
    """What an ICC profile says."""


@dataclass(frozen=True)
class Metadata:
    """What a picture carries beside its samples.

    Attributes:
        color_space: what colours mean.
        icc: the ICC profile, if the colour space is `ICC`; None otherwise.
        exif: EXIF as TIFF, from its byte order mark on; its orientation has been applied.
        xmp: an XMP packet.
    """

    color_space: ColorSpace = ColorSpace.UNSPECIFIED
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None

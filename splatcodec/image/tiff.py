"""Directories of TIFF, and files of 16 bits per sample, which Pillow writes of grey pictures only."""

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.TiffImagePlugin import ImageFileDirectory_v2

_DEFLATE = 8
_DIFFERENCES = 2
_STRAIGHT_ALPHA = 2
_SHORT, _LONG = 3, 4
HEADER = b"II*\0\x08\0\0\0"
"""Of a file whose directory follows."""


def directory(tags: dict[int, Any]) -> ImageFileDirectory_v2:
    """A directory of tags; groups of them are dictionaries."""
    found = ImageFileDirectory_v2(prefix=b"II")
    for tag, value in tags.items():
        found[tag] = value
    return found


def tiff_bytes(pixels: NDArray[np.uint16], tags: dict[int, Any], icc: bytes | None) -> bytes:
    """A TIFF of 16-bit samples [H, W] or [H, W, C], of C = 3 or 4, with further tags and an ICC profile."""
    height, width, channels = pixels.shape if pixels.ndim == 3 else (*pixels.shape, 1)
    samples = pixels.astype("<u2").reshape(height, width, channels)
    samples[:, 1:] -= samples[:, :-1].copy()
    strip = zlib.compress(samples.tobytes(), 6)
    layout: dict[int, int | tuple[int, ...]] = {
        256: width,
        257: height,
        258: (16,) * channels,
        259: _DEFLATE,
        262: 1 if channels == 1 else 2,
        273: 0,
        277: channels,
        278: height,
        279: len(strip),
        284: 1,
        317: _DIFFERENCES,
    }
    if channels == 4:
        layout[338] = _STRAIGHT_ALPHA
    head = directory(tags | layout | ({34675: icc} if icc else {}))
    for tag in layout:
        head.tagtype[tag] = _LONG if tag in (256, 257, 273, 278, 279) else _SHORT
    return HEADER + head.tobytes(len(HEADER)) + strip

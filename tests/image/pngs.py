"""PNG files of every kind, generated: all colour types and depths, interlaced or not, with a transparent colour."""

import struct
import zlib

import numpy as np

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
KINDS = (
    *((GREY, depth) for depth in (1, 2, 4, 8, 16)),
    *((RGB, depth) for depth in (8, 16)),
    *((PALETTE, depth) for depth in (1, 2, 4, 8)),
    *((GREY_ALPHA, depth) for depth in (8, 16)),
    *((RGB_ALPHA, depth) for depth in (8, 16)),
)
"""Colour types and depths that PNG allows."""
# First column and row, and steps, of the seven passes of interlacing.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(tag: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))


def random_samples(kind: int, depth: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Samples [H, W, C] as the file stores them, of all values."""
    rng = np.random.default_rng([kind, depth, height, width, seed])
    return rng.integers(0, 2**depth, (height, width, CHANNELS[kind]), dtype=np.uint16)


def png(samples: np.ndarray, kind: int, depth: int, *, interlaced: bool = False, extra: bytes = b"") -> bytes:
    """A PNG of samples [H, W, C], with further chunks before the pixels."""
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    rows = b"".join(_rows(samples[y::down, x::across], depth) for x, y, across, down in passes)
    return SIGNATURE + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _rows(samples: np.ndarray, depth: int) -> bytes:
    if not samples.size:
        return b""
    if depth == 16:
        packed = samples.astype(">u2").reshape(len(samples), -1).view(np.uint8)
    else:
        bits = np.unpackbits(samples.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :]
        packed = np.packbits(bits.reshape(len(samples), -1), axis=1)
    return np.pad(packed, ((0, 0), (1, 0))).tobytes()


def palette_of(depth: int) -> np.ndarray:
    """Colours [2**depth, 3], all different."""
    count = 2**depth
    return np.stack([np.arange(count), 255 - np.arange(count), np.arange(count) * 7 % 256], axis=1).astype(np.uint8)

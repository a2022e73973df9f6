"""What PNG has beyond Pillow: every checksum, the meaning of colours in code points, and writing 16 bits."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..metadata import ColorSpace, Metadata
from .profiles import compact_profile

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""PNG's numbers by channels."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# First column and row, and steps, of the seven passes of interlaced pictures.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
# Signature and IHDR; other chunks go behind.
_HEAD = 33
_XMP_KEYWORD = b"XML:com.adobe.xmp"


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Tags and bodies of all chunks of a file, up to its end.

    Raises:
        ValueError: the file ends before, or the checksum of a critical chunk does not match.
    """
    position = len(_SIGNATURE)
    tag = b""
    while tag != b"IEND":
        head = png[position : position + 8]
        if len(head) < 8:
            raise ValueError(f"the file ends at byte {len(png)} without an IEND chunk")
        (length,), tag = struct.unpack(">I", head[:4]), head[4:]
        end = position + 12 + length
        if end > len(png):
            raise ValueError(f"the file ends at byte {len(png)}, inside its chunk {tag!r}")
        body = png[position + 8 : end - 4]
        # Ancillary chunks have a lower-case initial.
        if not tag[0] & 32 and zlib.crc32(body, zlib.crc32(tag)) != int.from_bytes(png[end - 4 : end], "big"):
            raise ValueError(f"the checksum of chunk {tag!r} at byte {position} does not match")
        yield tag, body
        position = end


def check(png: bytes) -> None:
    """Look for the faults of a file that Pillow does not see: checksums, an end, and pixels for all of the picture.

    Raises:
        ValueError: it has one.
    """
    missing = 0
    inflate = zlib.decompressobj()
    for tag, body in chunks(png):
        if tag == b"IHDR":
            missing = _size_of_rows(body)
        elif tag == b"IDAT" and missing > 0:
            # In pieces, since a few bytes can stand for gigabytes.
            while body and missing > 0:
                missing -= len(inflate.decompress(body, 1 << 20))
                body = inflate.unconsumed_tail
    if missing > 0:
        raise ValueError(f"{missing} bytes of its pixels are missing")


def _size_of_rows(header: bytes) -> int:
    """Bytes of all rows of a picture, each behind the number of its filter."""
    width, height, depth, color_type, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    bits = depth * _CHANNELS[color_type]
    size = 0
    for x, y, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - x) // across), -(-(height - y) // down)
        if columns > 0:
            size += max(rows, 0) * (1 + (columns * bits + 7) // 8)
    return size


def png_bytes(pixels: NDArray[np.uint16]) -> bytes:
    """A PNG of 16-bit samples [H, W] or [H, W, C], of C = 2 to 4."""
    height, width, channels = pixels.shape if pixels.ndim == 3 else (*pixels.shape, 1)
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOR_TYPES[channels], 0, 0, 0)
    # [H, W, bytes per pixel]
    samples = pixels.astype(">u2").reshape(height, width, channels).view(np.uint8)
    # Half the time of the default level at a few per cent more bytes.
    rows = zlib.compress(_filtered(samples), 4)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
    return _SIGNATURE + body


def with_metadata(png: bytes, metadata: Metadata, channels: int) -> bytes:
    """A PNG of 1 or 3 colour channels that says what its colours mean, with EXIF and XMP."""
    extra = b""
    if metadata.color_space == ColorSpace.SRGB:
        perceptual = b"\0"
        extra += _chunk(b"sRGB", perceptual)
    elif metadata.color_space != ColorSpace.UNSPECIFIED:
        icc = metadata.icc or compact_profile(metadata.color_space, channels)
        extra += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc, 9))
    if metadata.exif:
        extra += _chunk(b"eXIf", metadata.exif)
    if metadata.xmp:
        extra += _chunk(b"iTXt", _XMP_KEYWORD + bytes(5) + metadata.xmp)
    return png[:_HEAD] + extra + png[_HEAD:]


def _chunk(tag: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(tag)))


def _filtered(samples: NDArray[np.uint8]) -> bytes:
    """Rows of [H, W, bytes per pixel], each behind the number of the filter that leaves the smallest differences."""
    height = len(samples)
    left, above, corner = (np.zeros_like(samples) for _ in range(3))
    left[:, 1:] = samples[:, :-1]
    above[1:] = samples[:-1]
    corner[1:, 1:] = samples[:-1, :-1]
    filters = {1: left, 2: above, 4: _paeth(left, above, corner)}
    rows = np.empty((height, 1 + samples[0].size), np.uint8)
    least = np.full(height, np.inf)
    for number, predicted in filters.items():
        differences = (samples - predicted).reshape(height, -1)
        cost = np.abs(differences.view(np.int8).astype(np.int16)).sum(axis=1)
        better = cost < least
        least[better] = cost[better]
        rows[better, 0] = number
        rows[better, 1:] = differences[better]
    return rows.tobytes()


def _paeth(left: NDArray[np.uint8], above: NDArray[np.uint8], corner: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """That of three neighbours which is nearest to left + above - corner (PNG specification, 9.4)."""
    a, b, c = (neighbor.astype(np.int16) for neighbor in (left, above, corner))
    to_left, to_above, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest_above = np.where(to_above <= to_corner, above, corner)
    return np.where((to_left <= to_above) & (to_left <= to_corner), left, nearest_above)

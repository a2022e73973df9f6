"""The .gsi container: a header, and chunks of bytes each under its own checksum. `docs/format.md` is the specification.

All integers are little-endian. A varint is unsigned LEB128: seven bits per byte, lowest first, the top bit set on every
byte but the last, at most five bytes and no longer than needed.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

from .errors import GsiError

MAGIC = b"\x89GSI"
VERSION = 1
MAX_SIDE = 65535
MAX_GAUSSIANS = 2**31 - 1
HEADER_LIMIT = 8 + 3 * 5 + 4
"""Bytes of the longest header."""

_CRC = struct.Struct("<I")


@dataclass(frozen=True)
class Header:
    """What every file says of itself.

    Attributes:
        profile: number of the profile that the attributes are coded in.
        channels: colour channels, 1 for grey or 3 for RGB.
        width, height: canvas in pixels, 1 to 65535.
        n_gaussians: number of Gaussians.
    """

    profile: int
    channels: int
    width: int
    height: int
    n_gaussians: int


@dataclass(frozen=True)
class Chunk:
    """A tagged run of bytes; `offset` is where its payload begins in the file it was read from."""

    tag: str
    payload: bytes
    offset: int = 0


class Reader:
    """Reads integers and runs of bytes in sequence, and names the place of every fault.

    Args:
        data: the bytes to read.
        name: what to call their file in errors.
        offset: position of `data` in that file.
    """

    def __init__(self, data: bytes, name: str, offset: int = 0) -> None:
        self._data = data
        self._name = name
        self._offset = offset
        self.position = 0

    def error(self, field: str, fault: str, position: int | None = None) -> GsiError:
        """An error for a field that starts at `position`, by default the current one."""
        at = self._offset + (self.position if position is None else position)
        return GsiError(f"{self._name}: {field}: {fault} at byte {at}")

    def bytes(self, count: int, field: str) -> bytes:
        """The next `count` bytes."""
        if count > len(self._data) - self.position:
            raise self.error(field, "the file ends too early", len(self._data))
        self.position += count
        return self._data[self.position - count : self.position]

    def byte(self, field: str) -> int:
        """The next byte."""
        return self.bytes(1, field)[0]

    def varint(self, field: str) -> int:
        """The next varint."""
        start = self.position
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte(field)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift > 0:
                    raise self.error(field, "overlong varint", start)
                return value
        raise self.error(field, "varint of more than five bytes", start)

    def checksum(self, start: int, field: str) -> None:
        """Read a CRC-32 and compare it with that of the bytes from `start` up to here."""
        expected = crc32(self._data[start : self.position])
        position = self.position
        if _CRC.unpack(self.bytes(_CRC.size, field))[0] != expected:
            raise self.error(field, "checksum mismatch, the file is damaged", position)

    def end(self, field: str) -> None:
        """Fail unless all bytes have been read."""
        if self.position != len(self._data):
            raise self.error(field, f"{len(self._data) - self.position} unexpected bytes")


def varint(value: int) -> bytes:
    """Encode an unsigned integer below 2^35."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def pack(header: Header, chunks: Sequence[Chunk]) -> bytes:
    """Assemble a file.

    Raises:
        GsiError: the canvas is larger than the format allows, or the picture is neither grey nor RGB.
    """
    if max(header.width, header.height) > MAX_SIDE:
        raise GsiError(f"a canvas of {header.width}x{header.height} is too large: {MAX_SIDE} is the longest side")
    if header.channels not in (1, 3):
        raise GsiError(f"{header.channels} colour channels cannot be stored: 1 or 3 can")
    head = MAGIC + bytes([VERSION, header.profile, header.channels, len(chunks)])
    head += varint(header.width) + varint(header.height) + varint(header.n_gaussians)
    parts = [head, _CRC.pack(crc32(head))]
    for chunk in chunks:
        body = chunk.tag.encode("ascii") + varint(len(chunk.payload)) + chunk.payload
        parts += [body, _CRC.pack(crc32(body))]
    return b"".join(parts)


def read_header(data: bytes, name: str) -> Header:
    """What a file says of itself; its chunks are not looked at, and need not be there.

    Raises:
        GsiError: the header is damaged, truncated, of no .gsi file or of one of a later version.
    """
    return _read_header(data, name)[1]


def unpack(data: bytes, name: str) -> tuple[Header, list[Chunk]]:
    """Take a file apart and verify every checksum.

    Raises:
        GsiError: the file is damaged, truncated, no .gsi file or one of a later version.
    """
    reader, header, count = _read_header(data, name)
    chunks = []
    for _ in range(count):
        start = reader.position
        tag = reader.bytes(4, "chunk tag").decode("latin-1")
        if not (tag.isascii() and tag.isalnum()):
            raise reader.error("chunk tag", "not four letters or digits", start)
        length = reader.varint(f"length of chunk {tag}")
        offset = reader.position
        chunks.append(Chunk(tag, reader.bytes(length, f"chunk {tag}"), offset))
        reader.checksum(start, f"chunk {tag}")
    reader.end("end of file")
    return header, chunks


def _read_header(data: bytes, name: str) -> tuple[Reader, Header, int]:
    """What stands behind the header, the header, and the number of chunks that follow."""
    reader = Reader(data, name)
    if not data:
        raise GsiError(f"{name}: the file is empty")
    if not data.startswith(MAGIC):
        raise GsiError(f"{name}: not a .gsi file (wrong magic at byte 0)")
    reader.bytes(len(MAGIC), "magic")
    version = reader.byte("version")
    if version != VERSION:
        raise GsiError(f"{name}: version {version} is not supported, only version {VERSION} (byte 4)")
    profile = reader.byte("profile")
    channels = reader.byte("channels")
    count = reader.byte("chunk count")
    width = reader.varint("width")
    height = reader.varint("height")
    n_gaussians = reader.varint("Gaussian count")
    reader.checksum(0, "header")
    for field, valid, position in (
        ("channels", channels in (1, 3), 6),
        ("canvas size", 1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE, 8),
        ("Gaussian count", n_gaussians <= MAX_GAUSSIANS, 8),
    ):
        if not valid:
            raise reader.error(field, "value out of range", position)
    return reader, Header(profile, channels, width, height, n_gaussians), count


def check_tags(chunks: Sequence[Chunk], expected: Sequence[str], name: str) -> None:
    """Fail unless a file has just the chunks of its profile.

    Raises:
        GsiError: it has others.
    """
    found = [chunk.tag for chunk in chunks]
    if found != list(expected):
        raise GsiError(f"{name}: chunks: expected {' '.join(expected)}, found {' '.join(found) or 'none'}")

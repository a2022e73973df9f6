"""The .gsi container: a header, and chunks of bytes each under its own checksum. `docs/format.md` is the specification.

All integers are little-endian. A varint is unsigned LEB128: seven bits per byte, lowest first, the top bit set on every
byte but the last, at most five bytes and no longer than needed.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple
from zlib import crc32

from .errors import GsiError
from .metadata import ColorSpace

MAGIC = b"\x89GSI"
MAJOR, MINOR = 1, 0
"""Version of the format: files of another major version are refused, of any minor version read."""
MAX_SIDE = 65535
MAX_GAUSSIANS = 2**31 - 1
HEADER_SIZE = 23
DEPTHS = (8, 16)
ALPHA = "ALPH"
"""Tag of the chunk that begins the layer of the opacity."""
ICC, EXIF, XMP = "iccp", "exif", "xmpp"
"""Tags of ancillary chunks."""

_FIELDS = struct.Struct("<4sBBBBHHIBBB")
_CRC = struct.Struct("<I")
_COLOR_SPACES = {int(space) for space in ColorSpace}


class Layer(NamedTuple):
    """N Gaussians that share a canvas, as a file counts them: the colours of a picture, or its opacity."""

    channels: int
    """1 or 3."""
    width: int
    height: int
    n_gaussians: int


@dataclass(frozen=True)
class Header:
    """What every file says of itself.

    Attributes:
        profile: number of the profile that the attributes are coded in.
        channels: of the picture: 1 grey, 2 grey and opacity, 3 RGB, 4 RGB and opacity.
        width, height: canvas in pixels, 1 to 65535.
        n_gaussians: number of Gaussians that make its colours.
        depth: bits of the samples that were encoded, 8 or 16.
        color_space: what colours mean.
        minor: version of the format, behind the point.
    """

    profile: int
    channels: int
    width: int
    height: int
    n_gaussians: int
    depth: int = 8
    color_space: ColorSpace = ColorSpace.UNSPECIFIED
    minor: int = MINOR

    @property
    def has_alpha(self) -> bool:
        """Whether parts of the picture are translucent."""
        return self.channels in (2, 4)

    @property
    def colors(self) -> Layer:
        """The Gaussians that make the colours."""
        return Layer(self.channels - self.has_alpha, self.width, self.height, self.n_gaussians)


@dataclass(frozen=True)
class Chunk:
    """A tagged run of bytes; `offset` is where its payload begins in the file it was read from."""

    tag: str
    payload: bytes
    offset: int = 0

    @property
    def is_critical(self) -> bool:
        """Whether a reader that does not know it must refuse the file: its first letter is a capital."""
        return self.tag[0].isupper()

    @property
    def end(self) -> int:
        """Where the next chunk begins in the file."""
        return self.offset + len(self.payload) + _CRC.size


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

    def checksum(self, start: int, field: str) -> GsiError | None:
        """Read a CRC-32; an error, to be raised, if it is not that of the bytes from `start` up to here."""
        expected = crc32(self._data[start : self.position])
        position = self.position
        if _CRC.unpack(self.bytes(_CRC.size, field))[0] == expected:
            return None
        return self.error(field, "checksum mismatch, the file is damaged", position)

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
        GsiError: the canvas is larger than the format allows, or there are more Gaussians or chunks.
    """
    if max(header.width, header.height) > MAX_SIDE:
        raise GsiError(f"a canvas of {header.width}x{header.height} is too large: {MAX_SIDE} is the longest side")
    if header.channels not in (1, 2, 3, 4):
        raise GsiError(f"{header.channels} channels cannot be stored: 1 to 4 can")
    if header.n_gaussians > MAX_GAUSSIANS:
        raise GsiError(f"{header.n_gaussians} Gaussians are too many: a file holds {MAX_GAUSSIANS}")
    if len(chunks) > 255:
        raise GsiError(f"{len(chunks)} chunks are too many: a file holds 255")
    head = _FIELDS.pack(
        MAGIC,
        MAJOR,
        header.minor,
        header.profile,
        header.channels,
        header.width,
        header.height,
        header.n_gaussians,
        header.depth,
        header.color_space,
        len(chunks),
    )
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
    return _read_header(data, name)[0]


def unpack(data: bytes, name: str) -> tuple[Header, list[Chunk]]:
    """Take a file apart and verify every checksum.

    Raises:
        GsiError: the file is damaged, truncated, no .gsi file or one of a later version.
    """
    return read_header(data, name), list(read_chunks(data, name))


def read_chunks(data: bytes, name: str) -> Iterator[Chunk]:
    """The chunks of a file in turn, each after its checksum has been verified, so that what precedes damage is seen.

    Raises:
        GsiError: the file is damaged from here on.
    """
    for chunk, fault in scan_chunks(data, name):
        if fault is not None:
            raise fault
        yield chunk


def scan_chunks(data: bytes, name: str) -> Iterator[tuple[Chunk, GsiError | None]]:
    """The chunks of a file in turn, each with what is wrong with it, so that what follows damage is seen too.

    What can be wrong with a chunk is its checksum, or that the file ends within it, in which case it is the last one.

    Raises:
        GsiError: the header is damaged, or there is no chunk where one should be, or something behind the last.
    """
    _, count = _read_header(data, name)
    reader = Reader(data, name)
    reader.bytes(HEADER_SIZE, "header")
    for _ in range(count):
        start = reader.position
        tag = reader.bytes(4, "chunk tag").decode("latin-1")
        if not (tag.isascii() and tag.isalnum() and tag[0].isalpha()):
            raise reader.error("chunk tag", "not a letter and three letters or digits", start)
        length = reader.varint(f"length of chunk {tag}")
        offset = reader.position
        chunk = Chunk(tag, data[offset : offset + length], offset)
        try:
            reader.bytes(length, f"chunk {tag}")
            fault = reader.checksum(start, f"chunk {tag}")
        except GsiError as error:
            yield chunk, error
            return
        yield chunk, fault
    reader.end("end of file")


def _read_header(data: bytes, name: str) -> tuple[Header, int]:
    """The header, and the number of chunks that follow; nothing but magic and major version is believed unverified."""
    reader = Reader(data, name)
    if not data:
        raise GsiError(f"{name}: the file is empty")
    if not data.startswith(MAGIC):
        raise GsiError(f"{name}: not a .gsi file (wrong magic at byte 0)")
    reader.bytes(len(MAGIC), "magic")
    major = reader.byte("version")
    if major != MAJOR:
        raise GsiError(f"{name}: version {major} is not supported, only version {MAJOR} (byte 4)")
    reader.bytes(_FIELDS.size - reader.position, "header")
    if (fault := reader.checksum(0, "header")) is not None:
        raise fault
    _, _, minor, profile, channels, width, height, n_gaussians, depth, color_space, count = _FIELDS.unpack_from(data)
    for field, valid, position in (
        ("channels", 1 <= channels <= 4, 7),
        ("width", width > 0, 8),
        ("height", height > 0, 10),
        ("Gaussian count", n_gaussians <= MAX_GAUSSIANS, 12),
        ("depth", depth in DEPTHS, 16),
        ("color space", color_space in _COLOR_SPACES, 17),
    ):
        if not valid:
            raise reader.error(field, "value out of range", position)
    space = ColorSpace(color_space)
    return Header(profile, channels, width, height, n_gaussians, depth, space, minor), count


def check_tags(chunks: Sequence[Chunk], expected: Sequence[str], name: str) -> None:
    """Fail unless a layer has just the chunks of its profile.

    Raises:
        GsiError: it has others.
    """
    for chunk in chunks:
        if chunk.tag not in expected:
            fault = "is critical, and not known for this profile"
            raise GsiError(f"{name}: chunk {chunk.tag} {fault} at byte {chunk.offset}")
    found = [chunk.tag for chunk in chunks]
    if found != list(expected):
        alike = sum(1 for _ in takewhile(bool, map(str.__eq__, found, expected)))
        at = [*(chunk.offset for chunk in chunks), chunks[-1].end if chunks else HEADER_SIZE][alike]
        # A file may have hundreds.
        shown = " ".join([*found[: len(expected) + 1], *["..."] * (len(found) > len(expected) + 1)]) or "none"
        raise GsiError(f"{name}: chunks: expected {' '.join(expected)}, found {shown} at byte {at}")

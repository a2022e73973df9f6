"""Tar files as WebDataset has them: which members are pictures, and headers for what takes their place.

A member belongs to the sample whose key is its name up to the first dot of the base name; the rest says what it is.
"""

import copy
import os
import tarfile
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import BinaryIO, NamedTuple, Self

PICTURES = ("avif", "bmp", "gif", "jp2", "jpeg", "jpg", "pbm", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp")
"""What members are called that hold pictures, unless one says otherwise."""

# Names that are no UTF-8 come back as they were.
_NAMES = {"encoding": "utf-8", "errors": "surrogateescape"}
# Where a header tells its format.
_MAGIC = slice(257, 265)
# What files begin with that gzip, bzip2, xz and zstd write.
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")
_LONGEST = max(map(len, _COMPRESSED))
# What a header says of itself, and is to be said anew.
_OWN = ("path", "size", "hdrcharset")


class _Info(tarfile.TarInfo):
    """An entry that remembers which format its header is in."""

    __slots__ = ("is_gnu",)
    is_gnu: bool

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        info = super().frombuf(buf, encoding, errors)
        info.is_gnu = buf[_MAGIC] == tarfile.GNU_MAGIC
        return info


class Member(NamedTuple):
    """A regular file in a tar file."""

    name: str
    begin: int
    """First byte of its headers."""
    data: int
    """First byte of its content."""
    size: int
    """Bytes of its content."""
    info: _Info

    @property
    def key(self) -> str:
        """That of its sample."""
        return _parts(self.name)[0]

    @property
    def end(self) -> int:
        """The byte after its last block."""
        return self.data + -(-self.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def members(file: BinaryIO, name: str) -> list[Member]:
    """The regular files of a tar file, in order; no sparse ones, whose content is not in one piece.

    Args:
        file: opened for reading at its beginning.
        name: what to call it in errors.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, compressed or no tar file.
    """
    found = []
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:", tarinfo=_Info, **_NAMES) as tar:  # type: ignore[call-overload]  # options by name
            for info in tar:
                is_long = info.isreg() and not info.issparse() and info.size > length
                if info.size < 0 or is_long:
                    raise ValueError(f"{name}: damaged: the size of {info.name} is {info.size}")
                if info.isreg() and not info.issparse():
                    found.append(Member(info.name, info.offset, info.offset_data, info.size, info))
            at = tar.offset
    except tarfile.TarError as error:
        # Only now: the name that a tar file begins with may look so.
        file.seek(0)
        if file.read(_LONGEST).startswith(_COMPRESSED):
            raise ValueError(f"{name}: is compressed; unpack it to a plain tar file") from error
        raise ValueError(f"{name}: no tar file, or damaged: {error}") from error
    # To Python's tarfile, a header that is damaged ends the file.
    file.seek(at)
    if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise ValueError(f"{name}: damaged header at byte {at}")
    return found


def is_of(extensions: Collection[str]) -> Callable[[str], bool]:
    """Whether a member, by its name, has one of some extensions, such as `jpg` or `left.jpg`, and a key."""
    endings = tuple(f".{extension.lower()}" for extension in extensions)

    def meant(name: str) -> bool:
        key, extension = _parts(name)
        return bool(key) and not key.endswith("/") and f".{extension.lower()}".endswith(endings)

    return meant


def renamed(names: Sequence[str], is_picture: Callable[[str], bool]) -> dict[str, str]:
    """What pictures are called as .gsi files: `0001.left.jpg` becomes `0001.left.gsi`.

    Where two would become the same, or one that there is already, each keeps its extension: `0001.jpg.gsi`.

    Args:
        names: of all members.
        is_picture: which of them are pictures.

    Returns:
        New names by old ones, no two of them alike.
    """
    pictures = list(dict.fromkeys(name for name in names if is_picture(name)))
    short = {name: f"{name.rpartition('.')[0]}.gsi" for name in pictures}
    wanted = Counter(short.values())
    taken = set(names) - set(pictures)
    found = {}
    for name in pictures:
        new = short[name] if wanted[short[name]] == 1 else f"{name}.gsi"
        while new in taken:
            new += ".gsi"
        taken.add(new)
        found[name] = new
    return found


def header(member: Member, name: str, size: int) -> bytes:
    """The header of a file that takes the place of a member: time, owner and mode are those of the member.

    Args:
        member: what is replaced.
        name, size: of the file.
    """
    info = copy.copy(member.info)
    info.name, info.size = name, size
    info.pax_headers = {key: value for key, value in info.pax_headers.items() if key not in _OWN}
    is_gnu = info.is_gnu and not info.pax_headers
    return info.tobuf(tarfile.GNU_FORMAT if is_gnu else tarfile.PAX_FORMAT, **_NAMES)


def padding(size: int) -> bytes:
    """What follows so many bytes of a member, up to the next block."""
    return bytes(-size % tarfile.BLOCKSIZE)


def _parts(name: str) -> tuple[str, str]:
    """The key of a member, and its extension, which may have dots."""
    folder, slash, base = name.rpartition("/")
    stem, _, extension = base.partition(".")
    return folder + slash + stem, extension

"""What picture files carry beside samples: colour profiles and code points, EXIF and XMP."""

import re
import struct
import warnings
from contextlib import suppress
from dataclasses import replace
from typing import Any

from PIL import Image

from ..errors import ImageError
from ..metadata import ColorSpace, Metadata
from .png import chunks
from .profiles import CONVERTED_MODES, ProfileError, space_of

EXIF_PREFIX = b"Exif\0\0"
_ORIENTATION = 0x0112
_XMP_ORIENTATION = re.compile(rb"""(tiff:Orientation(?:\s*=\s*["']|>)\s*)[2-8]""")
_XMP_PADDING = re.compile(rb"\s+(?=<\?xpacket end=)")
_GROUPS = {34665, 34853}
"""Of EXIF and of GPS."""
_DESCRIPTIVE = {270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 33432} | _GROUPS
"""Tags that say who made what when, and how large it is printed."""

# Code points for coding-independent description of colours (ITU-T H.273): primaries and transfer function.
_SPACES = {(1, 13): ColorSpace.SRGB, (12, 13): ColorSpace.DISPLAY_P3}
_HDR = {16: "PQ", 18: "HLG"}


def read_metadata(image: Image.Image, content: bytes | None, name: str, channels: int, limit: int) -> Metadata:
    """What a loaded image carries beside its samples.

    Args:
        image: from a file.
        content: that file, if it is at hand.
        name: what to call it in messages.
        channels: of its colours, 1 or 3.
        limit: bytes that a colour profile, EXIF and XMP may take each; EXIF and XMP beyond are left out with a warning.

    Raises:
        ImageError: the colour profile is larger.
    """
    space, icc = _read_color(image, content, name, channels)
    return limited(Metadata(space, icc, _read_exif(image, name), _read_xmp(image)), name, limit)


def limited(metadata: Metadata, name: str, limit: int) -> Metadata:
    """Metadata without EXIF and XMP of more bytes than a limit, of which a warning tells.

    Raises:
        ImageError: the colour profile is larger.
    """
    if metadata.icc and len(metadata.icc) > limit:
        raise ImageError(
            f"{name}: its colour profile of {len(metadata.icc)} bytes is larger than the {limit} allowed; "
            f"allow more with --max-metadata, or leave it out with --strip, which changes colours"
        )
    exif, xmp = _within(metadata.exif, "EXIF", name, limit), _within(metadata.xmp, "XMP", name, limit)
    return replace(metadata, exif=exif, xmp=xmp)


def _within(found: bytes | None, what: str, name: str, limit: int) -> bytes | None:
    if found and len(found) > limit:
        _warn(f"{name}: its {what} of {len(found)} bytes is left out; --max-metadata allows more than {limit}")
        return None
    return found


def refuse_hdr(image: Image.Image, content: bytes | None, name: str) -> None:
    """Raise an ImageError if samples are brighter than white by their transfer function."""
    transfer = _code_points(image, content)[1]
    if transfer in _HDR:
        raise ImageError(f"{name}: is HDR ({_HDR[transfer]}), which is not supported; map it to SDR first")


def _read_color(image: Image.Image, content: bytes | None, name: str, channels: int) -> tuple[ColorSpace, bytes | None]:
    coded = _SPACES.get(_code_points(image, content), ColorSpace.UNSPECIFIED)
    # In PNG, code points come before profiles; in AVIF after, where encoders write them unasked.
    if coded and image.format == "PNG":
        return coded, None
    if image.mode in CONVERTED_MODES:
        return ColorSpace.SRGB, None
    icc = image.info.get("icc_profile")
    if not icc:
        return (ColorSpace.SRGB if "srgb" in image.info else coded), None
    try:
        space = space_of(bytes(icc), channels)
    except ProfileError as error:
        _warn(f"{name}: its colour profile {error}; it is left out")
        return coded, None
    return space, (bytes(icc) if space == ColorSpace.ICC else None)


def _code_points(image: Image.Image, content: bytes | None) -> tuple[int, int]:
    """Numbers of primaries and transfer function; zeros if the file has none."""
    if content and image.format == "PNG":
        for tag, body in chunks(content):
            if tag == b"cICP" and len(body) == 4:
                return body[0], body[1]
            if tag == b"IDAT":
                break
    elif content and image.format == "AVIF":
        place = content.find(b"colrnclx")
        if 0 <= place <= len(content) - 12:
            return struct.unpack_from(">HH", content, place + 8)
    return 0, 0


def _read_exif(image: Image.Image, name: str) -> bytes | None:
    """EXIF as TIFF whose orientation says that the picture is upright."""
    exif = image.info.get("exif")
    with suppress(ValueError):
        if not exif and "Raw profile type exif" in image.info:
            # As ImageMagick writes it into PNG: a name, the length, hexadecimal digits.
            exif = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
    if not exif and image.format == "TIFF":
        from .tiff import HEADER, directory

        tags = descriptive(image.getexif())
        exif = HEADER + directory(tags).tobytes(len(HEADER)) if tags else None
    if not exif:
        return None
    try:
        return _upright(bytes(exif).removeprefix(EXIF_PREFIX))
    except (KeyError, struct.error):
        _warn(f"{name}: its EXIF is damaged and left out")
        return None


def descriptive(exif: Image.Exif) -> dict[int, Any]:
    """Those tags of EXIF or of a TIFF file that describe the picture, not how it is stored; groups as dictionaries.

    Tags of a type that they should not have are left out.
    """
    from .tiff import directory

    found = {}
    for tag in sorted(_DESCRIPTIVE & set(exif)):
        with suppress(AttributeError, OverflowError, SyntaxError, TypeError, ValueError, struct.error):
            value = exif.get_ifd(tag) if tag in _GROUPS else exif[tag]
            directory({tag: value}).tobytes()
            found[tag] = value
    return found


def _upright(exif: bytes) -> bytes | None:
    """EXIF with its orientation undone; None if it says nothing else."""
    order = {b"II": "<", b"MM": ">"}[exif[:2]]
    (directory,) = struct.unpack_from(order + "I", exif, 4)
    (count,) = struct.unpack_from(order + "H", exif, directory)
    upright = bytearray(exif)
    tags = []
    for place in range(directory + 2, directory + 2 + 12 * count, 12):
        (tag, *_) = struct.unpack_from(order + "HHII", exif, place)
        tags.append(tag)
        if tag == _ORIENTATION:
            short, normal = 3, 1
            struct.pack_into(order + "HIHH", upright, place + 2, short, 1, normal, 0)
    return bytes(upright) if set(tags) - {_ORIENTATION} else None


def _read_xmp(image: Image.Image) -> bytes | None:
    """An XMP packet without its padding, whose orientation says that the picture is upright."""
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if not xmp:
        return None
    xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    xmp = _XMP_PADDING.sub(b"\n", xmp.rstrip(b"\0 \r\n\t"))
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp) or None


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=2)

"""Pictures to files in other formats."""

import os
from io import BytesIO
from typing import Any, BinaryIO

from PIL import Image

from ..errors import ImageError
from .picture import Picture
from .pillow import PILLOW_ERRORS

_LOSSY: dict[str, dict[str, Any]] = {"JPEG": {"subsampling": 0}, "WEBP": {}, "AVIF": {"subsampling": "4:4:4"}}
"""Formats with a quality, and what else keeps their losses small."""
_DEFAULT_QUALITY = 95


def output_format(path: str) -> str:
    """Pillow's name of the format that a path's extension asks for; PNG for standard output.

    Raises:
        ImageError: the extension is not one that Pillow can write.
    """
    if path == "-":
        return "PNG"
    extension = os.path.splitext(path)[1].lower()
    name = Image.registered_extensions().get(extension)
    if name not in Image.SAVE:
        raise ImageError(f"{path}: cannot write images with the extension {extension!r}; use .png, for example")
    return name


def image_bytes(picture: Picture, format_name: str, quality: float | None = None, depth: int = 8) -> bytes:
    """A picture as a file in one of Pillow's formats.

    Args:
        picture: what to write.
        format_name: as of `output_format`.
        quality: 0 to 100, of formats that lose something; 95 if None.
        depth: bits per sample, 8 or 16.

    Raises:
        ImageError: the format cannot hold the picture, or has no quality.
    """
    if depth != 8:
        raise ImageError(f"cannot write samples of {depth} bits as {format_name}")
    options: dict[str, Any] = {}
    if format_name in _LOSSY:
        options = {"quality": round(_DEFAULT_QUALITY if quality is None else quality)} | _LOSSY[format_name]
    elif quality is not None:
        raise ImageError(f"{format_name} has no quality to choose; {', '.join(_LOSSY)} have")
    elif format_name == "PNG":
        # Half the time of Pillow's default level at 5 % more bytes.
        options = {"compress_level": 4}
    file = BytesIO()
    try:
        Image.fromarray(picture.pixels()).save(file, format_name, **options)
        size = _written_size(file, format_name)
    except PILLOW_ERRORS as error:
        raise ImageError(f"cannot write the picture as {format_name}: {error}") from None
    # Icons are made smaller to fit into their format.
    if size not in (None, (picture.width, picture.height)):
        raise ImageError(f"{format_name} cannot hold a picture of {picture.width}x{picture.height} pixels")
    return file.getvalue()


def _written_size(file: BinaryIO, format_name: str) -> tuple[int, int] | None:
    """Width and height of a picture in a file, if Pillow can read its format."""
    if format_name not in Image.OPEN:
        return None
    file.seek(0)
    with Image.open(file, formats=[format_name]) as written:
        return written.size

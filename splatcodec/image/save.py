"""Pictures to files in other formats, with their depth and metadata."""

import os
import warnings
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import ImageError
from ..metadata import ColorSpace, Metadata
from .embedded import EXIF_PREFIX, descriptive
from .picture import Picture
from .pillow import PILLOW_ERRORS
from .png import png_bytes, with_metadata
from .profiles import profile_bytes

_LOSSY: dict[str, dict[str, Any]] = {"JPEG": {"subsampling": 0}, "WEBP": {}, "AVIF": {"subsampling": "4:4:4"}}
"""Formats with a quality, and what else keeps their losses small."""
_DEFAULT_QUALITY = 95
_WITH_PROFILE = ("PNG", "TIFF", *_LOSSY)
_DEEP = ("PNG", "TIFF")
_NO_ALPHA = "{} holds no transparency; write PNG, for example, or lay the picture on a colour"
_XMP_TAG = 700
# Bytes of a JPEG marker, without those that say what follows.
_MOST_EXIF_IN_JPEG = 65533 - len(EXIF_PREFIX)
_MOST_XMP_IN_JPEG = 65533 - len(b"http://ns.adobe.com/xap/1.0/\0")


def output_format(path: str) -> str:
    """Pillow's name of the format that a path's extension asks for; PNG for standard output.

    Raises:
        ImageError: the extension is not one that Pillow can write.
    """
    if path == "-":
        return "PNG"
    extension = os.path.splitext(path)[1].lower()
    # The usual formats first: importing all takes as long as rasterising.
    Image.preinit()
    name = Image.EXTENSION.get(extension) or Image.registered_extensions().get(extension)
    if name not in Image.SAVE:
        raise ImageError(f"{path}: cannot write images with the extension {extension!r}; use .png, for example")
    return name


def image_bytes(picture: Picture, format_name: str, quality: float | None = None, depth: int = 8) -> bytes:
    """A picture as a file in one of Pillow's formats, of 8 or 16 bits per sample; otherwise as `samples_bytes`."""
    return samples_bytes(picture.pixels(depth), picture.metadata, format_name, quality)


def samples_bytes(pixels: NDArray[Any], metadata: Metadata, format_name: str, quality: float | None = None) -> bytes:
    """Samples as a file in one of Pillow's formats.

    Colour profile, EXIF and XMP go into PNG, TIFF, JPEG, WebP and AVIF. A warning says which colours other formats
    will not explain.

    Args:
        pixels: as of `Picture.pixels`; of 16 bits in PNG and TIFF only.
        metadata: what belongs to them.
        format_name: as of `output_format`.
        quality: 0 to 100, of formats that lose something; 95 if None.

    Raises:
        ImageError: the format cannot hold the picture, or has no quality.
    """
    depth, has_alpha = 8 * pixels.itemsize, pixels.shape[2:] in ((2,), (4,))
    if depth == 16 and format_name not in _DEEP:
        raise ImageError(f"{format_name} holds 8 bits per sample; write 16 bits as {' or '.join(_DEEP)}")
    if has_alpha and format_name == "JPEG":
        raise ImageError(_NO_ALPHA.format(format_name))
    if quality is not None and format_name not in _LOSSY:
        raise ImageError(f"{format_name} has no quality to choose; {', '.join(_LOSSY)} have")
    if pixels.shape[2:] == (2,) and not _holds_grey_alpha(format_name, depth):
        pixels = pixels[:, :, (0, 0, 0, 1)]
    try:
        content = _written(pixels, metadata, format_name, quality)
        if format_name in Image.OPEN and format_name not in _WITH_PROFILE:
            _compare(pixels, has_alpha, content, format_name)
    except PILLOW_ERRORS as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"cannot write the picture as {format_name}: {error}") from None
    space = metadata.color_space
    if format_name not in _WITH_PROFILE and space in (ColorSpace.DISPLAY_P3, ColorSpace.ICC):
        what = "Display P3" if space == ColorSpace.DISPLAY_P3 else "a colour profile"
        warnings.warn(f"{format_name} cannot say that colours follow {what}; they will look different", stacklevel=2)
    return content


def _holds_grey_alpha(format_name: str, depth: int) -> bool:
    # Pillow does not read TIFF of grey and alpha of 16 bits.
    return format_name in ("PNG", "JPEG2000", "TGA") or (format_name == "TIFF" and depth == 8)


def _written(pixels: NDArray[Any], metadata: Metadata, format_name: str, quality: float | None) -> bytes:
    # WebP and AVIF become RGB.
    is_grey = (pixels.ndim == 2 or pixels.shape[2] == 2) and format_name not in ("WEBP", "AVIF")
    metadata = _fitting(metadata, 1 if is_grey else 3, format_name)
    icc = profile_bytes(metadata, 1 if is_grey else 3)
    options: dict[str, Any] = {}
    if format_name == "PNG":
        # A quarter of the time of the default level of Pillow at 7 % more bytes.
        content = png_bytes(pixels) if pixels.dtype == np.uint16 else _saved(pixels, "PNG", {"compress_level": 2})
        return with_metadata(content, metadata, 1 if is_grey else 3)
    if format_name == "TIFF":
        tags = _tags(metadata)
        if pixels.dtype == np.uint16:
            from .tiff import tiff_bytes

            return tiff_bytes(pixels, tags, icc)
        options = {"tiffinfo": tags, "icc_profile": icc}
    elif format_name in _LOSSY:
        options = {"quality": round(_DEFAULT_QUALITY if quality is None else quality), "icc_profile": icc}
        options |= _LOSSY[format_name] | _exif_and_xmp(metadata, format_name)
    return _saved(pixels, format_name, options)


def _fitting(metadata: Metadata, channels: int, format_name: str) -> Metadata:
    """Metadata without what is of no use: damaged EXIF, an ICC profile of grey for RGB or the other way round."""
    if metadata.exif and not _is_sound(metadata.exif, format_name):
        warnings.warn("the EXIF is damaged and left out", stacklevel=4)
        metadata = replace(metadata, exif=None)
    if metadata.icc and (metadata.icc[16:20] == b"GRAY") != (channels == 1):
        warnings.warn(
            f"the colour profile is not for the samples that {format_name} holds; it is left out", stacklevel=4
        )
        metadata = replace(metadata, color_space=ColorSpace.UNSPECIFIED, icc=None)
    return metadata


def _is_sound(exif: bytes, format_name: str) -> bool:
    """Whether EXIF can be written: into TIFF and AVIF, Pillow puts it together anew."""
    if exif[:4] not in (b"II*\0", b"MM\0*"):
        return False
    found = Image.Exif()
    try:
        if format_name in ("TIFF", "AVIF"):
            found.load(EXIF_PREFIX + exif)
        if format_name == "AVIF":
            found.tobytes()
    except (AttributeError, TypeError, *PILLOW_ERRORS):
        return False
    return True


def _saved(pixels: NDArray[Any], format_name: str, options: dict[str, Any]) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, format_name, **options)
    return file.getvalue()


def _exif_and_xmp(metadata: Metadata, format_name: str) -> dict[str, bytes]:
    """EXIF and XMP as options of Pillow."""
    exif, xmp = metadata.exif, metadata.xmp
    if format_name == "JPEG":
        if exif and len(exif) > _MOST_EXIF_IN_JPEG:
            warnings.warn(f"JPEG holds no EXIF of {len(exif)} bytes; it is left out", stacklevel=4)
            exif = None
        if xmp and len(xmp) > _MOST_XMP_IN_JPEG:
            warnings.warn(f"JPEG holds no XMP of {len(xmp)} bytes; it is left out", stacklevel=4)
            xmp = None
    return ({"exif": EXIF_PREFIX + exif} if exif else {}) | ({"xmp": xmp} if xmp else {})


def _tags(metadata: Metadata) -> dict[int, Any]:
    """EXIF and XMP as tags of a TIFF file."""
    exif = Image.Exif()
    if metadata.exif:
        exif.load(EXIF_PREFIX + metadata.exif)
    return descriptive(exif) | ({_XMP_TAG: metadata.xmp} if metadata.xmp else {})


def _compare(pixels: NDArray[Any], has_alpha: bool, content: bytes, format_name: str) -> None:
    """Look at what has been written, since formats have limits that Pillow does not mention."""
    height, width = pixels.shape[:2]
    try:
        written = Image.open(BytesIO(content), formats=[format_name])
    except Image.DecompressionBombError:
        # So large that Pillow takes it for an attack: no format has made it smaller.
        return
    with written:
        # Icons are made smaller to fit into their format.
        if written.size != (width, height):
            raise ImageError(f"{format_name} cannot hold a picture of {width}x{height} pixels")
        if has_alpha and not written.has_transparency_data:
            raise ImageError(
                f"{format_name} holds no transparency; write PNG, for example, or lay the picture on a colour"
            )

"""Decoding: a .gsi file is read back into Gaussians, and these are rasterised at any size."""

from typing import Any, Unpack

from numpy.typing import NDArray

from . import document
from .container import DEPTHS
from .document import Document
from .errors import ImageError
from .files import Source, read_source, source_name
from .image import Picture, samples_bytes
from .limits import DEFAULT_MAX_GAUSSIANS, DEFAULT_MAX_PIXELS, check_pixels
from .splats import Splats, View


def read(file: Source, *, max_gaussians: int = DEFAULT_MAX_GAUSSIANS) -> Splats:
    """Read the Gaussians of a .gsi file; of a translucent picture, those of its colours.

    Args:
        file: a path, the bytes of the file, or a file opened for reading bytes.
        max_gaussians: refuse files with more.

    Raises:
        GsiError: the file is damaged, truncated or no .gsi file, or has more Gaussians.
        OSError: the file cannot be read.
    """
    return read_document(file, max_gaussians=max_gaussians).splats


def read_document(file: Source, *, max_gaussians: int = DEFAULT_MAX_GAUSSIANS) -> Document:
    """Read all that a .gsi file holds; otherwise as `read`."""
    return document.from_bytes(read_source(file), source_name(file), max_gaussians)


def decode(
    file: Source,
    *,
    depth: int = 8,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    max_gaussians: int = DEFAULT_MAX_GAUSSIANS,
    **size: Unpack[View],
) -> NDArray[Any]:
    """Decode a .gsi file to integer samples, uint8 or uint16, at the size of its canvas or any other.

    Args:
        file: a path, the bytes of the file, or a file opened for reading bytes.
        depth: bits of the samples, 8 or 16.
        max_pixels, max_gaussians: refuse outputs with more pixels, and files with more Gaussians.
        size: `scale`, `width`, `height` and `region` as of `decode_picture`.

    Returns:
        Pixels [H, W] of a grey picture, otherwise [H, W, C]: C is 2 for grey and opacity, 3 for RGB, 4 for RGB and
        opacity. Colours are not multiplied by the opacity.

    Raises:
        GsiError, OSError, ValueError: as of `decode_picture`; the depth is out of range.
    """
    if depth not in DEPTHS:
        raise ValueError(f"depth must be 8 or 16, got {depth!r}")
    return read_for(file, max_pixels, max_gaussians, **size).pixels(**size, depth=depth)


def decode_picture(
    file: Source,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    max_gaussians: int = DEFAULT_MAX_GAUSSIANS,
    **size: Unpack[View],
) -> Picture:
    """Decode a .gsi file to float samples, with all that it says of them.

    Args:
        file: a path, the bytes of the file, or a file opened for reading bytes.
        scale: output pixels per canvas pixel; not together with `width` or `height`.
        width, height: output size; one alone keeps the aspect ratio.
        region: x, y, width, height of the part of the canvas to show, which may reach beyond it; all of it if None.
        max_pixels, max_gaussians: refuse outputs with more pixels, and files with more Gaussians.

    Raises:
        GsiError: the file is damaged, truncated or no .gsi file, or has too many Gaussians.
        OSError: the file cannot be read.
        ValueError: the size or the region is out of range.
    """
    return read_for(file, max_pixels, max_gaussians, **size).render(**size)


def decode_to(
    file: Source,
    format_name: str,
    *,
    quality: float | None = None,
    depth: int = 8,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    max_gaussians: int = DEFAULT_MAX_GAUSSIANS,
    **size: Unpack[View],
) -> bytes:
    """Decode a .gsi file to a file of another format, without its samples ever being in memory as floats.

    Args:
        file, max_pixels, max_gaussians: as of `decode_picture`.
        format_name, quality: as of `splatcodec.image.samples_bytes`.
        depth: bits of the samples, 8 or 16.
        size: `scale`, `width`, `height` and `region` as of `decode_picture`.

    Raises:
        GsiError, OSError, ValueError: as of `decode_picture`.
        ImageError: the format cannot hold the picture, or has no quality.
    """
    content = read_for(file, max_pixels, max_gaussians, **size)
    try:
        return samples_bytes(content.pixels(**size, depth=depth), content.metadata, format_name, quality)
    except ImageError as error:
        raise ImageError(f"{source_name(file)}: {error}") from error


def read_for(file: Source, max_pixels: int, max_gaussians: int, **size: Unpack[View]) -> Document:
    """What a file holds, if that and an output of the size that is asked for are within limits.

    Args:
        file, max_pixels, max_gaussians: as of `decode_picture`, which says what is raised, too.
        size: `scale`, `width`, `height` and `region`, likewise.
    """
    name, content = source_name(file), read_document(file, max_gaussians=max_gaussians)
    try:
        rows, columns = content.splats.output_size(**size)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    check_pixels(rows, columns, name, max_pixels)
    return content

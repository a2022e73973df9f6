"""Decoding: a .gsi file is read back into Gaussians, and these are rasterised at any size."""

import numpy as np
from numpy.typing import NDArray

from . import container
from .compress import profiles
from .files import Source, read_source, source_name
from .image import to_uint8
from .splats import Region, Splats

MAX_PIXELS = 2**27
"""Largest output `decode` makes: a few bytes of a damaged or hostile file could ask for any amount of memory."""


def read(file: Source) -> Splats:
    """Read the Gaussians of a .gsi file.

    Args:
        file: a path, the bytes of the file, or a file opened for reading bytes.

    Raises:
        GsiError: the file is damaged, truncated or no .gsi file.
        OSError: the file cannot be read.
    """
    return from_bytes(read_source(file), source_name(file))


def from_bytes(data: bytes, name: str) -> Splats:
    """The Gaussians of a .gsi file, which errors call `name`."""
    header, chunks = container.unpack(data, name)
    return profiles.named(profiles.name_of(header.profile, name)).read(header, chunks, name)


def decode(
    file: Source,
    *,
    scale: float | None = None,
    width: int | None = None,
    height: int | None = None,
    region: Region | None = None,
) -> NDArray[np.uint8]:
    """Decode a .gsi file to 8-bit samples, at the size of its canvas or any other.

    Args:
        file: a path, the bytes of the file, or a file opened for reading bytes.
        scale: output pixels per canvas pixel; not together with `width` or `height`.
        width, height: output size; one alone keeps the aspect ratio.
        region: x, y, width, height of the part of the canvas to show, which may reach beyond it; all of it if None.

    Returns:
        Pixels [H, W] of a grey picture, [H, W, 3] of a colour picture.

    Raises:
        GsiError: the file is damaged, truncated or no .gsi file.
        OSError: the file cannot be read.
        ValueError: the size or the region is out of range.
    """
    splats = read(file)
    try:
        rows, columns = splats.output_size(height, width, scale=scale, region=region)
        if rows * columns > MAX_PIXELS:
            raise ValueError(f"an output of {columns}x{rows} pixels is over the limit of {MAX_PIXELS}; decode a region")
    except ValueError as error:
        raise ValueError(f"{source_name(file)}: {error}") from error
    return to_uint8(splats.render(height, width, scale=scale, region=region))

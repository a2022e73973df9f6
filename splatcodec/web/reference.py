"""An original to compare with, as browsers show it."""

import os
from io import BytesIO

from PIL import Image

from ..files import Source, read_source, source_name
from ..image import image_bytes, load_image
from .page import Embedded

_FORMATS = ("JPEG", "PNG", "WEBP")
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_ORIENTATION = 0x0112


def reference(source: Source, size: tuple[int, int]) -> Embedded:
    """A picture as it is, if all browsers show it alike, or as PNG.

    Args:
        source: what holds the picture.
        size: width and height that it must have.

    Raises:
        ImageError: it is no picture, or one that cannot be read.
        ValueError: it has another size.
        OSError: it cannot be read.
    """
    content, name = read_source(source), source_name(source)
    picture = load_image(content, name, max_metadata=len(content))
    if (picture.width, picture.height) != size:
        raise ValueError(f"{name}: is {picture.width}x{picture.height} pixels, but the canvas is {size[0]}x{size[1]}")
    shown = content if _is_shown(content) else image_bytes(picture, "PNG", depth=picture.depth)
    return Embedded(os.path.basename(name), shown)


def _is_shown(content: bytes) -> bool:
    with Image.open(BytesIO(content)) as image:
        is_upright = image.getexif().get(_ORIENTATION, 1) == 1
        is_still = not getattr(image, "is_animated", False)
        return image.format in _FORMATS and image.mode in _MODES and is_upright and is_still

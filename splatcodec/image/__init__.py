"""Pictures: read from files of every kind, and written."""

from typing import TYPE_CHECKING

from .load import load_image, load_pixels
from .picture import Picture, as_color, to_integers, to_uint8
from .save import image_bytes, output_format, samples_bytes

if TYPE_CHECKING:
    from .load import ImageLike as ImageLike

__all__ = [
    "Picture",
    "as_color",
    "image_bytes",
    "load_image",
    "load_pixels",
    "output_format",
    "samples_bytes",
    "to_integers",
    "to_uint8",
]

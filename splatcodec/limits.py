"""What files may ask of a reader unless it allows more: a few bytes could ask for any amount of memory and time."""

DEFAULT_MAX_PIXELS = 2**28
"""Pixels of an output."""
DEFAULT_MAX_GAUSSIANS = 2**23
"""Gaussians of a layer; a file of 12 megapixels has half a million."""


def check_pixels(height: int, width: int, name: str, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
    """Fail if an output is over the limit.

    Raises:
        ValueError: it is; the message calls the file `name`.
    """
    if height * width > max_pixels:
        raise ValueError(f"{name}: an output of {width}x{height} pixels is over the limit of {max_pixels} (max_pixels)")

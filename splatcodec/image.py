"""Pixels in and out: pictures of every kind to float planes, and decoded samples to picture files."""

import os
import struct
import sys
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from .errors import ImageError
from .files import is_source, read_source, source_name

if TYPE_CHECKING:
    import torch

    ImageLike = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | NDArray[np.generic] | torch.Tensor
    """A path, the bytes of an image file, an open file, a Pillow image, an array or a tensor."""

# Everything Pillow's decoders are known to raise on broken input.
_PILLOW_ERRORS = (
    EOFError,
    IndexError,
    KeyError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
)

_ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
_WIDE_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def load_image(image: "ImageLike", name: str | None = None) -> NDArray[np.float32]:
    """Read a picture as float planes.

    Args:
        image: a path, the bytes of an image file, a file opened for reading bytes or a Pillow image (8 bits per sample,
            no alpha); a NumPy array or torch tensor of shape [H, W], [H, W, 1] or [H, W, 3], uint8, or float with 1.0
            as full scale. A tensor whose first dimension is 1 or 3 is [C, H, W] instead, as is usual in torch.
        name: what to call it in errors, by default the path or the type.

    Returns:
        Planes [C, H, W] with values in [0, 1]; C is 1 for grey and 3 for RGB pictures.

    Raises:
        ImageError: it is not a picture, or one of a kind that cannot be encoded yet (alpha, 16 bit, animation).
        OSError: the file cannot be read.
    """
    name = name or source_name(image)
    if isinstance(image, Image.Image):
        return _from_pillow(image, name)
    if isinstance(image, np.ndarray):
        return _from_array(image)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(image, torch.Tensor):
        tensor = image.detach().cpu()
        if tensor.ndim == 3 and tensor.shape[0] in (1, 3):
            tensor = tensor.movedim(0, 2)
        # NumPy knows no bfloat16.
        return _from_array((tensor.float() if tensor.is_floating_point() else tensor).numpy())
    if not is_source(image):
        raise ImageError(f"expected a path, bytes, file, Pillow image, array or tensor, got {type(image).__name__}")
    content = read_source(image)
    if not content:
        raise ImageError(f"{name}: the file is empty")
    try:
        opened = Image.open(BytesIO(content))
    except Image.UnidentifiedImageError:
        raise ImageError(f"{name}: not an image file that Pillow can read") from None
    except _PILLOW_ERRORS as error:
        raise ImageError(f"{name}: broken image: {error}") from None
    with opened:
        return _from_pillow(opened, name)


def _from_pillow(image: Image.Image, name: str) -> NDArray[np.float32]:
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        raise ImageError(f"{name}: has an alpha channel, which is not supported yet; flatten the picture first")
    if image.mode in _WIDE_MODES or _is_deep(image):
        raise ImageError(f"{name}: has more than 8 bits per sample, which is not supported yet; reduce it first")
    try:
        # Phones write several views of one picture as MPO; the first one is the picture.
        animated = getattr(image, "is_animated", False) and image.format != "MPO"
        upright = ImageOps.exif_transpose(image)
        pixels = np.asarray(upright.convert("L" if image.mode in ("1", "L") else "RGB"))
    except _PILLOW_ERRORS as error:
        raise ImageError(f"{name}: broken image: {error}") from None
    if animated:
        raise ImageError(f"{name}: is animated or has several pages; extract one first")
    return _from_array(pixels)


def _is_deep(image: Image.Image) -> bool:
    """Whether a colour picture has more than 8 bits per sample, which Pillow reduces to 8 without a word."""
    depths = getattr(image, "tag_v2", {}).get(258, ())  # TIFF's BitsPerSample
    for codec, _, _, options in getattr(image, "tile", ()):
        depths = (*depths, 16 if "16" in codec or ";16" in str(options) else 8)
        if image.format == "PPM" and isinstance(options, tuple) and isinstance(options[-1], int):
            depths = (*depths, options[-1].bit_length())
    return max(depths, default=8) > 8


def _from_array(array: NDArray[np.generic]) -> NDArray[np.float32]:
    array = np.asarray(array)
    shape = list(array.shape)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3):
        hint = "; alpha is not supported yet" if array.ndim == 3 and array.shape[2] in (2, 4) else ""
        raise ImageError(f"image array must have shape [H, W], [H, W, 1] or [H, W, 3], got {shape}{hint}")
    if array.size == 0:
        raise ImageError(f"image array has no pixels: shape {shape}")
    if array.dtype == np.uint8:
        planes = array.astype(np.float32) / np.float32(255)
    elif np.issubdtype(array.dtype, np.floating):
        planes = array.astype(np.float32)
        if not np.isfinite(planes).all():
            raise ImageError("image array holds NaN or infinite samples")
        if planes.min() < 0 or planes.max() > 1:
            raise ImageError(f"float samples must lie in [0, 1], got [{planes.min():g}, {planes.max():g}]")
    else:
        raise ImageError(f"image array must be uint8 or float, got {array.dtype}")
    return np.ascontiguousarray(np.moveaxis(planes, 2, 0))


def to_uint8(planes: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Clamp planes [C, H, W] to [0, 1] and round to 8 bits: [H, W] if C is 1, [H, W, C] otherwise."""
    pixels = np.empty((*planes.shape[1:], len(planes)), np.uint8)
    for channel, plane in enumerate(planes):
        pixels[:, :, channel] = np.rint(np.clip(plane, 0, 1) * 255)
    return pixels[:, :, 0] if len(planes) == 1 else pixels


def as_color(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels [H, W, 3] of a grey [H, W] or a colour picture [H, W, 3]."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


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


def image_bytes(pixels: NDArray[np.uint8], format_name: str) -> bytes:
    """Pixels [H, W] or [H, W, 3] as a file in one of Pillow's formats.

    Raises:
        ImageError: the format cannot hold the picture.
    """
    # Half the time of Pillow's default level at 5 % more bytes.
    options = {"compress_level": 4} if format_name == "PNG" else {}
    file = BytesIO()
    try:
        Image.fromarray(pixels).save(file, format_name, **options)
    except _PILLOW_ERRORS as error:
        raise ImageError(f"cannot write the picture as {format_name}: {error}") from None
    return file.getvalue()

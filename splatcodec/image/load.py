"""Pixels in and out: pictures of every kind to float planes, and decoded samples to picture files."""

import os
import re
import struct
import sys
import warnings
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps

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

_LOSSY: dict[str, dict[str, Any]] = {"JPEG": {"subsampling": 0}, "WEBP": {}, "AVIF": {"subsampling": "4:4:4"}}
"""Formats with a quality, and what else keeps their losses small."""
_DEFAULT_QUALITY = 95

_ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
# Samples of 16 bits as Pillow names them: "RGB;16B" and the like. "BGR;16" and "RGB;16" are pixels of 16 bits.
_DEEP_LAYOUT = re.compile(r";16[LBNS]|(?<!RGB)(?<!BGR);16")
_WIDE_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def load_image(
    image: "ImageLike", name: str | None = None, *, background: str | None = None, frame: int | None = None
) -> NDArray[np.float32]:
    """Read a picture as float planes.

    Args:
        image: a path, the bytes of an image file, a file opened for reading bytes or a Pillow image (8 bits per
            sample); a NumPy array or torch tensor of shape [H, W] or [H, W, C], uint8, or float with 1.0 as full scale.
            C is 1 for grey, 3 for RGB; an alpha channel beside these is dropped if it is opaque. A tensor whose first
            dimension is 1 or 3 is [C, H, W] instead, as is usual in torch.
        name: what to call it in errors, by default the path or the type.
        background: a colour, as CSS names or writes it, to lay translucent pictures on.
        frame: which one of an animation or of several pages, from 0; the first if None, of which a warning says that
            there are others. Of a Pillow image, that where it stands.

    Returns:
        Planes [C, H, W] with values in [0, 1]; C is 1 for grey and 3 for RGB pictures.

    Raises:
        ImageError: it is not a picture, one of a kind that cannot be encoded yet (translucent without a background, 16
            bit), or has no such frame.
        OSError: the file cannot be read.
    """
    name = name or source_name(image)
    if isinstance(image, Image.Image):
        return _from_pillow(image, name, background, frame)
    if isinstance(image, np.ndarray):
        return _from_array(image, "image array", background, frame)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(image, torch.Tensor):
        tensor = image.detach().cpu()
        if tensor.ndim == 3 and tensor.shape[0] in (1, 3):
            tensor = tensor.movedim(0, 2)
        # NumPy knows no bfloat16.
        array = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
        return _from_array(array, "image array", background, frame)
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
        if frame is None and _is_animated(opened):
            warnings.warn(f"{name}: is animated or has several pages; the first one is taken", stacklevel=2)
        return _from_pillow(opened, name, background, frame)


def _is_animated(image: Image.Image) -> bool:
    # Phones write several views of one picture as MPO; the first one is the picture.
    try:
        return getattr(image, "is_animated", False) and image.format != "MPO"
    except _PILLOW_ERRORS:
        # What is broken is said when the pixels are read.
        return False


def _from_pillow(image: Image.Image, name: str, background: str | None, frame: int | None) -> NDArray[np.float32]:
    """The planes of one frame; afterwards the image stands where it stood before."""
    if frame is None:
        return _current_frame(image, name, background)
    before = image.tell()
    try:
        last = getattr(image, "n_frames", 1) - 1
        if 0 <= frame <= last:
            image.seek(frame)
    except _PILLOW_ERRORS as error:
        raise ImageError(f"{name}: broken image: {error}") from None
    if not 0 <= frame <= last:
        raise ImageError(f"{name}: has no frame {frame}: the last one is {last}")
    try:
        return _current_frame(image, name, background)
    finally:
        image.seek(before)


def _current_frame(image: Image.Image, name: str, background: str | None) -> NDArray[np.float32]:
    if image.mode in _WIDE_MODES or _is_deep(image):
        raise ImageError(f"{name}: has more than 8 bits per sample, which is not supported yet; reduce it first")
    try:
        upright = ImageOps.exif_transpose(image)
        if image.mode in _ALPHA_MODES or "transparency" in image.info:
            pixels = np.asarray(upright.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA"))
        else:
            pixels = np.asarray(upright.convert("L" if image.mode in ("1", "L") else "RGB"))
    except _PILLOW_ERRORS as error:
        raise ImageError(f"{name}: broken image: {error}") from None
    return _from_array(pixels, name, background)


def _is_deep(image: Image.Image) -> bool:
    """Whether a colour picture has more than 8 bits per sample, which Pillow reduces to 8 without a word."""
    depths = getattr(image, "tag_v2", {}).get(258, ())  # TIFF's BitsPerSample
    for codec, _, _, options in getattr(image, "tile", ()):
        depths = (*depths, 16 if "16" in codec or _DEEP_LAYOUT.search(str(options)) else 8)
        if image.format == "PPM" and isinstance(options, tuple) and isinstance(options[-1], int):
            depths = (*depths, options[-1].bit_length())
    return max(depths, default=8) > 8


def _from_array(
    array: NDArray[np.generic], name: str, background: str | None = None, frame: int | None = None
) -> NDArray[np.float32]:
    """The planes of an array [H, W] or [H, W, C]."""
    array = np.asarray(array)
    if frame:
        raise ImageError(f"{name}: has no frame {frame}: the last one is 0")
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise ImageError(f"image array must be uint8 or float, got {array.dtype}")
    shape = list(array.shape)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or not 1 <= array.shape[2] <= 4:
        raise ImageError(f"image array must have shape [H, W] or [H, W, C] with up to 4 channels, got {shape}")
    if array.size == 0:
        raise ImageError(f"image array has no pixels: shape {shape}")
    planes = np.moveaxis(array, 2, 0).astype(np.float32)
    if array.dtype == np.uint8:
        planes /= np.float32(255)
    elif not np.isfinite(planes).all():
        raise ImageError("image array holds NaN or infinite samples")
    elif planes.min() < 0 or planes.max() > 1:
        raise ImageError(f"float samples must lie in [0, 1], got [{planes.min():g}, {planes.max():g}]")
    if len(planes) in (2, 4):
        # Opaque alpha says nothing.
        alpha, planes = planes[-1], planes[:-1]
        if (alpha < 1).any():
            planes = _flattened(planes, alpha, name, background)
    return np.ascontiguousarray(planes)


def _flattened(
    planes: NDArray[np.float32], alpha: NDArray[np.float32], name: str, background: str | None
) -> NDArray[np.float32]:
    """Planes [C, H, W] under an alpha [H, W], laid on a colour; of C = 1 become 3 where the colour is no grey."""
    if background is None:
        raise ImageError(
            f"{name}: is translucent, which is not supported yet; give a background to lay it on, or flatten it first"
        )
    color = np.array(ImageColor.getrgb(background)[:3], np.float32) / np.float32(255)
    if len(planes) == 1 and (color == color[0]).all():
        color = color[:1]
    return planes * alpha + color[:, None, None] * (1 - alpha)


def to_uint8(planes: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Clamp planes [C, H, W] to [0, 1] and round to 8 bits: [H, W] if C is 1, [H, W, C] otherwise."""
    pixels = np.empty((*planes.shape[1:], len(planes)), np.uint8)
    for channel, plane in enumerate(planes):
        pixels[:, :, channel] = np.rint(np.clip(plane, 0, 1) * 255)
    return pixels[:, :, 0] if len(planes) == 1 else pixels


def load_pixels(image: "ImageLike", name: str | None = None, *, background: str | None = None) -> NDArray[np.uint8]:
    """Read a picture, as `load_image`, as 8-bit samples [H, W] or [H, W, 3]."""
    return to_uint8(load_image(image, name, background=background))


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


def image_bytes(pixels: NDArray[np.uint8], format_name: str, quality: float | None = None) -> bytes:
    """Pixels [H, W] or [H, W, 3] as a file in one of Pillow's formats.

    Args:
        pixels: what to write.
        format_name: as of `output_format`.
        quality: 0 to 100, of formats that lose something; 95 if None.

    Raises:
        ImageError: the format cannot hold the picture, or has no quality.
    """
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
        Image.fromarray(pixels).save(file, format_name, **options)
        size = _written_size(file, format_name)
    except _PILLOW_ERRORS as error:
        raise ImageError(f"cannot write the picture as {format_name}: {error}") from None
    height, width = pixels.shape[:2]
    # Icons are made smaller to fit into their format.
    if size not in (None, (width, height)):
        raise ImageError(f"{format_name} cannot hold a picture of {width}x{height} pixels")
    return file.getvalue()


def _written_size(file: BinaryIO, format_name: str) -> tuple[int, int] | None:
    """Width and height of a picture in a file, if Pillow can read its format."""
    if format_name not in Image.OPEN:
        return None
    file.seek(0)
    with Image.open(file, formats=[format_name]) as written:
        return written.size

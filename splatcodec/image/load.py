"""Pictures from whatever holds them: files, Pillow images, arrays and tensors."""

import os
import sys
import warnings
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from ..errors import ImageError
from ..files import is_source, read_source, source_name
from ..metadata import MAX_METADATA, Metadata
from .embedded import limited
from .picture import Picture, to_uint8
from .pillow import PILLOW_ERRORS, is_animated, read_frame

if TYPE_CHECKING:
    import torch

    ImageLike = str | os.PathLike[str] | bytes | BinaryIO | Picture | Image.Image | NDArray[np.generic] | torch.Tensor
    """A path, the bytes of an image file, an open file, a picture, a Pillow image, an array or a tensor."""


def load_image(
    image: "ImageLike",
    name: str | None = None,
    *,
    background: str | None = None,
    frame: int | None = None,
    strip: bool = False,
    max_metadata: int = MAX_METADATA,
) -> Picture:
    """Read a picture.

    Args:
        image: a path, the bytes of an image file, a file opened for reading bytes or a Pillow image; a NumPy array or
            torch tensor of shape [H, W] or [H, W, C], uint8, uint16, or float with 1.0 as full scale. C is 1 for grey,
            2 for grey and alpha, 3 for RGB, 4 for RGB and alpha. A tensor whose first dimension is 1 or 3, or is 2
            or 4 and the last above 4, is [C, H, W] instead, as is usual in torch.
        name: what to call it in errors, by default the path or the type.
        background: a colour, as CSS names or writes it, to lay translucent pictures on.
        frame: which one of an animation or of several pages, from 0; the first if None, of which a warning says that
            there are others. Of a Pillow image, that where it stands.
        strip: leave out what the picture carries beside its samples: colour profile, EXIF and XMP.
        max_metadata: bytes that each of these may take. EXIF and XMP beyond are left out with a warning.

    Raises:
        ImageError: it is not a picture, one of a kind that cannot be read, has no such frame, or a colour profile of
            more than `max_metadata` bytes.
        OSError: the file cannot be read.
    """
    name = name or _name_of(image)
    picture = _load(image, name, frame, None if strip else max_metadata)
    if not picture.planes.size:
        raise ImageError(f"{name}: has no pixels: {picture.width}x{picture.height}")
    return picture if background is None else _flattened(picture, background)


def load_pixels(image: "ImageLike", name: str | None = None, *, background: str | None = None) -> NDArray[np.uint8]:
    """Read a picture, as `load_image`, as 8-bit samples [H, W] or [H, W, 3].

    Raises:
        ImageError: as of `load_image`; or it is translucent, and there is no background.
    """
    picture = load_image(image, name, background=background, strip=True)
    if picture.alpha is not None:
        raise ImageError(
            f"{name or _name_of(image)}: is translucent; give a background to lay it on, or flatten it first"
        )
    return to_uint8(picture.planes)


def _name_of(image: object) -> str:
    return "image array" if hasattr(image, "ndim") else source_name(image)


def _load(image: "ImageLike", name: str, frame: int | None, max_metadata: int | None) -> Picture:
    if isinstance(image, Picture):
        return _from_picture(image, name, frame, max_metadata)
    if isinstance(image, Image.Image):
        return read_frame(image, name, frame, max_metadata)
    if isinstance(image, np.ndarray):
        return _from_array(image, name, frame)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(image, torch.Tensor):
        tensor = image.detach().cpu()
        if tensor.ndim == 3 and (len(tensor) in (1, 3) or (len(tensor) in (2, 4) and tensor.shape[2] > 4)):
            tensor = tensor.movedim(0, 2)
        # NumPy knows no bfloat16.
        array = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
        return _from_array(array, name, frame)
    if not is_source(image):
        raise ImageError(f"expected a path, bytes, file, Pillow image, array or tensor, got {type(image).__name__}")
    content = read_source(image)
    if not content:
        raise ImageError(f"{name}: the file is empty")
    try:
        opened = Image.open(BytesIO(content))
    except Image.UnidentifiedImageError:
        raise ImageError(f"{name}: not an image file that Pillow can read") from None
    except PILLOW_ERRORS as error:
        raise ImageError(f"{name}: broken image: {error}") from None
    with opened:
        if frame is None and is_animated(opened):
            warnings.warn(f"{name}: is animated or has several pages; the first one is taken", stacklevel=3)
        return read_frame(opened, name, frame, max_metadata)


def _from_picture(picture: Picture, name: str, frame: int | None, max_metadata: int | None) -> Picture:
    """A picture that others have made, if it is one."""
    _refuse_later(frame, name)
    planes, alpha = picture.planes, picture.alpha
    if planes.ndim != 3 or len(planes) not in (1, 3):
        raise ImageError(f"{name}: planes must have shape [1, H, W] or [3, H, W], got {list(planes.shape)}")
    if alpha is not None and alpha.shape != planes.shape[1:]:
        raise ImageError(f"{name}: alpha must have shape {list(planes.shape[1:])}, got {list(alpha.shape)}")
    for what, samples in (("planes", planes), ("alpha", alpha)):
        if samples is not None and not ((samples >= 0) & (samples <= 1)).all():
            raise ImageError(f"{name}: {what} must lie in [0, 1]")
    if picture.depth not in (8, 16):
        raise ImageError(f"{name}: depth must be 8 or 16, got {picture.depth!r}")
    noted = Metadata() if max_metadata is None else limited(picture.metadata, name, max_metadata)
    return replace(picture, metadata=noted)


def _refuse_later(frame: int | None, name: str) -> None:
    """Fail if another frame is asked for of what has but one."""
    if frame:
        raise ImageError(f"{name}: has no frame {frame}: the last one is 0")


def _from_array(array: NDArray[np.generic], name: str, frame: int | None) -> Picture:
    """The picture of an array [H, W] or [H, W, C]."""
    array = np.asarray(array)
    _refuse_later(frame, name)
    if array.dtype not in (np.uint8, np.uint16) and not np.issubdtype(array.dtype, np.floating):
        raise ImageError(f"image array must be uint8, uint16 or float, got {array.dtype}")
    shape = list(array.shape)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or not 1 <= array.shape[2] <= 4:
        raise ImageError(f"image array must have shape [H, W] or [H, W, C] with up to 4 channels, got {shape}")
    if array.size == 0:
        raise ImageError(f"image array has no pixels: shape {shape}")
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all():
            raise ImageError("image array holds NaN or infinite samples")
        if array.min() < 0 or array.max() > 1:
            raise ImageError(f"float samples must lie in [0, 1], got [{array.min():g}, {array.max():g}]")
    return Picture.of(array)


def _flattened(picture: Picture, background: str) -> Picture:
    """A picture laid on a colour; a grey one becomes RGB where the colour is no grey."""
    try:
        color = np.array(ImageColor.getrgb(background)[:3], np.float32) / np.float32(255)
    except ValueError:
        raise ImageError(f"{background!r} is not a colour") from None
    if picture.alpha is None:
        return picture
    if len(picture.planes) == 1 and (color == color[0]).all():
        color = color[:1]
    return replace(picture, planes=picture.over(color[:, None, None]), alpha=None)

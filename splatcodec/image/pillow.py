"""Pictures from Pillow's images, of every mode."""

import struct
import warnings
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from ..errors import ImageError
from .deep import deep_samples, is_deep, stored_depth
from .embedded import read_metadata, refuse_hdr
from .picture import Picture
from .png import check
from .profiles import CONVERTED_MODES, ProfileError, to_srgb

PILLOW_ERRORS = (
    EOFError,
    IndexError,
    KeyError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""Everything that Pillow's decoders are known to raise on broken input."""

_ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
_ORIENTATION = 0x0112
# What to do with rows and columns of a picture stored in an orientation of EXIF: transpose, then flip down and across.
_TURNS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def is_animated(image: Image.Image) -> bool:
    """Whether a file has several frames or pages."""
    # Phones write several views of one picture as MPO; the first one is the picture.
    try:
        return getattr(image, "is_animated", False) and image.format != "MPO"
    except PILLOW_ERRORS:
        # What is broken is said when the pixels are read.
        return False


def read_frame(image: Image.Image, name: str, frame: int | None, max_metadata: int | None) -> Picture:
    """One frame as a picture, that where the image stands if None; afterwards it stands there again.

    Args:
        image: to be read.
        name: what to call it in errors.
        frame: which one, from 0.
        max_metadata: bytes that each kind of metadata may take; None to read none.

    Raises:
        ImageError: it is broken, of a kind that cannot be read, or there is no such frame.
    """
    before = image.tell()
    try:
        if frame is not None:
            last = getattr(image, "n_frames", 1) - 1
            if not 0 <= frame <= last:
                raise ImageError(f"{name}: has no frame {frame}: the last one is {last}")
            image.seek(frame)
        return _read_current(image, name, max_metadata)
    except ImageError:
        raise
    except PILLOW_ERRORS as error:
        raise ImageError(f"{name}: broken image: {str(error) or type(error).__name__}") from None
    finally:
        if image.tell() != before:
            # What is broken has been said.
            with suppress(*PILLOW_ERRORS):
                image.seek(before)


def _read_current(image: Image.Image, name: str, max_metadata: int | None) -> Picture:
    samples: NDArray[np.generic]
    content = _content(image)
    if content and image.format == "PNG":
        check(content)
    if content and image.format == "TIFF":
        _check_strips(image)
    refuse_hdr(image, content, name)
    key = _transparent_color(image)
    if content and isinstance(image, ImageFile.ImageFile) and is_deep(image):
        samples, image = deep_samples(image, content, name)
    else:
        depth = stored_depth(image, content) if content else 8
        if depth > 8:
            warnings.warn(f"{name}: its samples of {depth} bits are read as 8", stacklevel=4)
        image.load()
        samples = _samples(image, name)
    samples = np.atleast_3d(samples)
    if samples.shape[2] in (1, 3) and key is not None and len(key) == samples.shape[2]:
        opaque = np.any(samples != np.array(key), axis=2, keepdims=True)
        full = 255 if samples.dtype == np.uint8 else 65535
        samples = np.concatenate([samples, (opaque * full).astype(samples.dtype)], axis=2)
    samples = _upright(samples, _orientation(image))
    if max_metadata is None:
        return Picture.of(samples)
    channels = 1 if samples.shape[2] < 3 else 3
    metadata = read_metadata(image, content, name, channels, max_metadata)
    return Picture.of(samples, metadata)


def _check_strips(image: Image.Image) -> None:
    # Pillow leaves rows black that no strip covers.
    rows = max(extents[3] for _, extents, _, _ in image.tile)  # type: ignore[attr-defined]  # a file has tiles
    height = image.tag_v2[257]  # type: ignore[attr-defined]  # and TIFF has tags
    if rows < height:
        raise ValueError(f"{height - rows} rows of its {height} are missing")


def _content(image: Image.Image) -> bytes | None:
    """The file of an image that has not been loaded yet."""
    if not isinstance(image, ImageFile.ImageFile) or not image.tile or image.fp is None:
        return None
    place = image.fp.tell()
    image.fp.seek(0)
    content = image.fp.read()
    image.fp.seek(place)
    return content


def _transparent_color(image: Image.Image) -> tuple[int, ...] | None:
    """The one colour of a grey or RGB image that has not been loaded yet that is transparent, if any."""
    key: Any = image.info.get("transparency")
    if image.mode == "1" and isinstance(key, int):
        return (255 if key else 0,)
    if image.mode in ("L", "I;16") and isinstance(key, int):
        # Greys of 2 and 4 bits are stretched to 8, this one is not.
        layout = image.tile[0].args if isinstance(image, ImageFile.ImageFile) and image.tile else None
        return (key * {"L;2": 85, "L;4": 17}.get(str(layout), 1),)
    return key if image.mode == "RGB" and isinstance(key, tuple) else None


def _samples(image: Image.Image, name: str) -> NDArray[np.generic]:
    """Samples [H, W] or [H, W, C] of a loaded image: uint8, uint16 or floats in [0, 1]."""
    mode = image.mode
    if mode in CONVERTED_MODES:
        try:
            return np.asarray(to_srgb(image, image.info.get("icc_profile")))
        except ProfileError as error:
            raise ImageError(f"{name}: has {mode} colours, but its colour profile {error}; convert it to RGB") from None
    if mode == "F":
        return _unit_floats(np.asarray(image), name)
    if mode.startswith("I"):
        return _deep_grey(image, name)
    if mode in _ALPHA_MODES or (mode == "P" and "transparency" in image.info):
        return np.asarray(image.convert("LA" if mode in ("LA", "La") else "RGBA"))
    return np.asarray(image.convert("L" if mode in ("1", "L") else "RGB"))


def _deep_grey(image: Image.Image, name: str) -> NDArray[np.generic]:
    # Pillow reads portable greymaps of 16 bits into 32, stretched.
    if image.mode == "I" and image.format != "PPM":
        raise ImageError(
            f"{name}: has samples of 32 bits or with a sign, which are not supported; convert it to 16 bits"
        )
    samples = np.asarray(image).astype(np.uint16)
    (bits, *_) = getattr(image, "tag_v2", {}).get(258, (16,))
    return samples if bits == 16 else np.minimum(samples / np.float32(2**bits - 1), 1)


def _unit_floats(samples: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    low, high = samples.min(), samples.max()
    if not (low >= 0 and high <= 1):
        raise ImageError(f"{name}: has floating-point samples from {low:g} to {high:g}; map them to [0, 1] first")
    return samples


def _orientation(image: Image.Image) -> int:
    """How EXIF or XMP says that a loaded image is stored; Pillow has turned TIFF, and says so."""
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except PILLOW_ERRORS:
        # What is damaged is left out, and the picture is as good without.
        return 1


def _upright(samples: NDArray[np.generic], orientation: int) -> NDArray[np.generic]:
    """Samples [H, W, C] turned as EXIF says."""
    transpose, down, across = _TURNS.get(orientation, (False, False, False))
    if transpose:
        samples = samples.swapaxes(0, 1)
    return samples[:: -1 if down else 1, :: -1 if across else 1]

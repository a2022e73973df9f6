"""ICC profiles: what they amount to, compact ones, and colours that only a profile explains."""

import struct
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..metadata import ColorSpace, Metadata

if TYPE_CHECKING:
    from PIL import ImageCms

# Primaries under the white D50 of ICC's connection space, which the chromatic adaptation of Bradford leads to.
_PRIMARIES = {
    ColorSpace.SRGB: ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)),
    ColorSpace.DISPLAY_P3: ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
}
_ADAPTATION = (1.04788, 0.02292, -0.05022, 0.02959, 0.99048, -0.01707, -0.00925, 0.01508, 0.75168)
"""From D65, the white of both, to D50, by rows."""
_D50 = (0.96420, 1.0, 0.82491)
CONVERTED_MODES = ("CMYK", "LAB")
"""Pillow's modes of colours that become sRGB."""
_NAMES = {ColorSpace.SRGB: "sRGB", ColorSpace.DISPLAY_P3: "Display P3"}


class ProfileError(ValueError):
    """A colour profile that does not explain the samples; the message says why."""


@lru_cache(8)
def profile_bytes(metadata: Metadata, channels: int) -> bytes | None:
    """The ICC profile that says what colours mean, for pictures of 1 or 3 channels; None if nobody has said."""
    if metadata.color_space in (ColorSpace.SRGB, ColorSpace.DISPLAY_P3):
        return compact_profile(metadata.color_space, channels)
    return metadata.icc


def compact_profile(space: ColorSpace, channels: int) -> bytes:
    """An ICC profile of sRGB or Display P3, for pictures of 1 or 3 channels (ICC.1:2010)."""
    # Both share sRGB's curve.
    curve = b"para" + struct.pack(">4xHxx5i", 3, *_fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
    tags = {
        b"desc": _text(_NAMES[space]),
        b"cprt": _text("CC0"),
        b"wtpt": _xyz(_D50),
        b"chad": b"sf32" + struct.pack(">4x9i", *_fixed(*_ADAPTATION)),
    }
    if channels == 1:
        tags[b"kTRC"] = curve
    else:
        for letter, primary in zip(b"rgb", _PRIMARIES[space], strict=True):
            tags[bytes([letter]) + b"XYZ"] = _xyz(primary)
            tags[bytes([letter]) + b"TRC"] = curve
    start = 128 + 4 + 12 * len(tags)
    index, data, places = b"", b"", dict[bytes, int]()
    for tag, content in tags.items():
        if content not in places:
            places[content] = start + len(data)
            data += content + bytes(-len(content) % 4)
        index += tag + struct.pack(">II", places[content], len(content))
    kinds = b"mntr" + (b"GRAY" if channels == 1 else b"RGB ") + b"XYZ "
    header = struct.pack(">I4xI", start + len(data), 0x04200000) + kinds
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">3i", *_fixed(*_D50))
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + data


def _fixed(*values: float) -> list[int]:
    """Numbers with 16 bits behind the binary point."""
    return [round(value * 65536) for value in values]


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ " + struct.pack(">4x3i", *_fixed(*values))


def _text(text: str) -> bytes:
    content = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">4xII2s2sII", 1, 12, b"en", b"US", len(content), 28) + content


@lru_cache(16)
def space_of(icc: bytes, channels: int) -> ColorSpace:
    """What a profile amounts to for pictures of 1 or 3 channels: sRGB or Display P3 where it says the same to within
    a level of 255, otherwise `ColorSpace.ICC`.

    Raises:
        ProfileError: it is damaged or not one for such pictures.
    """
    from PIL import ImageCms

    profile = _opened(icc)
    kind = profile.profile.xcolor_space.strip()
    if kind not in ("GRAY", "RGB") or (kind == "GRAY" and channels == 3):
        raise ProfileError(f"is one for {kind or 'unknown'} samples")
    colors = _probe_colors(channels)
    if kind == "GRAY":
        colors = colors.convert("L")
    for space in _PRIMARIES:
        target = _opened(compact_profile(space, 1 if kind == "GRAY" else 3))
        try:
            transform = ImageCms.buildTransform(
                profile, target, colors.mode, colors.mode, ImageCms.Intent.RELATIVE_COLORIMETRIC
            )
            seen = ImageCms.applyTransform(colors, transform)
        except ImageCms.PyCMSError as error:
            raise ProfileError(f"is damaged: {error}") from None
        assert seen is not None
        if np.abs(np.asarray(seen).astype(int) - np.asarray(colors)).max() <= 1:
            return space
    # The grey axis is all that a profile of RGB can say of grey samples.
    if kind == "RGB" and channels == 1:
        raise ProfileError("is one for RGB samples")
    return ColorSpace.ICC


def to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """A CMYK or L*a*b* image in sRGB, relative colorimetrically with compensation of the black point.

    Args:
        image: of one of `CONVERTED_MODES`.
        icc: the profile of CMYK. L*a*b* is taken under the white D50, as TIFF has it, and needs none.

    Raises:
        ProfileError: there is no profile, or none that is of use.
    """
    from PIL import ImageCms

    if image.mode == "LAB":
        source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    elif icc:
        source = _opened(icc)
        if source.profile.xcolor_space.strip() != image.mode:
            raise ProfileError(f"is one for {source.profile.xcolor_space.strip() or 'unknown'} samples")
    else:
        raise ProfileError("is missing")
    try:
        converted = ImageCms.profileToProfile(
            image,
            source,
            _opened(compact_profile(ColorSpace.SRGB, 3)),
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            "RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except ImageCms.PyCMSError as error:
        raise ProfileError(f"is damaged: {error}") from None
    assert converted is not None
    return converted


def _opened(icc: bytes) -> "ImageCms.ImageCmsProfile":
    from PIL import ImageCms

    try:
        return ImageCms.ImageCmsProfile(BytesIO(icc))
    except (OSError, ImageCms.PyCMSError) as error:
        raise ProfileError(f"is damaged: {error}") from None


def _probe_colors(channels: int) -> Image.Image:
    """The grey axis, and of 3 channels their axes and a grid as well, as an image [1, N]."""
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    colors = [ramp.repeat(3, axis=1)]
    if channels == 3:
        colors += [ramp * np.eye(3, dtype=np.uint8)[channel] for channel in range(3)]
        colors.append(np.stack(np.meshgrid(*[ramp[::51, 0]] * 3), axis=-1).reshape(-1, 3))
    return Image.fromarray(np.concatenate(colors)[None])

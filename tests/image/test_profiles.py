"""Colour profiles: what they are taken for, what is written, and colours that only a profile explains."""

import io
import struct
from functools import cache

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from splatcodec import ImageError
from splatcodec.image import load_image
from splatcodec.image.profiles import ProfileError, compact_profile, space_of
from splatcodec.metadata import ColorSpace

SPACES = (ColorSpace.SRGB, ColorSpace.DISPLAY_P3)


def profile_of(icc: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(icc))


def with_gamma(icc: bytes, gamma: float) -> bytes:
    """A compact profile with another exponent."""
    return icc.replace(struct.pack(">i", round(2.4 * 65536)), struct.pack(">i", round(gamma * 65536)))


def as_file(image: Image.Image, format_name: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


@cache
def cmyk_profile() -> bytes:
    """A profile of inks whose mixtures at full strength are those of light: a table of two steps an ink."""
    inks = np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    light = np.uint8(255 * (1 - inks[:, :3]) * (1 - inks[:, 3:]))
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    # Pillow shows a and b with a sign, the table has them above 128.
    lab = np.asarray(ImageCms.applyTransform(Image.fromarray(light[None]), to_lab)) ^ np.uint8([0, 128, 128])
    straight = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * value for value in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + 4 * straight + lab.tobytes() + 3 * straight
    white = b"XYZ " + struct.pack(">4x3i", 63190, 65536, 54061)
    text = b"text" + bytes(4) + b"inks\0\0\0\0"
    description = b"desc" + struct.pack(">4xI", 5) + b"inks\0" + bytes(78 + 1)
    tags = {b"A2B0": table, b"wtpt": white, b"cprt": text, b"desc": description}
    start = 128 + 4 + 12 * len(tags)
    index, body = b"", b""
    for tag, content in tags.items():
        index += tag + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4xI", start + len(body), 0x02400000) + b"prtrCMYKLab " + bytes(12) + b"acsp" + bytes(28)
    return (head + white[8:]).ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + body


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("space", SPACES)
def test_compact_profiles_are_what_they_say(space, channels):
    icc = compact_profile(space, channels)
    assert len(icc) < 500
    profile = profile_of(icc)
    assert ImageCms.getProfileDescription(profile).strip() == {1: "sRGB", 2: "Display P3"}[space]
    assert profile.profile.xcolor_space.strip() == ("GRAY" if channels == 1 else "RGB")
    # The curve of a grey picture is that of both.
    assert space_of(icc, channels) == (space if channels == 3 else ColorSpace.SRGB)


def test_primaries_are_those_of_the_standards():
    """From the chromaticities of IEC 61966-2-1 and SMPTE EG 432-1, adapted from D65 to D50 as Bradford does."""
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    d65, d50 = np.array([0.3127, 0.329, 0.3583]) / 0.329, np.array([0.9642, 1, 0.82491])
    adapt = np.linalg.inv(bradford) @ np.diag((bradford @ d50) / (bradford @ d65)) @ bradford
    chromaticities = {
        ColorSpace.SRGB: [(0.64, 0.33), (0.3, 0.6), (0.15, 0.06)],
        ColorSpace.DISPLAY_P3: [(0.68, 0.32), (0.265, 0.69), (0.15, 0.06)],
    }
    for space, points in chromaticities.items():
        primaries = np.array([[x / y, 1, (1 - x - y) / y] for x, y in points]).T
        expected = adapt @ (primaries * np.linalg.solve(primaries, d65))
        profile = profile_of(compact_profile(space, 3)).profile
        found = [getattr(profile, f"{color}_colorant")[0] for color in ("red", "green", "blue")]
        np.testing.assert_allclose(np.transpose(found), expected, atol=3e-4)


def test_srgb_of_others_is_known_as_such():
    """Little CMS has a parametric curve; most cameras, a table of 1024 values."""
    builtin = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert space_of(builtin, 3) == space_of(builtin, 1) == ColorSpace.SRGB
    values = np.arange(1024) / 1023
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    table = b"curv" + struct.pack(">4xI", 1024) + np.rint(65535 * linear).astype(">u2").tobytes()
    icc = compact_profile(ColorSpace.DISPLAY_P3, 3)
    moved = bytearray(icc + table)
    for place in (at for at in range(132, 132 + 12 * 10, 12) if icc[at + 1 : at + 4] == b"TRC"):
        struct.pack_into(">II", moved, place + 4, len(icc), len(table))
    struct.pack_into(">I", moved, 0, len(moved))
    assert space_of(bytes(moved), 3) == ColorSpace.DISPLAY_P3


@pytest.mark.parametrize("channels", [1, 3])
def test_other_profiles_are_kept(channels, picture):
    pixels = picture[..., 0] if channels == 1 else picture
    icc = with_gamma(compact_profile(ColorSpace.SRGB, channels), 2.2)
    metadata = load_image(as_file(Image.fromarray(pixels), icc_profile=icc)).metadata
    assert (metadata.color_space, metadata.icc) == (ColorSpace.ICC, icc)


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("space", SPACES)
def test_known_spaces_need_no_profile(space, format_name, picture):
    icc = compact_profile(space, 3)
    metadata = load_image(as_file(Image.fromarray(picture), format_name, icc_profile=icc)).metadata
    assert (metadata.color_space, metadata.icc) == (space, None)


def test_pictures_without_a_profile_say_nothing(picture):
    assert load_image(as_file(Image.fromarray(picture))).metadata.color_space == ColorSpace.UNSPECIFIED
    assert load_image(picture).metadata.color_space == ColorSpace.UNSPECIFIED


@pytest.mark.parametrize(
    ("icc", "channels", "message"),
    [
        (compact_profile(ColorSpace.SRGB, 1), 3, "one for GRAY samples"),
        (with_gamma(compact_profile(ColorSpace.SRGB, 3), 1.8), 1, "one for RGB samples"),
        (compact_profile(ColorSpace.SRGB, 3)[:200], 3, "is damaged"),
        (b"no profile", 3, "is damaged"),
        (cmyk_profile(), 3, "one for CMYK samples"),
    ],
)
def test_profiles_that_do_not_fit_are_left_out(icc, channels, message, picture):
    with pytest.raises(ProfileError, match=message):
        space_of(icc, channels)
    image = Image.fromarray(picture[..., 0] if channels == 1 else picture)
    image.info["icc_profile"] = icc
    with pytest.warns(UserWarning, match=f"{message}.*it is left out"):
        metadata = load_image(image).metadata
    assert (metadata.color_space, metadata.icc) == (ColorSpace.UNSPECIFIED, None)


INKS = {
    (0, 0, 0, 0): (255, 255, 255),
    (255, 0, 0, 0): (0, 255, 255),
    (0, 255, 0, 0): (255, 0, 255),
    (0, 0, 255, 0): (255, 255, 0),
    (255, 255, 0, 0): (0, 0, 255),
    (0, 0, 0, 255): (0, 0, 0),
}


def cmyk_files() -> dict[str, bytes]:
    patches = np.kron(np.array([list(INKS)], np.uint8), np.ones((16, 16, 1), np.uint8))
    image, icc = Image.fromarray(patches, "CMYK"), cmyk_profile()
    jpeg = as_file(image, "JPEG", icc_profile=icc, quality=95, subsampling=0)
    # As Adobe stores it, inverted; the profile follows the marker that starts the file.
    ycck = imagecodecs.jpeg8_encode(255 - patches, level=95, colorspace="CMYK", outcolorspace="YCCK", subsampling="444")
    segment = b"ICC_PROFILE\0\x01\x01" + icc
    ycck = ycck[:2] + b"\xff\xe2" + struct.pack(">H", 2 + len(segment)) + segment + ycck[2:]
    return {"TIFF": as_file(image, "TIFF", icc_profile=icc), "JPEG": jpeg, "YCCK JPEG": ycck}


@pytest.mark.parametrize("content", cmyk_files().values(), ids=cmyk_files())
def test_inks_become_srgb_by_their_profile(content):
    for strip in (False, True):
        picture = load_image(content, strip=strip)
        assert picture.metadata.color_space == (ColorSpace.UNSPECIFIED if strip else ColorSpace.SRGB)
        assert picture.metadata.icc is None
        found = picture.pixels()[8, 8::16]
        np.testing.assert_allclose(found, list(INKS.values()), atol=12)


def test_inks_without_a_profile_are_refused():
    with pytest.raises(ImageError, match="CMYK colours, but its colour profile is missing; convert it to RGB"):
        load_image(Image.new("CMYK", (4, 3)))
    image = Image.new("CMYK", (4, 3))
    image.info["icc_profile"] = compact_profile(ColorSpace.SRGB, 3)
    with pytest.raises(ImageError, match="is one for RGB samples"):
        load_image(image)


def test_lab_becomes_srgb():
    """Lightness in steps of 100 / 255, a and b with a sign."""
    lab = np.array([[[255, 0, 0], [0, 0, 0], [138, 81, 70], [224, 256 - 79, 81]]], np.uint8)
    file = io.BytesIO()
    tifffile.imwrite(file, lab, photometric="cielab")
    picture = load_image(file.getvalue())
    assert picture.metadata.color_space == ColorSpace.SRGB
    np.testing.assert_allclose(picture.pixels()[0], [[255] * 3, [0] * 3, [255, 0, 0], [0, 255, 0]], atol=16)


def test_code_points_of_avif_are_heard(picture):
    content = as_file(Image.fromarray(picture), "AVIF")
    place = content.index(b"colrnclx") + 8
    for points, space in ({(1, 13): ColorSpace.SRGB, (12, 13): ColorSpace.DISPLAY_P3}).items():
        coded = content[:place] + struct.pack(">HH", *points) + content[place + 4 :]
        assert load_image(coded).metadata.color_space == space
    with pytest.raises(ImageError, match="is HDR"):
        load_image(content[:place] + struct.pack(">HH", 9, 16) + content[place + 4 :])


def test_a_profile_comes_before_code_points_in_avif(picture):
    """Encoders write code points unasked."""
    content = as_file(Image.fromarray(picture), "AVIF", icc_profile=compact_profile(ColorSpace.DISPLAY_P3, 3))
    place = content.index(b"colrnclx") + 8
    content = content[:place] + struct.pack(">HH", 1, 13) + content[place + 4 :]
    assert load_image(content).metadata.color_space == ColorSpace.DISPLAY_P3

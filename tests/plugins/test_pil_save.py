"""Saving through Pillow: options, modes, and what becomes of metadata."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

import splatcodec
import splatcodec.pil
from splatcodec.image.profiles import compact_profile
from splatcodec.metadata import ColorSpace

QUICK = {"effort": 1, "n_gaussians": 5}


@pytest.fixture
def image(picture) -> Image.Image:
    return Image.fromarray(picture)


def saved(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "GSI", **options)
    return file.getvalue()


def test_a_saved_picture_reads_back(tmp_path, image, picture):
    path = tmp_path / "out.gsi"
    image.save(path, n_gaussians=60, effort=2)
    with Image.open(path) as reread:
        assert (reread.mode, reread.size) == ("RGB", (56, 40))
        assert splatcodec.evaluate(picture, np.asarray(reread)).psnr > 25


def test_a_file_is_that_of_encode(image, picture):
    options = {"quality": 30, "effort": 1, "profile": "vq", "seed": 3}
    assert saved(image, **options) == splatcodec.encode(picture, **options)


def test_options_change_the_file(image):
    assert len(saved(image, quality=10, effort=1)) < len(saved(image, quality=60, effort=1))
    assert 300 <= len(saved(image, target_size=320, effort=1)) <= 320
    assert Image.open(io.BytesIO(saved(image, **QUICK))).info["n_gaussians"] <= 5
    assert Image.open(io.BytesIO(saved(image, **QUICK, profile="half"))).info["profile"] == "half"


def test_options_of_other_formats_are_ignored(image):
    assert saved(image, **QUICK, optimize=True, subsampling="4:4:4") == saved(image, **QUICK)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"quality": 101}, "quality must lie between 0 and 100"),
        ({"quality": "high"}, "quality must be a number"),
        ({"effort": 0}, "effort"),
        ({"quality": 50, "target_size": 300}, "only one of"),
        ({"profile": "best"}, "unknown profile"),
        ({"target_size": 10, "effort": 1}, "10 bytes"),
    ],
)
def test_impossible_options_leave_no_file(tmp_path, image, options, fault):
    with pytest.raises(ValueError, match=fault):
        image.save(tmp_path / "out.gsi", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "F", "P", "RGB", "YCbCr", "HSV"])
def test_modes_are_saved_as_grey_or_colour(image, mode):
    converted = image.convert(mode) if mode != "F" else image.convert("F").point(lambda value: value / 255)
    reread = Image.open(io.BytesIO(saved(converted, **QUICK)))
    assert reread.mode == ("L" if mode in ("1", "L", "I;16", "F") else "RGB")


@pytest.mark.parametrize(("mode", "plain"), [("RGBA", "RGB"), ("LA", "L"), ("RGBa", "RGB")])
def test_opaque_alpha_is_dropped(image, mode, plain):
    transparent = image.convert(plain).convert(mode.upper()).convert(mode)
    assert saved(transparent, **QUICK) == saved(image.convert(plain), **QUICK)


def test_what_cannot_be_held_is_refused(image):
    for picture, fault in (
        (
            Image.new("CMYK", (8, 8)),
            "cannot write mode CMYK as GSI: has CMYK colours, but its colour profile is missing",
        ),
        (Image.new("I", (8, 8)), "cannot write mode I as GSI: has samples of 32 bits"),
        (Image.new("F", (8, 8), 2), "cannot write mode F as GSI: has floating-point samples from 2 to 2"),
        (Image.new("RGB", (0, 8)), "no pixels"),
        (Image.new("L", (65536, 1)), "65535 is the longest side"),
    ):
        with pytest.raises(OSError, match=fault):
            saved(picture, **QUICK)


def test_pixels_are_saved_as_they_lie_in_memory(image):
    """Like in every format of Pillow: who wants them upright transposes them first."""
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    image.save(file, "PNG", exif=exif)
    turned = Image.open(file)
    assert saved(turned, **QUICK) == saved(image, **QUICK)
    upright = ImageOps.exif_transpose(turned)
    assert Image.open(io.BytesIO(saved(upright, **QUICK))).size == (40, 56)


def test_the_current_frame_is_saved(tmp_path, image):
    frames = [image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    frames[0].save(tmp_path / "film.tif", save_all=True, append_images=frames[1:])
    with Image.open(tmp_path / "film.tif") as film:
        film.seek(1)
        assert saved(film, **QUICK) == saved(frames[1], **QUICK)


def test_a_picture_can_replace_its_own_file(tmp_path, encoded):
    path = tmp_path / "picture.gsi"
    path.write_bytes(encoded)
    with Image.open(path) as image:
        image.size = (28, 20)
        image.save(path, **QUICK)
    with Image.open(path) as image:
        image.load()
        assert image.size == (28, 20)


@pytest.mark.parametrize(
    ("mode", "space"),
    [
        *((mode, ColorSpace.SRGB) for mode in ("L", "LA", "RGB", "RGBA")),
        *((mode, ColorSpace.DISPLAY_P3) for mode in ("RGB", "RGBA")),
    ],
)
def test_colour_profiles_come_back(image, mode, space):
    picture = image.convert(mode)
    if mode.endswith("A"):
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    profile = compact_profile(space, 1 if mode.startswith("L") else 3)
    opened = Image.open(io.BytesIO(saved(picture, icc_profile=profile, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0", **QUICK)))
    assert (opened.mode, opened.info.get("icc_profile")) == (mode, None)
    opened.load()
    assert opened.info["icc_profile"] == profile
    assert opened.info["exif"].startswith(b"Exif\0\0II*\0")

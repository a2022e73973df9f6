"""Which formats hold which pictures, and what becomes of the others."""

import io

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from splatcodec import ImageError
from splatcodec.image import Picture, image_bytes, load_image, output_format

RNG = np.random.default_rng(0)


def samples_of(channels: int, dtype: type, height: int = 9, width: int = 11) -> np.ndarray:
    samples = RNG.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype=dtype, endpoint=True)
    if channels in (2, 4):
        samples[..., -1] |= 1
        samples[0, 0, -1] = 7
    return samples[..., 0] if channels == 1 else samples


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_samples_come_back(channels, dtype, format_name):
    depth = 8 * np.dtype(dtype).itemsize
    for size in ((1, 1), (1, 7), (9, 11), (40, 3)):
        samples = samples_of(channels, dtype, *size)
        content = image_bytes(Picture.of(samples), format_name, depth=depth)
        expected = samples
        if channels == 2 and format_name == "TIFF" and depth == 16:
            expected = samples[..., (0, 0, 0, 1)]
        again = load_image(content)
        assert again.depth == depth
        np.testing.assert_array_equal(again.pixels(depth), expected)
        decode = imagecodecs.png_decode if format_name == "PNG" else lambda data: tifffile.imread(io.BytesIO(data))
        np.testing.assert_array_equal(decode(content).reshape(expected.shape), expected)
        with Image.open(io.BytesIO(content)) as image:
            image.load()


def test_a_picture_may_be_written_with_another_depth():
    shallow, deep = (Picture.of(samples_of(3, dtype)) for dtype in (np.uint8, np.uint16))
    np.testing.assert_array_equal(load_image(image_bytes(shallow, "PNG", depth=16)).pixels(), shallow.pixels())
    np.testing.assert_array_equal(load_image(image_bytes(deep, "PNG")).pixels(), deep.pixels())


@pytest.mark.parametrize("format_name", ["JPEG", "WEBP", "BMP", "AVIF", "GIF", "PPM"])
def test_sixteen_bits_go_into_few_formats(format_name):
    with pytest.raises(ImageError, match=f"{format_name} holds 8 bits per sample; write 16 bits as PNG or TIFF"):
        image_bytes(Picture.of(samples_of(3, np.uint16)), format_name, depth=16)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("format_name", ["WEBP", "AVIF", "JPEG2000", "TGA", "QOI", "ICO", "DDS"])
def test_alpha_is_written(format_name, channels):
    output_format("any.tga")
    # The sides of an icon.
    picture = Picture.of(samples_of(channels, np.uint8, 16, 16))
    again = load_image(image_bytes(picture, format_name, 100 if format_name in ("WEBP", "AVIF") else None))
    np.testing.assert_allclose(again.alpha, picture.alpha, atol=0.02)


@pytest.mark.parametrize("format_name", ["JPEG", "BMP", "PPM"])
@pytest.mark.parametrize("channels", [2, 4])
def test_formats_without_alpha_say_so(format_name, channels):
    with pytest.raises(ImageError, match=f"{format_name} holds no transparency; write PNG"):
        image_bytes(Picture.of(samples_of(channels, np.uint8)), format_name)


def test_pixels_that_are_not_seen_are_black():
    samples = samples_of(4, np.uint8)
    samples[2, :, 3] = 0
    found = imagecodecs.png_decode(image_bytes(Picture.of(samples), "PNG"))
    assert not found[2].any()
    np.testing.assert_array_equal(found[3:], samples[3:])


def test_only_some_formats_have_a_quality(picture):
    found = Picture.of(picture)
    sizes = [len(image_bytes(found, "JPEG", quality)) for quality in (10, 50, None, 100)]
    assert sizes == sorted(sizes)
    with pytest.raises(ImageError, match="PNG has no quality to choose"):
        image_bytes(found, "PNG", 50)


def test_icons_are_not_made_smaller():
    with pytest.raises(ImageError, match="ICO cannot hold a picture of 300x200 pixels"):
        image_bytes(Picture.of(np.zeros((200, 300, 3), np.uint8)), "ICO")


def test_unknown_extensions_are_refused():
    assert output_format("a.JPG") == "JPEG"
    with pytest.raises(ImageError, match=r"a\.xyz: cannot write"):
        output_format("a.xyz")


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
def test_pictures_are_written_that_pillow_would_take_for_attacks(format_name, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert image_bytes(Picture.of(np.zeros((20, 30, 3), np.uint8)), format_name)

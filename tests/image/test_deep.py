"""Samples of 16 bits in files other than PNG, and of floats."""

import io
import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from splatcodec import ImageError
from splatcodec.image import load_image

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 65536, (37, 50, 3), dtype=np.uint16)


def tiff(pixels: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    photometric = "rgb" if pixels.ndim > 2 else "minisblack"
    tifffile.imwrite(file, pixels, **{"photometric": photometric} | options)
    return file.getvalue()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"rowsperstrip": 5},
        {"tile": (16, 16)},
        {"compression": "lzw"},
        {"compression": "zlib", "predictor": True},
        {"compression": "packbits", "tile": (16, 32)},
    ],
    ids=str,
)
def test_every_layout_of_tiff_is_read(layout, order):
    for pixels in (PIXELS, np.ascontiguousarray(PIXELS[..., 0])):
        picture = load_image(tiff(pixels, byteorder=order, **layout))
        assert picture.depth == 16
        np.testing.assert_array_equal(picture.pixels(16), pixels)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_alpha_of_tiff_is_read(compression):
    straight = np.dstack([PIXELS, RNG.integers(1, 65535, PIXELS.shape[:2], dtype=np.uint16)])
    content = tiff(straight, extrasamples=["unassalpha"], compression=compression)
    np.testing.assert_array_equal(load_image(content).pixels(16), straight)
    values = straight / 65535
    multiplied = np.rint(np.dstack([values[..., :3] * values[..., 3:], values[..., 3]]) * 65535).astype(np.uint16)
    picture = load_image(tiff(multiplied, extrasamples=["assocalpha"], compression=compression))
    over_black = picture.over(0).transpose(1, 2, 0)
    np.testing.assert_allclose(over_black, multiplied[..., :3] / 65535, atol=1e-5)
    np.testing.assert_allclose(picture.alpha, values[..., 3], atol=1e-6)


def test_any_page_of_tiff_is_read():
    content = tiff(np.stack([PIXELS, 65535 - PIXELS]))
    np.testing.assert_array_equal(load_image(content, frame=1).pixels(16), 65535 - PIXELS)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_deep_planes_one_behind_the_other_are_refused(compression):
    content = tiff(np.moveaxis(PIXELS, 2, 0), planarconfig="separate", compression=compression)
    with pytest.raises(ImageError, match="convert it to a 16-bit PNG"):
        load_image(content)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_rows_that_no_strip_covers_are_missed(dtype):
    content = bytearray(tiff(PIXELS.astype(dtype), rowsperstrip=37))
    place = content.index(struct.pack("<HHII", 257, 4, 1, 37))
    struct.pack_into("<I", content, place + 8, 40)
    with pytest.raises(ImageError, match="3 rows of its 40 are missing"):
        load_image(bytes(content))


def test_greys_of_12_bits_are_read():
    samples = np.array([[0, 4095, 2048, 77]], np.uint16)
    file = io.BytesIO()
    bits = np.unpackbits(samples.astype(">u2").view(np.uint8).reshape(-1, 2), axis=1)[:, 4:]
    strip = np.packbits(bits).tobytes()
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    directory = ImageFileDirectory_v2(prefix=b"II")
    tags = {256: 4, 257: 1, 258: 12, 259: 1, 262: 1, 273: 0, 277: 1, 278: 1, 279: len(strip)}
    for tag, value in tags.items():
        directory[tag] = value
    file.write(b"II*\0\x08\0\0\0" + directory.tobytes(8) + strip)
    np.testing.assert_allclose(load_image(file.getvalue()).planes[0], samples / 4095, atol=1e-6)


@pytest.mark.parametrize("largest", [65535, 1023])
def test_portable_pixmaps_are_read(largest):
    samples = RNG.integers(0, largest + 1, (5, 7, 3), dtype=np.uint16)
    raw = b"P6 7 5 %d\n" % largest + samples.astype(">u2").tobytes()
    plain = b"P3 7 5 %d\n# a comment\n" % largest + " ".join(map(str, samples.ravel())).encode()
    for content in (raw, plain):
        picture = load_image(content)
        assert picture.depth == 16
        np.testing.assert_allclose(picture.planes.transpose(1, 2, 0), samples / largest, atol=1e-6)
        with pytest.raises(ImageError, match="broken image"):
            load_image(content[:-10])


@pytest.mark.parametrize("largest", [65535, 1023])
def test_portable_greymaps_are_read(largest):
    samples = RNG.integers(0, largest + 1, (5, 7), dtype=np.uint16)
    for head in (b"P5 7 5 %d\n" % largest, b"P2 7 5 %d\n" % largest):
        body = samples.astype(">u2").tobytes() if head[1:2] == b"5" else " ".join(map(str, samples.ravel())).encode()
        picture = load_image(head + body)
        assert picture.depth == 16
        np.testing.assert_allclose(picture.planes[0], samples / largest, atol=1e-5)


def test_shallow_portable_pixmaps_are_read():
    picture = load_image(b"P6 2 1 255\n" + bytes(range(6)))
    assert picture.depth == 8
    np.testing.assert_array_equal(picture.pixels(), [[[0, 1, 2], [3, 4, 5]]])


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_pillow_images_of_16_bits_are_read(mode):
    samples = np.array([[0, 1, 256], [65535, 40000, 3]], np.uint16)
    image = Image.frombytes(mode, (3, 2), samples.astype(">u2" if mode.endswith("B") else "<u2").tobytes())
    np.testing.assert_array_equal(load_image(image).pixels(16), samples)


def test_floats_up_to_one_are_read():
    samples = RNG.random((4, 5), np.float32)
    for source in (Image.fromarray(samples), tiff(samples), samples):
        picture = load_image(source)
        assert picture.depth == 16
        np.testing.assert_array_equal(picture.planes[0], samples)


@pytest.mark.parametrize("values", [(0, 1.5), (-0.5, 1), (0, np.nan), (0, np.inf)])
def test_other_floats_are_refused(values):
    with pytest.raises(ImageError, match=r"map them to \[0, 1\] first"):
        load_image(Image.fromarray(np.array([values], np.float32)))


def test_whole_numbers_of_32_bits_are_refused():
    with pytest.raises(ImageError, match="convert it to 16 bits"):
        load_image(Image.new("I", (4, 3)))


def test_depth_that_is_lost_is_mentioned():
    deep = PIXELS >> 6
    files = {
        "JPEG 2000": imagecodecs.jpeg2k_encode(PIXELS, level=0),
        "AVIF of 10 bits": imagecodecs.avif_encode(deep, bitspersample=10),
    }
    for content in files.values():
        with pytest.warns(UserWarning, match=r"samples of 1[06] bits are read as 8"):
            assert load_image(content).depth == 8


@pytest.mark.filterwarnings("error")
def test_depth_that_is_not_lost_is_not_mentioned():
    for format_name in ("JPEG2000", "AVIF"):
        file = io.BytesIO()
        Image.fromarray(np.uint8(PIXELS >> 8)).save(file, format_name)
        load_image(file.getvalue())
    load_image(imagecodecs.jpeg2k_encode(PIXELS[..., 0], level=0))

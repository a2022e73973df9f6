"""Which pictures are read, how, and which are refused."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from splatcodec import ImageError
from splatcodec.image import load_image, output_format, to_uint8


def as_file(image: Image.Image, format_name: str = "PNG", **options) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, format_name, **options)
    file.seek(0)
    return file


def test_all_kinds_of_sources_give_the_same_planes(tmp_path, picture):
    image = Image.fromarray(picture)
    path = tmp_path / "picture.png"
    image.save(path)
    expected = picture.transpose(2, 0, 1) / np.float32(255)
    sources = [
        path,
        str(path),
        path.read_bytes(),
        path.open("rb"),
        image,
        picture,
        picture / 255,
        torch.from_numpy(picture),
        torch.from_numpy(picture).permute(2, 0, 1),
    ]
    for source in sources:
        planes = load_image(source)
        assert planes.dtype == np.float32
        np.testing.assert_allclose(planes, expected, atol=1e-6)


@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_pictures_have_one_plane(mode):
    assert load_image(Image.new(mode, (4, 3))).shape == (1, 3, 4)


@pytest.mark.parametrize("mode", ["RGB", "P", "CMYK", "YCbCr"])
def test_colour_pictures_have_three_planes(mode):
    assert load_image(Image.new(mode, (4, 3))).shape == (3, 3, 4)


def test_orientation_from_exif_is_applied(picture):
    exif = Image.Exif()
    exif[0x0112] = 6
    rotated = load_image(as_file(Image.fromarray(picture), "PNG", exif=exif))
    np.testing.assert_array_equal(to_uint8(rotated), np.rot90(picture, -1))


@pytest.mark.parametrize("mode", ["RGBA", "RGBa", "LA", "La", "PA"])
def test_translucent_pictures_are_refused(mode):
    with pytest.raises(ImageError, match="is translucent"):
        load_image(Image.new(mode, (4, 3)))


def test_palette_transparency_is_refused():
    with pytest.raises(ImageError, match="is translucent"):
        load_image(as_file(Image.new("P", (4, 3)), transparency=0))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_opaque_alpha_is_dropped(picture, mode):
    plain = Image.fromarray(picture).convert(mode)
    opaque = plain.convert("LA" if mode == "L" else "RGBA")
    expected = load_image(plain)
    for image in (opaque, as_file(opaque), np.asarray(opaque), np.asarray(opaque) / 255):
        np.testing.assert_allclose(load_image(image), expected, atol=1e-7)


def test_a_transparent_colour_that_does_not_occur_is_no_matter(picture):
    image = Image.fromarray(picture).quantize(16)
    unused = next(index for index in range(256) if index not in np.asarray(image))
    np.testing.assert_array_equal(load_image(as_file(image, transparency=unused)), load_image(image))


def test_pixels_of_sixteen_bits_are_not_deep():
    """A bitmap of 5, 6 and 5 bits."""
    import struct

    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    info = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 16, 3, 4, 0, 0, 0, 0) + masks
    pixels = struct.pack("<HH", 0xF800, 0x07E0)
    bitmap = b"BM" + struct.pack("<IHHI", 14 + len(info) + 4, 0, 0, 14 + len(info)) + info + pixels
    np.testing.assert_array_equal(to_uint8(load_image(bitmap)), [[[255, 0, 0], [0, 255, 0]]])


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_deep_grey_is_refused(mode):
    with pytest.raises(ImageError, match="more than 8 bits"):
        load_image(Image.new(mode, (4, 3)))


def test_deep_colour_is_refused():
    """Pillow itself would drop the low bits of a 16-bit RGB PNG without a word."""
    import struct
    import zlib

    def chunk(tag: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))

    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" + bytes(12))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    with pytest.raises(ImageError, match="more than 8 bits"):
        load_image(png)


def test_pictures_of_phones_with_several_views_are_read(picture):
    views = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    planes = load_image(as_file(views[0], "MPO", save_all=True, append_images=views[1:]))
    assert np.abs(to_uint8(planes).astype(int) - picture).mean() < 10


@pytest.mark.parametrize("header", [b"P6 2 1 65535\n", b"P6 2 1 1023\n"])
def test_deep_portable_pixmaps_are_refused(header):
    with pytest.raises(ImageError, match="more than 8 bits"):
        load_image(header + bytes(12))


def test_shallow_portable_pixmaps_are_read():
    assert load_image(b"P6 2 1 255\n" + bytes(6)).shape == (3, 1, 2)


def test_tensors_are_channels_first_where_they_can_be():
    assert load_image(torch.zeros(3, 7, 1)).shape == (3, 7, 1)
    assert load_image(torch.zeros(7, 5, 3, dtype=torch.bfloat16)).shape == (3, 7, 5)


def test_subclasses_of_arrays_are_read_as_arrays():
    assert load_image(np.matrix(np.zeros((4, 5), np.uint8))).shape == (1, 4, 5)


def test_animations_are_refused():
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    with pytest.raises(ImageError, match="animated"):
        load_image(as_file(frames[0], "GIF", save_all=True, append_images=frames[1:]))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4, 4), np.uint8), "is translucent"),
        (np.zeros((4, 4, 5), np.uint8), "must have shape"),
        (np.zeros(4, np.uint8), "must have shape"),
        (np.zeros((0, 4), np.uint8), "no pixels"),
        (np.zeros((4, 4), np.uint16), "uint8 or float"),
        (np.full((4, 4), 1.5), r"must lie in \[0, 1\]"),
        (np.full((4, 4), np.nan), "NaN"),
    ],
)
def test_bad_arrays_are_refused(array, message):
    with pytest.raises(ImageError, match=message):
        load_image(array)


def test_other_objects_are_refused():
    with pytest.raises(ImageError, match="got dict"):
        load_image({})


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_truncated_files_are_refused(picture, format_name):
    content = as_file(Image.fromarray(picture), format_name).getvalue()
    for length in (0, 1, 10, len(content) // 2):
        with pytest.raises(ImageError):
            load_image(content[:length])


def test_rounding_clamps():
    np.testing.assert_array_equal(to_uint8(np.array([[[-1, 0.5, 2]]], np.float32)), [[0, 128, 255]])


def test_unknown_extensions_are_refused():
    assert output_format("a.JPG") == "JPEG"
    with pytest.raises(ImageError, match=r"a\.xyz: cannot write"):
        output_format("a.xyz")

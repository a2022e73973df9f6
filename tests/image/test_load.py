"""Which pictures are read, how, and which are refused."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from splatcodec import ImageError
from splatcodec.image import Picture, load_image, load_pixels, to_uint8
from splatcodec.metadata import Metadata


def as_file(image: Image.Image, format_name: str = "PNG", **options) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, format_name, **options)
    file.seek(0)
    return file


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"planes": np.zeros((2, 4, 4), np.float32)}, "planes must have shape"),
        ({"planes": np.full((3, 4, 4), np.nan, np.float32)}, "planes must lie in"),
        ({"planes": np.full((1, 4, 4), 1.5, np.float32)}, "planes must lie in"),
        ({"alpha": np.ones((4, 5), np.float32)}, "alpha must have shape"),
        ({"alpha": np.full((4, 4), -0.1, np.float32)}, "alpha must lie in"),
        ({"depth": 12}, "depth must be 8 or 16"),
    ],
)
def test_pictures_that_are_none_are_refused(fields, fault):
    picture = Picture(**{"planes": np.zeros((3, 4, 4), np.float32)} | fields)
    with pytest.raises(ImageError, match=f"^<Picture>: {fault}"):
        load_image(picture)


def test_metadata_of_pictures_is_left_out_as_that_of_files():
    picture = Picture(np.zeros((3, 4, 4), np.float32), metadata=Metadata(exif=bytes(100), xmp=bytes(10)))
    assert load_image(picture).metadata == picture.metadata
    assert load_image(picture, strip=True).metadata == Metadata()
    with pytest.warns(UserWarning, match="<Picture>: its EXIF of 100 bytes is left out"):
        assert load_image(picture, max_metadata=50).metadata == Metadata(xmp=bytes(10))


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
        planes = load_image(source).planes
        assert planes.dtype == np.float32
        np.testing.assert_allclose(planes, expected, atol=1e-6)


@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_pictures_have_one_plane(mode):
    assert load_image(Image.new(mode, (4, 3))).planes.shape == (1, 3, 4)


@pytest.mark.parametrize("mode", ["RGB", "P", "YCbCr", "HSV"])
def test_colour_pictures_have_three_planes(mode):
    assert load_image(Image.new(mode, (4, 3))).planes.shape == (3, 3, 4)


@pytest.mark.parametrize("mode", ["RGBA", "RGBa", "LA", "La", "PA"])
def test_translucent_pictures_have_alpha(mode):
    found = load_image(Image.new(mode, (4, 3)))
    assert found.planes.shape == (1 if mode in ("LA", "La") else 3, 3, 4)
    np.testing.assert_array_equal(found.alpha, np.zeros((3, 4)))


def test_colours_are_not_multiplied_by_alpha():
    pixels = np.random.default_rng(0).integers(1, 256, (6, 5, 4), dtype=np.uint8)
    found = load_image(Image.fromarray(pixels))
    np.testing.assert_array_equal(found.pixels(), pixels)
    multiplied = load_image(Image.fromarray(pixels).convert("RGBa"))
    np.testing.assert_allclose(multiplied.over(0), found.over(0), atol=1 / 250)


def test_opaque_samples_are_not_had_of_translucent_pictures():
    image = Image.new("RGBA", (4, 3))
    with pytest.raises(ImageError, match="is translucent; give a background"):
        load_pixels(image)
    np.testing.assert_array_equal(load_pixels(image, background="white"), np.full((3, 4, 3), 255))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_opaque_alpha_is_dropped(picture, mode):
    plain = Image.fromarray(picture).convert(mode)
    opaque = plain.convert("LA" if mode == "L" else "RGBA")
    expected = load_image(plain).planes
    for image in (opaque, as_file(opaque), np.asarray(opaque), np.asarray(opaque) / 255):
        found = load_image(image)
        np.testing.assert_allclose(found.planes, expected, atol=1e-7)
        assert found.alpha is None


def test_a_transparent_colour_that_does_not_occur_is_no_matter(picture):
    image = Image.fromarray(picture).quantize(16)
    unused = next(index for index in range(256) if index not in np.asarray(image))
    np.testing.assert_array_equal(load_image(as_file(image, transparency=unused)).planes, load_image(image).planes)


def test_pixels_of_sixteen_bits_are_not_deep():
    """A bitmap of 5, 6 and 5 bits."""
    import struct

    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    info = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 16, 3, 4, 0, 0, 0, 0) + masks
    pixels = struct.pack("<HH", 0xF800, 0x07E0)
    bitmap = b"BM" + struct.pack("<IHHI", 14 + len(info) + 4, 0, 0, 14 + len(info)) + info + pixels
    np.testing.assert_array_equal(to_uint8(load_image(bitmap).planes), [[[255, 0, 0], [0, 255, 0]]])


def test_pictures_of_phones_with_several_views_are_read(picture):
    views = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    planes = load_image(as_file(views[0], "MPO", save_all=True, append_images=views[1:])).planes
    assert np.abs(to_uint8(planes).astype(int) - picture).mean() < 10


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
def test_arrays_and_tensors_of_every_kind_are_read(dtype, channels):
    rng = np.random.default_rng(0)
    shape = (6, 5) if channels is None else (6, 5, channels)
    values = rng.random(shape) if np.issubdtype(dtype, np.floating) else rng.integers(1, np.iinfo(dtype).max, shape)
    array = values.astype(dtype)
    for source in (array, torch.from_numpy(array)):
        found = load_image(source)
        assert found.planes.dtype == np.float32
        assert found.planes.shape == (3 if channels in (3, 4) else 1, 6, 5)
        assert (found.alpha is None) == (channels not in (2, 4))
        assert found.depth == (8 if dtype == np.uint8 else 16)
        if not np.issubdtype(dtype, np.floating):
            expected = array[..., 0] if channels == 1 else array
            np.testing.assert_array_equal(found.pixels(found.depth), expected)


def test_tensors_are_channels_first_where_they_can_be():
    assert load_image(torch.zeros(3, 7, 1)).planes.shape == (3, 7, 1)
    assert load_image(torch.zeros(7, 5, 3, dtype=torch.bfloat16)).planes.shape == (3, 7, 5)
    assert load_image(torch.zeros(4, 7, 5)).alpha.shape == (7, 5)
    assert load_image(torch.zeros(7, 5, 2)).alpha.shape == (7, 5)


def test_subclasses_of_arrays_are_read_as_arrays():
    assert load_image(np.matrix(np.zeros((4, 5), np.uint8))).planes.shape == (1, 4, 5)


COLORS = {"red": (1, 0, 0), "lime": (0, 1, 0), "blue": (0, 0, 1)}


@pytest.fixture(params=["GIF", "PNG", "TIFF", "WEBP"])
def animation(request) -> io.BytesIO:
    first, *others = (Image.new("RGB", (4, 4), color) for color in COLORS)
    return as_file(first, request.param, save_all=True, append_images=others, lossless=True)


def test_of_an_animation_the_first_frame_is_taken(animation):
    with pytest.warns(UserWarning, match="is animated or has several pages; the first one is taken"):
        planes = load_image(animation).planes
    assert planes[:, 2, 2] == pytest.approx(COLORS["red"])


@pytest.mark.filterwarnings("error")
def test_any_frame_can_be_chosen(animation):
    for frame, color in enumerate(COLORS.values()):
        animation.seek(0)
        assert load_image(animation, frame=frame).planes[:, 2, 2] == pytest.approx(color)
    animation.seek(0)
    with pytest.raises(ImageError, match="has no frame 3: the last one is 2"):
        load_image(animation, frame=3)


@pytest.mark.filterwarnings("error")
def test_an_open_animation_stays_where_it_stands(animation):
    with Image.open(animation) as image:
        image.seek(1)
        assert load_image(image).planes[:, 2, 2] == pytest.approx(COLORS["lime"])
        assert load_image(image, frame=2).planes[:, 2, 2] == pytest.approx(COLORS["blue"])
        assert image.tell() == 1


def test_a_still_picture_has_one_frame(picture):
    for image in (picture, Image.fromarray(picture)):
        np.testing.assert_array_equal(to_uint8(load_image(image, frame=0).planes), picture.transpose(0, 1, 2))
        with pytest.raises(ImageError, match="has no frame 1: the last one is 0"):
            load_image(image, frame=1)


@pytest.mark.parametrize("background", ["white", "#204080"])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_translucent_pictures_are_laid_on_a_background(mode, background):
    rng = np.random.default_rng(0)
    if mode == "P":
        image = Image.fromarray(rng.integers(0, 4, (6, 5), dtype=np.uint8)).convert("P")
        image.putpalette(rng.integers(0, 256, 12).tolist())
        image.info["transparency"] = 1
    else:
        image = Image.fromarray(rng.integers(0, 256, (6, 5, len(mode)), dtype=np.uint8))
    under = Image.new("RGBA", image.size, background)
    expected = np.asarray(Image.alpha_composite(under, image.convert("RGBA")).convert("RGB")).transpose(2, 0, 1)
    planes = load_image(image, background=background).planes
    assert len(planes) == (1 if mode == "LA" and background == "white" else 3)
    np.testing.assert_allclose(255 * np.broadcast_to(planes, (3, 6, 5)), expected, atol=1.01)


def test_arrays_are_laid_on_a_background():
    array = np.dstack([np.full((2, 3, 3), 0.5), np.array([[0, 0.5, 1]] * 2)])
    assert load_image(array, background="black").planes[0, 0] == pytest.approx([0, 0.25, 0.5])


def test_an_opaque_picture_needs_no_background(picture):
    np.testing.assert_array_equal(load_image(picture, background="red").planes, load_image(picture).planes)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4, 5), np.uint8), "must have shape"),
        (np.zeros(4, np.uint8), "must have shape"),
        (np.zeros((0, 4), np.uint8), "no pixels"),
        (np.zeros((4, 4), np.int32), "uint8, uint16 or float"),
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


@pytest.mark.parametrize("background", ["no colour", "#12"])
def test_colours_that_there_are_not_are_refused(background, picture):
    with pytest.raises(ImageError, match="is not a colour"):
        load_image(picture, background=background)


def test_rounding_clamps():
    np.testing.assert_array_equal(to_uint8(np.array([[[-1, 0.5, 2]]], np.float32)), [[0, 128, 255]])

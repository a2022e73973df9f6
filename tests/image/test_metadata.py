"""EXIF and XMP: read, turned upright, limited and written back."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from splatcodec import ImageError
from splatcodec.image import Picture, image_bytes, load_image
from splatcodec.image.profiles import compact_profile
from splatcodec.metadata import ColorSpace, Metadata

from .pngs import chunk
from .test_profiles import as_file, with_gamma

ORIENTATION, MAKE, EXPOSURE = 0x0112, 0x010F, 0x829A
HOLDING_ALL = ("PNG", "JPEG", "WEBP", "TIFF", "AVIF")
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'


def exif_of(orientation: int | None = None, make: str | None = "Maker") -> Image.Exif:
    exif = Image.Exif()
    if make:
        exif[MAKE] = make
        exif.get_ifd(0x8769)[EXPOSURE] = 0.25
    if orientation:
        exif[ORIENTATION] = orientation
    return exif


def read(exif: bytes) -> Image.Exif:
    found = Image.Exif()
    found.load(b"Exif\0\0" + exif)
    return found


def with_xmp(image: Image.Image, format_name: str, xmp: bytes, **options) -> bytes:
    if format_name == "PNG":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        return as_file(image, format_name, pnginfo=info, **options)
    if format_name == "TIFF":
        return as_file(image, format_name, tiffinfo={700: xmp}, **options)
    return as_file(image, format_name, xmp=xmp, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_name", HOLDING_ALL)
def test_orientation_is_applied_once(format_name, orientation, picture):
    content = as_file(Image.fromarray(picture), format_name, exif=exif_of(orientation), quality=95)
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    found = load_image(content)
    np.testing.assert_array_equal(found.pixels(), expected)
    assert found.pixels().shape[:2] == (picture.shape[:2] if orientation < 5 else picture.shape[1::-1])
    assert read(found.metadata.exif).get(ORIENTATION, 1) == 1
    again = load_image(image_bytes(found, format_name))
    assert again.pixels().shape == found.pixels().shape


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_orientation_of_deep_pictures_is_applied(format_name, orientation):
    samples = np.arange(6 * 4 * 3, dtype=np.uint16).reshape(6, 4, 3) * 901
    exif = exif_of(orientation).tobytes()[6:]
    content = image_bytes(Picture.of(samples, Metadata(exif=exif)), format_name, depth=16)
    if format_name == "TIFF":
        # There, the orientation is not one of those tags that are written.
        place = content.index(struct.pack("<HHI", 284, 3, 1))
        # In the place of the planar configuration, which is the default.
        content = content[:place] + struct.pack("<HHIHH", ORIENTATION, 3, 1, orientation, 0) + content[place + 12 :]
    turned = {3: samples[::-1, ::-1], 6: np.rot90(samples, -1), 7: np.rot90(samples, 2).swapaxes(0, 1)}[orientation]
    np.testing.assert_array_equal(load_image(content).pixels(16), turned)


@pytest.mark.parametrize("order", ["<", ">"])
def test_only_the_orientation_of_exif_is_changed(order, picture):
    exif = exif_of(6)
    exif.endian = order
    blob = exif.tobytes()
    content = as_file(Image.fromarray(picture), "JPEG", exif=blob)
    found = load_image(content).metadata.exif
    assert len(found) == len(blob) - 6
    assert sum(a != b for a, b in zip(found, blob[6:], strict=True)) == 1
    assert read(found)[ORIENTATION] == 1
    assert read(found)[MAKE] == "Maker"


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_exif_that_says_nothing_else_is_left_out(format_name, picture):
    content = as_file(Image.fromarray(picture), format_name, exif=exif_of(6, make=None))
    found = load_image(content)
    assert found.height == picture.shape[1]
    assert found.metadata.exif is None


@pytest.mark.parametrize("format_name", HOLDING_ALL)
def test_orientation_of_xmp_is_applied_once(format_name, picture):
    content = with_xmp(Image.fromarray(picture), format_name, XMP % 6)
    found = load_image(content)
    assert (found.height, found.width) == picture.shape[1::-1]
    # Pillow takes it out of TIFF.
    assert found.metadata.xmp == (XMP % 1 if format_name != "TIFF" else (XMP % 1).replace(b'tiff:Orientation="1"', b""))


def test_padding_of_xmp_is_left_out(picture):
    packet = b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x/>%b<?xpacket end="w"?>'
    content = with_xmp(Image.fromarray(picture), "JPEG", packet % (b" " * 2000 + b"\n"))
    assert load_image(content).metadata.xmp == packet % b"\n"


@pytest.mark.parametrize(
    ("format_name", "mode", "depth"),
    [
        (format_name, mode, depth)
        for format_name in HOLDING_ALL
        for mode in ("L", "LA", "RGB", "RGBA")
        for depth in (8, 16)
        if (depth == 8 or format_name in ("PNG", "TIFF")) and not (format_name == "JPEG" and mode.endswith("A"))
    ],
)
def test_metadata_is_written_back(format_name, mode, depth):
    channels = 3 if "RGB" in mode else 1
    kept = 1 if channels == 1 and format_name in ("PNG", "TIFF", "JPEG") else 3
    if mode == "LA" and format_name == "TIFF" and depth == 16:
        kept = 3
    samples = np.random.default_rng(0).integers(0, 256, (6, 5, len(mode)), dtype=np.uint8)
    exif = exif_of().tobytes()[6:]
    for space in (ColorSpace.SRGB, ColorSpace.DISPLAY_P3):
        metadata = Metadata(space, None, exif, XMP % 1)
        found = load_image(image_bytes(Picture.of(samples, metadata), format_name, depth=depth)).metadata
        # The grey axes of both are the same.
        assert found.color_space == (space if kept == 3 or (format_name == "PNG" and space == 1) else ColorSpace.SRGB)
        assert found.icc is None
        assert found.xmp == metadata.xmp
        assert read(found.exif)[MAKE] == "Maker"
        assert float(read(found.exif).get_ifd(0x8769)[EXPOSURE]) == 0.25
    if kept == channels:
        icc = with_gamma(compact_profile(ColorSpace.SRGB, channels), 2.0)
        metadata = Metadata(ColorSpace.ICC, icc)
        found = load_image(image_bytes(Picture.of(samples, metadata), format_name, depth=depth)).metadata
        assert found == metadata


def test_nothing_is_attached_where_nothing_is_known():
    samples = np.zeros((4, 4, 3), np.uint8)
    for format_name in HOLDING_ALL:
        with Image.open(io.BytesIO(image_bytes(Picture.of(samples), format_name))) as image:
            assert not {"icc_profile", "exif", "xmp", "srgb"} & set(image.info)


@pytest.mark.filterwarnings("error")
def test_strip_leaves_all_out_but_turns_and_converts(picture):
    content = as_file(
        Image.fromarray(picture),
        "JPEG",
        exif=exif_of(6),
        xmp=XMP % 1,
        icc_profile=with_gamma(compact_profile(ColorSpace.SRGB, 3), 2.0),
    )
    found = load_image(content, strip=True, max_metadata=0)
    assert found.metadata == Metadata()
    assert found.height == picture.shape[1]


def test_too_much_is_left_out_with_a_warning(tmp_path, picture):
    path = tmp_path / "picture.png"
    exif = exif_of(make="M" * 3000)
    path.write_bytes(with_xmp(Image.fromarray(picture), "PNG", XMP % 1 + b"<!--" + b"x" * 3000 + b"-->"))
    with pytest.warns(UserWarning, match=r"picture\.png: its XMP of 30\d\d bytes .*--max-metadata .* 2000"):
        assert load_image(path, max_metadata=2000).metadata.xmp is None
    path.write_bytes(as_file(Image.fromarray(picture), exif=exif))
    with pytest.warns(UserWarning, match=r"picture\.png: its EXIF of 3\d\d\d bytes .*--max-metadata .* 2000"):
        assert load_image(path, max_metadata=2000).metadata.exif is None
    assert len(load_image(path).metadata.exif) > 3000


def test_too_large_a_profile_is_refused(picture):
    icc = with_gamma(compact_profile(ColorSpace.SRGB, 3), 2.0)
    content = as_file(Image.fromarray(picture), icc_profile=icc)
    assert load_image(content, max_metadata=len(icc)).metadata.icc == icc
    with pytest.raises(ImageError, match=f"{len(icc)} bytes is larger than the 400 allowed; .*--max-metadata.*--strip"):
        load_image(content, max_metadata=400)
    # One that is not kept needs no room.
    srgb = as_file(Image.fromarray(picture), icc_profile=compact_profile(ColorSpace.SRGB, 3))
    assert load_image(srgb, max_metadata=0).metadata.color_space == ColorSpace.SRGB


@pytest.mark.parametrize("blob", [b"", b"II", b"no EXIF at all", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"])
def test_damaged_exif_does_not_spoil_a_picture(blob, picture):
    content = as_file(Image.fromarray(picture))
    content = content[:33] + chunk(b"eXIf", blob) + content[33:]
    if blob:
        with pytest.warns(UserWarning, match="EXIF is damaged and left out"):
            found = load_image(content)
    else:
        found = load_image(content)
    np.testing.assert_array_equal(found.pixels(), picture)
    assert found.metadata.exif is None


def test_what_jpeg_cannot_hold_is_left_out_with_a_warning(picture):
    exif = exif_of(make="M" * 70000).tobytes()[6:]
    large = Picture.of(picture, Metadata(exif=exif, xmp=b"<x>" + b"x" * 70000))
    with pytest.warns(UserWarning, match="JPEG holds no EXIF of"), pytest.warns(UserWarning, match="no XMP of 70003"):
        content = image_bytes(large, "JPEG")
    assert load_image(content).metadata == Metadata()


@pytest.mark.parametrize("space", [ColorSpace.DISPLAY_P3, ColorSpace.ICC])
def test_a_format_without_profiles_says_that_colours_change(space, picture):
    with pytest.warns(UserWarning, match="BMP cannot say that colours follow"):
        image_bytes(Picture.of(picture, Metadata(space, b"profile")), "BMP")

"""PNG of every kind: sample by sample, corrupt, and of the public suite."""

import os
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from splatcodec import ImageError
from splatcodec.image import load_image
from splatcodec.image.png import chunks, png_bytes
from splatcodec.metadata import ColorSpace

from .pngs import GREY, GREY_ALPHA, KINDS, PALETTE, RGB, RGB_ALPHA, SIGNATURE, chunk, palette_of, png, random_samples

SIZES = ((1, 1), (2, 3), (5, 9), (8, 8), (13, 7), (3, 17))


def expected_of(samples: np.ndarray, kind: int, depth: int) -> np.ndarray:
    """Values [H, W, C] in [0, 1]."""
    if kind == PALETTE:
        return palette_of(depth)[samples[..., 0]] / 255
    return samples / (2**depth - 1)


def assert_equal(content: bytes, expected: np.ndarray, depth: int) -> None:
    picture = load_image(content)
    assert picture.depth == (16 if depth == 16 else 8)
    colors = expected.shape[2] - 1 if expected.shape[2] in (2, 4) else expected.shape[2]
    np.testing.assert_allclose(picture.planes, expected[..., :colors].transpose(2, 0, 1), atol=1e-6)
    if colors < expected.shape[2] and (expected[..., -1] < 1).any():
        np.testing.assert_allclose(picture.alpha, expected[..., -1], atol=1e-6)
    else:
        assert picture.alpha is None


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("kind", "depth"), KINDS)
def test_every_kind_is_read(kind, depth, interlaced):
    palette = chunk(b"PLTE", palette_of(depth).tobytes()) if kind == PALETTE else b""
    for size in SIZES:
        samples = random_samples(kind, depth, *size)
        content = png(samples, kind, depth, interlaced=interlaced, extra=palette)
        assert_equal(content, expected_of(samples, kind, depth), depth)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("kind", "depth"), [kind for kind in KINDS if kind[0] in (GREY, RGB)])
def test_one_colour_may_be_transparent(kind, depth, interlaced):
    for size in SIZES:
        samples = random_samples(kind, depth, *size)
        key = samples[-1, -1]
        content = png(samples, kind, depth, interlaced=interlaced, extra=chunk(b"tRNS", key.astype(">u2").tobytes()))
        opaque = (samples != key).any(axis=2, keepdims=True)
        assert_equal(content, np.concatenate([expected_of(samples, kind, depth), opaque], axis=2), depth)


@pytest.mark.parametrize("transparent", [1, 2])
@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_colours_of_a_palette_may_be_translucent(depth, transparent):
    """Of one that is fully transparent, Pillow keeps the number; of others, a list."""
    samples = random_samples(PALETTE, depth, 9, 11)
    alpha = np.full(2**depth, 255)
    alpha[:transparent] = [0, 99][:transparent]
    extra = chunk(b"PLTE", palette_of(depth).tobytes()) + chunk(b"tRNS", alpha.astype(np.uint8).tobytes())
    opacity = alpha[samples] / 255
    assert_equal(
        png(samples, PALETTE, depth, extra=extra),
        np.concatenate([expected_of(samples, PALETTE, depth), opacity], axis=2),
        depth,
    )


@pytest.mark.parametrize(
    ("kind", "channels"), [(GREY, 1), (GREY_ALPHA, 2), (RGB, 3), (RGB_ALPHA, 4)], ids=["L", "LA", "RGB", "RGBA"]
)
def test_deep_files_are_written(kind, channels):
    for size in SIZES:
        samples = random_samples(kind, 16, *size)
        pixels = samples[..., 0] if channels == 1 else samples
        content = png_bytes(pixels)
        np.testing.assert_array_equal(imagecodecs.png_decode(content).reshape(samples.shape), samples)


@pytest.mark.parametrize("slope", [(1, 90), (90, 1), (60, 60)])
def test_deep_files_are_as_small_as_those_of_libpng(slope):
    y, x = np.mgrid[:150, :200]
    noise = np.random.default_rng(0).normal(0, 20, (150, 200, 1))
    rough = np.cumsum(np.random.default_rng(1).normal(0, 500, (3, 200)), axis=1)
    ridges = rough[:, x if slope[0] < slope[1] else y].transpose(1, 2, 0)
    pixels = (20000 + ridges + (slope[0] * x + slope[1] * y)[..., None] + noise).clip(0, 65535).astype(np.uint16)
    assert len(png_bytes(pixels)) < 1.03 * len(imagecodecs.png_encode(pixels))


GOOD = png(random_samples(RGB, 8, 4, 5), RGB, 8)
SRGB, DISPLAY_P3, PQ, HLG = (bytes(points) for points in ((1, 13, 0, 1), (12, 13, 0, 1), (9, 16, 0, 1), (9, 18, 0, 1)))


def with_header(**changes: int) -> bytes:
    fields = {"width": 5, "height": 4, "depth": 8, "kind": 2, "compression": 0, "filters": 0, "interlaced": 0} | changes
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", *fields.values())) + GOOD[33:]


def without(tag: bytes) -> bytes:
    return SIGNATURE + b"".join(chunk(*found) for found in chunks(GOOD) if found[0] != tag)


FAULTS = {
    "carriage returns instead of line feeds": GOOD.replace(b"\n", b"\r", 1),
    "line feeds instead of both": GOOD.replace(b"\r\n", b"\n", 1),
    "a byte of the signature": b"\x88" + GOOD[1:],
    "a colour type that there is not": with_header(kind=1),
    "another one": with_header(kind=9),
    "no bits": with_header(depth=0),
    "three bits": with_header(depth=3),
    "ninety-nine bits": with_header(depth=99),
    "the checksum of the header": GOOD[:32] + bytes([GOOD[32] ^ 1]) + GOOD[33:],
    "the checksum of the pixels": GOOD[:-13] + bytes([GOOD[-13] ^ 1]) + GOOD[-12:],
    "no pixels": without(b"IDAT"),
    "no end": without(b"IEND"),
    "more pixels than there are": with_header(height=4000),
    "more pixels than memory": with_header(width=2**31 - 1, height=2**31 - 1, depth=16),
    "pixels that are not compressed": SIGNATURE + GOOD[8:33] + chunk(b"IDAT", b"pixels") + chunk(b"IEND", b""),
}


@pytest.mark.parametrize("content", FAULTS.values(), ids=FAULTS)
def test_corrupt_files_are_refused_in_one_line(content):
    with pytest.raises(ImageError) as caught:
        load_image(content)
    assert "\n" not in str(caught.value)


def test_code_points_say_what_colours_mean():
    samples = random_samples(RGB, 8, 4, 5)
    for points, space in ((SRGB, ColorSpace.SRGB), (DISPLAY_P3, ColorSpace.DISPLAY_P3)):
        metadata = load_image(png(samples, RGB, 8, extra=chunk(b"cICP", points))).metadata
        assert (metadata.color_space, metadata.icc) == (space, None)
    metadata = load_image(png(samples, RGB, 8, extra=chunk(b"sRGB", b"\0"))).metadata
    assert metadata.color_space == ColorSpace.SRGB


@pytest.mark.parametrize(("points", "name"), [(PQ, "PQ"), (HLG, "HLG")])
def test_hdr_is_refused(points, name):
    with pytest.raises(ImageError, match=rf"is HDR \({name}\)"):
        load_image(png(random_samples(RGB, 16, 4, 5), RGB, 16, extra=chunk(b"cICP", points)))


def test_an_open_deep_file_stays_as_it_is(tmp_path):
    samples = random_samples(RGB, 16, 6, 5)
    path = tmp_path / "deep.png"
    path.write_bytes(png(samples, RGB, 16))
    with Image.open(path) as image:
        np.testing.assert_array_equal(load_image(image).pixels(16), samples)
        np.testing.assert_array_equal(load_image(image).pixels(16), samples)
        np.testing.assert_array_equal(np.asarray(image), samples >> 8)


def test_of_a_deep_animation_only_the_first_frame_is_read():
    samples = random_samples(RGB, 16, 4, 5)

    def control(number: int) -> bytes:
        return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, 5, 4, 0, 0, 1, 1, 0, 0))

    still = png(samples, RGB, 16, extra=chunk(b"acTL", struct.pack(">II", 2, 0)) + control(0))
    rows = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples))
    content = still[:-12] + control(1) + chunk(b"fdAT", struct.pack(">I", 2) + rows) + still[-12:]
    np.testing.assert_array_equal(load_image(content, frame=0).pixels(16), samples)
    with pytest.raises(ImageError, match="more than 8 bits per sample"):
        load_image(content, frame=1)


def suite(corrupt: bool) -> list[Path]:
    """Paths of PngSuite's files (http://www.schaik.com/pngsuite/), of which those that are corrupt start with an x."""
    directory = os.environ.get("SPLATCODEC_PNGSUITE")
    if not directory:
        pytest.skip("SPLATCODEC_PNGSUITE does not name a directory with PngSuite")
    return [path for path in sorted(Path(directory).glob("*.png")) if path.name.startswith("x") == corrupt]


def test_the_public_suite_is_read():
    paths = suite(corrupt=False)
    assert paths
    for path in paths:
        picture = load_image(path)
        expected = imagecodecs.png_decode(path.read_bytes())
        assert (picture.height, picture.width) == expected.shape[:2], path.name
        if expected.dtype == np.uint16:
            assert picture.depth == 16, path.name


def test_what_is_corrupt_in_the_public_suite_is_refused():
    for path in suite(corrupt=True):
        with pytest.raises(ImageError) as caught:
            load_image(path)
        assert "\n" not in str(caught.value), path.name

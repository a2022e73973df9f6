"""Files cut short and with flipped bits: a picture or one line, never another exception, nor much memory."""

import io
import tracemalloc
import warnings
from functools import cache

import numpy as np
import pytest
from PIL import Image

from splatcodec import ImageError
from splatcodec.image import Picture, image_bytes, load_image
from splatcodec.image.profiles import compact_profile
from splatcodec.metadata import ColorSpace, Metadata

from .pngs import GREY_ALPHA, PALETTE, RGB, RGB_ALPHA, chunk, palette_of, png, random_samples
from .test_deep import tiff
from .test_metadata import XMP, exif_of
from .test_profiles import as_file, cmyk_files, with_gamma

FLIPS = 60


@cache
def files() -> dict[str, bytes]:
    """A small file of each kind, with all that it can carry."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    deep = rng.integers(0, 65536, (9, 7, 4), dtype=np.uint16)
    icc = with_gamma(compact_profile(ColorSpace.SRGB, 3), 2.0)
    metadata = Metadata(ColorSpace.ICC, icc, exif_of(6).tobytes()[6:], XMP % 6)
    found = {name: image_bytes(Picture.of(pixels, metadata), name) for name in ("PNG", "JPEG", "WEBP", "TIFF", "AVIF")}
    found |= {f"{name}, 16 bits": image_bytes(Picture.of(deep, metadata), name, depth=16) for name in ("PNG", "TIFF")}
    for kind, depth in ((GREY_ALPHA, 16), (RGB_ALPHA, 16), (RGB, 16), (PALETTE, 4)):
        extra = chunk(b"PLTE", palette_of(depth).tobytes()) + chunk(b"tRNS", b"\0\x50") if kind == PALETTE else b""
        samples = random_samples(kind, depth, 9, 7)
        found[f"interlaced PNG of type {kind}"] = png(samples, kind, depth, interlaced=True, extra=extra)
    for name in ("BMP", "GIF", "TGA", "PPM", "JPEG2000", "QOI", "PCX", "SGI"):
        found[name] = as_file(Image.fromarray(pixels), name)
    found["ICO"] = as_file(Image.fromarray(pixels).resize((16, 16)), "ICO")
    found["PPM, 16 bits"] = b"P6 7 9 65535\n" + deep[..., :3].astype(">u2").tobytes()
    found["plain PPM, 16 bits"] = b"P3 7 9 999\n" + " ".join(map(str, deep[..., :3].ravel() % 1000)).encode()
    found["TIFF, 16 bits, raw"] = tiff(deep[..., :3], byteorder=">")
    found["animated GIF"] = as_file(
        Image.fromarray(pixels), "GIF", save_all=True, append_images=[Image.new("RGB", (7, 9))]
    )
    return found | {f"{name} of inks": content for name, content in cmyk_files().items()}


def refused(content: bytes, **options) -> bool:
    """Whether a file is refused, which has to be in one line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            load_image(content, **options)
        except ImageError as error:
            message = str(error)
        else:
            return False
    assert "\n" not in message
    return True


@pytest.mark.parametrize("name", files())
def test_the_files_are_good(name):
    assert not refused(files()[name])


@pytest.mark.parametrize("name", files())
def test_files_that_end_early_are_refused(name):
    content = files()[name]
    # Less than the end of a good file may be missing.
    for length in {0, 1, 10, *range(0, len(content) * 3 // 5, 1 + len(content) // FLIPS)}:
        assert refused(content[:length]), length
    for length in range(len(content) * 3 // 5, len(content), 1 + len(content) // FLIPS):
        refused(content[:length])


@pytest.mark.parametrize("name", files())
def test_flipped_bits_do_no_harm(name):
    content = files()[name]
    rng = np.random.default_rng(0)
    # Colours of inks take long to convert.
    flips = FLIPS // 6 if "inks" in name else FLIPS
    # Most of what readers believe stands at the beginning.
    places = np.concatenate([rng.integers(0, min(len(content), 120), flips), rng.integers(0, len(content), flips)])
    for place, bit in zip(places, rng.integers(0, 8, len(places)), strict=True):
        broken = bytearray(content)
        broken[place] ^= 1 << bit
        refused(bytes(broken), frame=1 if name == "animated GIF" else None)


@pytest.mark.parametrize("kind", [RGB, GREY_ALPHA, RGB_ALPHA])
def test_a_few_bytes_do_not_ask_for_much_memory(kind):
    good = png(random_samples(kind, 16, 9, 7), kind, 16)
    large = good[:16] + (9000).to_bytes(4, "big") * 2 + good[24:29]
    forged = large + chunk(b"IHDR", large[16:29])[-4:] + good[33:]
    pixmap = b"P6 9000 9000 65535\n" + bytes(100)
    tracemalloc.start()
    try:
        for content in (forged, pixmap):
            assert refused(content)
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def test_pictures_beyond_pillows_limit_are_refused():
    for content in (b"P6 90000 90000 65535\n" + bytes(100), b"P6 90000 90000 255\n" + bytes(100)):
        with pytest.raises(ImageError, match="exceeds limit"):
            load_image(io.BytesIO(content))

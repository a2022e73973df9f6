"""Damaged metadata of a .gsi file does not keep its picture from being written in other formats."""

from collections.abc import Iterator
from itertools import zip_longest
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageCms

from splatcodec.image import samples_bytes
from splatcodec.metadata import ColorSpace, Metadata

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PACKET = b'<?xpacket begin="" id=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta><?xpacket end="w"?>'


def exif() -> bytes:
    tags = Image.Exif()
    tags.update(
        {0x010E: "a picture", 0x0112: 3, 0x8769: {0x9000: b"0230", 0x829A: 0.25}, 0x8825: {1: "N", 2: (1.0, 2.0, 3.0)}}
    )
    return tags.tobytes().removeprefix(b"Exif\0\0")


def damaged(content: bytes, rng: Random, step: int) -> Iterator[bytes]:
    """The content with one byte after the other, `step` apart, set to another value, and cut at some places."""
    for place in range(0, len(content), step):
        yield content[:place] + bytes([rng.choice((0, 1, 255))]) + content[place + 1 :]
    yield from (content[: rng.randrange(len(content))] for _ in range(20))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "JPEG", "WEBP", "AVIF"])
def test_damaged_metadata_is_written_or_left_out(format_name):
    rng, pixels = Random(0), np.zeros((2, 3, 3), np.uint8)
    every = [damaged(exif(), rng, 1), damaged(PROFILE, rng, 5), damaged(PACKET, rng, 1)]
    for parts in zip_longest(*every, fillvalue=b"?"):
        assert samples_bytes(pixels, Metadata(ColorSpace.ICC, parts[1], parts[0], parts[2]), format_name)

"""Damaged metadata of a .gsi file does not keep its picture from being written in other formats."""

from random import Random

import numpy as np
import pytest
from PIL import Image, ImageCms

from splatcodec.image import samples_bytes
from splatcodec.metadata import ColorSpace, Metadata

from .mutations import changed

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PACKET = b'<?xpacket begin="" id=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta><?xpacket end="w"?>'


def exif() -> bytes:
    tags = Image.Exif()
    tags.update({0x010E: "a picture", 0x8769: {0x9000: b"0230", 0x829A: 0.25}, 0x8825: {1: "N", 2: (1.0, 2.0, 3.0)}})
    return tags.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "JPEG", "WEBP", "AVIF", "BMP"])
def test_damaged_metadata_is_written_or_left_out(format_name):
    rng, sound = Random(0), exif()
    for _ in range(250):
        damaged = [PROFILE, sound, PACKET]
        for _ in range(rng.choice((1, 2, 4))):
            damaged = [changed(rng, part) for part in damaged]
        pixels = np.zeros((2, 3, *rng.choice(((), (3,)))), np.uint8)
        assert samples_bytes(pixels, Metadata(ColorSpace.ICC, *damaged), format_name)

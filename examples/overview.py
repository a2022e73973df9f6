"""Draws docs/overview.jpg: a picture, its decoded Gaussians, and a detail of both at eight times its size.

Usage: python examples/overview.py [PICTURE]
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import splatcodec
from splatcodec.image import to_uint8

HERE = Path(__file__).parent
DETAIL = (180, 60, 64, 64)


def main() -> None:
    picture = sys.argv[1] if len(sys.argv) > 1 else HERE / "astronaut.png"
    splats = splatcodec.fit(picture, n_gaussians=3000)
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    x, y, width, height = DETAIL
    detail = Image.fromarray(pixels[y : y + height, x : x + width]).resize((512, 512), Image.Resampling.NEAREST)
    panels = [pixels, to_uint8(splats.render()), np.asarray(detail), to_uint8(splats.render(scale=8, region=DETAIL))]
    overview = Image.fromarray(np.concatenate(panels, axis=1)).resize((1280, 320))
    overview.save(HERE.parent / "docs" / "overview.jpg", quality=85)


if __name__ == "__main__":
    main()

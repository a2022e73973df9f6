"""How bright Gaussians get, and pile up, in fits of four photographs; with the price of amplitudes and without it.

Usage: python benchmarks/overlap.py

The pictures are scikit-image's, resized to 640 x 427; a thousand Gaussians each, at the default effort.
"""

from contextlib import nullcontext
from unittest.mock import patch

import numpy as np
from PIL import Image
from skimage import data

import splatcodec
from splatcodec.fitting import rate
from splatcodec.image import to_uint8
from splatcodec.metrics import psnr

PICTURES = ("astronaut", "coffee", "chelsea", "rocket")
SIZE = 640, 427
COUNT = 1000
VARIANTS = {"as it is": nullcontext, "without the price": lambda: patch.object(rate, "_WEIGHT", 0.0)}


def main() -> None:
    for name in PICTURES:
        pixels = np.asarray(Image.fromarray(getattr(data, name)()).resize(SIZE))
        for label, variant in VARIANTS.items():
            with variant():
                splats = splatcodec.fit(pixels, n_gaussians=COUNT)
            overlap = splats.overlap()
            print(
                f"{name:10} {label:24} peak {overlap.peak:.1f}, above full scale {overlap.above:.1%}, largest "
                f"{np.abs(splats.colors).max():.2f}, PSNR {psnr(pixels, to_uint8(splats.render())):.2f} dB"
            )


if __name__ == "__main__":
    main()

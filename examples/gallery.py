"""Draws docs/gallery.jpg: photographs, their Gaussians, what files of a few kilobytes hold, and details without pixels.

Usage: python examples/gallery.py
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from skimage import data

import splatcodec
from splatcodec import plot
from splatcodec.image import to_uint8

HERE = Path(__file__).parent
# Pictures that scikit-image carries: left and top of the part that is shown, and of a detail within it.
PICTURES = {"chelsea": ((40, 20), (96, 86)), "coffee": ((130, 60), (150, 90)), "rocket": ((180, 110), (110, 130))}
SIDE, DETAIL, ZOOM = 256, 48, 10


def main() -> None:
    figure = Figure(figsize=(12, 3.25 * len(PICTURES)), layout="constrained")
    rows = figure.subplots(len(PICTURES), 4, squeeze=False)
    for (name, ((left, top), (x, y))), axes in zip(PICTURES.items(), rows, strict=True):
        pixels = getattr(data, name)()[top : top + SIDE, left : left + SIDE]
        encoded = splatcodec.encode(pixels, quality=60, effort=7)
        splats = splatcodec.read(encoded)
        plot.picture(pixels, axes[0]).set_title(f"{name}, {SIDE}x{SIDE}")
        plot.outlines(splats, axes[1]).set_title(f"{len(splats)} Gaussians")
        fidelity = splatcodec.evaluate(pixels, encoded).psnr
        plot.picture(splats, axes[2]).set_title(f"{len(encoded)} bytes, {fidelity:.1f} dB")
        drawn = to_uint8(splats.render(scale=ZOOM, region=(x, y, DETAIL, DETAIL)))
        seen = np.kron(pixels[y : y + DETAIL, x : x + DETAIL], np.ones((ZOOM, ZOOM, 1), np.uint8))
        axes[3].imshow(np.concatenate([seen, drawn], axis=1))
        axes[3].set_title("a detail of both, ten times")
    for ax in rows.flat:
        ax.set(xticks=[], yticks=[])
    figure.savefig(HERE.parent / "docs" / "gallery.jpg", dpi=85, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main()

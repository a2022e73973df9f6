"""How close a picture comes to its original: PSNR, SSIM, MS-SSIM and SSIMULACRA 2 of 8-bit samples."""

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .container import MAGIC
from .decoder import from_bytes
from .errors import ImageError
from .files import is_source, read_source, source_name
from .image import as_color, load_image, to_uint8

if TYPE_CHECKING:
    from .image import ImageLike


@dataclass(frozen=True)
class Evaluation:
    """The quality of a picture and, if it came from a file, the rate of that file."""

    psnr: float
    """Peak signal-to-noise ratio in dB over all samples; infinite for equal pictures."""
    psnr_y: float
    """The same of luma alone, as ITU-R BT.601 weighs red, green and blue."""
    ssim: float | None
    """Structural similarity, mean of the channels; None for pictures under 7 pixels high or wide."""
    ms_ssim: float | None
    """Multi-scale structural similarity; None for pictures of at most 160 pixels in height or width."""
    ssimulacra2: float | None
    """SSIMULACRA 2, up to 100; None for pictures under 256 pixels high or wide."""
    bytes: int | None
    """Length of the file."""
    bpp: float | None
    """Bits of the file per pixel."""


def evaluate(reference: "ImageLike", image: "ImageLike") -> Evaluation:
    """Compare a picture to its original.

    Args:
        reference: the original, anything `splatcodec.image.load_image` reads.
        image: the picture to judge, likewise, or a .gsi file (path, bytes or file).

    Raises:
        GsiError, ImageError: one of the two cannot be read, or their sizes differ.
        OSError: a file cannot be read.
    """
    original = to_uint8(load_image(reference))
    height, width = original.shape[:2]
    name = source_name(image)
    content = read_source(image) if is_source(image) else None
    if content is not None and content.startswith(MAGIC):
        splats = from_bytes(content, name)
        found = splats.height, splats.width
        decoded = to_uint8(splats.render()) if found == (height, width) else None
    else:
        decoded = to_uint8(load_image(image if content is None else content, name))
        found = decoded.shape[:2]
    if decoded is None or found != (height, width):
        raise ImageError(f"{name}: is {found[1]}x{found[0]} pixels, but {source_name(reference)} is {width}x{height}")
    if original.ndim != decoded.ndim:
        original, decoded = (as_color(pixels) for pixels in (original, decoded))
    return Evaluation(
        psnr=psnr(original, decoded),
        psnr_y=psnr_y(original, decoded),
        ssim=ssim(original, decoded),
        ms_ssim=ms_ssim(original, decoded),
        ssimulacra2=ssimulacra2(original, decoded),
        bytes=None if content is None else len(content),
        bpp=None if content is None else 8 * len(content) / (width * height),
    )


def psnr(reference: NDArray[np.number], image: NDArray[np.number]) -> float:
    """Peak signal-to-noise ratio in dB of two arrays of samples up to 255; infinite if they are equal."""
    error = np.mean((reference.astype(np.float64) - image.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / error)) if error > 0 else float("inf")


def psnr_y(reference: NDArray[np.uint8], image: NDArray[np.uint8]) -> float:
    """`psnr` of luma, which for grey pictures [H, W] is the picture itself; it is not rounded to 8 bits."""
    return psnr(_luma(reference), _luma(image))


def ssim(reference: NDArray[np.uint8], image: NDArray[np.uint8]) -> float | None:
    """Structural similarity (Wang et al. 2004) as scikit-image computes it, mean of the channels."""
    if min(reference.shape[:2]) < 7:
        return None
    from skimage.metrics import structural_similarity

    return float(structural_similarity(reference, image, channel_axis=2 if reference.ndim == 3 else None))


def ms_ssim(reference: NDArray[np.uint8], image: NDArray[np.uint8]) -> float | None:
    """Multi-scale structural similarity (Wang et al. 2003) as pytorch-msssim computes it, mean of the channels."""
    if min(reference.shape[:2]) <= 160:
        return None
    import torch
    from pytorch_msssim import ms_ssim as multiscale

    planes = [
        torch.from_numpy(np.atleast_3d(pixels).astype(np.float32)).movedim(2, 0)[None] for pixels in (reference, image)
    ]
    return float(multiscale(*planes, data_range=255))


def ssimulacra2(reference: NDArray[np.uint8], image: NDArray[np.uint8]) -> float | None:
    """SSIMULACRA 2 (Sneyers 2023) as the ssimulacra2 package computes it, of sRGB samples.

    100 is no difference, 70 one that is hard to see, 50 a medium quality, below 0 a ruin. None for pictures that have
    no room for its six scales: the package treats borders in another way than the C++ original.
    """
    if min(reference.shape[:2]) < 256:
        return None
    from ssimulacra2 import compute_ssimulacra2

    return float(compute_ssimulacra2(*(_as_file(as_color(pixels)) for pixels in (reference, image))))


def _as_file(pixels: NDArray[np.uint8]) -> BytesIO:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "BMP")
    return file


def _luma(pixels: NDArray[np.uint8]) -> NDArray[np.number]:
    return pixels if pixels.ndim == 2 else pixels @ np.array([0.299, 0.587, 0.114])

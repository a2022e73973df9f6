"""How close a picture comes to its original: PSNR, SSIM, MS-SSIM and SSIMULACRA 2 of 8-bit samples."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from .container import MAGIC
from .decoder import from_bytes
from .errors import ImageError
from .files import is_source, read_source, source_name
from .image import as_color, load_pixels, to_uint8

if TYPE_CHECKING:
    from .image import ImageLike


_Found = TypeVar("_Found")
# Rows compared at a time.
_BAND = 128
# Pixels along a window of SSIM.
_WINDOW = 7


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
    original = load_pixels(reference)
    height, width = original.shape[:2]
    name = source_name(image)
    content = read_source(image) if is_source(image) else None
    if content is not None and content.startswith(MAGIC):
        splats = from_bytes(content, name)
        found = splats.height, splats.width
        decoded = to_uint8(splats.render()) if found == (height, width) else None
    else:
        decoded = load_pixels(image if content is None else content, name)
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
    """Structural similarity (Wang et al. 2004) in windows of 7 x 7 pixels that count the same, mean of the channels.

    These are the windows of scikit-image's `structural_similarity`, whose numbers others publish.
    """
    edge = _WINDOW // 2
    if min(reference.shape[:2]) < _WINDOW:
        return None

    def mean(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
        height, width = (side - 2 * edge for side in a.shape)

        def total(band: slice) -> float:
            rows = slice(band.start, band.stop + 2 * edge)
            return float(_similarities(a[rows].astype(np.float64), b[rows].astype(np.float64)).sum())

        return sum(_in_bands(total, height)) / (height * width)

    return float(np.mean([mean(a, b) for a, b in zip(_planes(reference), _planes(image), strict=True)]))


def _similarities(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """SSIM of each window that lies within two planes."""
    from scipy.ndimage import uniform_filter

    from .fitting.similarity import C1, C2

    edge, pixels = _WINDOW // 2, _WINDOW**2

    def blur(plane: NDArray[np.float64]) -> NDArray[np.float64]:
        return uniform_filter(plane, _WINDOW)[edge:-edge, edge:-edge]

    c1, c2 = 255**2 * C1, 255**2 * C2
    mean_a, mean_b = blur(a), blur(b)
    # Of samples, not of the window as a whole.
    unbiased = pixels / (pixels - 1)
    variances = unbiased * (blur(a * a) - mean_a**2 + blur(b * b) - mean_b**2)
    covariance = unbiased * (blur(a * b) - mean_a * mean_b)
    lightness = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return lightness * (2 * covariance + c2) / (variances + c2)


def ms_ssim(reference: NDArray[np.uint8], image: NDArray[np.uint8]) -> float | None:
    """Multi-scale structural similarity (Wang et al. 2003) as pytorch-msssim computes it, mean of the channels."""
    if min(reference.shape[:2]) <= 160:
        return None
    from .fitting.similarity import POWERS, WINDOW

    def mean(a: NDArray[np.float32], b: NDArray[np.float32], whole: bool) -> float:
        height, width = a.shape[0] - WINDOW + 1, a.shape[1] - WINDOW + 1

        def total(band: slice) -> float:
            rows = slice(band.start, band.stop + WINDOW - 1)
            return float(_comparisons(a[rows], b[rows], whole).sum(dtype=np.float64))

        return max(sum(_in_bands(total, height)) / (height * width), 0.0)

    found = []
    for a, b in zip(_planes(reference), _planes(image), strict=True):
        pair = a.astype(np.float32), b.astype(np.float32)
        product = 1.0
        for scale, power in enumerate(POWERS):
            product *= mean(*pair, whole=scale == len(POWERS) - 1) ** power
            pair = _halve(pair[0]), _halve(pair[1])
        found.append(product)
    return float(np.mean(found))


def ssimulacra2(reference: NDArray[np.uint8], image: NDArray[np.uint8]) -> float | None:
    """SSIMULACRA 2 (Sneyers 2023) as the ssimulacra2 package computes it, of sRGB samples.

    100 is no difference, 70 one that is hard to see, 50 a medium quality, below 0 a ruin. None for pictures that have
    no room for its six scales: the package treats borders in another way than the C++ original.
    """
    if min(reference.shape[:2]) < 256:
        return None
    from ssimulacra2 import ssimulacra2 as package

    def compare(pair: Sequence[NDArray], band: slice) -> tuple[float, list[NDArray], list[NDArray]]:
        # Blurs reach five rows; bands begin at even rows, so that halves of them are halves of the picture.
        rows = slice(max(band.start - 6, 0), band.stop + 6)
        linear = [p[rows] if p.dtype == np.float64 else package.srgb_to_linear(p[rows]) for p in pair]
        own = slice(band.start - rows.start, band.stop - rows.start)
        # The package's planes are transposed.
        a, b = (package.make_positive_xyb(package.linear_rgb_to_xyb(planes)) for planes in linear)
        blurred = [package.blur_image(planes)[:, own] for planes in (a, b, a * a, b * b, a * b)]
        maps = [package.ssim_map(*blurred), package.edge_diff_map(a[:, own], blurred[0], b[:, own], blurred[1])]
        return (band.stop - band.start) / len(pair[0]), maps, [package.downsample(p[own], 2, 2) for p in linear]

    pair: list[NDArray] = [as_color(reference), as_color(image)]
    score = package.Msssim()
    for _ in range(package.kNumScales):
        shares, maps, halves = zip(*_in_bands(partial(compare, pair), len(pair[0])), strict=True)
        found = package.MsssimScale()
        found.avg_ssim, found.avg_edgediff = (_joined(shares, kind) for kind in zip(*maps, strict=True))
        score.scales.append(found)
        pair = [np.concatenate(planes) for planes in zip(*halves, strict=True)]
    return float(score.score())


def _joined(shares: Sequence[float], averages: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Averages of bands, which have shares in the picture: means, and roots of means of fourth powers, in turn."""
    weights, values = np.array(shares)[:, None], np.array(averages)
    joined = (weights * values).sum(axis=0)
    joined[1::2] = (weights * values[:, 1::2] ** 4).sum(axis=0) ** 0.25
    return joined


def _in_bands(function: Callable[[slice], _Found], height: int) -> list[_Found]:
    """What a function of a slice of rows returns for all bands of a picture, from top to bottom.

    Metrics hold a dozen copies of what they compare: of bands, these stay in cache.
    """
    from splatkernels import get_num_threads

    bands = [slice(top, min(top + _BAND, height)) for top in range(0, height, _BAND)]
    with ThreadPoolExecutor(get_num_threads()) as pool:
        return list(pool.map(function, bands))


def _comparisons(a: NDArray[np.float32], b: NDArray[np.float32], whole: bool) -> NDArray[np.floating]:
    """What SSIM compares under each window: contrast and structure, and lightness too if `whole`."""
    from scipy.ndimage import gaussian_filter

    from .fitting.similarity import C1, C2, DEVIATION, WINDOW

    edge = WINDOW // 2

    def blur(plane: NDArray[np.float32]) -> NDArray[np.float32]:
        return gaussian_filter(plane, DEVIATION, radius=edge, output=np.float32)[edge:-edge, edge:-edge]

    c1, c2 = np.float32(255**2 * C1), np.float32(255**2 * C2)
    mean_a, mean_b = blur(a), blur(b)
    product = mean_a * mean_b
    squares = mean_a**2 + mean_b**2
    found = (2 * (blur(a * b) - product) + c2) / (blur(a * a) + blur(b * b) - squares + c2)
    return found * ((2 * product + c1) / (squares + c1)) if whole else found


def _halve(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Averages of squares of 2 x 2 pixels; a plane [H, W] of odd sides has zeros around it, as in pytorch-msssim."""
    height, width = plane.shape
    padded = np.pad(plane, ((height % 2,) * 2, (width % 2,) * 2))
    padded = padded[: padded.shape[0] // 2 * 2, : padded.shape[1] // 2 * 2]
    rows = padded[0::2] + padded[1::2]
    return np.float32(0.25) * (rows[:, 0::2] + rows[:, 1::2])


def _planes(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels [H, W] or [H, W, C] as [C, H, W]."""
    return np.ascontiguousarray(np.moveaxis(np.atleast_3d(pixels), 2, 0))


def _luma(pixels: NDArray[np.uint8]) -> NDArray[np.number]:
    return pixels if pixels.ndim == 2 else pixels @ np.array([0.299, 0.587, 0.114])

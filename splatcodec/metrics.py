"""How close a picture comes to its original: PSNR, SSIM, MS-SSIM and SSIMULACRA 2."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .container import MAGIC
from .document import from_bytes
from .errors import ImageError
from .files import is_source, read_source, source_name
from .image import Picture, as_color, load_image, to_integers
from .limits import DEFAULT_MAX_GAUSSIANS

if TYPE_CHECKING:
    from .image import ImageLike


_Found = TypeVar("_Found")
# Rows compared at a time.
_BAND = 128
_SAMPLES_AT_ONCE = 2**20
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


def evaluate(reference: "ImageLike", image: "ImageLike", *, max_gaussians: int = DEFAULT_MAX_GAUSSIANS) -> Evaluation:
    """Compare a picture to its original.

    Translucent pictures are laid on black and on white, and metrics are means of both, PSNR that of the mean error.

    Args:
        reference: the original, anything `splatcodec.image.load_image` reads; its depth is that of PSNR, all else is
            of 8-bit samples.
        image: the picture to judge, likewise, or a .gsi file (path, bytes or file).
        max_gaussians: refuse .gsi files with more.

    Raises:
        GsiError, ImageError: one of the two cannot be read, or their sizes differ.
        OSError: a file cannot be read.
    """
    original = load_image(reference, strip=True)
    size = original.height, original.width
    name = source_name(image)
    content = read_source(image) if is_source(image) else None
    if content is not None and content.startswith(MAGIC):
        document = from_bytes(content, name, max_gaussians)
        found = document.splats.height, document.splats.width
        judged = document.render() if found == size else None
    else:
        judged = load_image(image if content is None else content, name, strip=True)
        found = judged.height, judged.width
    if judged is None or found != size:
        raise ImageError(
            f"{name}: is {found[1]}x{found[0]} pixels, but {source_name(reference)} is {size[1]}x{size[0]}"
        )
    exact, pairs = _views(original, judged, original.depth), _views(original, judged, 8)

    def mean(metric: Callable[[NDArray[np.uint8], NDArray[np.uint8]], float | None]) -> float | None:
        values = [metric(*pair) for pair in pairs]
        return None if None in values else float(np.mean([value for value in values if value is not None]))

    peak = 2**original.depth - 1
    return Evaluation(
        psnr=_psnr_of(exact, peak),
        psnr_y=_psnr_of([(_luma(one), _luma(other)) for one, other in exact], peak),
        ssim=mean(ssim),
        ms_ssim=mean(ms_ssim),
        ssimulacra2=mean(ssimulacra2),
        bytes=None if content is None else len(content),
        bpp=None if content is None else 8 * len(content) / (size[0] * size[1]),
    )


def picture_psnr(reference: Picture, picture: Picture) -> float:
    """PSNR in dB of two pictures of one size, of integer samples of the reference's depth, as `evaluate` has it."""
    views = _views(reference, picture, reference.depth)
    return _psnr_of(views, 2**reference.depth - 1)


def _psnr_of(pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]], peak: float) -> float:
    """That of the mean error of several pairs of one size."""
    ones, others = zip(*pairs, strict=True)
    return psnr(np.stack(ones), np.stack(others), peak)


def _views(reference: Picture, picture: Picture, depth: int) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Pairs of integer samples to compare: as they are, or on black and on white if one of the two is translucent."""
    backgrounds = (0.0,) if reference.alpha is None and picture.alpha is None else (0.0, 1.0)
    pairs = []
    for background in backgrounds:
        one, other = (to_integers(each.over(background), depth) for each in (reference, picture))
        pairs.append((as_color(one), as_color(other)) if one.ndim != other.ndim else (one, other))
    return pairs


def psnr(reference: NDArray[np.number], image: NDArray[np.number], peak: float = 255) -> float:
    """Peak signal-to-noise ratio in dB of two arrays of samples up to `peak`; infinite if they are equal."""
    if reference.shape != image.shape:
        raise ValueError(f"pictures of {list(reference.shape)} and {list(image.shape)} samples cannot be compared")
    # In parts: of a large picture, samples in double precision take eight times as much memory.
    parts = -(-reference.size // _SAMPLES_AT_ONCE)
    ones, others = (np.array_split(array, max(1, min(parts, len(array)))) for array in (reference, image))
    pairs = zip(ones, others, strict=True)
    error = sum(float(((one.astype(np.float64) - other) ** 2).sum()) for one, other in pairs) / reference.size
    return float(10 * np.log10(peak**2 / error)) if error > 0 else float("inf")


def psnr_y(reference: NDArray[np.uint8], image: NDArray[np.uint8]) -> float:
    """`psnr` of luma, which for grey pictures [H, W] is the picture itself; it is not rounded to 8 bits."""
    return psnr(_luma(reference), _luma(image))


def ssim(reference: NDArray[np.uint8], image: NDArray[np.uint8]) -> float | None:
    """Structural similarity (Wang et al. 2004) in windows of 7 x 7 pixels that count the same, mean of the channels.

    These are the windows of scikit-image's `structural_similarity`, whose numbers others publish.
    """
    if min(reference.shape[:2]) < _WINDOW:
        return None
    from scipy.ndimage import uniform_filter

    def compare(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.floating]:
        # Variances are those of samples.
        unbiased = _WINDOW**2 / (_WINDOW**2 - 1)
        planes = a.astype(np.float64), b.astype(np.float64)
        return _comparisons(*planes, partial(uniform_filter, size=_WINDOW), _WINDOW, whole=True, unbiased=unbiased)

    pairs = zip(_planes(reference), _planes(image), strict=True)
    return float(np.mean([_mean(compare, a, b, _WINDOW) for a, b in pairs]))


def ms_ssim(reference: NDArray[np.uint8], image: NDArray[np.uint8]) -> float | None:
    """Multi-scale structural similarity (Wang et al. 2003) as pytorch-msssim computes it, mean of the channels."""
    if min(reference.shape[:2]) <= 160:
        return None
    from scipy.ndimage import gaussian_filter

    from .fitting.similarity import DEVIATION, POWERS, WINDOW

    blur = partial(gaussian_filter, sigma=DEVIATION, radius=WINDOW // 2, output=np.float32)

    found = []
    for a, b in zip(_planes(reference), _planes(image), strict=True):
        pair = a.astype(np.float32), b.astype(np.float32)
        product = 1.0
        for scale, power in enumerate(POWERS):
            compare = partial(_comparisons, blur=blur, window=WINDOW, whole=scale == len(POWERS) - 1)
            product *= max(_mean(compare, *pair, WINDOW), 0.0) ** power
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


def _mean(
    compare: Callable[[NDArray[Any], NDArray[Any]], NDArray[np.floating]],
    a: NDArray[Any],
    b: NDArray[Any],
    window: int,
) -> float:
    """Mean of a comparison of two planes [H, W] over all windows, so many pixels a side, that lie within them."""
    height, width = (side - window + 1 for side in a.shape)

    def total(band: slice) -> float:
        rows = slice(band.start, band.stop + window - 1)
        return float(compare(a[rows], b[rows]).sum(dtype=np.float64))

    return sum(_in_bands(total, height)) / (height * width)


def _comparisons(
    a: NDArray[np.floating],
    b: NDArray[np.floating],
    blur: Callable[[NDArray[np.floating]], NDArray[np.floating]],
    window: int,
    *,
    whole: bool,
    unbiased: float = 1.0,
) -> NDArray[np.floating]:
    """What SSIM compares under each window: contrast and structure, and lightness too if `whole`.

    `blur` takes means under windows, `unbiased` is a factor on their variances.
    """
    from .fitting.similarity import C1, C2

    edge = window // 2

    def mean(plane: NDArray[np.floating]) -> NDArray[np.floating]:
        return blur(plane)[edge:-edge, edge:-edge]

    c1, c2 = 255**2 * C1, 255**2 * C2
    mean_a, mean_b = mean(a), mean(b)
    product = mean_a * mean_b
    squares = mean_a**2 + mean_b**2
    covariance, variances = mean(a * b) - product, mean(a * a) + mean(b * b) - squares
    found = (2 * unbiased * covariance + c2) / (unbiased * variances + c2)
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


def _luma(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels if pixels.ndim == 2 else pixels @ np.array([0.299, 0.587, 0.114])

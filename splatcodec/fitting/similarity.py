"""Structural similarity and its gradient, compiled for the CPU: the fast twin of `loss.similarities`.

Around each pixel whose window lies within the picture, with means, variances and the covariance under the window,

    l = (2 mean_a mean_b + C1) / (mean_a^2 + mean_b^2 + C1)
    q = (2 covariance + C2) / (variance_a + variance_b + C2)

SSIM is the mean of l q (Wang et al. 2004). MS-SSIM is the product, over pictures reduced by 1, 2, 4, 8 and 16, of the
means of q to fixed powers, where the coarsest has l q for q (Wang et al. 2003). Both are taken channel by channel.

With B the denominator of q, a loss whose derivative by q is w has the derivatives a = 2 w / B by mean(x y) and
b = -w q / B by mean(x^2), for an image x and its reference y, and m = -(a mean_y + 2 b mean_x) by mean(x), plus what l
adds. Blurred by the window, they give the gradient y a + 2 x b + m.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from splatkernels.jit import kernel
from splatkernels.simd import LANES, add_lanes, fma, load, splat, store
from splatkernels.threads import run

WINDOW, DEVIATION = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
POWERS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM, from the finest scale to the coarsest; fewer scales share their sum."""
LEAST = 1e-3
"""Means of q below are taken for this: a power of a negative number is none."""

_EDGE = WINDOW - 1
# A thread takes longer to start than to do less.
_PIXELS_PER_THREAD = 2**15
_bell = np.exp(-0.5 * ((np.arange(WINDOW) - WINDOW // 2) / DEVIATION) ** 2)
TAPS = tuple(float(tap) for tap in _bell / _bell.sum())
"""The window along one axis."""


def scales_within(height: int, width: int) -> int:
    """How many scales of MS-SSIM a picture has room for; 0 if it is smaller than a window."""
    count = 0
    while count < len(POWERS) and min(height, width) >> count >= WINDOW:
        count += 1
    return count


def powers(scales: int) -> NDArray[np.float64]:
    """Exponents of so many scales."""
    shares = np.array(POWERS[:scales])
    return shares / shares.sum()


@kernel
def _blur_row(planes, at, stride, lines):
    """Blur the row `at` of all products of two planes: means of a, a^2 and a b, in `lines` [3, stride + LANES]."""
    image, reference = planes
    for x in range(0, stride, LANES):
        mean = square = product = splat(0.0)
        for j in range(WINDOW):
            a = load(image, at + j * stride + x)
            b = load(reference, at + j * stride + x)
            tap = splat(TAPS[j]) * a
            mean = mean + tap
            square = fma(tap, a, square)
            product = fma(tap, b, product)
        store(lines, x, mean)
        store(lines, stride + LANES + x, square)
        store(lines, 2 * (stride + LANES) + x, product)


@kernel
def _along(lines, at):
    """The blurred vector of a line from element `at` on."""
    total = splat(0.0)
    for j in range(WINDOW):
        total = fma(splat(TAPS[j]), load(lines, at + j), total)
    return total


@kernel
def _lightness(mean, other):
    """l, and one over its denominator."""
    over = splat(1.0) / fma(mean, mean, fma(other, other, splat(C1)))
    return fma(splat(2.0) * mean, other, splat(C1)) * over, over


@kernel
def _compare(part, parts, image, level, found, sums):
    """Write mean_a, 1 / B and q to `found` [3, C, h, stride], and weighted sums of q and l q to `sums` [C h, 2]."""
    reference, means, variances, weights = level
    channels, height, stride = image.shape
    rows = height - _EDGE
    plane = channels * rows * stride
    wide = stride + LANES
    blurred = np.zeros(3 * wide, np.float32)
    for item in range(part * channels * rows // parts, (part + 1) * channels * rows // parts):
        channel, y = divmod(item, rows)
        _blur_row((image, reference), (channel * height + y) * stride, stride, blurred)
        total_q = total_lq = splat(0.0)
        for x in range(0, stride - LANES, LANES):
            at = item * stride + x
            mean, other = _along(blurred, x), load(means, at)
            variance = _along(blurred, wide + x) - mean * mean
            covariance = _along(blurred, 2 * wide + x) - mean * other
            over = splat(1.0) / (variance + load(variances, at) + splat(C2))
            q = fma(splat(2.0), covariance, splat(C2)) * over
            store(found, at, mean)
            store(found, plane + at, over)
            store(found, 2 * plane + at, q)
            lightness, _ = _lightness(mean, other)
            weighted = q * load(weights, y * stride + x)
            total_q = total_q + weighted
            total_lq = fma(weighted, lightness, total_lq)
        sums[item, 0], sums[item, 1] = add_lanes((total_q,))[0], add_lanes((total_lq,))[0]


@kernel
def _slope_row(level, found, factors, channel, y, slopes, at):
    """Write a, b and m of a row of windows, one after the other, to `slopes` from element `at` on.

    `factors` [C, 2] are those of q and l q. Each begins and ends with zeros, as many as a window reaches.
    """
    _, means, _, weights = level
    _, channels, rows, stride = found.shape
    plane = channels * rows * stride
    wide = stride + LANES
    of_q, of_lq = splat(factors[channel, 0]), splat(factors[channel, 1])
    for x in range(0, stride - LANES, LANES):
        here, to = (channel * rows + y) * stride + x, at + _EDGE + x
        mean, other = load(found, here), load(means, here)
        over, q = load(found, plane + here), load(found, 2 * plane + here)
        weight = load(weights, y * stride + x)
        lightness, over_lightness = _lightness(mean, other)
        slope = fma(of_lq, lightness, of_q) * weight * over
        b = splat(-1.0) * slope * q
        a = splat(2.0) * slope
        m = splat(-1.0) * fma(a, other, splat(2.0) * b * mean)
        turn = splat(2.0) * of_lq * weight * q * over_lightness
        store(slopes, to, a)
        store(slopes, to + wide, b)
        store(slopes, to + 2 * wide, fma(turn, other - lightness * mean, m))


@kernel
def _differentiate(part, parts, image, level, found, factors, coarser, gradient):
    """Add to `gradient` [C, H, W] that of this scale, and of the next coarser one [C, H // 2, ...], if any."""
    reference = level[0]
    channels, height, stride = image.shape
    rows, width, wide = found.shape[2], gradient.shape[2], stride + LANES
    # The last rows of slopes, in turn: the r-th is in place r % WINDOW.
    slopes = np.zeros((WINDOW, 3, wide), np.float32)
    taps = np.empty(WINDOW, np.float32)
    lines = np.empty((3, wide), np.float32)
    total = np.empty(stride, np.float32)
    begin, end = part * channels * height // parts, (part + 1) * channels * height // parts
    for item in range(begin, end):
        channel, y = divmod(item, height)
        if y == 0:
            slopes[:] = 0
        for row in range(max(y - _EDGE, 0) if item == begin else y, y + 1):
            place = row % WINDOW
            if row < rows:
                _slope_row(level, found, factors, channel, row, slopes, 3 * wide * place)
            else:
                slopes[place] = 0
        for j in range(WINDOW):
            taps[(y + 1 + j) % WINDOW] = TAPS[j]
        for x in range(0, 3 * wide, LANES):
            blurred = splat(0.0)
            for place in range(WINDOW):
                blurred = fma(splat(taps[place]), load(slopes, 3 * wide * place + x), blurred)
            store(lines, x, blurred)
        for x in range(0, stride - LANES, LANES):
            at = item * stride + x
            slope = fma(load(reference, at), _along(lines, x), _along(lines, 2 * wide + x))
            store(total, x, fma(splat(2.0) * load(image, at), _along(lines, wide + x), slope))
        for x in range(width):
            gradient[channel, y, x] += total[x]
        if y // 2 < coarser.shape[1]:
            for x in range(width // 2):
                quarter = np.float32(0.25) * coarser[channel, y // 2, x]
                gradient[channel, y, 2 * x] += quarter
                gradient[channel, y, 2 * x + 1] += quarter


@kernel
def _halve(part, parts, width, image, reduced):
    """Average squares of 2 x 2 pixels of `image` [C, H, stride]; an odd edge is dropped."""
    channels, height = reduced.shape[0], reduced.shape[1]
    for item in range(part * channels * height // parts, (part + 1) * channels * height // parts):
        channel, y = divmod(item, height)
        upper, lower = image[channel, 2 * y], image[channel, 2 * y + 1]
        row = reduced[channel, y]
        for x in range(width // 2):
            row[x] = np.float32(0.25) * (upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1])


def _padded(channels: int, height: int, width: int) -> NDArray[np.float32]:
    """Zeros [channels, height, stride]: rows of whole vectors, and one more."""
    return np.zeros((channels, height, -(-width // LANES) * LANES + LANES), np.float32)


class _Level(NamedTuple):
    """A reference at one scale, in rows as of `_padded`."""

    reference: NDArray[np.float32]  # [C, H, stride]
    means: NDArray[np.float32]  # [C, h, stride] under windows
    variances: NDArray[np.float32]  # [C, h, stride]
    weights: NDArray[np.float32]  # [h, stride], their sum is 1


class _Buffers(NamedTuple):
    """What is computed for each image at one scale; memory that is at hand is much faster than new memory."""

    image: NDArray[np.float32]  # [C, H, stride]
    found: NDArray[np.float32]  # [3, C, h, stride] as of `_compare`
    gradient: NDArray[np.float32]  # [C, H, W]


class Similarity:
    """Compares images to a reference, one at a time.

    Args:
        reference: [C, H, W] float32, full scale 1, at least `WINDOW` pixels high and wide.
        weights: [H, W] float32, how much each window counts, by the pixel in its middle; all the same if None.
    """

    def __init__(self, reference: NDArray[np.float32], weights: NDArray[np.float32] | None = None) -> None:
        channels, height, width = reference.shape
        self._widths = [width >> k for k in range(scales_within(height, width))]
        self._buffers = [_buffers(channels, height >> k, width >> k) for k in range(len(self._widths))]
        given = np.ones((height, width), np.float32) if weights is None else weights
        pyramids = [
            [_padded(len(planes), height >> k, width >> k) for k in range(len(self._widths))]
            for planes in (reference, given[None])
        ]
        for pyramid, planes in zip(pyramids, (reference, given[None]), strict=True):
            self._fill(pyramid, planes)
        self._levels = [self._level(number, *planes) for number, planes in enumerate(zip(*pyramids, strict=True))]

    def evaluate(
        self, image: NDArray[np.float32], of_ssim: float, of_ms_ssim: float, gradient: NDArray[np.float32]
    ) -> tuple[float, float]:
        """SSIM and MS-SSIM of an image [C, H, W], means over channels.

        To `gradient` [C, H, W] that of `of_ssim` * SSIM + `of_ms_ssim` * MS-SSIM is added.
        """
        self._fill([buffers.image for buffers in self._buffers], image)
        channels, scales = len(image), len(self._levels)
        # Of q, but l q at the coarsest scale.
        sums = np.array([_run_compare(*pair) for pair in zip(self._buffers, self._levels, strict=True)])
        means = np.concatenate([sums[:-1, :, 0], sums[-1:, :, 1]])
        clipped = np.maximum(means, LEAST)
        exponents = powers(scales)[:, None]
        products = np.prod(clipped**exponents, axis=0)
        slopes = of_ms_ssim / channels * np.where(means > LEAST, products * exponents / clipped, 0)
        factors = np.stack([slopes, np.zeros_like(slopes)], axis=2).astype(np.float32)  # [scales, C, 2] of q and l q
        factors[-1] = factors[-1, :, ::-1]
        factors[0, :, 1] += of_ssim / channels
        coarser = np.empty((channels, 0, 0), np.float32)
        for number in reversed(range(scales if of_ms_ssim else 1)):
            own, found, total = self._buffers[number]
            if number:
                total[:] = 0
            else:
                total = gradient
            run(_differentiate, _units(own), own, tuple(self._levels[number]), found, factors[number], coarser, total)
            coarser = total
        return float(sums[0, :, 1].mean()), float(products.mean())

    def _level(self, number: int, plane: NDArray[np.float32], share: NDArray[np.float32]) -> _Level:
        """A reference, and what each of its pixels counts, at a scale."""
        channels, height, stride = plane.shape
        rows, columns = height - _EDGE, self._widths[number] - _EDGE
        edge = WINDOW // 2
        weights = np.zeros((rows, stride), np.float32)
        weights[:, :columns] = share[0, edge : edge + rows, edge : edge + columns]
        weights /= max(weights.sum(dtype=np.float64), 1e-12)
        blank = np.zeros((channels, rows, stride), np.float32)
        buffers = _buffers(channels, height, self._widths[number])
        buffers.image[:] = plane
        _run_compare(buffers, _Level(plane, blank, blank, weights))
        means, over, _ = buffers.found
        # With a variance of 0 given, the denominator of q is the plane's own and C2.
        variances = np.divide(1, over, out=np.ones_like(over), where=over > 0) - np.float32(C2)
        return _Level(plane, means, variances, weights)

    def _fill(self, pyramid: list[NDArray[np.float32]], planes: NDArray[np.float32]) -> None:
        """Write planes [C, H, W] at all scales to a pyramid of planes as of `_padded`."""
        pyramid[0][:, :, : planes.shape[2]] = planes
        for width, finer, reduced in zip(self._widths[:-1], pyramid[:-1], pyramid[1:], strict=True):
            run(_halve, _units(finer), width, finer, reduced)


def _buffers(channels: int, height: int, width: int) -> _Buffers:
    image = _padded(channels, height, width)
    stride = image.shape[2]
    found = np.zeros((3, channels, height - _EDGE, stride), np.float32)
    return _Buffers(image, found, np.zeros((channels, height, width), np.float32))


def _units(planes: NDArray[np.float32]) -> int:
    """Units of work in which planes are worth another thread."""
    return planes.size // _PIXELS_PER_THREAD


def _run_compare(buffers: _Buffers, level: _Level) -> NDArray[np.float64]:
    """Fill what is found, and return the sums [C, 2] of weighted q and l q."""
    _, channels, rows, _ = buffers.found.shape
    sums = np.empty((channels * rows, 2))
    run(_compare, _units(buffers.image), buffers.image, tuple(level), buffers.found, sums)
    return sums.reshape(channels, rows, 2).sum(axis=1)

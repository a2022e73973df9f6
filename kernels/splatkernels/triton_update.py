"""Applies the chain rule or Adam to the sums of `triton_backward`, on CUDA GPUs: one Gaussian per thread."""

import triton
import triton.language as tl

from .triton_geometry import LOG_SCALE1, LOG_SCALE2, MOMENTS, ROTATION, SHAPE, SIZES, X, Y, sums_stride, turn, widen


@triton.jit
def _moments(own, channels, present):
    """The moments in the rows of sums that start at `own` [BLOCK], in the order of `gaussians.U` to `VV`."""
    moments = ()
    for m in tl.static_range(MOMENTS):
        moments = moments + (tl.load(own + channels + m, mask=present, other=0.0),)
    return moments


@triton.jit(do_not_specialize=SIZES)
def parameter_gradients(
    sums,  # [N, sums_stride(C)]
    scales,  # [N, 2] canvas pixels
    rotations,  # [N]
    colors,  # [N, C]
    d_means,  # [N, 2]
    d_scales,  # [N, 2]
    d_rotations,  # [N]
    d_colors,  # [N, C]
    gaussians,
    channels,
    zoom,
    footprint,
    BLOCK: tl.constexpr,
):
    """Apply the chain rule of geometry.parameter_gradients to BLOCK Gaussians."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    present = i < gaussians
    scale1 = tl.load(scales + i * 2, mask=present, other=1.0)
    scale2 = tl.load(scales + i * 2 + 1, mask=present, other=1.0)
    widened1, gain1 = widen(scale1, zoom, footprint)
    widened2, gain2 = widen(scale2, zoom, footprint)
    gain = gain1 * gain2

    own = sums + i.to(tl.int64) * sums_stride(channels)
    d_log_gain = tl.zeros([BLOCK], tl.float32)
    for channel in range(channels):
        at = i * channels + channel
        gradient = tl.load(own + channel, mask=present, other=0.0) * gain
        d_log_gain += gradient * tl.load(colors + at, mask=present, other=0.0)
        tl.store(d_colors + at, gradient, mask=present)

    u, v, uu, uv, vv = _moments(own, channels, present)
    cos, sin = turn(tl.load(rotations + i, mask=present, other=0.0))
    along = zoom * u / widened1
    across = zoom * v / widened2
    tl.store(d_means + i * 2, (cos * along - sin * across).to(tl.float32), mask=present)
    tl.store(d_means + i * 2 + 1, (sin * along + cos * across).to(tl.float32), mask=present)
    share1 = gain1 * gain1
    share2 = gain2 * gain2
    tl.store(d_scales + i * 2, (uu * share1 + d_log_gain * (1 - share1)) / scale1, mask=present)
    tl.store(d_scales + i * 2 + 1, (vv * share2 + d_log_gain * (1 - share2)) / scale2, mask=present)
    tl.store(d_rotations + i, uv * (widened1 / widened2 - widened2 / widened1), mask=present)


@triton.jit
def _direction(gradient, firsts, seconds, at, mask, decay1, decay2, bias1, bias2):
    """Update Adam's running means of a gradient and its square; returns the direction to descend in."""
    first = tl.load(firsts + at, mask=mask, other=0.0)
    second = tl.load(seconds + at, mask=mask, other=0.0)
    first += (1 - decay1) * (gradient - first)
    second += (1 - decay2) * (gradient * gradient - second)
    tl.store(firsts + at, first, mask=mask)
    tl.store(seconds + at, second, mask=mask)
    return first / bias1 / (tl.sqrt(second / bias2) + 1e-8)


@triton.jit(do_not_specialize=SIZES)
def descend(
    sums,  # [N, sums_stride(C)]
    offsets,  # [N + 1]
    parameters,  # [N, SHAPE + C]
    firsts,  # [N, SHAPE + C] running means of the gradient
    seconds,  # [N, SHAPE + C] running means of its square
    biases,  # [N, 2] shares of the running means that are not their initial zeros
    settings,  # [8] rates of means, scales, rotations and colours, then `adam.penalty_numbers`
    gaussians,
    channels,
    capacity,
    stride,
    decay1,
    decay2,
    lowest,
    highest,
    brightest,
    calm_spread,
    BLOCK: tl.constexpr,
):
    """Move BLOCK Gaussians by one step of Adam, unless the pairs exceeded the capacity."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    present = (i < gaussians) & (tl.load(offsets + gaussians) <= capacity)
    # 1 - decay^steps by recurrence, without its cancellation.
    bias1 = 1 - decay1 + decay1 * tl.load(biases + i * 2, mask=present, other=0.0)
    bias2 = 1 - decay2 + decay2 * tl.load(biases + i * 2 + 1, mask=present, other=0.0)
    tl.store(biases + i * 2, bias1, mask=present)
    tl.store(biases + i * 2 + 1, bias2, mask=present)

    row = i * (channels + SHAPE)
    x = tl.load(parameters + row + X, mask=present, other=0.0)
    y = tl.load(parameters + row + Y, mask=present, other=0.0)
    log1 = tl.load(parameters + row + LOG_SCALE1, mask=present, other=0.0)
    log2 = tl.load(parameters + row + LOG_SCALE2, mask=present, other=0.0)
    rotation = tl.load(parameters + row + ROTATION, mask=present, other=0.0)

    own = sums + i.to(tl.int64) * sums_stride(channels)
    u, v, uu, uv, vv = _moments(own, channels, present)
    stretch = tl.exp(log1 - log2)
    spread = stretch - 1 / stretch
    square = tl.zeros([BLOCK], tl.float32) + 1e-12
    for channel in range(0, channels):
        color = tl.load(parameters + row + SHAPE + channel, mask=present, other=0.0)
        square += color * color
    energy = square * 3.14159265 * tl.exp(log1 + log2) * tl.load(settings + 5)
    price = tl.load(settings + 4) * energy / (1 + energy)
    both = tl.load(settings + 6) * price
    sharp = energy * spread
    apart = tl.load(settings + 7) * price * sharp * (stretch + 1 / stretch) / (1 + sharp * spread)
    # In the order of `gaussians.X` to `ROTATION`; along the principal axes, where x and y will be moved.
    gradient = (u, v, uu + both + apart, vv + both - apart, uv * spread)
    moves = ()
    for k in tl.static_range(SHAPE):
        rate = tl.load(settings + (0 if k < LOG_SCALE1 else (1 if k < ROTATION else 2)))
        move = rate * _direction(gradient[k], firsts, seconds, row + k, present, decay1, decay2, bias1, bias2)
        moves = moves + (move,)
    cos, sin = turn(rotation)
    along = moves[X] * tl.minimum(tl.exp(log1), stride)
    across = moves[Y] * tl.minimum(tl.exp(log2), stride)
    tl.store(parameters + row + X, (x - (cos * along - sin * across)).to(tl.float32), mask=present)
    tl.store(parameters + row + Y, (y - (sin * along + cos * across)).to(tl.float32), mask=present)
    tl.store(
        parameters + row + LOG_SCALE1, tl.minimum(tl.maximum(log1 - moves[LOG_SCALE1], lowest), highest), mask=present
    )
    tl.store(
        parameters + row + LOG_SCALE2, tl.minimum(tl.maximum(log2 - moves[LOG_SCALE2], lowest), highest), mask=present
    )
    calm = tl.maximum(tl.abs(spread) / calm_spread, 1.0)
    tl.store(parameters + row + ROTATION, rotation - moves[ROTATION] / calm, mask=present)

    color_rate = tl.load(settings + 3)
    for channel in range(channels):
        at = row + SHAPE + channel
        color = tl.load(parameters + at, mask=present, other=0.0)
        slope = tl.load(own + channel, mask=present, other=0.0) + price * color / square
        move = color_rate * _direction(slope, firsts, seconds, at, present, decay1, decay2, bias1, bias2)
        tl.store(parameters + at, tl.minimum(tl.maximum(color - move, -brightest), brightest), mask=present)


@triton.jit(do_not_specialize=SIZES)
def record_error(
    errors,  # [T, 2]
    offsets,  # [N + 1]
    journal,  # number of completed steps, then both squared errors of each
    tiles,
    gaussians,
    capacity,
    BLOCK: tl.constexpr,
):
    """Enter a step into the journal, unless its pairs exceeded the capacity."""
    weighted = tl.zeros([BLOCK], tl.float32)
    plain = tl.zeros([BLOCK], tl.float32)
    for start in range(0, tiles, BLOCK):
        tile = start + tl.arange(0, BLOCK)
        weighted += tl.load(errors + 2 * tile, mask=tile < tiles, other=0.0)
        plain += tl.load(errors + 2 * tile + 1, mask=tile < tiles, other=0.0)
    completed = tl.load(offsets + gaussians) <= capacity
    steps = tl.load(journal)
    at = journal + 1 + 2 * steps.to(tl.int32)
    tl.store(at, tl.sum(weighted), mask=completed)
    tl.store(at + 1, tl.sum(plain), mask=completed)
    tl.store(journal, steps + 1, mask=completed)

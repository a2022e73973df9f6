"""What the kernels for CUDA GPUs have in common: frames, the layout of tables, the footprint of a pixel, and rotations.

Frames [N, 8] hold a Gaussian's mean in output pixels, its whitening matrix by rows and the reach of its cutoff ellipse
along x and y. The whitening matrix takes an offset (dx, dy) from the mean to (u, v) in `UNIT` standard deviations along
the principal axes, so that the weight is 2^-(u^2 + v^2).
"""

import math

import triton
import triton.language as tl

from . import gaussians

UNIT: tl.constexpr = tl.constexpr(math.sqrt(2 / math.log2(math.e)))
# Narrower Gaussians are zero at every pixel centre they do not hit exactly, wider ones constant across any output.
_NARROWEST: tl.constexpr = tl.constexpr(1e-6)
_WIDEST: tl.constexpr = tl.constexpr(1e9)
_QUARTER: tl.constexpr = tl.constexpr(math.pi / 2)
_QUARTERS_PER_RADIAN: tl.constexpr = tl.constexpr(2 / math.pi)

# The layout of tables, as kernels can see it.
X: tl.constexpr = tl.constexpr(gaussians.X)
Y: tl.constexpr = tl.constexpr(gaussians.Y)
LOG_SCALE1: tl.constexpr = tl.constexpr(gaussians.LOG_SCALE1)
LOG_SCALE2: tl.constexpr = tl.constexpr(gaussians.LOG_SCALE2)
ROTATION: tl.constexpr = tl.constexpr(gaussians.ROTATION)
SHAPE: tl.constexpr = tl.constexpr(gaussians.SHAPE)
MOMENTS: tl.constexpr = tl.constexpr(gaussians.MOMENTS)

# Sizes change as Gaussians come and go; a kernel compiled anew for every divisor of them would cost seconds.
SIZES = ["gaussians", "channels", "channel", "capacity", "height", "width", "tiles"]


@triton.jit
def sums_stride(channels):
    """Elements from a row of sums to the next: whole groups of four are loaded at once."""
    return tl.cdiv(channels + MOMENTS, 4) * 4


@triton.jit
def widen(scale, zoom, footprint):
    """A scale in output pixels with the pixel's footprint added, and its share of the amplitude's gain."""
    zoomed = tl.minimum(tl.maximum(scale * zoom, _NARROWEST), _WIDEST)
    widened = tl.where(footprint > 0, tl.sqrt(zoomed * zoomed + footprint), zoomed)
    return widened, tl.where(footprint > 0, zoomed / widened, 1.0)


@triton.jit
def turn(angle):
    """Cosine and sine of angles in radians, in float64 to 1e-8: across a long thin Gaussian their rounding shows.

    The library's pair would take memory for angles beyond 1e5.
    """
    wide = angle.to(tl.float64)
    quarters = tl.floor(wide * (_QUARTERS_PER_RADIAN) + 0.5)
    rest = wide - quarters * (_QUARTER)  # in [-pi / 4, pi / 4]
    # Minimax polynomials of the Cephes library.
    square = rest * rest
    sin = ((-1.9515295891e-4 * square + 8.3321608736e-3) * square - 1.6666654611e-1) * square * rest + rest
    cos = ((2.443315711809948e-5 * square - 1.388731625493765e-3) * square + 4.166664568298827e-2) * square * square
    cos += 1 - 0.5 * square
    quadrant = quarters.to(tl.int64) & 3
    turned_cos = tl.where(quadrant % 2 == 0, cos, sin)
    turned_sin = tl.where(quadrant % 2 == 0, sin, cos)
    turned_cos = tl.where((quadrant == 1) | (quadrant == 2), -turned_cos, turned_cos)
    return turned_cos, tl.where(quadrant >= 2, -turned_sin, turned_sin)


@triton.jit
def weigh(frame, x, y, AT: tl.constexpr):
    """Whitened offsets (u, v) of pixels from a Gaussian's mean, and its weights there.

    Args:
        frame: a tuple with the first six numbers of its frame from position AT on.
        x, y: the pixels' centres, [1, TILE] and [TILE, 1].
    """
    dx = x - frame[AT]
    dy = y - frame[AT + 1]
    u = frame[AT + 2] * dx + frame[AT + 3] * dy
    v = frame[AT + 4] * dx + frame[AT + 5] * dy
    # A factor of -1 folds into the exponential's operand; `-x` compiles to 0 - x, which does not.
    return u, v, tl.exp2((u * u + v * v) * -1.0)

"""What an encoder aims at: a quality, a price of bits, or a size or PSNR to meet."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from ..compress import ladder

DEFAULT_QUALITY = 60
# D at the ends of the scale: on photographs 0.03 bpp, and 36 to 41 dB.
_COARSEST, _FINEST = 1.3, 0.065
# Beyond what 8-bit samples can tell apart.
_HIGHEST_PSNR = 100

# Pictures of fewer pixels are small.
_SMALL = 28**2
# Pictures are faint whose samples deviate by less, in full scales, and D is at least this share of the usual one.
_FAINT, _LEAST_FACTOR = 16 / 255, 0.25
# Pixels from which the deviation is known well enough.
_SAMPLED = 2**19

Kind = Literal["quality", "lambda_", "target_bpp", "target_size", "target_psnr"]


@dataclass(frozen=True)
class Goal:
    """One goal and its value.

    Raises:
        ValueError: the value is out of range.
    """

    kind: Kind
    value: float

    def __post_init__(self) -> None:
        if self.kind == "quality":
            if not 0 <= self.value <= 100:
                raise ValueError(f"quality must lie between 0 and 100, got {self.value!r}")
        elif self.kind == "target_psnr" and self.value > _HIGHEST_PSNR:
            raise ValueError(f"target_psnr must be at most {_HIGHEST_PSNR} dB, got {self.value!r}")
        elif not 0 < self.value < math.inf:
            raise ValueError(f"{self.kind.rstrip('_')} must be positive, got {self.value!r}")

    @classmethod
    def only(cls, values: Mapping[str, float | None]) -> "Goal | None":
        """The one goal that has a value, if any.

        Raises:
            ValueError: there are several, or the value is out of range.
        """
        given = {kind: value for kind, value in values.items() if value is not None}
        if len(given) > 1:
            raise ValueError(f"only one of {' and '.join(given)} can be given")
        return next((cls(cast(Kind, kind), value) for kind, value in given.items()), None)

    @property
    def is_target(self) -> bool:
        """Whether it takes several tries to meet it."""
        return self.kind.startswith("target")

    def notch(self, picture: NDArray[np.float32]) -> int:
        """The notch of D that a quality or a lambda asks for, of a picture [C, H, W]."""
        if self.kind == "quality":
            d = _COARSEST * (_FINEST / _COARSEST) ** (self.value / 100)
            return ladder.nearest(d * _fineness(picture))
        return ladder.nearest(math.sqrt(self.value / ladder.SLOPE) / 255)


def _fineness(picture: NDArray[np.float32]) -> float:
    """Factor on D for a picture [C, H, W]: below 1 where the usual error would hide all there is to see.

    D is about the error that a Gaussian may leave, a sum over samples. In a picture of few pixels, few samples share
    it; in one of little contrast, it is as large as what the picture shows.
    """
    pixels = picture.reshape(len(picture), -1)
    small = math.sqrt(min(pixels.shape[1] / _SMALL, 1.0))
    if pixels.shape[1] > _SAMPLED:
        # At random: every second pixel of a picture of stripes may be black.
        pixels = pixels[:, np.random.default_rng(0).integers(0, pixels.shape[1], _SAMPLED)]
    deviation = math.sqrt(float(pixels.var(axis=1, dtype=np.float64).mean()))
    return small * min(max(deviation / _FAINT, _LEAST_FACTOR), 1.0)

"""What an encoder aims at: a quality, a price of bits, or a size or PSNR to meet."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from .compress import adaptive
from .compress.lattice import SLOPE

DEFAULT_QUALITY = 60
# D at the ends of the scale; 0.03 bpp and no visible loss on photographs.
_LOWEST_STEP, _HIGHEST_STEP = 1.3, 0.065
# Beyond what 8-bit samples can tell apart.
_HIGHEST_PSNR = 100

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

    @property
    def step(self) -> int:
        """Index of D, for a quality or a lambda."""
        if self.kind == "quality":
            return adaptive.nearest_step(_LOWEST_STEP * (_HIGHEST_STEP / _LOWEST_STEP) ** (self.value / 100))
        return adaptive.nearest_step(math.sqrt(self.value / SLOPE) / 255)

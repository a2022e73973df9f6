"""What a codec is to the benchmarks, and our own as one, which is loaded where it is used."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..options import DEFAULT_EFFORT, DEFAULT_LOSS, DEFAULT_PROFILE, DEFAULT_TUNE, Options
from ..origin import code_version

Pixels = NDArray[np.uint8]
"""[H, W] of a grey picture, [H, W, 3] of a colour picture."""

Knob = Literal["n_gaussians", "quality"]

_SETTINGS: dict[Knob, tuple[tuple[float, ...], tuple[float, float]]] = {
    "quality": ((5, 25, 45, 65), (0, 100)),
    "n_gaussians": ((250, 500, 1000, 2000, 4000), (20, 100_000)),
}
"""What our own codec measures, and its bounds, by knob."""


class Codec(ABC):
    """A codec with a knob between size and fidelity. To add one, name it and write `encode` and `decode`."""

    name: str
    """What tables, plots and files call it; letters, digits, `-`, `_` and `.`."""
    qualities: Sequence[float] = ()
    """Settings of the knob to measure unless others are asked for."""
    bounds: tuple[float, float]
    """Settings of the smallest and the largest files; only `encode_to_size` needs them."""
    extension: str = "bin"
    """What its files end in."""

    @property
    def version(self) -> str:
        """Version of the implementation, and every option that changes its output."""
        return ""

    def prepare(self) -> None:
        """Do what takes long when a process does it for the first time; it is not timed."""
        return

    @abstractmethod
    def encode(self, image: Pixels, quality: float) -> bytes:
        """The whole file of a picture."""

    @abstractmethod
    def decode(self, data: bytes) -> Pixels:
        """The picture of a file that `encode` made; a grey one may come back in colour."""

    def between(self, low: float, high: float, count: int) -> list[float]:
        """`count` settings from `low` to `high`, spread evenly over the curve."""
        return np.linspace(low, high, count).round().tolist()


class Gsi(Codec):
    """splatcodec itself.

    Args:
        profile: of the files.
        knob: what `quality` sets: "quality", or "n_gaussians", the number of Gaussians.
        effort, loss, tune: as in `splatcodec.Options`.

    Raises:
        ValueError: there is no such profile, effort, loss or tune.
    """

    extension = "gsi"

    def __init__(
        self,
        profile: str = DEFAULT_PROFILE,
        knob: Knob = "quality",
        effort: int = DEFAULT_EFFORT,
        loss: str = DEFAULT_LOSS,
        tune: str = DEFAULT_TUNE,
    ) -> None:
        self._options = Options(profile=profile, effort=effort, loss=loss, tune=tune)
        # Whatever is not the default, and the profile if all is.
        named = [value for value in (profile, tune) if value not in (DEFAULT_PROFILE, DEFAULT_TUNE)] or [profile]
        self.name = "-".join(["gsi", *named])
        self.qualities, self.bounds = _SETTINGS[knob]
        self._knob = knob

    @property
    def version(self) -> str:
        number = code_version()
        options = ", ".join(f"{name} {getattr(self._options, name)}" for name in ("effort", "loss", "tune"))
        return f"splatcodec {number}, by {self._knob}, {options}"

    def prepare(self) -> None:
        from ..encoding.encode import encode

        self.decode(encode(np.zeros((8, 8, 3), np.uint8), replace(self._options, n_gaussians=2, effort=1)))

    def encode(self, image: Pixels, quality: float) -> bytes:
        from ..encoding.encode import encode

        setting: dict[str, Any] = {self._knob: round(quality) if self._knob == "n_gaussians" else quality}
        return encode(image, replace(self._options, **setting))

    def decode(self, data: bytes) -> Pixels:
        from ..decoder import decode

        return decode(data)

    def between(self, low: float, high: float, count: int) -> list[float]:
        if self._knob == "quality":
            return super().between(low, high, count)
        return np.geomspace(low, high, count).round().tolist()

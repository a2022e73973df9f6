"""How attributes can be stored: the contract of a profile, and which ones there are."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import GsiError

if TYPE_CHECKING:
    from ..container import Chunk, Layer
    from ..splats import Splats
    from .refiner import Refiner

_NUMBERS = {"adaptive": 1, "vq": 2, "half": 0}
NAMES = tuple(_NUMBERS)
"""Of all profiles; each has a module beside this one, with its `PROFILE`."""
TAGS = {
    "adaptive": ("ADAP",),
    "vq": ("CELL", "MEAN", "BOOK", "INDX"),
    "half": ("CELL", "MEAN", "SCAL", "ROTA", "COLR"),
}
"""Of the chunks that a layer is coded in, in order, by name of the profile."""


class Slope(NamedTuple):
    """What an octave of a setting changes, roughly."""

    alone: float
    """With the same fit."""
    refitted: float
    """With as many Gaussians as suit it."""


@dataclass(frozen=True)
class Hints:
    """What a search for a size or a PSNR begins with, rounded from fits of photographs."""

    bits_per_gaussian: float
    log_size: Slope
    """Of the natural logarithm of the size."""
    psnr: Slope
    """Of the PSNR in dB."""


class Profile(ABC):
    """A way to store the attributes of Gaussians."""

    name: str
    """What users call it."""
    follows_d: bool
    """Whether D sets how fine the attributes are; otherwise only fewer Gaussians make a smaller file."""
    needs_picture: bool = True
    """Whether quantisation looks at the picture; otherwise Gaussians are stored as they are."""
    hints: Hints

    @property
    def number(self) -> int:
        """What stands for it in files."""
        return _NUMBERS[self.name]

    @abstractmethod
    def quantise(self, splats: "Splats", notch: int, refiner: "Refiner") -> Any:
        """Gaussians as the profile can store them, as close to the picture as it allows.

        Args:
            splats: what to store.
            notch: of D on its ladder.
            refiner: what knows the picture.
        """

    @abstractmethod
    def write(self, quantised: Any) -> "tuple[int, list[Chunk]]":
        """How many Gaussians are stored, and the chunks of a file.

        Raises:
            GsiError: a value does not fit the format.
        """

    @abstractmethod
    def read(self, layer: "Layer", chunks: "Sequence[Chunk]", name: str) -> "Splats":
        """The Gaussians of a layer of a file.

        Raises:
            GsiError: chunks are missing, of the wrong length or hold values that describe no Gaussian.
        """

    def describe(self, layer: "Layer", chunks: "Sequence[Chunk]", name: str) -> dict[str, float]:
        """Bits of a layer by attribute, as far as that can be told; raises as `read`."""
        return {}


def check_name(name: str) -> None:
    """Raise ValueError unless there is a profile of that name."""
    if name not in NAMES:
        raise ValueError(f"unknown profile {name!r}, expected one of {', '.join(NAMES)}")


@cache
def named(name: str) -> Profile:
    """The profile with one of `NAMES`; its module is loaded when it is first asked for.

    Raises:
        ValueError: there is none.
    """
    check_name(name)
    profile: Profile = import_module(f".{name}", __package__).PROFILE
    return profile


def name_of(number: int, file: str) -> str:
    """The name of a profile by its number in a file.

    Raises:
        GsiError: there is none with this number.
    """
    for name, own in _NUMBERS.items():
        if own == number:
            return name
    raise GsiError(f"{file}: profile: value out of range at byte 6")

"""What quantisation asks of a fit."""

from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from splatkernels.gaussians import Gaussians

if TYPE_CHECKING:
    from splatkernels import Gradients

Attribute = Literal["means", "scales", "rotations", "colors"]


class Refiner(Protocol):
    """Knows the picture and what counts as error."""

    @property
    def in_time(self) -> bool:
        """Whether there is time for more."""

    def refine(self, gaussians: Gaussians, *free: Attribute) -> Gaussians:
        """Gaussians whose attributes in `free` reduce the error, and whose others are the same."""

    def gradients(self, gaussians: Gaussians) -> "Gradients":
        """Gradients of the error, in the units of the squared error, by all attributes."""

    def curvatures(self, gaussians: Gaussians) -> NDArray[np.floating]:
        """Curvature [N] of the error around each of N Gaussians, over that of the squared error."""

"""What quantisation asks of a fit."""

from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from splatkernels.adam import Gaussians

Attribute = Literal["means", "scales", "rotations", "colors"]


class Refiner(Protocol):
    """Knows the picture and what counts as error."""

    def refine(self, gaussians: "Gaussians", *free: Attribute) -> "Gaussians":
        """Gaussians whose attributes in `free` reduce the error, and whose others are the same."""

    def color_gradients(self, gaussians: "Gaussians") -> NDArray[np.floating] | None:
        """Gradient [N, C] of the squared error by the colours; None if the error is something else."""

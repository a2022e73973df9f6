"""What quantisation asks of a fit."""

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from splatkernels import Gradients
    from splatkernels.adam import Gaussians

Attribute = Literal["means", "scales", "rotations", "colors"]


class Refiner(Protocol):
    """Knows the picture and what counts as error."""

    def refine(self, gaussians: "Gaussians", *free: Attribute) -> "Gaussians":
        """Gaussians whose attributes in `free` reduce the error, and whose others are the same."""

    def gradients(self, gaussians: "Gaussians") -> "Gradients | None":
        """Gradients of the squared error by all attributes; None if the error is something else."""

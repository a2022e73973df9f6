"""Rasterises 2D Gaussians: a dense reference and tiled kernels for CPUs and CUDA GPUs, forward and backward.

`render` and `render_backward` work on NumPy arrays. `rasterize` is the same, differentiable, for torch tensors, and
`rasterize_reference` its slow definition; torch is imported when one of the two is first used, and Triton when tensors
on a CUDA device are.
"""

from typing import TYPE_CHECKING

from .arrays import Gradients, render, render_backward
from .geometry import CUTOFF, FOOTPRINT, Viewport
from .threads import get_num_threads, set_num_threads

if TYPE_CHECKING:
    from .autograd import rasterize
    from .reference import rasterize_reference

__all__ = [
    "CUTOFF",
    "FOOTPRINT",
    "Gradients",
    "Viewport",
    "get_num_threads",
    "rasterize",
    "rasterize_reference",
    "render",
    "render_backward",
    "set_num_threads",
]


def __getattr__(name: str):
    if name == "rasterize":
        from .autograd import rasterize

        return rasterize
    if name == "rasterize_reference":
        from .reference import rasterize_reference

        return rasterize_reference
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

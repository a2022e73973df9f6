"""Rasterises 2D Gaussians: a dense reference and tiled kernels for CPUs and CUDA GPUs, forward and backward.

`render` and `render_backward` work on NumPy arrays. `rasterize` is the same, differentiable, for torch tensors, and
`rasterize_reference` its slow definition. Numba and torch are imported when a name that needs them is first used, and
Triton when tensors on a CUDA device are rendered.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .devices import missing, resolve_device
from .geometry import CUTOFF, FOOTPRINT, Viewport

if TYPE_CHECKING:
    from .arrays import Gradients, render, render_backward
    from .autograd import rasterize
    from .reference import rasterize_reference
    from .threads import get_num_threads, set_num_threads

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
    "resolve_device",
    "set_num_threads",
]

_HOMES = {
    "Gradients": "arrays",
    "get_num_threads": "threads",
    "rasterize": "autograd",
    "rasterize_reference": "reference",
    "render": "arrays",
    "render_backward": "arrays",
    "set_num_threads": "threads",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError(missing("torch", "torch"), name="torch") from error

"""How the CPU kernels are compiled."""

from collections.abc import Callable

from numba import njit

_OPTIONS = {"nogil": True, "error_model": "numpy"}


def kernel(function: Callable) -> Callable:
    """Compile a function with Numba when it is first called, and keep the result on disk.

    Where neither the package nor the user's cache directory can be written to, it is compiled in every process anew.
    """
    try:
        return njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:
        return njit(**_OPTIONS)(function)

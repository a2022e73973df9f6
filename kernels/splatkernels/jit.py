"""How the CPU kernels are compiled."""

import hashlib
import inspect
import sys
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from numba import config, njit
from numba.core import environment
from numba.core.base import BaseContext
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys

_OPTIONS = {"nogil": True, "error_model": "numpy"}


def kernel(function: Callable) -> Callable:
    """Compile a function with Numba when it is first called, and keep the result on disk.

    Numba notices when the file of a kernel changes, but not when a function or constant does that it imports. So what
    was kept is used only if no file beside the kernel, or of this package, has changed.
    """
    return _compiled(function, {})


def inlined(function: Callable) -> Callable:
    """As `kernel`, for what other kernels call so often that passing arrays to it would take longer than its work."""
    return _compiled(function, {"forceinline": True})


def _compiled(function: Callable, options: dict[str, bool]) -> Callable:
    if config.DISABLE_JIT:
        # NUMBA_DISABLE_JIT is for debuggers, and to see numbers overflow.
        return function
    try:
        compiled = njit(cache=True, **_OPTIONS, **options)(function)
    except RuntimeError:
        # Neither the package nor the user's cache directory can be written to.
        _warn()
        return njit(**_OPTIONS, **options)(function)
    internals = (
        hasattr(compiled._cache, "_load_overload"),
        hasattr(compiled._cache, "_guard_against_spurious_io_errors"),
        hasattr(environment, "_rebuild_env"),
    )
    if all(internals):
        compiled._cache.load_overload = partial(_load, compiled._cache)
    # What Numba compares with the state in which a kernel was kept; of its own it knows the kernel's file only.
    compiled._cache._cache_file._source_stamp = _digest(Path(inspect.getfile(function)).parent)
    return compiled


def _load(functions: FunctionCache, signature: object, target: BaseContext) -> object:
    """What is kept of a kernel, as Numba loads it.

    Numba would first import all that it may need to compile, which takes as long as everything else in a decode. What
    has been compiled already needs no more than the runtime that counts references, and compiling does the rest itself.
    """
    rtsys.initialize(target)
    # Nothing else is loaded meanwhile: Numba holds its lock.
    usual, environment._rebuild_env = environment._rebuild_env, _rebuild_environment
    try:
        with functions._guard_against_spurious_io_errors():
            return functions._load_overload(signature, target)
    finally:
        environment._rebuild_env = usual


def _rebuild_environment(module: str, constants: list[object], name: str) -> environment.Environment:
    """Of a function that was compiled into a kernel, as Numba does it, but without importing the function's module.

    Machine code that needs no interpreter never looks at the globals.
    """
    found = environment.lookup_environment(name)
    if found is None:
        found = environment.Environment(vars(sys.modules[module]) if module in sys.modules else {"__name__": module})
        found.consts[:] = constants
        found.env_name = name
        environment.Environment._memo[name] = found
    return found


@cache
def _warn() -> None:
    warnings.warn(
        "compiled kernels cannot be kept, so every run takes some ten seconds more: "
        "set NUMBA_CACHE_DIR to a directory that can be written to",
        RuntimeWarning,
        stacklevel=3,
    )


@cache
def _digest(sources: Path) -> str:
    """Of the files beside a kernel and of those of this package."""
    digest = hashlib.sha256()
    for path in sorted({*sources.glob("*.py"), *Path(__file__).parent.glob("*.py")}):
        digest.update(path.read_bytes())
    return digest.hexdigest()

"""How the CPU kernels are compiled."""

import hashlib
import inspect
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

from numba import njit

_OPTIONS = {"nogil": True, "error_model": "numpy"}


def kernel(function: Callable) -> Callable:
    """Compile a function with Numba when it is first called, and keep the result on disk.

    Numba notices when the file of a kernel changes, but not when a function or constant does that it imports. So what
    was kept is dropped whenever any file beside the kernel, or of this package, has changed.
    """
    try:
        compiled = njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:
        # Neither the package nor the user's cache directory can be written to.
        _warn()
        return njit(**_OPTIONS)(function)
    _drop_stale(Path(compiled.stats.cache_path), Path(inspect.getfile(function)).parent)
    return compiled


@cache
def _warn() -> None:
    warnings.warn(
        "compiled kernels cannot be kept, so every run takes some ten seconds more: "
        "set NUMBA_CACHE_DIR to a directory that can be written to",
        RuntimeWarning,
        stacklevel=3,
    )


@cache
def _drop_stale(kept: Path, sources: Path) -> None:
    """Remove what is kept in a directory of kernels from another state of their sources."""
    digest, stamp = _digest(sources), kept / "splatkernels.digest"
    if stamp.is_file() and stamp.read_text() == digest:
        return
    for index in kept.glob("*.nbi"):
        index.unlink(missing_ok=True)
    kept.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest)


@cache
def _digest(sources: Path) -> str:
    """Of the files beside a kernel and of those of this package."""
    digest = hashlib.sha256()
    for path in sorted({*sources.glob("*.py"), *Path(__file__).parent.glob("*.py")}):
        digest.update(path.read_bytes())
    return digest.hexdigest()

"""Which device to compute on."""

import ctypes
import sys


def resolve_device(device: str) -> str:
    """Turn "auto" into "cuda" where that works and into "cpu" elsewhere.

    Args:
        device: "auto", "cpu" or "cuda".

    Raises:
        ValueError: it is none of these, or "cuda" where no CUDA device can be used.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be auto, cpu or cuda, got {device!r}")
    if device == "cpu" or (device == "auto" and not _has_driver()):
        return "cpu"
    fault = _fault()
    if fault is None:
        return "cuda"
    if device == "cuda":
        raise ValueError(f"device cuda cannot be used: {fault}")
    return "cpu"


def _has_driver() -> bool:
    """Whether a CUDA driver is installed; takes no time, unlike asking torch."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def missing(package: str, extra: str) -> str:
    """Which command installs a package that comes with an extra."""
    return f"{package} is missing: {sys.executable} -m pip install 'splatcodec[{extra}]'"


def _fault() -> str | None:
    """Why no CUDA device can be used, or None if one can."""
    try:
        import torch
    except ModuleNotFoundError:
        return missing("torch", "gpu")
    if not torch.cuda.is_available():
        return "torch finds no CUDA device"
    try:
        import triton  # noqa: F401 - only whether it is there
    except ImportError:
        return missing("triton", "gpu")
    return None

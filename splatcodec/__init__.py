"""An image codec whose code word is the 2D Gaussian.

data = splatcodec.encode("photo.png")
pixels = splatcodec.decode(data, scale=2)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from splatkernels import set_num_threads

    from .decoder import decode, read
    from .encoding.encode import encode, fit, write
    from .errors import GsiError, ImageError, TargetError
    from .history import History
    from .metrics import Evaluation, evaluate
    from .options import Options
    from .splats import Splats
    from .truth import synthetic

__all__ = [
    "Evaluation",
    "GsiError",
    "History",
    "ImageError",
    "Options",
    "Splats",
    "TargetError",
    "decode",
    "encode",
    "evaluate",
    "fit",
    "read",
    "set_num_threads",
    "synthetic",
    "write",
]

_HOMES = {
    "Evaluation": ".metrics",
    "GsiError": ".errors",
    "History": ".history",
    "ImageError": ".errors",
    "Options": ".options",
    "Splats": ".splats",
    "TargetError": ".errors",
    "decode": ".decoder",
    "encode": ".encoding.encode",
    "evaluate": ".metrics",
    "fit": ".encoding.encode",
    "read": ".decoder",
    "set_num_threads": "splatkernels",
    "synthetic": ".truth",
    "write": ".encoding.encode",
}


def __getattr__(name: str) -> object:
    """Load what is asked for: nobody waits for NumPy and Numba to see `--help`."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

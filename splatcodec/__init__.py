"""An image codec whose code word is the 2D Gaussian.

data = splatcodec.encode("photo.png")
pixels = splatcodec.decode(data, scale=2)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from splatkernels import set_num_threads

    from .decoder import decode, decode_picture, read, read_document
    from .document import Document
    from .encoding.encode import encode, fit, write
    from .errors import GsiError, ImageError, TargetError
    from .history import History
    from .image import Picture, load_image
    from .metrics import Evaluation, evaluate
    from .options import Options
    from .splats import Splats
    from .truth import synthetic

__all__ = [
    "Document",
    "Evaluation",
    "GsiError",
    "History",
    "ImageError",
    "Options",
    "Picture",
    "Splats",
    "TargetError",
    "decode",
    "decode_picture",
    "encode",
    "evaluate",
    "fit",
    "load_image",
    "read",
    "read_document",
    "set_num_threads",
    "synthetic",
    "write",
]

_HOMES = {
    "Document": ".document",
    "Evaluation": ".metrics",
    "GsiError": ".errors",
    "History": ".history",
    "ImageError": ".errors",
    "Options": ".options",
    "Picture": ".image",
    "Splats": ".splats",
    "TargetError": ".errors",
    "decode": ".decoder",
    "decode_picture": ".decoder",
    "encode": ".encoding.encode",
    "evaluate": ".metrics",
    "fit": ".encoding.encode",
    "load_image": ".image",
    "read": ".decoder",
    "read_document": ".decoder",
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

"""An image codec whose code word is the 2D Gaussian.

data = splatcodec.encode("photo.png")
pixels = splatcodec.decode(data, scale=2)
"""

from .decoder import decode, read
from .encoder import encode, fit, write
from .errors import GsiError, ImageError, TargetError
from .metrics import Evaluation, evaluate
from .splats import Splats

__all__ = [
    "Evaluation",
    "GsiError",
    "ImageError",
    "Splats",
    "TargetError",
    "decode",
    "encode",
    "evaluate",
    "fit",
    "read",
    "write",
]

"""Splats as tensors of one shape, which is what models of splats learn from and sample; pictures for training loops.

tensor = to_tensor(splatcodec.read("photo.gsi"), n=512)  # [512, 6 + C]
splats = from_tensor(tensor, height=512, width=768)
pictures = PictureDataset(paths, PictureDecoder(224, 224, crop=RandomResizedCrop()))  # each [3, 224, 224]
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .rows import from_rows, to_rows
from .statistics import Statistics

if TYPE_CHECKING:
    from .dataset import SplatDataset, from_tensor, to_tensor
    from .pictures import PictureDataset, PictureDecoder, RandomResizedCrop

__all__ = [
    "PictureDataset",
    "PictureDecoder",
    "RandomResizedCrop",
    "SplatDataset",
    "Statistics",
    "from_rows",
    "from_tensor",
    "to_rows",
    "to_tensor",
]

_NEED_TORCH = dict.fromkeys(("SplatDataset", "from_tensor", "to_tensor"), "dataset")
_NEED_TORCH |= dict.fromkeys(("PictureDataset", "PictureDecoder", "RandomResizedCrop"), "pictures")


def __getattr__(name: str) -> object:
    """Load torch for what needs it: rows and statistics do without."""
    if name not in _NEED_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_NEED_TORCH[name]}", __name__), name)

"""Checkpoints of PyTorch that hold the Gaussians of other programs (`foreign`); they can be read only."""

import pickle
import warnings
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InterchangeError, requires
from ..splats import Splats
from . import foreign
from .fields import MAX_ROWS, MOST_COLUMNS, Fields, Size
from .formats import Format

if TYPE_CHECKING:
    import torch

_ZIP, _PICKLE = b"PK", b"\x80"
"""How files of PyTorch begin, new and old ones."""
_BROKEN = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


def read(data: bytes, name: str, size: Size | None) -> Splats:
    """The Gaussians of a file: a dictionary of tensors, or one that has such a dictionary as its "state_dict".

    Raises:
        InterchangeError: it is no such file, or the size is missing.
        MissingExtraError: PyTorch is missing.
    """
    with requires("torch", "torch"):
        import torch
    try:
        _check_archive(data, name)
        with warnings.catch_warnings(action="ignore"):
            state = torch.load(BytesIO(data), map_location="cpu", weights_only=True)
        if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
            state = state["state_dict"]
        if not isinstance(state, dict):
            raise InterchangeError(f"{name}: expected tensors by name, got a {type(state).__name__}")
        tensors = {key: state[key] for key in foreign.KEYS if isinstance(state.get(key), torch.Tensor)}
        fields = Fields({key: _array(tensor, name) for key, tensor in tensors.items()}, name)
    except InterchangeError:
        raise
    except _BROKEN as error:
        if isinstance(error, pickle.UnpicklingError) and data.startswith((_ZIP, _PICKLE)):
            raise InterchangeError(f"{name}: holds other objects than tensors, which are not safe to read") from None
        raise InterchangeError(f"{name}: not a checkpoint of PyTorch, or a damaged one") from None
    return foreign.read(fields, size)


def _check_archive(data: bytes, name: str) -> None:
    """Raise InterchangeError if an archive would unpack to more than it takes; PyTorch compresses nothing."""
    if not zipfile.is_zipfile(BytesIO(data)):
        return
    with zipfile.ZipFile(BytesIO(data)) as archive:
        if sum(info.file_size for info in archive.infolist()) > len(data):
            raise InterchangeError(f"{name}: is compressed, as no checkpoint of PyTorch is")


def _array(tensor: "torch.Tensor", name: str) -> NDArray[np.generic]:
    """The values of a tensor; NumPy knows no bfloat16."""
    # A tensor may repeat few values many times without holding them.
    if tensor.numel() > MAX_ROWS * MOST_COLUMNS:
        raise InterchangeError(f"{name}: a tensor of {tensor.numel()} values is too large")
    tensor = tensor.detach()
    array: NDArray[np.generic] = (tensor.float() if tensor.dtype.itemsize < 4 else tensor).numpy()
    return array


FORMAT = Format(read=read)

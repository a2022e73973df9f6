"""NumPy archives: our own arrays under their names, or those of other programs (`foreign`)."""

import struct
import zipfile
import zlib
from io import BytesIO
from math import prod

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from splatkernels.gaussians import Gaussians

from ..container import MAX_SIDE
from ..errors import InterchangeError
from ..splats import Splats
from . import foreign
from .fields import MAX_ROWS, MOST_COLUMNS, Fields, Size, canvas
from .formats import Format

_SUFFIX = ".npy"
_KEYS = (*Gaussians._fields, "height", "width", *foreign.KEYS)
_BROKEN = (
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def write(splats: Splats) -> bytes:
    """The file of some Gaussians."""
    file = BytesIO()
    np.savez_compressed(file, **splats.gaussians._asdict(), height=splats.height, width=splats.width)
    return file.getvalue()


def read(data: bytes, name: str, size: Size | None) -> Splats:
    """The Gaussians of a file.

    Raises:
        InterchangeError: it is no such file, or the size is missing or another one.
    """
    fields = Fields(_arrays(data, name), name)
    if "means" not in fields:
        return foreign.read(fields, size)
    own = fields.whole("height", 1, MAX_SIDE), fields.whole("width", 1, MAX_SIDE)
    means = fields.array("means", None, 2)
    scales = fields.array("scales", len(means), 2, positive=True)
    rotations = fields.array("rotations", len(means), None)
    colors = fields.colors("colors", len(means))
    return fields.splats(means, scales, rotations, colors, canvas(name, own, size))


def _arrays(data: bytes, name: str) -> dict[str, NDArray[np.generic]]:
    """The arrays of an archive that are looked for: numbers, no more of them than the Gaussians of a file can have."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = {info.filename.removesuffix(_SUFFIX): info for info in archive.infolist()}
            return {key: _array(archive, members[key], name) for key in _KEYS if key in members}
    except InterchangeError:
        raise
    except _BROKEN as error:
        raise InterchangeError(f"{name}: not an archive of NumPy arrays: {error}") from None


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> NDArray[np.generic]:
    key = info.filename.removesuffix(_SUFFIX)
    with archive.open(info) as file:
        version = npy.read_magic(file)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = header(file)
        values = prod(shape)
        if dtype.kind not in "fiub":
            raise InterchangeError(f'{name}: key "{key}": expected numbers, got the type {dtype}')
        if values > MAX_ROWS * MOST_COLUMNS:
            raise InterchangeError(f'{name}: key "{key}": {list(shape)} values are not read')
        # Read as it is written: NumPy would first set aside as much memory as the header asks for.
        if info.file_size - file.tell() != values * dtype.itemsize:
            raise InterchangeError(f'{name}: key "{key}": does not hold the {list(shape)} values of its header')
    with archive.open(info) as file:
        found: NDArray[np.generic] = npy.read_array(file, allow_pickle=False)
    return found


FORMAT = Format(write, read)

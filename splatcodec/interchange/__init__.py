"""Gaussians in the formats of others: `docs/interchange.md` describes these.

interchange.save(splatcodec.read("photo.gsi"), "photo.json")
splats = interchange.load("photo.json")
"""

import os
from typing import BinaryIO

from ..errors import InterchangeError
from ..files import Source, read_source, replacing, source_name, write_all
from ..splats import Splats
from .fields import Size
from .formats import reader, writer

__all__ = ["load", "save"]


def save(splats: Splats, file: str | os.PathLike[str] | BinaryIO, *, extension: str | None = None) -> None:
    """Write Gaussians to a file of another format, which appears whole or not at all.

    Args:
        splats: what to write.
        file: a path, or a file opened for writing bytes.
        extension: which format: .json, .npz, .csv, .svg or .ply; that of the path if None.

    Raises:
        InterchangeError: nothing can be written with this extension, or the picture is neither grey nor RGB.
        OSError: the file cannot be written.
    """
    name = source_name(file)
    write = writer(extension or name)
    if splats.channels not in (1, 3):
        raise InterchangeError(f"{name}: {splats.channels} colour channels cannot be written: 1 or 3 can")
    if not isinstance(file, str | os.PathLike):
        write_all(file, write(splats))
        return
    with replacing(file) as output:
        output.write(write(splats))


def load(file: Source, size: Size | None = None, *, extension: str | None = None) -> Splats:
    """Read the Gaussians of a file of another format.

    Args:
        file: a path, the bytes of the file, or a file opened for reading bytes.
        size: height and width of the canvas in pixels; needed where the file does not hold them.
        extension: which format: .json, .npz, .csv, .ply, .pt, .pth or .pth.tar; that of the path if None.

    Raises:
        InterchangeError: the file is damaged, of another format, or holds something that is no Gaussian; or the size
            is missing, or not that of the file.
        MissingExtraError: PyTorch is missing, which .pt, .pth and .pth.tar need.
        OSError: the file cannot be read.
    """
    name = source_name(file)
    read = reader(extension or name)
    return read(read_source(file), name, size)

"""The formats that Gaussians are exchanged in: the contract of a format, and which ones there are."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from ..errors import InterchangeError
from ..splats import Splats
from .fields import Size

_MODULES = {
    ".json": "notebook",
    ".npz": "npz",
    ".csv": "table",
    ".svg": "svg",
    ".ply": "ply",
    ".pt": "checkpoint",
    ".pth": "checkpoint",
    ".pth.tar": "checkpoint",
}


@dataclass(frozen=True)
class Format:
    """What can be done with files of one format; each has a module beside this one, with its `FORMAT`."""

    write: Callable[[Splats], bytes] | None = None
    """The file of some Gaussians; None if they cannot be written."""
    read: Callable[[bytes, str, Size | None], Splats] | None = None
    """The Gaussians of a file, which errors call by the given name, on a canvas of the given size, which some formats
    do not hold; None if they cannot be read. Raises InterchangeError."""


def reader(name: str | os.PathLike[str]) -> Callable[[bytes, str, Size | None], Splats]:
    """What reads files of a name, or of an extension.

    Raises:
        InterchangeError: nothing does.
    """
    found = _named(name, "read").read
    if found is None:
        raise InterchangeError(f"{os.fspath(name)}: files of this kind can be written only")
    return found


def writer(name: str | os.PathLike[str]) -> Callable[[Splats], bytes]:
    """What writes files of a name, or of an extension.

    Raises:
        InterchangeError: nothing does.
    """
    found = _named(name, "write").write
    if found is None:
        raise InterchangeError(f"{os.fspath(name)}: files of this kind can be read only")
    return found


def _named(name: str | os.PathLike[str], use: Literal["read", "write"]) -> Format:
    """The format of a file by its name, which also may be no more than an extension; `use` is what for."""
    text = os.fspath(name)
    for extension in _MODULES:
        if text.lower().endswith(extension):
            return _format(extension)
    known = ", ".join(extension for extension in _MODULES if getattr(_format(extension), use) is not None)
    raise InterchangeError(f"{text or repr(text)}: unknown extension, expected one of {known}")


def _format(extension: str) -> Format:
    found: Format = import_module(f".{_MODULES[extension]}", __package__).FORMAT
    return found

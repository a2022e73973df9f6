"""The formats that Gaussians are exchanged in: the contract of a format, and which ones there are."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

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
    found: Callable[[bytes, str, Size | None], Splats] = _part(name, "read", "written")
    return found


def writer(name: str | os.PathLike[str]) -> Callable[[Splats], bytes]:
    """What writes files of a name, or of an extension.

    Raises:
        InterchangeError: nothing does.
    """
    found: Callable[[Splats], bytes] = _part(name, "write", "read")
    return found


def _part(name: str | os.PathLike[str], part: Literal["read", "write"], other: str) -> Any:
    """A part of the format of a file by its name; where that is missing, all that can be done is the `other`."""
    text = os.fspath(name)
    for extension in _MODULES:
        if text.lower().endswith(extension):
            found = getattr(_format(extension), part)
            if found is None:
                raise InterchangeError(f"{text}: files of this kind can be {other} only")
            return found
    known = ", ".join(extension for extension in _MODULES if getattr(_format(extension), part) is not None)
    raise InterchangeError(f"{text or repr(text)}: unknown extension, expected one of {known}")


def _format(extension: str) -> Format:
    found: Format = import_module(f".{_MODULES[extension]}", __package__).FORMAT
    return found

"""Outputs that are too large to be in memory: they grow in a hidden file beside the name that they will take."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ..files import naming, taking_place

try:
    import fcntl
except ImportError:  # Windows, where no file that is open can be removed
    fcntl = None  # type: ignore[assignment]  # asked for before it is used

# Bytes of a name of which a hidden one can be made.
_LONGEST = 200


class Growing:
    """A file that is written, and what stands for its content.

    Args:
        file: opened for writing.
        name: what errors call it.

    Attributes:
        size: bytes that have been written.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Add bytes.

        Raises:
            OSError: they cannot be written.
        """
        with naming(self._name):
            self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    @property
    def mtime_ns(self) -> int:
        """When it was written to, which it keeps when it takes its name.

        Raises:
            OSError: what has been written cannot be.
        """
        with naming(self._name):
            self._file.flush()
            return os.fstat(self._file.fileno()).st_mtime_ns

    @property
    def digest(self) -> str:
        """SHA-256 of what has been written, in hexadecimal digits."""
        return self._digest.hexdigest()


@contextmanager
def growing(path: Path) -> Iterator[Growing]:
    """A file that takes its name only when the block ends without an exception; what killed ones left is removed.

    Raises:
        OSError: it cannot be written.
    """
    name, prefix = str(path), f".splatcodec-{_short(path.name)}-"
    with naming(name):
        _remove_left(path.parent, prefix)
    temporary = path.with_name(f"{prefix}{os.urandom(8).hex()}")
    with taking_place(str(temporary), name, name) as file:
        _lock(file)
        yield Growing(file, name)


def _short(name: str) -> str:
    """A name, or where it leaves too little room for more, what stands for it: most disks take 255 bytes."""
    data = os.fsencode(name)
    return name if len(data) <= _LONGEST else hashlib.sha256(data).hexdigest()


def _lock(file: BinaryIO) -> bool:
    """Whether nobody else has a file in hand; from now on, this process has, until it ends or closes it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_left(folder: Path, prefix: str) -> None:
    """Remove hidden files whose processes have died."""
    with os.scandir(folder) as entries:
        left = [entry.path for entry in entries if entry.name.startswith(prefix)]
    for path in left:
        with suppress(OSError), open(path, "rb") as file:
            if _lock(file):
                os.unlink(path)

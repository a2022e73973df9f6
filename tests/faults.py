"""Makes things go wrong that seldom do: full disks, permissions that bind even root, files that take a part."""

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

OLD = b"precious"
"""What is in a file that must not be lost."""


@contextlib.contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file can become longer than so many bytes, as on a disk that is full."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def unprivileged(folder: Path) -> Iterator[Path]:
    """A new folder, of a user whom permissions bind: somebody else if this is root."""
    if os.geteuid() != 0:
        yield Path(tempfile.mkdtemp(dir=folder))
        return
    nobody = 65534
    # The folders of tests are root's own.
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o700)
        os.chown(path, nobody, nobody)
        os.setresuid(nobody, nobody, 0)
        try:
            yield Path(path)
        finally:
            os.setresuid(0, 0, 0)


class Sluggish(io.RawIOBase):
    """A file without a buffer that takes seven bytes at a time, and no more than so many."""

    def __init__(self, room: int) -> None:
        self.taken, self.room = b"", room

    def writable(self) -> bool:
        return True

    def write(self, data) -> int | None:
        part = bytes(data[: min(7, self.room - len(self.taken))])
        self.taken += part
        return len(part) or None

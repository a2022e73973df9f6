"""Makes things go wrong that seldom do: full disks, permissions that bind even root."""

import contextlib
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

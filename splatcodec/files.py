"""Files and standard streams: one line for every fault, and outputs that appear whole or not at all."""

import errno
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO, TypeGuard

STANDARD_STREAM = "-"

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
"""A path, the content itself, or a file opened for reading bytes."""


def is_source(value: object) -> TypeGuard[Source]:
    """Whether `read_source` takes a value."""
    return isinstance(value, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(value, "read")


def source_name(source: object) -> str:
    """What to call a source in messages: its path, the name of the file, or its type in angle brackets."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else f"<{type(source).__name__}>"


def read_source(source: Source) -> bytes:
    """All bytes of a source.

    Raises:
        OSError: the source cannot be read.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        if not os.fspath(source):
            raise FileNotFoundError(errno.ENOENT, "no such file or directory", "''")
        with open(source, "rb") as file:
            return file.read()
    return source.read()


def extension_of(path: str | os.PathLike[str], known: Sequence[str], what: str) -> str:
    """The extension of a path, in lower case.

    Raises:
        ValueError: it is not among those that are known, for what is to be written.
    """
    name = os.fspath(path)
    extension = os.path.splitext(name)[1].lower()
    if extension not in known:
        raise ValueError(f"{name or repr(name)}: {what} is written as {', '.join(known[:-1])} or {known[-1]}")
    return extension


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file to write bytes to that takes its name only when the block ends without an exception.

    A temporary file in the same directory is created at once, so that an unwritable output is noticed before the work
    is done. It, a device or a pipe is written to when the block ends.

    Raises:
        OSError: the output cannot be written.
    """
    name = os.fspath(path)
    if not name:
        raise FileNotFoundError(errno.ENOENT, "no such file or directory", "''")
    if os.path.isdir(name) or name.endswith(os.sep):
        raise IsADirectoryError(errno.EISDIR, "is a directory", name)
    content = BytesIO()
    if os.path.exists(name) and not os.path.isfile(name):
        yield content
        with naming(name), open(name, "wb") as device:
            device.write(content.getvalue())
        return
    target = os.path.realpath(name)
    if os.path.exists(target) and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "permission denied", name)
    with naming(name):
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".splatcodec-")
        os.close(descriptor)
    try:
        yield content
        with naming(name):
            with open(temporary, "wb") as file:
                file.write(content.getvalue())
            os.chmod(temporary, _mode(target))
            os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Let errors name the file that was asked for instead of the temporary one, or none."""
    try:
        yield
    except OSError as error:
        error.filename = name
        error.filename2 = None
        raise


def _mode(target: str) -> int:
    """Permissions of the file to be replaced, or those a new file would get."""
    try:
        return os.stat(target).st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


@contextmanager
def output(path: str) -> Iterator[BinaryIO]:
    """`replacing(path)`, or standard output for "-", which likewise is written to only at the end."""
    if path != STANDARD_STREAM:
        with replacing(path) as file:
            yield file
        return
    if sys.stdout is None or sys.stdout.closed:
        raise OSError("standard output is closed")
    if sys.stdout.isatty():
        raise OSError("standard output is a terminal, which bytes would garble; redirect it, or name a file")
    content = BytesIO()
    yield content
    # An unbuffered sys.stdout may write a part only and say so in its return value; this one writes all.
    with naming("standard output"), open(sys.stdout.fileno(), "wb", closefd=False) as stream:
        stream.write(content.getvalue())

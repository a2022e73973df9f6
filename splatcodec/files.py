"""Files and standard streams: one line for every fault, and outputs that appear whole or not at all."""

import errno
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO, RawIOBase
from typing import IO, BinaryIO, TypeGuard

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


def names_of(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Paths as text.

    Raises:
        TypeError: it is one path, whose letters would be taken for several.
    """
    if isinstance(paths, str | bytes | os.PathLike):
        raise TypeError(f"expected a list of paths, got one: {os.fspath(paths)!r}")
    return [os.fspath(path) for path in paths]


def read_source(source: Source, count: int | None = None) -> bytes:
    """All bytes of a source, or the first `count`.

    Raises:
        OSError: the source cannot be read.
        TypeError: it is no source.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source[:count])
    if isinstance(source, str | os.PathLike):
        if not os.fspath(source):
            raise FileNotFoundError(errno.ENOENT, "no such file or directory", "''")
        with open(source, "rb") as file:
            return file.read(count)
    read = getattr(source, "read", None)
    if read is None:
        raise TypeError(f"expected a path, bytes or a file, got {type(source).__name__}")
    content: bytes = read(-1 if count is None else count)
    return content


def named(content: bytes, name: str) -> BytesIO:
    """A file of this content, which errors call by a name."""
    file = BytesIO(content)
    file.name = name
    return file


def describe(error: Exception) -> str:
    """What is wrong, in one line that begins with the name of the file."""
    text = str(error)
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        text = f"{os.fsdecode(error.filename)}: {error.strerror[0].lower()}{error.strerror[1:]}"
    return in_one_line(text)


def in_one_line(text: str) -> str:
    """A text without what would end its line, as names of files may hold it."""
    return " ".join(text.split())


def about(text: str, name: str, *others: str) -> str:
    """A message in one line that names a file, unless it begins with that name already, or with another one."""
    line, known = in_one_line(text), [in_one_line(own) for own in (name, *others)]
    return line if line.startswith(tuple(known)) else f"{known[0]}: {line}"


def extension_of(path: str | os.PathLike[str], known: Sequence[str], what: str) -> str:
    """The extension of a path, in lower case.

    Raises:
        ValueError: it is not among those that are known, for what is to be written.
    """
    name = os.fspath(path)
    extension = os.path.splitext(name)[1].lower()
    if extension not in known:
        choice = " or ".join(filter(None, (", ".join(known[:-1]), known[-1])))
        raise ValueError(f"{name or repr(name)}: {what} is written as {choice}")
    return extension


def spare_file(path: str | os.PathLike[str], unless: bytes | None = None, kind: str = ".gsi file") -> None:
    """Leave a file alone, such as a second picture that `*` stood for, unless it is empty or begins with these bytes.

    Args:
        path: of the file.
        unless: what it may begin with.
        kind: what such a file is called.

    Raises:
        FileExistsError: there is one.
        OSError: it cannot be read.
    """
    if not os.path.isfile(path):
        return
    why = ""
    if unless is not None:
        with open(path, "rb") as file:
            if file.read(len(unless)) in (b"", unless):
                return
        why = f" and is no {kind}"
    raise FileExistsError(errno.EEXIST, f"exists{why}; --overwrite replaces it", os.fspath(path))


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file to write bytes to that takes its name only when the block ends without an exception.

    Until then nothing is there to be seen. That the output can be written is tried at once, so that a fault is noticed
    before the work is done; a device or a pipe is opened and written to when the block ends.

    Raises:
        OSError: the output cannot be written.
    """
    name = os.fspath(path)
    if not name:
        raise FileNotFoundError(errno.ENOENT, "no such file or directory", "''")
    with naming(name):
        status = _status(name)
    if name.endswith(os.sep) or (status is not None and stat.S_ISDIR(status.st_mode)):
        raise IsADirectoryError(errno.EISDIR, "is a directory", name)
    content = BytesIO()
    if status is not None and not stat.S_ISREG(status.st_mode):
        yield content
        with naming(name), open(name, "wb") as device:
            device.write(content.getbuffer())
        return
    target = os.path.realpath(name)
    if status is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "permission denied", name)
    with naming(name), tempfile.TemporaryFile(dir=os.path.dirname(target)):
        pass
    yield content
    temporary = os.path.join(os.path.dirname(target), f".splatcodec-{os.urandom(8).hex()}")
    with (
        taking_place(temporary, target, name, None if status is None else status.st_mode & 0o777) as file,
        naming(name),
    ):
        file.write(content.getbuffer())


def _status(name: str) -> os.stat_result | None:
    """What is there by a name, following links; None if nothing is."""
    try:
        return os.stat(name)
    except FileNotFoundError:
        return None


@contextmanager
def taking_place(temporary: str, target: str, name: str, permissions: int | None = None) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of another one in its folder when the block ends without an exception.

    It is on the disk before it takes the name: power that fails leaves the old file or the new one.

    Args:
        temporary: what it is called until then.
        target: what it takes the place of.
        name: what errors call it; those of the block are left alone.
        permissions: those of any new file if None.

    Raises:
        OSError: it cannot be written.
    """
    try:
        with _created(temporary, name) as file:
            if permissions is not None:
                with naming(name):
                    os.chmod(temporary, permissions)
            yield file
            with naming(name):
                file.flush()
                os.fsync(file.fileno())
        with naming(name):
            os.replace(temporary, target)
    except BaseException:
        # Interrupts come at any time: before there is a file, and after it has taken its place.
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


@contextmanager
def _created(path: str, name: str) -> Iterator[BinaryIO]:
    """A new file that is closed when the block ends; errors of both call it by a name."""
    with naming(name):
        file = open(path, "xb")  # noqa: SIM115  # closed below, where errors have a name
    try:
        yield file
    finally:
        # Whatever could not be written is tried once more.
        with naming(name):
            file.close()


def write_all(file: IO[bytes], data: bytes) -> None:
    """Write bytes to a file that somebody else has opened. One without a buffer takes a part at a time.

    Raises:
        OSError: they cannot be written.
    """
    if not isinstance(file, RawIOBase):
        file.write(data)
        return
    rest = memoryview(data)
    while rest:
        count = file.write(rest)
        if count is None:
            raise BlockingIOError(errno.EAGAIN, "takes no more at present", source_name(file))
        rest = rest[count:]


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Let errors name the file that was asked for instead of the temporary one, or none."""
    try:
        yield
    except OSError as error:
        error.filename = name
        error.filename2 = None
        raise


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

"""The standard streams of a command: faults of what it prints are named, and none of its messages is one."""

import io
import os
import sys
from contextlib import suppress
from typing import TextIO, cast

from ..files import naming

STANDARD_OUTPUT = "standard output"
"""What errors call it."""


def attend() -> None:
    """Take the standard streams in hand, also those that are closed."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may hold what is no text.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout = cast(TextIO, _Output(sys.stdout) if sys.stdout is not None else _ClosedOutput())
    sys.stderr = cast(TextIO, _Messages(sys.stderr)) if sys.stderr is not None else io.StringIO()


def leave() -> None:
    """Drop what cannot be printed any more: Python, which tries again when it ends, would complain of it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _silence(stream)


class _Stream:
    """A stream of text that behaves like another one, but for what subclasses say."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


class _Output(_Stream):
    """Standard output; its faults say that they are of it."""

    def write(self, text: str) -> int:
        with naming(STANDARD_OUTPUT):
            return self._stream.write(text)

    def flush(self) -> None:
        with naming(STANDARD_OUTPUT):
            self._stream.flush()


class _Messages(_Stream):
    """Standard error; what cannot be written is dropped, since no work should fail for want of a reader."""

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            _silence(self._stream)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class _ClosedOutput(io.TextIOBase):
    """Stands for a standard output that is closed."""

    closed = True

    def write(self, text: str) -> int:
        raise OSError("standard output is closed")


def _silence(stream: TextIO) -> None:
    """Let a stream lead nowhere, with all that it still holds."""
    device = os.open(os.devnull, os.O_WRONLY)
    os.dup2(device, stream.fileno())
    os.close(device)

"""Runs commands of `splatcodec` as a user would."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from unittest.mock import patch

from splatcodec.cli.main import main
from splatcodec.cli.options import TERMINATION


def run(*arguments, stdin: bytes = b"", cwd=".") -> subprocess.CompletedProcess:
    """Run a command in this process, with files for its standard streams."""
    words = [str(argument) for argument in arguments]
    handlers = {number: signal.getsignal(number) for number in TERMINATION}
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(contextlib.chdir(cwd))
        files = []
        for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
            files.append(stack.enter_context(tempfile.TemporaryFile()))
            stream = stack.enter_context(os.fdopen(os.dup(files[-1].fileno()), mode))
            stack.enter_context(patch.object(sys, name, stream))
        files[0].write(stdin)
        files[0].seek(0)
        try:
            code = main(words)
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        for file in files:
            file.seek(0)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        return subprocess.CompletedProcess(words, code, files[1].read(), files[2].read())


def assert_fails(result: subprocess.CompletedProcess, *words: str) -> None:
    """Exit code 1, nothing on stdout and exactly one line on stderr, which holds the words."""
    message = result.stderr.decode()
    assert result.returncode == 1, message
    assert result.stdout == b""
    assert message.count("\n") == 1
    assert message.startswith("splatcodec: ")
    for word in words:
        assert word in message


def imports(arguments: list[str], directory) -> set[str]:
    """Modules that a command has imported when it is done."""
    script = (
        "import contextlib, io, sys; from splatcodec.cli.main import main\n"
        f"with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): main({arguments!r})\n"
        "print(*sys.modules)"
    )
    command = [sys.executable, "-c", script]
    return set(subprocess.run(command, cwd=directory, capture_output=True, check=True).stdout.decode().split())

"""What takes a process of its own: signals, terminals, pipes and what is imported."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import splatcodec

from ..faults import OLD
from .command import imports, run


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_progress_is_shown_on_a_terminal(files):
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, 120))
    command = [sys.executable, "-m", "splatcodec", "encode", "picture.png", "out.gsi", "-n", "300", "-e", "6"]
    process = subprocess.Popen(command, cwd=files, stderr=theirs)
    os.close(theirs)
    shown = b""
    # Linux reports the end of a pseudo-terminal as an input error.
    with contextlib.suppress(OSError):
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert b"%|" in shown
    assert b" left, " in shown
    assert b" dB" in shown


def test_a_reader_that_leaves_is_no_error_of_ours(files):
    command = [sys.executable, "-m", "splatcodec", "decode", "picture.gsi", "-", "--width", "3000"]
    process = subprocess.Popen(command, cwd=files, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(4)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=30) == 1


def fitting(files, *options: str) -> subprocess.Popen:
    """An encode that takes its time and has begun to fit."""
    command = [sys.executable, "-m", "splatcodec", "encode", "picture.png", "out.gsi", "-n", "400", "-e", "9", "-v"]
    process = subprocess.Popen([*command, "--overwrite", *options], cwd=files, stderr=subprocess.PIPE, bufsize=0)
    assert b"step 0" in process.stderr.readline()
    return process


def said(process: subprocess.Popen) -> bytes:
    """What a process has to say until it ends, without what it logs."""
    _, message = process.communicate(timeout=60)
    return b"".join(line for line in message.splitlines(keepends=True) if b" ms  " not in line)


@contextlib.contextmanager
def heeded(number: int):
    """A signal that whoever runs the tests may ignore, as nohup does."""
    inherited = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, inherited)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("name", "exit_code", "last_words"),
    [("SIGINT", 130, b"splatcodec: interrupted\n"), ("SIGTERM", 143, b""), ("SIGHUP", 129, b"")],
)
def test_a_signal_ends_the_work_and_leaves_nothing_behind(files, name, exit_code, last_words):
    (files / "out.gsi").write_bytes(OLD)
    before = set(files.iterdir())
    with heeded(getattr(signal, name)):
        process = fitting(files)
    process.send_signal(getattr(signal, name))
    assert said(process) == last_words
    assert process.returncode == exit_code
    assert (files / "out.gsi").read_bytes() == OLD
    assert set(files.iterdir()) == before


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT", "SIGTERM"])
def test_a_signal_at_any_moment_leaves_the_old_file_or_the_new_one(files, name):
    number = getattr(signal, name)
    options = ["-n", "20", "-e", "1"]
    assert run("encode", "picture.png", "new.gsi", *options, "--quiet", cwd=files).returncode == 0
    moments = np.random.default_rng(number).uniform(0, 1.5, 3)
    outputs = [files / f"{index}.gsi" for index in range(len(moments))]
    for output in outputs:
        output.write_bytes(OLD)
    before = set(files.iterdir())
    command = [sys.executable, "-m", "splatcodec", "encode", "picture.png", *options, "--overwrite"]
    start = time.monotonic()
    processes = [subprocess.Popen([*command, output], cwd=files, stderr=subprocess.DEVNULL) for output in outputs]
    for moment, process in sorted(zip(moments, processes, strict=True), key=lambda pair: pair[0]):
        time.sleep(max(0, start + moment - time.monotonic()))
        process.send_signal(number)
    for process, output in zip(processes, outputs, strict=True):
        process.wait(timeout=60)
        assert output.read_bytes() in (OLD, (files / "new.gsi").read_bytes())
    left = {path.name for path in set(files.iterdir()) - before}
    assert not left or (name == "SIGKILL" and all(name.startswith(".splatcodec-") for name in left))


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_no_file_takes_the_number_of_a_closed_stream(tmp_path):
    """Libraries would write their complaints to it."""
    script = (
        "import sys; from splatcodec import __main__ as it; it._keep_standard_numbers(); sys.exit(open('x').fileno())"
    )
    (tmp_path / "x").touch()
    line = f'{sys.executable} -c "{script}" <&- >&- 2>&-'
    assert subprocess.run(line, shell=True, cwd=tmp_path, check=False).returncode > 2


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_an_interrupt_can_keep_what_has_been_fitted(files):
    process = fitting(files, "--on-interrupt", "keep")
    process.send_signal(signal.SIGINT)
    message = said(process)
    assert process.returncode == 0
    assert message.startswith(b"splatcodec: interrupted, kept what had been fitted\nout.gsi: 56x40, ")
    assert 1 <= len(splatcodec.read(files / "out.gsi")) <= 400


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_bytes_are_not_written_to_a_terminal(files):
    import pty

    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "splatcodec", "decode", "picture.gsi", "-"]
    result = subprocess.run(command, cwd=files, stdout=follower, stderr=subprocess.PIPE, check=False)
    os.close(follower)
    os.close(leader)
    assert result.returncode == 1
    assert b"standard output is a terminal" in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-"])
def test_closed_streams_are_no_traceback(files, redirection):
    for command in ("info picture.gsi", "info -", "decode picture.gsi -", "encode picture.png out.gsi -n 5 -e 1"):
        line = f"{sys.executable} -m splatcodec {command} {redirection}"
        result = subprocess.run(line, shell=True, cwd=files, capture_output=True, input=b"", check=False)
        assert b"Traceback" not in result.stderr
        if redirection == ">&-":
            printed = command != "encode picture.png out.gsi -n 5 -e 1"
            assert result.returncode == printed
            assert (b"standard output is closed" in result.stderr) == (printed and command != "info -")
    assert (files / "out.gsi").exists()


BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
UNBUFFERED = BUFFERED | {"PYTHONUNBUFFERED": "1"}
"""What is printed fails when it is printed, or when Python ends."""


@contextlib.contextmanager
def unreadable():
    """A stream that has no room, and one whose reader has left."""
    reader, left = os.pipe()
    os.close(reader)
    with open("/dev/full", "wb") as full, open(left, "wb") as broken:
        yield full, broken


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device without room")
@pytest.mark.parametrize(
    ("command", "environment"),
    [
        ("info picture.gsi", BUFFERED),
        ("info picture.gsi", UNBUFFERED),
        ("--help", BUFFERED),
        ("encode picture.png out.gsi -n 5 -e 1 --json", BUFFERED),
    ],
)
def test_what_cannot_be_printed_is_said_in_one_line_or_not_read_anyway(files, command, environment):
    words = [sys.executable, "-m", "splatcodec", *command.split()]
    with unreadable() as (full, broken):
        for stream, message in ((full, b"splatcodec: standard output: no space left on device\n"), (broken, b"")):
            result = subprocess.run(words, cwd=files, env=environment, stdout=stream, stderr=subprocess.PIPE)
            assert (result.returncode, result.stderr) == (1, message)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device without room")
@pytest.mark.parametrize(
    ("command", "exit_code"), [("encode picture.png out.gsi -n 5 -e 1 --history fit.csv", 0), ("info missing", 1)]
)
def test_messages_that_nobody_reads_change_nothing(files, command, exit_code):
    words = [sys.executable, "-m", "splatcodec", *command.split(), "-v"]
    with unreadable() as streams:
        for stream in streams:
            result = subprocess.run(words, cwd=files, env=BUFFERED, stdout=subprocess.PIPE, stderr=stream)
            assert (result.returncode, result.stdout) == (exit_code, b"")
            for output in [] if exit_code else ["out.gsi", "fit.csv"]:
                assert (files / output).stat().st_size
                (files / output).unlink()


@pytest.mark.parametrize("command", ["decode", "encode"])
def test_torch_is_not_imported(files, command):
    arguments = {
        "decode": ["decode", "picture.gsi", "out.png"],
        "encode": ["encode", "picture.png", "out.gsi", "-n", "5", "-e", "1", "--quiet"],
    }[command]
    assert "torch" not in imports(arguments, files)


def test_decoding_needs_nothing_to_compile_with(files):
    """Once its kernels are kept. All of this takes longer to import than a picture takes to decode."""
    arguments = ["decode", "picture.gsi", "out.png", "--overwrite"]
    imports(arguments, files)
    heavy = {"numba.np.arrayobj", "numba.np.linalg", "numba.np.random.legacy", "scipy.linalg"}
    assert imports(arguments, files).isdisjoint(heavy)


def test_info_needs_no_compiler(files):
    assert imports(["info", "picture.gsi"], files).isdisjoint({"numba", "scipy", "torch"})


def test_help_loads_no_codec(files):
    heavy = {"numba", "scipy", "torch", "PIL.Image", "splatcodec.document", "splatcodec.decoder"}
    assert imports(["encode", "--help"], files).isdisjoint(heavy)

"""What takes a process of its own: signals, terminals, pipes and what is imported."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

import splatcodec

from .command import imports


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


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_an_interrupt_leaves_nothing_behind(files):
    assert_stops(files, signal.SIGINT, 130, b"splatcodec: interrupted\n")


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_an_interrupt_can_keep_what_has_been_fitted(files):
    command = [sys.executable, "-m", "splatcodec", "encode", "picture.png", "out.gsi", "-n", "400", "-e", "9"]
    process = subprocess.Popen([*command, "--on-interrupt", "keep"], cwd=files, stderr=subprocess.PIPE)
    before = set(files.iterdir())
    while set(files.iterdir()) == before and process.poll() is None:
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 0
    assert message.startswith(b"splatcodec: interrupted, kept what had been fitted\nout.gsi: 56x40, ")
    assert 1 <= len(splatcodec.read(files / "out.gsi")) <= 400


def assert_stops(files, number: int, exit_code: int, last_words: bytes) -> None:
    """A signal during an encode ends it, keeps what was there and leaves nothing new."""
    (files / "out.gsi").write_bytes(b"precious")
    command = [sys.executable, "-m", "splatcodec", "encode", "picture.png", "out.gsi", "-n", "400", "-e", "9"]
    command.append("--overwrite")
    # Whoever runs the tests may ignore the signal, as nohup does.
    inherited = signal.signal(number, signal.SIG_DFL)
    process = subprocess.Popen(command, cwd=files, stderr=subprocess.PIPE)
    signal.signal(number, inherited)
    before = set(files.iterdir())
    while set(files.iterdir()) == before and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    _, message = process.communicate(timeout=30)
    assert process.returncode == exit_code
    assert message == last_words
    assert (files / "out.gsi").read_bytes() == b"precious"
    assert set(files.iterdir()) == before


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


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_termination_leaves_nothing_behind(files, name):
    number = getattr(signal, name)
    assert_stops(files, number, 128 + number, b"")


@pytest.mark.parametrize("command", ["decode", "encode"])
def test_torch_is_not_imported(files, command):
    arguments = {
        "decode": ["decode", "picture.gsi", "out.png"],
        "encode": ["encode", "picture.png", "out.gsi", "-n", "5", "-e", "1", "--quiet"],
    }[command]
    assert "torch" not in imports(arguments, files)


def test_info_needs_no_compiler(files):
    assert imports(["info", "picture.gsi"], files).isdisjoint({"numba", "scipy", "torch"})

"""Every command that writes, under every fault: one line that names the output, and what was there is kept."""

import contextlib
import errno
import os
import threading
from unittest.mock import patch

import pytest

import splatcodec
from splatcodec import interchange

from ..faults import OLD, full_disk
from .command import assert_fails, run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")

FIT = ("-n", 60, "-e", 1, "--profile", "half", "--quiet", "--overwrite")
COMMANDS = {
    "encode": ("encode", "picture.png", "out.gsi", *FIT),
    "record": ("encode", "picture.png", os.devnull, *FIT, "--record", "out.png"),
    "history": ("encode", "picture.png", os.devnull, *FIT, "--history", "out.csv"),
    "decode": ("decode", "picture.gsi", "out.png", "--overwrite"),
    "export json": ("export", "picture.gsi", "out.json", "--overwrite"),
    "export npz": ("export", "picture.gsi", "out.npz", "--overwrite"),
    "export csv": ("export", "picture.gsi", "out.csv", "--overwrite"),
    "export ply": ("export", "picture.gsi", "out.ply", "--overwrite"),
    "export svg": ("export", "picture.gsi", "out.svg", "--overwrite"),
    "import": ("import", "picture.npz", "out.gsi", "--overwrite"),
    "view": ("view", "picture.gsi", "-o", "out.html", "--overwrite"),
    "plot": ("plot", "picture.gsi", "-o", "out.png", "--overwrite"),
    "compare": ("compare", "picture.png", "out.png", "-e", 1, "--codecs", "jpeg", "--overwrite"),
}
ROOM = 200
"""Bytes that fit on the disk when it is full: less than any output takes, more than any message."""


@pytest.fixture(params=COMMANDS)
def command(request, files) -> list:
    """A command that has been run before, so that whatever it compiles is there, and the folder with its output."""
    if request.param == "import":
        interchange.save(splatcodec.read(files / "picture.gsi"), files / "picture.npz")
    return list(COMMANDS[request.param])


def output_of(command: list) -> str:
    return next(word for word in command if str(word).startswith("out."))


def instead(command: list, output) -> list:
    """The same command with another output."""
    return [output if word == output_of(command) else word for word in command]


def test_faults_of_the_disk_cost_nothing(command, files):
    output = files / output_of(command)
    output.write_bytes(OLD)
    assert run(*command, cwd=files).returncode == 0
    written = output.read_bytes()
    assert len(written) > ROOM
    output.write_bytes(OLD)
    before = set(files.iterdir())
    for fault, message in (
        (full_disk(ROOM), "file too large"),
        (failing("fsync", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))), "no space left on device"),
        (failing("replace", OSError(errno.EIO, os.strerror(errno.EIO))), "input/output error"),
    ):
        with fault:
            result = run(*command, cwd=files)
        assert_fails(result, f"splatcodec: {output.name}: {message}")
        assert output.read_bytes() == OLD
        assert set(files.iterdir()) == before


def failing(function: str, fault: BaseException) -> contextlib.AbstractContextManager:
    """A function of `os` that fails."""
    return patch.object(os, function, side_effect=fault)


def test_interrupts_cost_nothing(command, files):
    output = files / output_of(command)
    output.write_bytes(OLD)
    before = set(files.iterdir())
    with failing("fsync", KeyboardInterrupt()):
        result = run(*command, cwd=files)
    assert (result.returncode, result.stdout, result.stderr) == (130, b"", b"splatcodec: interrupted\n")
    with failing("replace", SystemExit(143)):
        assert run(*command, cwd=files).returncode == 143
    assert output.read_bytes() == OLD
    assert set(files.iterdir()) == before


@pytest.mark.parametrize(
    ("folder", "fault"), [("missing", "no such file or directory"), ("picture.png", "not a directory")]
)
def test_folders_that_are_none_are_named(command, files, folder, fault):
    output = f"{folder}/{output_of(command)}"
    before = set(files.iterdir())
    assert_fails(run(*instead(command, output), cwd=files), f"splatcodec: {output}: {fault}")
    assert set(files.iterdir()) == before


def test_folders_and_loops_are_no_outputs(command, files):
    output = output_of(command)
    (files / output).mkdir()
    assert_fails(run(*command, cwd=files), f"splatcodec: {output}: is a directory")
    (files / output).rmdir()
    (files / output).symlink_to(output)
    assert_fails(run(*command, cwd=files), f"splatcodec: {output}: too many levels of symbolic links")
    assert (files / output).is_symlink()


def test_links_lead_to_what_is_replaced(command, files):
    output = output_of(command)
    (files / "target").write_bytes(OLD)
    (files / output).symlink_to("target")
    os.link(files / "target", files / "other")
    assert run(*command, cwd=files).returncode == 0
    assert (files / output).is_symlink()
    assert (files / "target").read_bytes() != OLD
    assert (files / "other").read_bytes() == OLD


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device without room")
def test_a_full_device_is_named(command, files):
    output = output_of(command)
    (files / output).symlink_to("/dev/full")
    assert_fails(run(*command, cwd=files), f"splatcodec: {output}: no space left on device")


def test_bench_goes_on_where_a_full_disk_has_ended_it(files):
    command = "bench", "picture.png", "--codecs", "jpeg:50", "--quiet", "--out", "bench"
    with failing("replace", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))):
        result = run(*command, cwd=files)
    assert_fails(result, "splatcodec: bench/results.json: no space left on device")
    assert {path.name for path in (files / "bench").iterdir()} == {"files", "rows.jsonl"}
    (measured,) = (files / "bench" / "files").iterdir()
    before = measured.stat()
    assert run(*command, "--resume", cwd=files).returncode == 0
    assert measured.stat() == before
    assert (files / "bench" / "report.html").exists()


def test_a_pipe_whose_reader_leaves_is_named(files):
    os.mkfifo(files / "out.png")
    reader = threading.Thread(target=lambda: open(files / "out.png", "rb").close())
    reader.start()
    result = run("decode", "picture.gsi", "out.png", "--width", 1500, cwd=files)
    reader.join()
    assert_fails(result, "splatcodec: out.png: broken pipe")

"""Outputs appear whole or not at all, whatever happens at whichever moment."""

import contextlib
import errno
import gzip
import io
import itertools
import os
import re
import signal
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from splatcodec import files
from splatcodec.files import replacing, write_all

from .faults import OLD, Sluggish, full_disk, unprivileged

NEW = bytes(range(256)) * 40
needs_posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def put(path, data=NEW) -> None:
    with replacing(path) as file:
        file.write(data)


@contextlib.contextmanager
def at_line(count: int, action):
    """Call something before the line of that number, in order of execution, of all that runs in `files.py`."""
    left = count

    def trace(frame, event, argument):
        nonlocal left
        if frame.f_code.co_filename != files.__file__:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                action()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@pytest.fixture(params=["new", "old"])
def output(request, tmp_path) -> Path:
    """Where to write to, and where nothing is or something."""
    path = tmp_path / "out"
    if request.param == "old":
        path.write_bytes(OLD)
    return path


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that share what they have loaded")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_kill_at_any_line_leaves_the_old_file_or_the_new_one(output, tmp_path):
    before, outcomes = content(output), []
    for count in itertools.count(1):
        child = os.fork()
        if child == 0:
            try:
                with at_line(count, lambda: os.kill(os.getpid(), signal.SIGKILL)):
                    put(output)
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        outcomes.append(content(output))
        left = set(tmp_path.iterdir()) - {output}
        assert all(re.fullmatch(r"\.splatcodec-[0-9a-f]{16}", path.name) for path in left)
        for path in (*left, output):
            path.unlink(missing_ok=True)
        if before is not None:
            output.write_bytes(before)
        if os.WIFEXITED(status):
            break
    assert status == 0
    assert count > 20
    changed = outcomes.index(NEW)
    assert set(outcomes[:changed]) == {before}
    assert set(outcomes[changed:]) == {NEW}


def test_an_interrupt_at_any_line_leaves_nothing_else_behind(output, tmp_path):
    before = content(output)

    def interrupt():
        raise KeyboardInterrupt

    for count in itertools.count(1):
        try:
            with at_line(count, interrupt):
                put(output)
        except KeyboardInterrupt:
            assert content(output) in (before, NEW)
        else:
            break
        assert set(tmp_path.iterdir()) <= {output}
        output.unlink(missing_ok=True)
        if before is not None:
            output.write_bytes(before)
    assert count > 20


def test_what_fails_in_the_block_is_not_written(output, tmp_path):
    before = content(output)

    def fail():
        with replacing(output) as file:
            file.write(NEW)
            assert set(tmp_path.iterdir()) <= {output}
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert content(output) == before
    assert set(tmp_path.iterdir()) <= {output}


@pytest.mark.parametrize("function", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_fault_of_the_disk_at_any_step_names_the_output(output, tmp_path, monkeypatch, function, number):
    """Some file systems find only when it is synchronised, or renamed, that there is no room."""
    before = content(output)

    def fail(*_):
        raise OSError(number, os.strerror(number), "elsewhere", None, "further")

    monkeypatch.setattr(os, function, fail)
    if function == "chmod" and before is None:
        put(output)
        return
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        put(output)
    assert (caught.value.filename, caught.value.filename2) == (str(output), None)
    assert content(output) == before
    assert set(tmp_path.iterdir()) <= {output}


@needs_posix
def test_a_full_disk_names_the_output(output, tmp_path):
    before = content(output)
    with full_disk(len(NEW) // 2), pytest.raises(OSError, match=re.escape(repr(str(output)))):
        put(output)
    assert content(output) == before
    assert set(tmp_path.iterdir()) <= {output}


def test_content_is_on_the_disk_before_it_takes_the_name(output, monkeypatch):
    """Power may fail between the two."""
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (done.append(os.fstat(number).st_size), fsync(number)))
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("renamed"), replace(*names)))
    put(output)
    assert done == [len(NEW), "renamed"]


@needs_posix
def test_what_cannot_be_written_is_noticed_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "astray").symlink_to(tmp_path / "missing" / "target")
    for name, fault in (
        ("missing/out", "No such file"),
        ("astray", "No such file"),
        ("file/out", "Not a directory"),
        (".", "is a directory"),
        ("new/", "is a directory"),
        ("loop", "Too many levels"),
        ("n" * 300, "File name too long"),
    ):
        path = os.path.join(tmp_path, name)
        with pytest.raises(OSError, match=fault) as caught, replacing(path):
            pytest.fail("the work has begun")
        assert caught.value.filename == path
    assert {path.name for path in tmp_path.iterdir()} == {"file", "loop", "astray"}
    with pytest.raises(FileNotFoundError), replacing(""):
        pytest.fail("the work has begun")


@needs_posix
def test_permissions_bind(tmp_path):
    with unprivileged(tmp_path) as folder:
        path = folder / "out"
        path.write_bytes(OLD)
        path.chmod(0o400)
        with pytest.raises(PermissionError, match="permission denied") as caught, replacing(path):
            pytest.fail("the work has begun")
        assert caught.value.filename == str(path)
        path.chmod(0o600)
        folder.chmod(0o500)
        for name in ("out", "new"):
            with pytest.raises(PermissionError) as caught, replacing(folder / name):
                pytest.fail("the work has begun")
            assert caught.value.filename == str(folder / name)
        folder.chmod(0o700)
        assert content(path) == OLD
        assert set(folder.iterdir()) == {path}


@needs_posix
def test_permissions_are_kept_and_those_of_new_files_are_usual(tmp_path):
    put(tmp_path / "out")
    (tmp_path / "plain").touch()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode
    for mode in (0o600, 0o640, 0o777):
        (tmp_path / "out").chmod(mode)
        put(tmp_path / "out")
        assert (tmp_path / "out").stat().st_mode & 0o777 == mode


@needs_posix
def test_secrets_are_never_readable_by_others(tmp_path, monkeypatch):
    """The new content is written with the permissions of the old file, not given them later."""
    path = tmp_path / "out"
    path.write_bytes(OLD)
    path.chmod(0o600)
    modes = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (modes.append(os.fstat(number).st_mode & 0o777), fsync(number)))
    put(path)
    assert modes == [0o600]


@needs_posix
def test_links(tmp_path):
    """A symbolic link stays one and its target is replaced; another hard link keeps what it has."""
    target, link, other = tmp_path / "target", tmp_path / "link", tmp_path / "other"
    target.write_bytes(OLD)
    link.symlink_to(target)
    os.link(target, other)
    put(link)
    assert link.is_symlink()
    assert (target.read_bytes(), other.read_bytes()) == (NEW, OLD)
    target.unlink()
    put(link)
    assert link.is_symlink()
    assert target.read_bytes() == NEW


@needs_posix
def test_a_pipe_gets_all_and_stays(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    got = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    put(path, NEW * 30)
    reader.join()
    assert got == [NEW * 30]
    assert path.is_fifo()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device without room")
def test_a_full_device_is_named():
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        put("/dev/full")


def test_files_of_others_get_all_bytes(tmp_path):
    file = Sluggish(len(NEW))
    write_all(file, NEW)
    assert file.taken == NEW
    with pytest.raises(BlockingIOError):
        write_all(Sluggish(100), NEW)
    for opened in (io.BytesIO(), open(tmp_path / "out", "w+b", buffering=0), tempfile.TemporaryFile()):  # noqa: SIM115
        with opened:
            write_all(opened, NEW)
            opened.seek(0)
            assert opened.read() == NEW
    with gzip.open(tmp_path / "out.gz", "wb") as packed:
        write_all(packed, NEW)
    assert gzip.decompress((tmp_path / "out.gz").read_bytes()) == NEW


@needs_posix
def test_a_full_disk_under_a_file_of_others_is_an_error(tmp_path):
    """An unbuffered file would take what fits, and say so to nobody."""
    with full_disk(100), open(tmp_path / "out", "wb", buffering=0) as file, pytest.raises(OSError, match="too large"):
        write_all(file, NEW)

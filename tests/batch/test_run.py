"""Work on many files in processes: faults, processes that die, what is left, and the coders that travel there."""

import errno
import io
import os
import pickle
import signal
import sys
import time
import warnings
from concurrent.futures import Future
from pathlib import Path
from typing import ClassVar
from unittest.mock import Mock
from weakref import WeakSet

import numpy as np
import pytest

import splatcodec
import splatcodec.encoding.encode
from splatcodec import Options
from splatcodec.batch import Decoder, Encoder, Failure, Task, coders, run


class HereAndNow:
    """Stands for a crew: works in this process, when it is asked to."""

    submitted: ClassVar[WeakSet[Future]] = WeakSet()

    def __init__(self, *_: object) -> None:
        self.submitted.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, name, function, *args) -> Future:
        future: Future = Future()
        self.submitted.add(future)
        try:
            future.set_result(function(*args))
        except OSError as error:
            future.set_result(Failure(str(error), error))
        return future


def test_a_run_holds_a_few_outcomes_whatever_their_number(monkeypatch):
    monkeypatch.setattr(sys.modules[run.__module__], "Crew", HereAndNow)
    tasks = [Task(lambda source, output: {}, Path(str(number)), Path("out")) for number in range(1000)]
    held = [len(HereAndNow.submitted) for _ in run(tasks, 2)]
    assert len(held) == 1000
    assert max(held) <= 2 * 64


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_run_ends_where_there_is_no_room_for_more(monkeypatch, number):
    def fail(source: Path, output: Path) -> dict:
        raise OSError(number, os.strerror(number), str(output))

    monkeypatch.setattr(sys.modules[run.__module__], "Crew", HereAndNow)
    outcomes = run([Task(fail, Path("a"), Path("out"))] * 3, 1)
    if number == errno.EACCES:
        assert len(list(outcomes)) == 3
    else:
        with pytest.raises(OSError, match="out"):
            next(outcomes)


def test_kernels_are_warmed_up_that_the_work_takes(monkeypatch):
    seen = Mock()
    monkeypatch.setattr(splatcodec.encoding.encode, "encode", seen)
    options = Options(quality=70, effort=3, loss="l1", profile="vq", device="cpu")
    coders.warm_up_encoder(options)
    used = seen.call_args.kwargs
    assert {name: used[name] for name in ("effort", "loss", "profile", "device", "tune")} == {
        "effort": 3,
        "loss": "l1",
        "profile": "vq",
        "device": "cpu",
        "tune": "psnr",
    }
    coders.warm_up_decoder()
    seen.assert_called_once()


def test_a_process_that_dies_is_replaced(tmp_path):
    tasks = [Task(_die_of, tmp_path / name, tmp_path / name) for name in ("fine", "deadly", "fine too")]
    found = {task.source.name: outcome for task, outcome in run(tasks, 1)}
    assert found["fine"] == found["fine too"] == {"done": True, "warnings": []}
    assert isinstance(found["deadly"], Failure)
    assert "the process died" in found["deadly"].error


def _die_of(source: Path, output: Path) -> dict[str, bool]:
    if source.name == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return {"done": True}


def test_coders_travel_and_tell_faults(picture):
    encoder, decoder = (pickle.loads(pickle.dumps(coder)) for coder in (Encoder(n_gaussians=6, effort=1), Decoder()))
    row = encoder({"image": picture, "name": "one"})
    assert (row["name"], row["error"], row["bytes"]) == ("one", None, len(row["gsi"]))
    assert "image" not in row
    decoded = decoder(row)
    np.testing.assert_array_equal(decoded["image"], splatcodec.decode(row["gsi"]))
    assert encoder({"image": b"no picture"})["error"].endswith("not an image file that Pillow can read")
    assert encoder({"other": 1})["error"] == "the row has no 'image'"
    assert decoder({"gsi": b""})["error"]
    np.testing.assert_array_equal(decoder({"gsi": io.BytesIO(row["gsi"])})["image"], decoded["image"])
    for other in ("photo.gsi", 7, None, io.StringIO()):
        kind = type(other).__name__
        assert decoder({"gsi": other})["error"] == f"expected the bytes of a .gsi file, or such a file, got {kind}"
    with pytest.raises(TypeError, match="scael"):
        Decoder(scael=2)


@pytest.mark.parametrize("fault", [MemoryError, OSError, RuntimeError, ImportError, splatcodec.ImageError, KeyError])
def test_faults_of_the_machine_are_told_from_those_of_the_picture(monkeypatch, fault):
    monkeypatch.setattr(splatcodec.encoding.encode, "encode_to", Mock(side_effect=fault("too bad")))
    encoder = Encoder(n_gaussians=6, effort=1)
    error = encoder({"image": b""})["error"]
    assert "too bad" in error
    if fault in (splatcodec.ImageError, KeyError):
        assert encoder.attempt(b"")["error"] == error
    else:
        with pytest.raises(fault):
            encoder.attempt(b"")


def test_a_run_that_is_left_ends_its_processes_at_once(tmp_path):
    tasks = [Task(_sleep, tmp_path / str(number), tmp_path / "out", (delay,)) for number, delay in enumerate((0, 600))]
    outcomes = run(tasks, 1)
    next(outcomes)
    begun = time.perf_counter()
    outcomes.close()
    assert time.perf_counter() - begun < 30


def test_warnings_and_faults_name_the_file_in_one_line(tmp_path):
    tasks = [Task(_warn_or_fail, tmp_path / name, tmp_path / "out") for name in ("odd", "broken")]
    found = {task.source.name: outcome for task, outcome in run(tasks, 1)}
    assert found["odd"] == {"warnings": ["an odd thing"]}
    assert found["broken"] == Failure(f"{tmp_path / 'broken'}: KeyError: 'nothing'")


def test_names_of_two_lines_or_more_blanks_are_told_once_and_in_one_line(tmp_path):
    source, output = tmp_path / "a\nb  c.png", tmp_path / "out  of.gsi"
    tasks = [Task(_read, source, output), Task(_read, output, source, (1,))]
    lines = [outcome.error for _, outcome in run(tasks, 1)]
    assert lines == [f"{tmp_path}/a b c.png: no such file or directory"] * 2


def _read(source: Path, output: Path, which: int = 0) -> dict[str, bool]:
    (source, output)[which].read_bytes()
    return {}


def _sleep(source: Path, output: Path, seconds: float) -> dict[str, bool]:
    time.sleep(seconds)
    return {}


def _warn_or_fail(source: Path, output: Path) -> dict[str, bool]:
    if source.name == "broken":
        raise KeyError("nothing")
    for _ in range(2):
        warnings.warn("an odd\nthing", stacklevel=1)
    return {}

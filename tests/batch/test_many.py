"""Many files: outputs mirror inputs, one that fails harms no other, and a run goes on where another one was killed."""

import csv
import errno
import io
import json
import os
import pickle
import signal
import subprocess
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
from PIL import Image

import splatcodec
import splatcodec.encoding.encode
from splatcodec import Options
from splatcodec.batch import Decoder, Encoder, Failure, Task, coders, run, work
from splatcodec.batch.journal import NAME, Done, Journal
from splatcodec.batch.listing import is_picture, partners
from splatcodec.cli.main import main
from splatcodec.cli.many import listed

QUICK = ("-e", "1", "-n", "6", "--quiet")


@pytest.fixture
def pictures(tmp_path, picture) -> Path:
    """A folder with three pictures, one of them in a folder of its own, and one damaged file."""
    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "more/c.png")):
        Image.fromarray(picture[: 20 + number, :24]).save(folder / name)
    content = (folder / "a.png").read_bytes()
    (folder / "damaged.png").write_bytes(content[: len(content) // 2])
    return folder


def encode(*arguments: object) -> int:
    return main(["encode", *map(str, arguments), *QUICK])


def outputs(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.gsi"))}


def test_folders_are_mirrored_and_one_failure_is_one_line(pictures, tmp_path, capsys):
    out, report = tmp_path / "out", tmp_path / "run.csv"
    assert encode(pictures, "-o", out, "-r", "-j", 2, "--report", report, "--json") == 1
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"splatcodec: {pictures / 'damaged.png'}: broken image")
    assert lines[1] == "splatcodec: 1 of 4 files failed"
    assert list(outputs(out)) == ["a.gsi", "b.gsi", "more/c.gsi"]
    assert outputs(out)["more/c.gsi"] == splatcodec.encode(pictures / "more/c.png", effort=1, n_gaussians=6)
    total = json.loads(captured.out)
    assert (total["files"], total["failed"]) == (3, 1)
    assert total["bytes"] == sum(map(len, outputs(out).values()))
    rows = list(csv.DictReader(report.read_text().splitlines()))
    assert [bool(row["error"]) for row in rows] == [False, False, True, False]
    assert total["mean_psnr"] == pytest.approx(np.mean([float(row["psnr"]) for row in rows if row["psnr"]]))


@pytest.fixture
def done(monkeypatch) -> list[str]:
    """The names of outputs that runs make."""
    names: list[str] = []

    def counted(tasks, *how):
        names.extend(task.output.name for task in tasks)
        return run(tasks, *how)

    monkeypatch.setattr(splatcodec.batch, "run", counted)
    return names


def test_a_run_resumes_with_what_is_whole_and_made_alike(pictures, tmp_path, done):
    out = tmp_path / "out"
    (pictures / "damaged.png").unlink()
    assert encode(pictures, "-o", out, "-r", "-j", 1) == 0
    first = outputs(out)
    done.clear()
    assert encode(pictures, "-o", out, "-r", "--resume") == 0
    assert done == []
    (out / "a.gsi").write_bytes(first["a.gsi"][:-1])
    (out / "b.gsi").unlink()
    Image.open(pictures / "a.png").rotate(180).save(pictures / "more" / "c.png")
    (out / NAME).write_bytes((out / NAME).read_bytes() + b'{"key": "cut')
    assert encode(pictures, "-o", out, "-r", "--resume", "-j", 1) == 0
    assert done == ["a.gsi", "b.gsi", "c.gsi"]
    assert {name: data for name, data in outputs(out).items() if "c" not in name} == {
        name: data for name, data in first.items() if "c" not in name
    }
    done.clear()
    assert encode(pictures, "-o", out, "-r", "--resume") == 0
    assert done == []
    assert main(["encode", str(pictures), "-o", str(out), "-r", "--resume", "-e", "1", "-n", "7", "--quiet"]) == 0
    assert sorted(done) == ["a.gsi", "b.gsi", "c.gsi"]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals and pipes")
@pytest.mark.parametrize("name", ["encode", "decode"])
def test_a_run_that_is_killed_goes_on_where_it_was(pictures, encoded, tmp_path, done, name):
    made = {"encode": ".gsi", "decode": ".png"}[name]
    sources = [pictures / f"{stem}{'.png' if name == 'encode' else '.gsi'}" for stem in "abz"]
    for path in sources[:2]:
        path.write_bytes((pictures / "b.png").read_bytes() if name == "encode" else encoded)
    # Nobody writes to this pipe: whoever reads it waits.
    os.mkfifo(sources[2])
    out = tmp_path / "out"
    command = [name, *map(str, sources), "-o", str(out), "-j", "1", "--resume", "--quiet"]
    command += QUICK[:-1] if name == "encode" else []
    with subprocess.Popen([sys.executable, "-m", "splatcodec", *command]) as process:
        try:
            for _ in range(60_000):
                if len(list(out.glob(f"[ab]{made}"))) == 2 or process.poll() is not None:
                    break
                time.sleep(0.001)
        finally:
            process.send_signal(signal.SIGKILL)
    first = {path.name: path.stat().st_mtime_ns for path in out.glob(f"*{made}")}
    assert sorted(first) == [f"a{made}", f"b{made}"]
    sources[2].unlink()
    sources[2].write_bytes(sources[0].read_bytes())
    assert main(command) == 0
    assert done == [f"z{made}"]
    assert first.items() <= {path.name: path.stat().st_mtime_ns for path in out.glob(f"*{made}")}.items()
    assert len({path.read_bytes() for path in out.glob(f"*{made}")}) == 1
    assert not list(out.glob(".splatcodec-*"))


@pytest.mark.parametrize("is_placed", [False, True])
@pytest.mark.parametrize("name", ["encode", "decode"])
def test_an_output_has_its_line_before_it_takes_its_name(pictures, encoded, tmp_path, monkeypatch, name, is_placed):
    journal = Journal(tmp_path, {"made": "so"})
    source, output = pictures / "a.png", tmp_path / "a.out"
    if name == "decode":
        source.write_bytes(encoded)

    def make() -> None:
        if name == "encode":
            work.encode_file(source, output, Options(n_gaussians=6, effort=1), False, journal)
        else:
            work.decode_file(source, output, {"format_name": "PNG"}, False, journal)

    def killed(temporary: str, target: str) -> None:
        if is_placed:
            real(temporary, target)
        raise KeyboardInterrupt

    real = os.replace
    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        make()
    monkeypatch.setattr(os, "replace", real)
    found = Done(journal).find(source, output)
    if not is_placed:
        assert found is None
        make()
        found = Done(journal).find(source, output)
    assert found is not None
    assert found["warnings"] == []
    assert Done(Journal(tmp_path, {"made": "otherwise"})).find(source, output) is None


def test_what_cannot_be_written_is_not_made(pictures, tmp_path, monkeypatch):
    made = Mock()
    monkeypatch.setattr(splatcodec.encoding.encode, "encode_to", made)
    (tmp_path / "a.gsi").mkdir()
    (tmp_path / "file").touch()
    for output in (tmp_path / "a.gsi", tmp_path / "file" / "a.gsi"):
        with pytest.raises(OSError, match=r"directory|exists|File"):
            work.encode_file(pictures / "a.png", output, Options(), True, Journal(tmp_path, {}))
    made.assert_not_called()


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


def test_decoded_and_judged_in_folders(pictures, tmp_path, capsys):
    out, back = tmp_path / "out", tmp_path / "back"
    (pictures / "damaged.png").unlink()
    assert encode(pictures, "-o", out, "-j", 1) == 0
    decode = ["decode", str(out), "-o", str(back), "-j", "1", "--quiet"]
    assert main(decode) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(back / "b.png")), splatcodec.decode(out / "b.gsi"))
    assert main(decode) == 1
    assert "exists; --overwrite replaces it" in capsys.readouterr().err
    assert main([*decode, "--resume"]) == 0
    (back / "a.png").unlink()
    assert main(["eval", str(pictures), str(out), "-j", "1", "--json"]) == 0
    total = json.loads(capsys.readouterr().out)
    expected = [splatcodec.evaluate(pictures / f"{name}.png", out / f"{name}.gsi").psnr for name in "ab"]
    assert total["mean_psnr"] == pytest.approx(np.mean(expected))
    (pictures / "b.png").unlink()
    assert main(["eval", str(pictures), str(out)]) == 1
    assert "b.gsi: has no references in" in capsys.readouterr().err


def test_lists_of_files_are_mirrored(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(pictures)
    (tmp_path / "list").write_text(f"more/c.png\n\n{pictures / 'a.png'}\n")
    assert encode("--files-from", tmp_path / "list", "-o", tmp_path / "out", "-j", 1) == 0
    assert list(outputs(tmp_path / "out")) == ["a.gsi", "more/c.gsi"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_any_name_can_be_listed(tmp_path, end):
    rng = np.random.default_rng(0)
    letters = ["a", "\u2028", "\x85", "\x0c", "\x1c", "\udce9", " ", "/", "日"]
    names = ["".join(rng.choice(letters, rng.integers(1, 9))) for _ in range(50)]
    (tmp_path / "list").write_bytes(end.join(map(os.fsencode, [*names[:25], "", *names[25:]])))
    assert listed(str(tmp_path / "list")) == names
    names = [f"{name}{end.decode()}" for name in names]
    (tmp_path / "list").write_bytes(b"".join(os.fsencode(f"{name}\0") for name in names))
    assert listed(str(tmp_path / "list")) == names


@pytest.mark.parametrize(
    ("arguments", "code", "fault"),
    [
        (["a.png", "b.png", "more/c.png"], 2, "expected IN OUT, or IN... -o DIR"),
        (["a.png"], 2, "expected IN OUT"),
        (["a.png", "x.gsi", "-j", "2"], 2, "-j goes with -o DIR only"),
        (["-", "-o", "out"], 2, "standard input"),
        (["a.png", "-o", "out", "--record", "x.gif"], 2, "--record goes with one picture only"),
        (["a.png", "-o", "out", "--on-interrupt", "keep"], 2, "--on-interrupt keep goes with one picture only"),
        (["a.png", "-o", "out", "--report", "x.txt"], 1, "x.txt: a report is written as .csv"),
        (["a.png", "-o", "b.png"], 1, "b.png: is no folder"),
        (["a.png", "-o", "new.gsi"], 1, "new.gsi: -o names a folder, and there is none of this name"),
        (["", "-o", "out"], 1, "'': no such file"),
        (["a.png", "-o", ""], 1, "'': no such file"),
        (["-o", "out", "--files-from", "names.csv"], 1, "more: is a folder; a list names files"),
        (
            ["-o", "out", "--files-from", "list.csv", "--report", "list.csv", "--resume"],
            1,
            "list.csv: this run reads it",
        ),
        (
            ["a.png", "names.csv", "-o", "out", "--report", "names.csv", "--overwrite"],
            1,
            "names.csv: this run reads it",
        ),
        (["empty", "-o", "out"], 1, "empty: no files in this folder"),
        (
            ["a.png", "more/a.png", "b.png", "more/b.png", "-o", "out"],
            1,
            "a.png and more/a.png would become out/a.gsi; b.png and more/b.png would become out/b.gsi",
        ),
        (["a.png", "--nonsense", "b"], 2, "unrecognized arguments: --nonsense"),
    ],
)
def test_wrong_calls_do_nothing(pictures, monkeypatch, capsys, arguments, code, fault):
    monkeypatch.chdir(pictures)
    (pictures / "empty").mkdir()
    (pictures / "names.csv").write_text("a.png\nmore\n")
    (pictures / "list.csv").write_text("a.png\n")
    before = sorted(map(str, pictures.rglob("*")))
    try:
        found = main(["encode", *arguments])
    except SystemExit as exit_:
        found = exit_.code
    assert found == code
    assert fault in capsys.readouterr().err
    assert sorted(map(str, pictures.rglob("*"))) == before


def test_where_two_would_become_the_same_both_keep_their_extensions(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(pictures)
    (pictures / "damaged.png").unlink()
    for name in ("a.jpg", "a.png.png"):
        Image.open("b.png").save(name)
    out, back = tmp_path / "out", tmp_path / "back"
    assert encode(pictures, "more/../a.png", "./b.png", "b.png", "-o", out, "-j", 1) == 0
    assert list(outputs(out)) == ["a.jpg.gsi", "a.png.gsi", "a.png.png.gsi", "b.gsi"]
    assert outputs(out)["a.jpg.gsi"] == splatcodec.encode("a.jpg", effort=1, n_gaussians=6)
    (out / "a.png.png.gsi").unlink()
    (pictures / "a.png.png").unlink()
    assert main(["decode", str(out), "-o", str(back), "-j", "1", "--quiet"]) == 0
    assert {path.name for path in back.glob("*.*")} >= {"a.jpg.png", "a.png.png", "b.png"}
    faults: list[OSError] = []
    for folder, extension in ((out, ".gsi"), (back, ".png")):
        found = partners(pictures, folder, is_picture, lambda path: path.suffix == extension, False, faults)  # noqa: B023
        assert {(pair.source.name, pair.output.name.removesuffix(extension)) for pair in found} == {
            ("a.jpg", "a.jpg"),
            ("a.png", "a.png"),
            ("b.png", "b"),
        }


def test_folders_in_themselves_end_and_those_that_cannot_be_read_are_a_line(pictures, tmp_path, monkeypatch, capsys):
    (pictures / "damaged.png").unlink()
    (pictures / "more" / "loop").symlink_to(pictures, target_is_directory=True)
    (pictures / "secret").mkdir()
    real = os.scandir

    def scandir(path):
        if Path(path).name == "secret":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert encode(pictures, "-o", tmp_path / "out", "-r", "-j", 1, "--json") == 1
    assert list(outputs(tmp_path / "out")) == ["a.gsi", "b.gsi", "more/c.gsi"]
    captured = capsys.readouterr()
    secret = pictures / "secret"
    assert captured.err.splitlines() == [f"splatcodec: {secret}: permission denied", "splatcodec: 1 of 4 files failed"]
    assert json.loads(captured.out)["failed"] == 1


def test_names_come_on_both_sides_of_options(pictures, monkeypatch):
    monkeypatch.chdir(pictures)
    assert main(["encode", "a.png", *QUICK, "x.gsi"]) == 0
    assert (pictures / "x.gsi").is_file()


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


def test_reports_are_replaced_only_if_asked_for_and_tried_before_the_work(pictures, tmp_path, capsys):
    (pictures / "damaged.png").unlink()
    out, report = tmp_path / "out", tmp_path / "run.csv"
    report.write_text("something else")
    assert encode(pictures, "-o", out, "--report", report) == 1
    assert encode(pictures, "-o", out, "--report", tmp_path / "nowhere" / "run.csv") == 1
    assert capsys.readouterr().err.count("\n") == 2
    assert encode(pictures, "-o", out, "--report", report, "--resume") == 1
    assert "run.csv: exists and is no report; --overwrite replaces it" in capsys.readouterr().err
    assert not outputs(out)
    assert encode(pictures, "-o", out, "--report", report, "--overwrite", "-j", 1) == 0
    assert encode(pictures, "-o", out, "--report", report, "--resume", "-j", 1) == 0
    assert len(report.read_text().splitlines()) == 3
    assert main(["eval", str(pictures), str(out), "--report", str(report)]) == 1
    assert main(["eval", str(pictures), str(out), "--report", str(report), "--overwrite", "-j", "1"]) == 0
    assert report.read_text().startswith("source,output,psnr")

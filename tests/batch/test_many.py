"""Many files: outputs mirror inputs, one that fails harms no other, and a run goes on where another one was killed."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import splatcodec
from splatcodec.batch.journal import NAME
from splatcodec.cli.main import main

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


def test_a_run_resumes_with_what_is_whole_and_made_alike(pictures, tmp_path, monkeypatch):
    out = tmp_path / "out"
    (pictures / "damaged.png").unlink()
    assert encode(pictures, "-o", out, "-r", "-j", 1) == 0
    first = outputs(out)
    done = []

    def counted(tasks, jobs):
        done.extend(task.output.name for task in tasks)
        return real(tasks, jobs)

    import splatcodec.batch

    real = splatcodec.batch.run
    monkeypatch.setattr(splatcodec.batch, "run", counted)
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


def test_killed_runs_end_as_an_undisturbed_one(pictures, tmp_path):
    (pictures / "damaged.png").unlink()
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert encode(pictures, "-o", whole, "-r", "-j", 1) == 0
    command = [sys.executable, "-m", "splatcodec", "encode", str(pictures), "-o", str(killed), "-r", "--resume", *QUICK]
    for seconds in (0.5, 1.5):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert set(outputs(killed).values()) <= set(outputs(whole).values())
    assert subprocess.run(command, check=False).returncode == 0
    assert outputs(killed) == outputs(whole)
    assert not list(killed.rglob(".splatcodec-*"))


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
        (["empty", "-o", "out"], 1, "empty: no files in this folder"),
        (["a.png", "a.jpg", "-o", "out"], 1, "a.jpg: would become out/a.gsi, as a.png would"),
        (["a.png", "--nonsense", "b"], 2, "unrecognized arguments: --nonsense"),
    ],
)
def test_wrong_calls_do_nothing(pictures, monkeypatch, capsys, arguments, code, fault):
    monkeypatch.chdir(pictures)
    (pictures / "empty").mkdir()
    (pictures / "a.jpg").touch()
    before = sorted(map(str, pictures.rglob("*")))
    try:
        found = main(["encode", *arguments])
    except SystemExit as exit_:
        found = exit_.code
    assert found == code
    assert fault in capsys.readouterr().err
    assert sorted(map(str, pictures.rglob("*"))) == before


def test_names_come_on_both_sides_of_options(pictures, monkeypatch):
    monkeypatch.chdir(pictures)
    assert main(["encode", "a.png", *QUICK, "x.gsi"]) == 0
    assert (pictures / "x.gsi").is_file()


def test_a_process_that_dies_is_replaced(tmp_path):
    from splatcodec.batch import Failure, Task, run

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
    import pickle

    from splatcodec.batch import Decoder, Encoder

    encoder, decoder = (pickle.loads(pickle.dumps(coder)) for coder in (Encoder(n_gaussians=6, effort=1), Decoder()))
    row = encoder({"image": picture, "name": "one"})
    assert (row["name"], row["error"], row["bytes"]) == ("one", None, len(row["gsi"]))
    assert "image" not in row
    decoded = decoder(row)
    np.testing.assert_array_equal(decoded["image"], splatcodec.decode(row["gsi"]))
    assert encoder({"image": b"no picture"})["error"].endswith("not an image file that Pillow can read")
    assert encoder({"other": 1})["error"] == "the row has no 'image'"
    assert decoder({"gsi": b""})["error"]


def test_a_run_that_is_left_ends_its_processes_at_once(tmp_path):
    from splatcodec.batch import Task, run

    tasks = [Task(_sleep, tmp_path / str(number), tmp_path / "out", (delay,)) for number, delay in enumerate((0, 600))]
    outcomes = run(tasks, 1)
    next(outcomes)
    begun = time.perf_counter()
    outcomes.close()
    assert time.perf_counter() - begun < 30


def test_warnings_and_faults_name_the_file_in_one_line(tmp_path):
    from splatcodec.batch import Failure, Task, run

    tasks = [Task(_warn_or_fail, tmp_path / name, tmp_path / "out") for name in ("odd", "broken")]
    found = {task.source.name: outcome for task, outcome in run(tasks, 1)}
    assert found["odd"] == {"warnings": ["an odd thing"]}
    assert found["broken"] == Failure(f"{tmp_path / 'broken'}: KeyError: 'nothing'")


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
    assert not outputs(out)
    assert encode(pictures, "-o", out, "--report", report, "--overwrite", "-j", 1) == 0
    assert len(report.read_text().splitlines()) == 3
    assert main(["eval", str(pictures), str(out), "--report", str(report)]) == 1
    assert main(["eval", str(pictures), str(out), "--report", str(report), "--overwrite", "-j", "1"]) == 0
    assert report.read_text().startswith("source,output,psnr")

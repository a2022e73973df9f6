import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from splatcodec import rd
from splatcodec.cli import bench
from splatcodec.cli.main import main


@pytest.fixture
def folder(tmp_path, picture, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    Image.fromarray(picture).save("pictures/one.png")
    Image.fromarray(picture[::-1]).save("pictures/two.png")
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    return tmp_path


def test_bench_writes_everything(folder, capfd):
    command = ["bench", "pictures", "--codecs", "gsi:n20..60/2,jpeg:20..90/3", "-e", "1", "--out", "out", "-j", "2"]
    assert main(command) == 0
    out, err = capfd.readouterr()
    assert "BD-rate by psnr" in out
    assert "10/10" in err
    names = {path.name for path in (folder / "out").iterdir()}
    assert names >= {
        "results.json",
        "results.csv",
        "gsi-adaptive.json",
        "jpeg.json",
        "curves.png",
        "curves.svg",
        "report.html",
    }
    results = rd.Results.from_json("out/results.json")
    assert len(results.rows) == 10
    assert "effort 1" in results.rows[0].version
    assert json.loads((folder / "out" / "jpeg.json").read_text())["name"] == "jpeg"

    assert main(command) == 1
    assert capfd.readouterr().err == "splatcodec: out: holds results already; resume them or take another directory\n"
    assert main([*command, "--resume"]) == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.png"], "missing.png: no such file or directory"),
        (["out"], "out: no pictures in this directory"),
        (["pictures", "--codecs", "mpeg"], "unknown codec 'mpeg'"),
        (["pictures/notes.txt"], "pictures/notes.txt: not an image file"),
    ],
)
def test_bench_says_what_is_wrong(folder, capsys, arguments, message):
    (folder / "out").mkdir()
    assert main(["bench", *arguments, "--out", "new"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"splatcodec: {message}")
    assert error.count("\n") == 1


def test_bench_fails_if_nothing_works(folder, capsys):
    assert main(["bench", "pictures", "--codecs", "webp:101+200", "--out", "out", "--quiet"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 5
    assert errors[-1] == "splatcodec: every codec failed on every picture"


def test_an_interrupted_bench_leaves_no_processes(folder):
    command = [
        sys.executable,
        "-m",
        "splatcodec",
        "bench",
        "pictures",
        "-e",
        "9",
        "--codecs",
        "gsi:n2000+2100",
        "-j",
        "2",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    time.sleep(5)
    process.send_signal(signal.SIGINT)
    # Ends only when every process that inherited it has ended.
    assert process.communicate(timeout=60)[1].splitlines()[-1] == "splatcodec: interrupted"
    assert process.returncode == 130


@pytest.mark.parametrize("arguments", [["--bpp", "2..1"], ["--bpp", "x"], ["--metric", "vmaf"], ["-j", "0"], []])
def test_wrong_usage_of_bench(arguments):
    with pytest.raises(SystemExit) as exit_code:
        main(["bench", *(["x.png"] if arguments else []), *arguments])
    assert exit_code.value.code == 2


def test_compare_draws_a_sheet(folder):
    assert main(["compare", "pictures/one.png", "sheet.png", "-q", "40", "-e", "1", "--codecs", "jpeg"]) == 0
    assert np.asarray(Image.open("sheet.png")).shape[1] == 3 * 180 + 2 * 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sheet.png", "--crop", "50,0,10,10"], "the crop 50,0,10,10 is not within the picture of 56x40 pixels"),
        (["sheet.xyz"], "sheet.xyz: cannot write images"),
        (["sheet.png", "--codecs", "jpeg,"], "unknown codec ''"),
    ],
)
def test_compare_says_what_is_wrong(folder, capsys, arguments, message):
    assert main(["compare", "pictures/one.png", *arguments]) == 1
    assert capsys.readouterr().err.startswith(f"splatcodec: {message}")
    assert not (folder / "sheet.png").exists()


def test_metrics_are_those_of_the_results():
    assert tuple(rd.METRICS) == bench.METRICS

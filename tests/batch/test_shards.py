"""`splatcodec shards`: tar files in and out, and runs that are killed and go on."""

import errno
import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock, patch

import numpy as np
import pytest

import splatcodec
from splatcodec.batch import Encoder
from splatcodec.batch.growing import Growing, growing
from splatcodec.batch.shards import encode_member
from splatcodec.batch.sidecar import Recipe, finished
from splatcodec.cli.main import main
from splatcodec.cli.shards import _extensions
from splatcodec.options import Options

from .shards import QUICK, contents, read_tar, write_shard


@pytest.fixture
def folder(tmp_path, picture) -> Path:
    """A folder with two shards, in one of which a picture is damaged."""
    write_shard(tmp_path / "in" / "a.tar", picture, 3)
    write_shard(tmp_path / "in" / "b.tar", picture[10:], 3, damaged=1)
    return tmp_path / "in"


def shards(*arguments: object) -> int:
    return main(["shards", *map(str, arguments), *QUICK])


def test_pictures_become_gsi_files_and_failures_are_told(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert shards(folder, "-o", out, "-j", 2, "--json") == 1
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert lines[0].startswith(f"{out}/a.tar: 3 pictures, ")
    assert lines[1].startswith(f"splatcodec: {folder}/b.tar/0001.png: broken image")
    assert lines[-1] == "splatcodec: 1 of 6 pictures failed"
    made, originals = read_tar(contents(out)["b.tar"]), read_tar(contents(folder)["b.tar"])
    assert list(made) == ["0000.gsi", "0000.cls", "0001.cls", "0002.gsi", "0002.cls"]
    assert made["0002.gsi"] == splatcodec.encode(originals["0002.png"], effort=1, n_gaussians=6)
    assert made["0001.cls"] == b"1"
    sidecar = json.loads((out / "b.tar.json").read_text())
    assert (sidecar["pictures"], sidecar["failed"], sidecar["other_files"]) == (2, 1, 3)
    assert [(failure["key"], failure["name"]) for failure in sidecar["failures"]] == [("0001", "0001.png")]
    assert sidecar["gsi_bytes"] == sum(len(data) for name, data in made.items() if name.endswith(".gsi"))
    for name, path in (("source", folder / "b.tar"), ("output", out / "b.tar")):
        assert sidecar[name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert sidecar[name]["size"] == path.stat().st_size
    total = json.loads(captured.out)
    assert (total["shards"], total["pictures"], total["failed"]) == (2, 5, 1)
    psnrs = [splatcodec.evaluate(originals[f"{n}.png"], made[f"{n}.gsi"]).psnr for n in ("0000", "0002")]
    assert sidecar["mean_psnr"] == pytest.approx(sum(psnrs) / 2)


def test_a_member_of_any_name_is_told_once_and_in_one_line(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"no picture")
    row = encode_member(tmp_path / "a.tar", "a\nb  c.png", 0, 10, Encoder())
    assert row["error"] == f"{tmp_path}/a.tar/a b c.png: not an image file that Pillow can read"


def test_a_shard_that_cannot_be_made_harms_no_other(folder, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "c.tar").write_text("somebody else's")
    write_shard(folder / "c.tar", np.zeros((30, 30, 3), np.uint8), 1)
    arguments = ["missing.tar", folder / "a.tar", folder / "c.tar", "-o", out, "-j", 1]
    for before in (0, 1):
        assert shards(*arguments, "--json") == 1
        captured = capsys.readouterr()
        *lines, last = [line for line in captured.err.splitlines() if line.startswith("splatcodec: ")]
        assert lines[0] == "splatcodec: missing.tar: no such file or directory"
        assert lines[1].startswith(f"splatcodec: {out}/c.tar: exists and has no sidecar")
        assert last == "splatcodec: 2 of 3 shards failed"
        total = json.loads(captured.out)
        assert (total["shards"], total["failed_shards"], total["done_before"]) == (1, 2, before)
    assert list(contents(out)) == ["a.tar", "c.tar"]


def test_what_is_finished_is_left_alone_and_what_is_not_ours_is_kept(folder, tmp_path):
    output, source = tmp_path / "a.tar", folder / "a.tar"
    recipe = Recipe(Options(n_gaussians=6, effort=1))
    assert finished(source, output, recipe) is None
    assert shards(source, "-o", tmp_path, "-j", 1, "--quiet") == 0
    made = output.read_bytes()
    found = finished(source, output, recipe)
    assert found is not None
    assert found["pictures"] == 3
    os.utime(source, (1, 1))
    assert finished(source, output, recipe) == found

    def refused(why: str, other: Recipe = recipe) -> None:
        with pytest.raises(FileExistsError, match=why):
            finished(source, output, other)
        assert finished(source, output, other, overwrite=True) is None

    refused("other options", Recipe(Options(n_gaussians=7, effort=1)))
    refused("other options", Recipe(Options(n_gaussians=6, effort=1), pictures=("png",)))
    output.write_bytes(made[:-1])
    refused("not as its sidecar says")
    output.write_bytes(made)
    source.write_bytes(source.read_bytes() + bytes(512))
    refused("another a.tar")
    (tmp_path / "a.tar.json").write_text("{}")
    refused("no sidecar")
    output.unlink()
    refused("exists")


def test_a_wrong_call_says_so_and_does_nothing(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.tar").write_text("no tar file")
    (tmp_path / "packed.tar").write_bytes(gzip.compress((folder / "a.tar").read_bytes()))
    (tmp_path / "packed").mkdir()
    for name in ("a.tar.gz", "b.tgz", "c.txt"):
        (tmp_path / "packed" / name).touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.tar").write_text("somebody else's")
    for arguments, code, fault in (
        (["in/a.tar", "-o", "out"], 1, "out/a.tar: exists and has no sidecar; --overwrite replaces it"),
        (["in", "-o", "new.tar"], 1, "new.tar: -o names a folder"),
        (["in", "-o", "in"], 1, "would be replaced by what is made of it"),
        (["missing.tar", "-o", "out"], 1, "missing.tar: no such file"),
        (["text.tar", "-o", "out", "-j", "1"], 1, "text.tar: no tar file, or damaged"),
        (["packed.tar", "-o", "out", "-j", "1"], 1, "packed.tar: is compressed; unpack it"),
        (["packed", "-o", "out"], 1, "packed/a.tar.gz: is compressed and left out (2 in all)"),
        (["in/a.tar", "in/../in/a.tar", "out/a.tar", "-o", "new"], 1, "would become new/a.tar"),
        (["-o", "out", "--ray", "in/a.tar", "in/b.tar"], 2, "--ray takes an address, not in/a.tar"),
        (["in", "-o", "out", "--pictures", "jpg,,png"], 2, "expected extensions such as jpg,png"),
    ):
        try:
            found = main(["shards", *arguments, *QUICK])
        except SystemExit as end:
            found = end.code
        assert found == code, arguments
        assert fault in capsys.readouterr().err
    assert contents(tmp_path / "out") == {"a.tar": b"somebody else's"}
    assert len(list((tmp_path / "in").iterdir())) == 2


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_run_that_is_killed_goes_on_and_ends_as_an_undisturbed_one(folder, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert shards(folder, "-o", whole, "-j", 1, "--quiet") == 1
    command = [sys.executable, "-m", "splatcodec", "shards", str(folder), "-o", str(killed), "-j", "1", *QUICK]
    process = subprocess.Popen([*command, "--quiet"], stderr=subprocess.DEVNULL)
    while not list(killed.glob(".splatcodec-b.tar-*")):
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert contents(killed) == {"a.tar": contents(whole)["a.tar"]}
    assert list(killed.glob(".splatcodec-b.tar-*"))
    assert subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 1
    assert contents(killed) == contents(whole)
    assert not list(killed.glob(".splatcodec-*"))


def test_only_what_dead_processes_left_is_removed(tmp_path):
    output = tmp_path / "a.tar"
    left = tmp_path / ".splatcodec-a.tar-0123"
    left.touch()
    with growing(output) as first:
        assert not left.exists()
        with growing(output) as second:
            second.write(b"second")
        first.write(b"first")
    assert output.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [output]


def test_remarks_on_any_name_are_a_line(folder, tmp_path, capsys):
    odd = folder.rename(tmp_path / "a\nb  c")
    (odd / "b.tar").rename(odd / "b.tar.gz")
    assert shards(odd, "-o", odd / "out", "-j", 1) == 0
    first, second, _ = capsys.readouterr().err.splitlines()
    assert first == f"splatcodec: {tmp_path}/a b c/b.tar.gz: is compressed and left out (1 in all); unpack them"
    assert second.startswith(f"{tmp_path}/a b c/out/a.tar: 3 pictures")


def test_names_may_be_long(tmp_path):
    output = tmp_path / f"{'ü' * 120}.tar"
    for _ in range(2):
        with growing(output) as file:
            file.write(b"whole")
            (left,) = tmp_path.glob(".splatcodec-*")
        (tmp_path / left.name).touch()
    assert output.read_bytes() == b"whole"
    with growing(output):
        assert not (tmp_path / left.name).exists()


def test_extensions_may_have_blanks_between_them():
    assert _extensions("jpg, .PNG") == ("jpg", "png")


@pytest.mark.parametrize("name", ["in.tar", "a.tar.json", "elsewhere/picture.png"])
def test_faults_name_the_file_that_they_are_of(tmp_path, name):

    def fail() -> None:
        raise FileNotFoundError(errno.ENOENT, "no such file or directory", name)

    with pytest.raises(FileNotFoundError) as caught, growing(tmp_path / "a.tar"):
        fail()
    assert caught.value.filename == name
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for step in ("fsync", "replace"):
        with (
            patch.object(os, step, side_effect=full),
            pytest.raises(OSError, match="No space left") as caught,
            growing(tmp_path / "a.tar"),
        ):
            pass
        assert caught.value.filename == str(tmp_path / "a.tar")
    file = Mock(**{"write.side_effect": full})
    with pytest.raises(OSError, match="No space left") as caught:
        Growing(file, "a.tar").write(b"half")
    assert caught.value.filename == "a.tar"
    assert not list(tmp_path.iterdir())


def test_nothing_appears_before_it_is_whole(tmp_path):
    def fail() -> None:
        with growing(tmp_path / "a.tar") as out:
            out.write(b"half")
            assert not (tmp_path / "a.tar").exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not list(tmp_path.iterdir())

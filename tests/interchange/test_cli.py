"""`splatcodec export` and `splatcodec import` as a user meets them."""

import json

import numpy as np
import pytest

import splatcodec
from splatcodec.interchange import load

from ..cli.command import assert_fails, imports, run
from .pictures import assert_same, random_splats


@pytest.mark.parametrize("extension", [".json", ".npz", ".csv"])
def test_there_and_back_is_the_same_file(files, extension):
    out = files / f"out{extension}"
    result = run("export", files / "picture.gsi", out)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert_same(load(out), splatcodec.read(files / "picture.gsi"))
    assert run("import", out, files / "back.gsi").returncode == 0
    assert (files / "back.gsi").read_bytes() == (files / "picture.gsi").read_bytes()


@pytest.mark.parametrize("profile", ["half", "adaptive", "vq"])
def test_every_profile_is_written(files, profile):
    assert run("export", files / "picture.gsi", files / "out.ply").returncode == 0
    assert run("import", files / "out.ply", files / "back.gsi", "--profile", profile).returncode == 0
    shown = [splatcodec.decode(files / name) for name in ("picture.gsi", "back.gsi")]
    assert splatcodec.metrics.psnr(*shown) > 25
    assert json.loads(run("info", files / "back.gsi", "--json").stdout)["profile"] == profile


def test_a_lower_quality_makes_smaller_files(files):
    assert run("export", files / "picture.gsi", files / "out.npz").returncode == 0
    sizes = []
    for quality in (100, 20):
        result = run("import", files / "out.npz", "-", "--profile", "adaptive", "-q", quality)
        sizes.append(len(result.stdout))
    assert sizes[0] > sizes[1] > 0


def test_standard_streams_take_gsi_files_only(files, encoded):
    assert run("export", "-", files / "out.npz", stdin=encoded).returncode == 0
    assert run("import", files / "out.npz", "-").stdout == encoded
    assert_fails(run("export", files / "picture.gsi", "-"), "-: unknown extension, expected one of .json")
    assert_fails(run("import", "-", files / "out.gsi", stdin=b"{}"), "-: unknown extension, expected one of .json")


def test_a_size_is_given_as_width_and_height(files):
    arrays = {"xy": np.full((1, 2), 0.5), "scale": np.ones((1, 2)), "rot": np.zeros((1, 1)), "feat": np.ones((1, 3))}
    np.savez(files / "in.npz", **arrays)
    assert_fails(run("import", files / "in.npz", files / "out.gsi"), "in.npz", "does not hold the size of its canvas")
    assert run("import", files / "in.npz", files / "out.gsi", "--size", "64x48").returncode == 0
    splats = splatcodec.read(files / "out.gsi")
    assert (splats.width, splats.height) == (64, 48)
    assert splats.means.tolist() == [[32.5, 24.5]]


def test_existing_files_are_spared(files):
    (files / "out.csv").write_bytes(b"precious")
    assert_fails(run("export", files / "picture.gsi", files / "out.csv"), "out.csv: exists; --overwrite replaces it")
    assert (files / "out.csv").read_bytes() == b"precious"
    assert run("export", files / "picture.gsi", files / "out.csv", "--overwrite").returncode == 0
    failed = run("import", files / "out.csv", files / "picture.png")
    assert_fails(failed, "picture.png: exists and is no .gsi file; --overwrite replaces it")
    assert run("import", files / "out.csv", files / "picture.gsi").returncode == 0
    assert run("import", files / "out.csv", files / "picture.png", "--overwrite").returncode == 0


def test_bad_input_is_one_line_and_no_output(files):
    (files / "bad.json").write_text('{"res_x": 5}')
    assert_fails(run("import", files / "bad.json", files / "out.gsi"), 'bad.json: key "res_y" is missing')
    assert_fails(run("import", files / "missing.json", files / "out.gsi"), "missing.json: no such file")
    (files / "bad.pt").write_bytes(b"\x80\x04K\x01.")
    assert_fails(run("import", files / "bad.pt", files / "out.gsi"), "bad.pt: ")
    assert_fails(run("export", files / "bad.json", files / "out.npz"), "bad.json: not a .gsi file")
    assert_fails(run("export", files / "picture.gsi", files / "no" / "out.npz"), "no such file")
    assert not list(files.glob("out.*"))


def test_what_a_profile_cannot_hold_is_said_with_its_file(files):
    splats = random_splats(0, 2)
    np.savez(files / "in.npz", **splats.gaussians._asdict() | {"colors": np.full((2, 3), 1e6)}, height=40, width=56)
    assert_fails(run("import", files / "in.npz", files / "out.gsi"), "in.npz: COLR", "does not fit half precision")


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "a"],
        ["import", "a"],
        ["import", "a.json", "b", "--size", "64"],
        ["import", "a.json", "b", "--size", "64x-1"],
        ["import", "a.json", "b", "--profile", "full"],
        ["import", "a.json", "b", "-q", "101"],
    ],
)
def test_wrong_usage_exits_with_two(arguments, tmp_path):
    assert run(*arguments, cwd=tmp_path).returncode == 2


def test_no_command_writes_to_its_input(files):
    for command, name in (("export", "picture.gsi"), ("import", "picture.png")):
        result = run(command, files / name, files / name)
        assert result.returncode == 2
        assert b"and OUT are the same file" in result.stderr


def test_only_checkpoints_take_torch(files):
    assert "torch" not in imports(["export", "picture.gsi", "out.json"], files)
    assert "torch" not in imports(["import", "out.json", "out.gsi"], files)

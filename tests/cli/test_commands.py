"""What the commands do and print."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import splatcodec

from .command import assert_fails, run


def test_encode_prints_one_json_object(files):
    result = run("encode", files / "picture.png", files / "out.gsi", "-n", 20, "-e", 1, "--json")
    assert result.returncode == 0
    assert result.stderr == b""
    values = json.loads(result.stdout)
    data = (files / "out.gsi").read_bytes()
    assert values["input"] == str(files / "picture.png")
    assert values["output"] == str(files / "out.gsi")
    assert (values["width"], values["height"]) == (56, 40)
    assert values["n_gaussians"] + values["pruned"] == 20
    assert values["bytes"] == len(data)
    assert values["bpp"] == 8 * len(data) / (56 * 40)
    assert values["psnr"] == splatcodec.evaluate(files / "picture.png", data).psnr
    assert (values["profile"], values["device"]) == ("adaptive", "cpu")
    assert values["seconds"] > 0


def test_encode_is_the_api(files):
    assert run("encode", files / "picture.png", files / "out.gsi", "-n", 20, "-e", 1, "--seed", 3).returncode == 0
    expected = splatcodec.encode(files / "picture.png", n_gaussians=20, effort=1, seed=3)
    assert (files / "out.gsi").read_bytes() == expected


def test_a_file_larger_than_its_source_is_mentioned(files):
    rng = np.random.default_rng(0)
    Image.fromarray(np.uint8(128 * (rng.random((16, 16)) > 0.5))).convert("1").save(files / "bits.png")
    result = run("encode", files / "bits.png", files / "out.gsi", "-e", 1, "-q", 100, "--json")
    values = json.loads(result.stdout)
    assert values["source_bytes"] == (files / "bits.png").stat().st_size < values["bytes"]
    assert result.stderr.startswith(f"splatcodec: {files / 'out.gsi'} is larger than ".encode())
    smaller = run("encode", files / "picture.png", files / "out.gsi", "-e", 1, "-n", 5)
    assert b"is larger than" not in smaller.stderr


def test_progress_and_result_stay_off_stdout_and_quiet_is_silent(files):
    loud = run("encode", files / "picture.png", files / "out.gsi", "-n", 5, "-e", 1)
    assert loud.stdout == b""
    assert b" Gaussians (" in loud.stderr
    assert b"step/s" not in loud.stderr
    quiet = run("encode", files / "picture.png", files / "out.gsi", "-n", 5, "-e", 1, "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, b"", b"")


def test_translucent_and_animated_pictures(files):
    """`--background` and `--frame`; without them, one stays so and of the other the first is taken, with a note."""
    red, blue = (Image.new("RGBA", (8, 6), color) for color in ((255, 0, 0, 128), (0, 0, 255, 255)))
    red.save(files / "translucent.png")
    red.convert("RGB").save(files / "animated.gif", save_all=True, append_images=[blue.convert("RGB")])
    for name, options, color, note in (
        ("translucent.png", (), (255, 0, 0, 128), b""),
        ("translucent.png", ("--background", "white"), (255, 127, 127), b""),
        ("animated.gif", ("--frame", 1), (0, 0, 255), b""),
        ("animated.gif", (), (255, 0, 0), b"splatcodec: animated.gif: is animated"),
    ):
        result = run("encode", name, "out.gsi", "-e", 1, "-q", 90, "--quiet", *options, cwd=files)
        assert result.returncode == 0
        assert result.stderr.startswith(note)
        assert bool(result.stderr) == bool(note)
        assert splatcodec.decode(files / "out.gsi")[3, 4] == pytest.approx(color, abs=6)
    assert_fails(run("encode", "animated.gif", "out.gsi", "--frame", 2, cwd=files), "animated.gif", "no frame 2")


def test_streams(files):
    encoded = run("encode", "-", "-", "-n", 20, "-e", 1, "--quiet", stdin=(files / "picture.png").read_bytes())
    assert encoded.returncode == 0
    decoded = run("decode", "-", "-", stdin=encoded.stdout)
    assert decoded.stdout.startswith(b"\x89PNG")
    result = run("eval", files / "picture.png", "-", "--json", stdin=encoded.stdout)
    assert json.loads(result.stdout)["bytes"] == len(encoded.stdout)
    assert b"Gaussians  20" in run("info", "-", stdin=encoded.stdout).stdout


def test_decode_writes_the_decoded_samples(files):
    assert run("decode", files / "picture.gsi", files / "out.png").returncode == 0
    np.testing.assert_array_equal(np.asarray(Image.open(files / "out.png")), splatcodec.decode(files / "picture.gsi"))


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (["--scale", 2], (112, 80)),
        (["--width", 28], (28, 20)),
        (["--height", 20], (28, 20)),
        (["--region", "1,2,10,5"], (10, 5)),
        (["--region=-4,-4,8,8", "--scale", 4], (32, 32)),
    ],
)
def test_decode_at_other_sizes(files, options, size):
    assert run("decode", files / "picture.gsi", files / "out.png", *options).returncode == 0
    assert Image.open(files / "out.png").size == size


def test_decode_shows_the_region(files):
    assert run("decode", files / "picture.gsi", files / "out.png", "--region", "20,10,16,8").returncode == 0
    expected = splatcodec.decode(files / "picture.gsi")[10:18, 20:36].astype(int)
    assert np.abs(np.asarray(Image.open(files / "out.png")) - expected).max() <= 1


def test_eval_scores_any_picture(files):
    values = json.loads(run("eval", files / "picture.png", files / "picture.gsi", "--json").stdout)
    assert values["psnr"] > 25
    assert values["ms_ssim"] is None
    same = run("eval", files / "picture.png", files / "picture.png")
    assert b"PSNR           inf dB" in same.stdout
    assert json.loads(run("eval", files / "picture.png", files / "picture.png", "--json").stdout)["psnr"] is None


def test_a_limit_on_time_a_loss_and_weights(files):
    Image.new("L", (56, 40), 200).save(files / "mask.png")
    options = ["--max-seconds", "1", "--loss", "l1+ssim:0.3", "--weights", files / "mask.png", "-e", "9", "--json"]
    result = run("encode", files / "picture.png", files / "out.gsi", "-n", 100, *options)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["psnr"] > 12
    assert report["interrupted"] is False
    Image.new("L", (5, 4), 200).save(files / "small.png")
    failed = run("encode", files / "picture.png", files / "out.gsi", "--weights", files / "small.png", "-e", 1)
    assert_fails(failed, "small.png", "weights are 5x4 pixels, the picture is 56x40")


@pytest.mark.parametrize("command", [[], ["encode"], ["decode"], ["info"], ["eval"]])
def test_help_exists(command):
    result = run(*command, "--help")
    assert result.returncode == 0
    assert b"usage: splatcodec" in result.stdout


def test_pictures_are_written_at_a_high_quality(files):
    sizes = []
    for options in ((), ("--output-quality", 100), ("--output-quality", 40)):
        assert run("decode", files / "picture.gsi", files / "out.jpg", "--overwrite", *options).returncode == 0
        sizes.append((files / "out.jpg").stat().st_size)
    assert sizes[1] > sizes[0] > sizes[2]
    assert_fails(run("decode", files / "picture.gsi", files / "new.png", "--output-quality", 90), "PNG has no quality")
    assert_fails(run("decode", files / "picture.gsi", files / "out.ico", "--width", 300), "ICO cannot hold")


def test_verbose_says_what_is_done(files):
    command = [sys.executable, "-m", "splatcodec", "encode", "picture.png", "out.gsi", "-n", "9", "-e", "1", "-v"]
    message = subprocess.run(command, cwd=files, capture_output=True, check=True).stderr.decode()
    assert "Gaussians, squared error" in message
    assert "rounding" in message


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_can_be_chosen(files, threads):
    from splatkernels import get_num_threads, set_num_threads

    before = get_num_threads()
    try:
        assert run("info", files / "picture.gsi", "--threads", threads).returncode == 0
        assert get_num_threads() == threads
    finally:
        set_num_threads(before)


def test_version():
    for option in ("--version", "-V"):
        assert run(option).stdout.startswith(b"splatcodec 0.")

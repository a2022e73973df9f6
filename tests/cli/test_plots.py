"""`plot`, and what `encode` leaves beside its file: films and histories."""

import csv
import json
from unittest.mock import patch

import imageio.v3 as iio
import pytest
from PIL import Image

import splatcodec
from splatcodec.plot.frames import Painter

from .command import assert_fails, run

ENCODE = ("-n", 20, "-e", 1, "--quiet")


@pytest.mark.parametrize("options", [[], ["--reference", "picture.png"], ["--by", "scale", "--sigmas", "2.5"]])
def test_a_sheet_is_drawn(files, options):
    result = run("plot", "picture.gsi", "-o", "sheet.png", *options, cwd=files)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    with Image.open(files / "sheet.png") as sheet:
        assert min(sheet.size) > 400


def test_a_sheet_has_the_format_of_its_extension(files):
    for extension, magic in (("svg", b"<?xml"), ("pdf", b"%PDF")):
        assert run("plot", "picture.gsi", "-o", f"sheet.{extension}", cwd=files).returncode == 0
        assert (files / f"sheet.{extension}").read_bytes().startswith(magic)


def test_what_cannot_be_plotted_is_said(files):
    (files / "text.gsi").write_text("hello")
    (files / "kept.png").write_text("kept")
    Image.new("RGB", (3, 4)).save(files / "small.png")
    for arguments, words in (
        (("text.gsi", "-o", "out.png"), ("text.gsi", "not a .gsi file")),
        (("picture.gsi", "-o", "out.txt"), ("out.txt", ".png, .svg or .pdf")),
        (("picture.gsi", "-o", "kept.png"), ("kept.png", "--overwrite")),
        (("picture.gsi", "-o", "out.png", "--reference", "small.png"), ("small.png", "3x4")),
    ):
        assert_fails(run("plot", *arguments, cwd=files), *words)
    assert (files / "kept.png").read_text() == "kept"
    assert not (files / "out.png").exists()


def test_encode_leaves_a_film_and_a_history(files):
    result = run("encode", "picture.png", "out.gsi", *ENCODE, "--record", "fit.mp4", "--history", "fit.csv", cwd=files)
    assert (result.returncode, result.stderr) == (0, b"")
    assert len(iio.imread(files / "fit.mp4")) >= 8
    rows = list(csv.DictReader((files / "fit.csv").open()))
    assert float(rows[-1]["progress"]) == 1
    assert len(splatcodec.read(files / "out.gsi")) <= 20


def test_a_film_of_standard_input(files):
    data = (files / "picture.png").read_bytes()
    assert run("encode", "-", "out.gsi", *ENCODE, "--record", "fit.gif", stdin=data, cwd=files).returncode == 0
    with Image.open(files / "fit.gif") as film:
        assert film.n_frames >= 8


def test_the_encode_is_the_same_when_watched(files):
    run("encode", "picture.png", "plain.gsi", *ENCODE, cwd=files)
    run("encode", "picture.png", "watched.gsi", *ENCODE, "--record", "fit.png", "--history", "fit.json", cwd=files)
    assert (files / "plain.gsi").read_bytes() == (files / "watched.gsi").read_bytes()
    assert json.loads((files / "fit.json").read_text())[0]["step"] == 1


@pytest.mark.parametrize(("option", "path"), [("--record", "fit.avi"), ("--history", "fit.txt")])
def test_other_formats_fail_before_the_work(files, option, path):
    assert_fails(run("encode", "picture.png", "out.gsi", *ENCODE, option, path, cwd=files), path, "written as")
    assert not (files / "out.gsi").exists()


def test_nothing_is_replaced_unasked(files):
    (files / "photo.png").write_text("kept")
    command = "encode", "picture.png", "out.gsi", *ENCODE, "--record", "photo.png"
    assert_fails(run(*command, cwd=files), "photo.png", "--overwrite")
    assert (files / "photo.png").read_text() == "kept"
    assert run(*command, "--overwrite", cwd=files).returncode == 0
    for options in (("--history", "out.gsi"), ("--record", "picture.png"), ("--record", "-")):
        assert run("encode", "picture.png", "out.gsi", *ENCODE, *options, "--overwrite", cwd=files).returncode == 2


def test_a_picture_that_cannot_be_read_leaves_nothing(files):
    before = set(files.iterdir())
    options = ("--record", "fit.gif", "--history", "fit.csv")
    assert_fails(run("encode", "missing.png", "out.gsi", *ENCODE, *options, cwd=files), "missing.png")
    assert set(files.iterdir()) == before


def test_info_says_how_bright_gaussians_are(files):
    splats = splatcodec.Splats([[5, 5]] * 3, [[2, 2]] * 3, [0] * 3, [[1.5], [-0.75], [0.25]], 10, 10)
    splatcodec.write(splats, files / "bright.gsi")
    found = json.loads(run("info", "bright.gsi", "--attributes", "--json", cwd=files).stdout)["overlap"]
    assert found["peak"] == pytest.approx(2.5, rel=0.1)
    assert found["above"] == pytest.approx(1 / 3)
    text = run("info", "bright.gsi", "--attributes", cwd=files).stdout.decode()
    assert "full scales at one pixel, 33.3% of the Gaussians above one" in text


def test_a_film_that_fails_costs_nothing_else(files):
    """The code and the history are written before it is drawn."""
    with patch.object(Painter, "draw", side_effect=OSError("no more ink")):
        options = ("--record", "fit.gif", "--history", "fit.csv")
        assert_fails(run("encode", "picture.png", "out.gsi", *ENCODE, *options, cwd=files), "fit.gif: no more ink")
    assert (files / "out.gsi").exists()
    assert (files / "fit.csv").exists()
    assert not (files / "fit.gif").exists()


def test_an_interrupt_while_the_film_is_drawn_spares_the_code(files):
    with patch.object(Painter, "draw", side_effect=KeyboardInterrupt):
        result = run("encode", "picture.png", "out.gsi", *ENCODE, "--record", "fit.gif", cwd=files)
    assert result.returncode == 130
    assert result.stderr == b"splatcodec: interrupted: fit.gif is not written, out.gsi is\n"
    assert (files / "out.gsi").exists()
    assert not (files / "fit.gif").exists()


def test_a_canvas_beyond_all_bounds_is_not_drawn(files):
    splats = splatcodec.Splats([[5, 5]], [[2, 2]], [0], [[1.0]], 65535, 65535)
    splatcodec.write(splats, files / "huge.gsi")
    assert_fails(run("plot", "huge.gsi", "-o", "out.png", cwd=files), "huge.gsi", "65535x65535", "over the limit")
    assert run("info", "huge.gsi", "--attributes", cwd=files).returncode == 0

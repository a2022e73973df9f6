"""`view`: what it writes, when it opens a browser, and what it refuses."""

import re
import tempfile
import webbrowser
from pathlib import Path
from unittest.mock import patch

import pytest
from PIL import Image

from .command import assert_fails, imports, run


@pytest.fixture
def browser(monkeypatch, tmp_path):
    """Addresses that a browser has been asked to open; temporary files are in the folder of the test."""
    addresses: list[str] = []
    monkeypatch.setenv("BROWSER", "a-browser")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with patch.object(webbrowser, "open", side_effect=lambda address: addresses.append(address) or True):
        yield addresses


def test_a_page_is_written_and_not_opened(files, browser):
    result = run("view", "picture.gsi", "-o", "page.html", "--reference", "picture.png", cwd=files)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert (files / "page.html").read_bytes().startswith(b"<!doctype html>")
    assert browser == []
    assert run("view", "picture.gsi", "-o", "page.html", "--open", "--overwrite", cwd=files).returncode == 0
    assert browser == [(files / "page.html").as_uri()]


@pytest.mark.parametrize("arguments", [["picture.gsi"], []])
def test_without_an_output_a_temporary_page_is_opened(files, browser, arguments):
    result = run("view", *arguments, cwd=files)
    path = Path(result.stdout.decode().strip())
    assert (result.returncode, result.stderr) == (0, b"")
    assert path.read_bytes().startswith(b"<!doctype html>")
    assert browser == [path.as_uri()]


def test_without_a_browser_the_path_is_printed(files, browser, monkeypatch):
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    result = run("view", "picture.gsi", cwd=files)
    path = result.stdout.decode().strip()
    assert result.returncode == 0
    assert result.stderr.decode() == f"splatcodec: no browser found to open {path} in\n"
    assert Path(path).exists()
    assert browser == []


def test_standard_streams(files):
    data = (files / "picture.gsi").read_bytes()
    result = run("view", "-", "-o", "-", "--reference", "picture.png", stdin=data, cwd=files)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.startswith(b"<!doctype html>")
    assert len(re.findall(b'<script type="text/plain">', result.stdout)) == 4


def test_what_is_wrong_is_said_and_nothing_written(files, browser):
    data = (files / "picture.gsi").read_bytes()
    (files / "damaged.gsi").write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    (files / "cut.gsi").write_bytes(data[:-1])
    (files / "kept.html").write_text("kept")
    Image.new("RGB", (3, 4)).save(files / "small.png")
    before = set(files.iterdir())
    for arguments, words in (
        (("picture.png",), ("picture.png", "not a .gsi file")),
        (("picture.gsi", "damaged.gsi"), ("damaged.gsi", "checksum mismatch")),
        (("cut.gsi", "-o", "out.html"), ("cut.gsi", "ends too early")),
        (("missing.gsi",), ("missing.gsi", "no such file")),
        (("picture.gsi", "-o", "out.txt"), ("out.txt", ".html or .htm")),
        (("picture.gsi", "-o", "kept.html"), ("kept.html", "--overwrite")),
        (("picture.gsi", "-o", "out.html", "--reference", "small.png"), ("small.png", "3x4")),
        (("picture.gsi", "--reference", "kept.html"), ("kept.html", "not an image file")),
    ):
        assert_fails(run("view", *arguments, cwd=files), *words)
    assert set(files.iterdir()) == before
    assert (files / "kept.html").read_text() == "kept"
    assert browser == []


@pytest.mark.parametrize(
    "arguments",
    [["-", "--reference", "-"], ["-", "-"], ["--reference", "picture.png"], ["picture.gsi", "-o", "-", "--open"]],
)
def test_wrong_usage(files, arguments):
    result = run("view", *arguments, cwd=files)
    assert result.returncode == 2
    assert result.stderr.count(b"\n") == 1


def test_several_files_share_a_canvas_where_there_is_an_original(files):
    import splatcodec

    splats = splatcodec.Splats([[5, 5]], [[2, 2]], [0], [[1.0]], 9, 8)
    splatcodec.write(splats, files / "other.gsi")
    assert run("view", "picture.gsi", "other.gsi", "-o", "two.html", cwd=files).returncode == 0
    result = run("view", "picture.gsi", "other.gsi", "-o", "out.html", "--reference", "picture.png", cwd=files)
    assert_fails(result, "other.gsi: the canvas is 8x9, but that of picture.gsi is 56x40")


def test_view_needs_no_compiler(files):
    assert not imports(["view", "picture.gsi", "-o", "out.html"], files) & {"numba", "torch", "scipy"}

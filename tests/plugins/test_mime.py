"""`python -m splatcodec.pil --install-mime`."""

import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from splatcodec import mime
from splatcodec.compress import profiles
from splatcodec.container import MAGIC, Header, pack
from splatcodec.pil import FORMAT


@pytest.fixture
def data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


def test_the_package_declares_what_pillow_declares(data_home, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert mime.main(["--install-mime"]) == 1
    path = data_home / "mime" / "packages" / "splatcodec.xml"
    namespace = {"m": "http://www.freedesktop.org/standards/shared-mime-info"}
    (declared,) = ElementTree.parse(path).getroot().findall("m:mime-type", namespace)
    assert declared.get("type") == Image.MIME[FORMAT]
    assert declared.find("m:glob", namespace).get("pattern") == "*.gsi"
    match = declared.find("m:magic/m:match", namespace)
    assert match.get("offset") == "0"
    assert match.get("value").encode().decode("unicode_escape").encode("latin-1") == MAGIC
    output = capsys.readouterr()
    assert output.out == f"{path}: written\n"
    expected = f"splatcodec: install shared-mime-info and run: update-mime-database {data_home / 'mime'}\n"
    assert output.err == expected


@pytest.mark.skipif(shutil.which("update-mime-database") is None, reason="needs update-mime-database")
def test_the_desktop_heeds_it(data_home):
    command = [sys.executable, "-m", "splatcodec.pil", "--install-mime"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stderr == ""
    assert b"image/x-gsi]\n>0=\x00\x04" + MAGIC in (data_home / "mime" / "magic").read_bytes()
    assert "image/x-gsi:*.gsi" in (data_home / "mime" / "globs2").read_text()


def test_a_failing_tool_is_named_in_one_line(data_home, tmp_path, monkeypatch, capsys):
    tool = tmp_path / "update-mime-database"
    tool.write_text("#!/bin/sh\necho one >&2\necho two >&2\nexit 1\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(shutil, "which", lambda name: str(tool))
    assert mime.main(["--install-mime"]) == 1
    assert capsys.readouterr().err == f"splatcodec: update-mime-database {data_home / 'mime'} failed: one two\n"


def test_an_unwritable_place_is_named_in_one_line(data_home, capsys):
    data_home.write_text("a file")
    assert mime.main(["--install-mime"]) == 1
    assert capsys.readouterr().err.startswith(f"splatcodec: {data_home}")


@pytest.mark.parametrize("relative", ["", "share"])
def test_relative_places_are_ignored(tmp_path, monkeypatch, relative):
    monkeypatch.setenv("XDG_DATA_HOME", relative)
    monkeypatch.setenv("HOME", str(tmp_path))
    path, _ = mime.install()
    assert path == tmp_path / ".local/share/mime/packages/splatcodec.xml"
    assert path.exists()


def test_nothing_is_written_unasked(data_home):
    with pytest.raises(SystemExit) as stop:
        mime.main([])
    assert stop.value.code == 2
    assert not data_home.exists()


@pytest.fixture
def magic(tmp_path):
    """The entry of docs/plugins.md, alone in a file."""
    text = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()
    path = tmp_path / "magic"
    path.write_text(re.search(r"```magic\n(.*?)```", text, re.DOTALL)[1])
    return path


def told(magic, *arguments) -> str:
    """What file(1) says."""
    command = ["file", "--brief", "-m", str(magic), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(shutil.which("file") is None, reason="needs file(1)")
def test_file_tells_what_the_header_says(magic, tmp_path):
    path = tmp_path / "picture"
    channels = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}
    for number, (count, named) in enumerate(channels.items()):
        profile = profiles.NAMES[number % len(profiles.NAMES)]
        header = Header(profiles.named(profile).number, count, 65535 - number, 300, 2**31 - 1, 16, minor=number)
        path.write_bytes(pack(header, []))
        assert told(magic, path) == (
            f"2D Gaussian splat image, version 1.{number}, {65535 - number} x 300, {named}, 16 bits a sample, "
            f"2147483647 Gaussians, profile {profile}"
        )
        assert told(magic, "--mime-type", path) == Image.MIME[FORMAT]
        assert told(magic, "--extension", path) == "gsi"
    path.write_bytes(MAGIC + bytes([9, 1]) + bytes(30))
    assert told(magic, path) == "2D Gaussian splat image, version 9.1"
    path.write_bytes(b"GSI")
    assert "Gaussian" not in told(magic, path)

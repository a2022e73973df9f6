"""Bad inputs, outputs that cannot be written or must be kept, and wrong usage: one line, and nothing is lost."""

import os

import pytest
from PIL import Image

import splatcodec

from .command import assert_fails, run


def bad_files(directory, encoded) -> dict[str, str]:
    """Paths of inputs that are no good, with a word that the message must hold."""
    (directory / "text.txt").write_text("hello")
    (directory / "empty").write_bytes(b"")
    (directory / "folder").mkdir()
    (directory / "truncated.gsi").write_bytes(encoded[:-20])
    flipped = bytearray(encoded)
    flipped[len(encoded) // 2] ^= 4
    (directory / "flipped.gsi").write_bytes(flipped)
    return {
        "missing": "no such file",
        "text.txt": "not a",
        "empty": "empty",
        "folder": "is a directory",
        "truncated.gsi": "",
        "flipped.gsi": "",
    }


def test_bad_inputs_fail_with_one_line_and_no_output(files, encoded):
    before = b"precious"
    for name, word in bad_files(files, encoded).items():
        (files / "out.png").write_bytes(before)
        commands = [
            ("decode", files / name, files / "out.png", "--overwrite"),
            ("info", files / name),
            ("eval", files / "picture.png", files / name),
            ("encode", files / name, files / "out.png", "-e", 1, "--overwrite"),
        ]
        for command in commands:
            # A damaged file is a picture of its own kind, and `info` tells what is left of it.
            if command[0] in ("encode", "info") and name.endswith(".gsi"):
                continue
            assert_fails(run(*command), name, word)
        assert (files / "out.png").read_bytes() == before
    assert not [path for path in files.iterdir() if path.name.startswith(".")]


def test_unwritable_outputs_fail_before_the_work(files):
    for output, word in (
        (files / "no" / "out.gsi", "no such file"),
        (files, "is a directory"),
        (files / "picture.png" / "out.gsi", "not a directory"),
    ):
        assert_fails(run("encode", files / "picture.png", output, "-e", 9), str(output), word)
    assert_fails(run("decode", files / "picture.gsi", files / "out.xyz"), "out.xyz", "extension")


def test_what_cannot_be_made_of_a_file_is_said_with_its_name(files):
    (files / "out.png").write_bytes(b"precious")
    for option, word in (
        (("--scale", "1e9"), "magnification"),
        (("--region", "0,0,1e300,1"), "below 1e+12"),
        (("--scale", 3000), "over the limit"),
    ):
        command = ["decode", files / "picture.gsi", files / "out.png", "--overwrite"]
        assert_fails(run(*command, *option), "picture.gsi", word)
    command = ["encode", files / "picture.png", files / "out.png", "--overwrite"]
    assert_fails(run(*command, "--target-size", 1), "picture.png", "1 bytes")
    assert_fails(run(*command, "--target-bpp", 1e-4), "picture.png", "0.0001 bpp cannot be met")
    assert (files / "out.png").read_bytes() == b"precious"


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_outputs_have_the_permissions_of_any_new_file(files):
    assert run("encode", files / "picture.png", files / "out.gsi", "-n", 5, "-e", 1, "--quiet").returncode == 0
    (files / "plain").touch()
    assert (files / "out.gsi").stat().st_mode == (files / "plain").stat().st_mode
    (files / "out.gsi").chmod(0o640)
    assert run("encode", files / "picture.png", files / "out.gsi", "-n", 5, "-e", 1, "--quiet").returncode == 0
    assert (files / "out.gsi").stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind root, or are not POSIX")
def test_read_only_outputs_are_kept(files):
    (files / "out.gsi").write_bytes(b"precious")
    (files / "out.gsi").chmod(0o400)
    assert_fails(run("encode", files / "picture.png", files / "out.gsi", "-e", 1), "permission denied")
    assert (files / "out.gsi").read_bytes() == b"precious"


def test_outputs_follow_links_and_spare_devices(files):
    (files / "link.gsi").symlink_to(files / "target.gsi")
    assert run("encode", files / "picture.png", files / "link.gsi", "-n", 5, "-e", 1, "--quiet").returncode == 0
    assert (files / "link.gsi").is_symlink()
    assert (files / "target.gsi").exists()
    if os.name == "posix":
        assert run("encode", files / "picture.png", os.devnull, "-n", 5, "-e", 1, "--quiet").returncode == 0
        assert not os.path.isfile(os.devnull)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["encode"],
        ["encode", "a", "b", "-n", "0"],
        ["encode", "a", "b", "-e", "10"],
        ["encode", "a", "-", "--json"],
        ["decode", "a", "b.png", "--scale", "2", "--width", "3"],
        ["decode", "a", "b.png", "--scale", "-1"],
        ["decode", "a", "b.png", "--region", "1,2,3"],
        ["decode", "a", "b.png", "--region", "0,0,0,1"],
        ["decode", "a", "b.png", "--region", "nan,0,1,1"],
        ["encode", "a", "b.gsi", "-n", "99999999999"],
        ["encode", "a", "b.gsi", "--background", "whitish"],
        ["encode", "a", "b.gsi", "--frame", "-1"],
        ["encode", "a", "b", "--seed", "-1"],
        ["eval", "-", "-"],
        ["encode", "a", "b", "--loss", "l7"],
        ["encode", "a", "b", "--tune", "ms-ssim"],
        ["encode", "a", "b", "--tune", "ssim", "--loss", "l1"],
        ["encode", "a", "b", "--loss", "l1+ssim:1.5"],
        ["encode", "-", "b", "--weights", "-"],
        ["encode", "a", "b", "--max-seconds", "0"],
    ],
)
def test_wrong_usage_exits_with_two(arguments, tmp_path):
    assert run(*arguments, cwd=tmp_path).returncode == 2


@pytest.mark.parametrize("command", ["encode", "decode", "compare"])
def test_no_command_writes_to_its_input(files, command):
    name = "picture.gsi" if command == "decode" else "picture.png"
    before = (files / name).read_bytes()
    result = run(command, files / name, files / name)
    assert result.returncode == 2
    assert result.stderr.startswith(f"splatcodec {command}: IN and OUT are the same file".encode())
    assert (files / name).read_bytes() == before


def test_encode_replaces_nothing_but_gsi_files(files):
    """A second picture that `*.png` stood for, for example."""
    Image.new("RGB", (8, 8)).save(files / "second.png")
    before = (files / "second.png").read_bytes()
    command = ["encode", files / "picture.png", files / "second.png", "-n", 5, "-e", 1]
    assert_fails(run(*command), "second.png", "exists and is no .gsi file")
    assert (files / "second.png").read_bytes() == before
    assert run(*command, "--overwrite").returncode == 0
    assert len(splatcodec.read(files / "second.png")) <= 5
    assert run(*command).returncode == 0
    (files / "empty").touch()
    assert run("encode", files / "picture.png", files / "empty", "-n", 5, "-e", 1).returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device without room")
def test_a_full_disk_is_named(files):
    assert_fails(run("decode", files / "picture.gsi", "/dev/full"), "/dev/full", "extension")
    (files / "full.png").symlink_to("/dev/full")
    assert_fails(run("decode", files / "picture.gsi", files / "full.png"), "full.png", "no space left on device")


def test_wrong_usage_is_explained_in_one_line():
    result = run("encode", "a")
    assert result.returncode == 2
    assert result.stderr.count(b"\n") == 1
    assert b"OUT" in result.stderr


def test_a_mask_is_not_overwritten_with_the_code(files):
    Image.new("L", (56, 40), 200).save(files / "mask.png")
    command = ["encode", files / "picture.png", files / "mask.png", "--weights", files / "mask.png", "-e", 1]
    assert run(*command).returncode == 2
    assert Image.open(files / "mask.png").size == (56, 40)


def test_decode_replaces_no_picture_unasked(files):
    Image.new("L", (3, 2)).save(files / "mine.png")
    before = (files / "mine.png").read_bytes()
    assert_fails(run("decode", "picture.gsi", "mine.png", cwd=files), "mine.png", "--overwrite")
    assert (files / "mine.png").read_bytes() == before
    assert run("decode", "picture.gsi", "mine.png", "--overwrite", cwd=files).returncode == 0
    assert Image.open(files / "mine.png").size == (56, 40)

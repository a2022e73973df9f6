"""The command line as a user meets it: exit codes, standard streams and, where they are the point, processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image

import splatcodec
from splatcodec.cli.main import main
from splatcodec.cli.options import TERMINATION


def run(*arguments, stdin: bytes = b"", cwd=".") -> subprocess.CompletedProcess:
    """Run a command in this process, with files for its standard streams."""
    words = [str(argument) for argument in arguments]
    handlers = {number: signal.getsignal(number) for number in TERMINATION}
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(contextlib.chdir(cwd))
        files = []
        for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
            files.append(stack.enter_context(tempfile.TemporaryFile()))
            stream = stack.enter_context(os.fdopen(os.dup(files[-1].fileno()), mode))
            stack.enter_context(patch.object(sys, name, stream))
        files[0].write(stdin)
        files[0].seek(0)
        try:
            code = main(words)
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        for file in files:
            file.seek(0)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        return subprocess.CompletedProcess(words, code, files[1].read(), files[2].read())


def assert_fails(result: subprocess.CompletedProcess, *words: str) -> None:
    """Exit code 1, nothing on stdout and exactly one line on stderr, which holds the words."""
    message = result.stderr.decode()
    assert result.returncode == 1, message
    assert result.stdout == b""
    assert message.count("\n") == 1
    assert message.startswith("splatcodec: ")
    for word in words:
        assert word in message


@pytest.fixture
def files(tmp_path, picture, encoded):
    Image.fromarray(picture).save(tmp_path / "picture.png")
    (tmp_path / "picture.gsi").write_bytes(encoded)
    return tmp_path


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


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_progress_is_shown_on_a_terminal(files):
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, 120))
    command = [sys.executable, "-m", "splatcodec", "encode", "picture.png", "out.gsi", "-n", "300", "-e", "6"]
    process = subprocess.Popen(command, cwd=files, stderr=theirs)
    os.close(theirs)
    shown = b""
    # Linux reports the end of a pseudo-terminal as an input error.
    with contextlib.suppress(OSError):
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert b"%|" in shown
    assert b" left, " in shown
    assert b" dB" in shown


def test_info_shows_header_and_chunks(files):
    text = run("info", files / "picture.gsi").stdout.decode()
    assert "56 x 40" in text
    assert "COLR" in text
    values = json.loads(run("info", files / "picture.gsi", "--json").stdout)
    assert values["n_gaussians"] == 60
    assert values["chunks"]["MEAN"] == 60 * 4
    assert values["bytes"] == (files / "picture.gsi").stat().st_size


def test_eval_scores_any_picture(files):
    values = json.loads(run("eval", files / "picture.png", files / "picture.gsi", "--json").stdout)
    assert values["psnr"] > 25
    assert values["ms_ssim"] is None
    same = run("eval", files / "picture.png", files / "picture.png")
    assert b"PSNR           inf dB" in same.stdout
    assert json.loads(run("eval", files / "picture.png", files / "picture.png", "--json").stdout)["psnr"] is None


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
            ("decode", files / name, files / "out.png"),
            ("info", files / name),
            ("eval", files / "picture.png", files / name),
            ("encode", files / name, files / "out.png", "-e", 1, "--overwrite"),
        ]
        for command in commands:
            if command[0] == "encode" and name.endswith(".gsi"):
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
        (("--region", "0,0,0,10"), "positive width"),
        (("--region", "0,0,1e300,1"), "below 1e+12"),
        (("--scale", 3000), "over the limit"),
    ):
        assert_fails(run("decode", files / "picture.gsi", files / "out.png", *option), "picture.gsi", word)
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


def test_a_reader_that_leaves_is_no_error_of_ours(files):
    command = [sys.executable, "-m", "splatcodec", "decode", "picture.gsi", "-", "--width", "3000"]
    process = subprocess.Popen(command, cwd=files, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(4)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=30) == 1


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


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_an_interrupt_leaves_nothing_behind(files):
    assert_stops(files, signal.SIGINT, 130, b"splatcodec: interrupted\n")


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_an_interrupt_can_keep_what_has_been_fitted(files):
    command = [sys.executable, "-m", "splatcodec", "encode", "picture.png", "out.gsi", "-n", "400", "-e", "9"]
    process = subprocess.Popen([*command, "--on-interrupt", "keep"], cwd=files, stderr=subprocess.PIPE)
    before = set(files.iterdir())
    while set(files.iterdir()) == before and process.poll() is None:
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 0
    assert message.startswith(b"splatcodec: interrupted, kept what had been fitted\nout.gsi: 56x40, ")
    assert 1 <= len(splatcodec.read(files / "out.gsi")) <= 400


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


def assert_stops(files, number: int, exit_code: int, last_words: bytes) -> None:
    """A signal during an encode ends it, keeps what was there and leaves nothing new."""
    (files / "out.gsi").write_bytes(b"precious")
    command = [sys.executable, "-m", "splatcodec", "encode", "picture.png", "out.gsi", "-n", "400", "-e", "9"]
    command.append("--overwrite")
    # Whoever runs the tests may ignore the signal, as nohup does.
    inherited = signal.signal(number, signal.SIG_DFL)
    process = subprocess.Popen(command, cwd=files, stderr=subprocess.PIPE)
    signal.signal(number, inherited)
    before = set(files.iterdir())
    while set(files.iterdir()) == before and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    _, message = process.communicate(timeout=30)
    assert process.returncode == exit_code
    assert message == last_words
    assert (files / "out.gsi").read_bytes() == b"precious"
    assert set(files.iterdir()) == before


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


@pytest.mark.parametrize("command", [[], ["encode"], ["decode"], ["info"], ["eval"]])
def test_help_exists(command):
    result = run(*command, "--help")
    assert result.returncode == 0
    assert b"usage: splatcodec" in result.stdout


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


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_bytes_are_not_written_to_a_terminal(files):
    import pty

    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "splatcodec", "decode", "picture.gsi", "-"]
    result = subprocess.run(command, cwd=files, stdout=follower, stderr=subprocess.PIPE, check=False)
    os.close(follower)
    os.close(leader)
    assert result.returncode == 1
    assert b"standard output is a terminal" in result.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device without room")
def test_a_full_disk_is_named(files):
    assert_fails(run("decode", files / "picture.gsi", "/dev/full"), "/dev/full", "extension")
    (files / "full.png").symlink_to("/dev/full")
    assert_fails(run("decode", files / "picture.gsi", files / "full.png"), "full.png", "no space left on device")


def test_pictures_are_written_at_a_high_quality(files):
    sizes = []
    for options in ((), ("--output-quality", 100), ("--output-quality", 40)):
        assert run("decode", files / "picture.gsi", files / "out.jpg", *options).returncode == 0
        sizes.append((files / "out.jpg").stat().st_size)
    assert sizes[1] > sizes[0] > sizes[2]
    assert_fails(run("decode", files / "picture.gsi", files / "out.png", "--output-quality", 90), "PNG has no quality")
    assert_fails(run("decode", files / "picture.gsi", files / "out.ico", "--width", 300), "ICO cannot hold")


def test_wrong_usage_is_explained_in_one_line():
    result = run("encode", "a")
    assert result.returncode == 2
    assert result.stderr.count(b"\n") == 1
    assert b"OUT" in result.stderr


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


def test_a_mask_is_not_overwritten_with_the_code(files):
    Image.new("L", (56, 40), 200).save(files / "mask.png")
    command = ["encode", files / "picture.png", files / "mask.png", "--weights", files / "mask.png", "-e", 1]
    assert run(*command).returncode == 2
    assert Image.open(files / "mask.png").size == (56, 40)


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-"])
def test_closed_streams_are_no_traceback(files, redirection):
    for command in ("info -", "decode picture.gsi -", "encode picture.png out.gsi -n 5 -e 1"):
        line = f"{sys.executable} -m splatcodec {command} {redirection}"
        result = subprocess.run(line, shell=True, cwd=files, capture_output=True, input=b"", check=False)
        assert b"Traceback" not in result.stderr
    assert (files / "out.gsi").exists()


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_termination_leaves_nothing_behind(files, name):
    number = getattr(signal, name)
    assert_stops(files, number, 128 + number, b"")


def test_version():
    for option in ("--version", "-V"):
        assert run(option).stdout.startswith(b"splatcodec 0.")


def imports(arguments: list[str], directory) -> set[str]:
    """Modules that a command has imported when it is done."""
    script = f"import sys; from splatcodec.cli.main import main; main({arguments!r}); print(*sys.modules)"
    command = [sys.executable, "-c", script]
    return set(subprocess.run(command, cwd=directory, capture_output=True, check=True).stdout.decode().split())


@pytest.mark.parametrize("command", ["decode", "encode"])
def test_torch_is_not_imported(files, command):
    arguments = {
        "decode": ["decode", "picture.gsi", "out.png"],
        "encode": ["encode", "picture.png", "out.gsi", "-n", "5", "-e", "1", "--quiet"],
    }[command]
    assert "torch" not in imports(arguments, files)


def test_info_needs_no_compiler(files):
    assert imports(["info", "picture.gsi"], files).isdisjoint({"numba", "scipy", "torch"})

import math
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from PIL import Image

import splatcodec
from splatcodec import rd
from splatcodec.errors import ImageError, ResultsError
from splatcodec.metrics import ms_ssim, psnr, psnr_y, ssim
from splatkernels import get_num_threads, set_num_threads

from .conftest import Rounding


class Remembering(Rounding):
    """Would decode from memory, if it could."""

    name = "remembering"
    qualities = (4,)
    kept = None

    def encode(self, image, quality):
        Remembering.kept = image
        return super().encode(image, quality)

    def decode(self, data):
        return super().decode(data) if Remembering.kept is None else Remembering.kept


def test_rows_hold_what_the_files_are_worth(results, pictures):
    row = next(row for row in results.rows if (row.picture, row.codec, row.quality) == ("two", "rounding", 4))
    expected = pictures["two"] >> 4 << 4
    data = Rounding().encode(pictures["two"], 4)
    assert row.bytes == len(data)
    assert row.bpp == pytest.approx(8 * len(data) / (40 * 48))
    assert row.psnr == pytest.approx(psnr(pictures["two"], expected))
    assert row.psnr_y == pytest.approx(psnr_y(pictures["two"], expected))
    assert row.ssim == pytest.approx(ssim(pictures["two"], expected))
    assert row.ms_ssim is ms_ssim(pictures["two"], expected) is None
    assert row.version == "1"
    assert row.encode_seconds > 0
    assert row.decode_seconds > 0
    assert (row.width, row.height) == (48, 40)
    assert len(results.rows) == 12
    assert results.codecs == ["rounding", "jpeg"]
    assert results.pictures == ["one", "two"]
    assert results.runs[0]["machine"]


def test_files_are_decoded_where_they_were_not_encoded(pictures):
    (row,) = rd.sweep({"one": pictures["one"]}, [Remembering()]).rows
    assert row.psnr == pytest.approx(psnr(pictures["one"], pictures["one"] >> 4 << 4))


def test_lossless_files_have_no_psnr(pictures):
    (row,) = rd.sweep({"one": pictures["one"]}, [Rounding()], {"rounding": [8]}).rows
    assert row.psnr is None
    assert row.ssim == pytest.approx(1)
    assert row.error is None


def test_our_own_codec_is_measured_as_it_encodes(picture):
    (row,) = rd.sweep({"one": picture}, [rd.Gsi(effort=2)], {"gsi-adaptive": [60]}).rows
    data = splatcodec.encode(picture, quality=60, effort=2)
    assert row.bytes == len(data)
    assert row.psnr == pytest.approx(splatcodec.evaluate(picture, data).psnr)


def test_failures_are_rows_and_the_rest_goes_on(pictures, tmp_path):
    codec = Rounding({2: "raise", 3: "die", 5: "shape"})
    results = rd.sweep(pictures, [codec], {"rounding": [2, 3, 4, 5, 6]}, directory=tmp_path, jobs=2)
    errors = {row.quality: row.error for row in results.rows if row.picture == "one"}
    assert errors[2] == "encode: RuntimeError: no memory for this"
    assert errors[3] == "encode: the process died of EXIT(3)"
    assert "is 48x39 pixels" in errors[5]
    assert errors[4] is errors[6] is None
    assert len(results.mean_curve("rounding").bpp) == 2


def test_nothing_is_measured_twice(pictures, tmp_path):
    first = rd.sweep(pictures, [Rounding({4: "raise"})], directory=tmp_path)
    measured = []
    more = {"three": 255 - pictures["one"], **pictures}
    second = rd.sweep(
        more,
        [Rounding()],
        directory=tmp_path,
        resume=True,
        about={"commit": "abc"},
        callback=lambda progress: measured.append(progress.row),
    )
    assert sorted((row.picture, row.quality) for row in measured) == [
        ("one", 4), ("three", 2), ("three", 4), ("three", 6), ("two", 4),
    ]  # fmt: skip
    assert second.failures == []
    assert set(first.rows) - set(first.failures) <= set(second.rows)
    assert len(second.runs) == 2


def test_other_pictures_versions_and_lost_files_are_measured_again(pictures, tmp_path):
    rd.sweep(pictures, [Rounding()], directory=tmp_path)

    def again(images, codec) -> int:
        rows = []
        rd.sweep(images, [codec], directory=tmp_path, resume=True, callback=lambda progress: rows.append(progress.row))
        return len(rows)

    assert again(pictures, Rounding()) == 0
    assert again(pictures | {"two": pictures["two"] // 2}, Rounding()) == 3
    newer = Rounding()
    newer.version = "2"
    assert again(pictures, newer) == 6
    next((tmp_path / "files").glob("one-*")).unlink()
    assert again(pictures, newer) == 1


def test_a_damaged_row_is_measured_again(pictures, tmp_path):
    whole = rd.sweep(pictures, [Rounding()], directory=tmp_path)
    journal = tmp_path / "rows.jsonl"
    lines = journal.read_text().splitlines()
    damaged = [*lines[:2], lines[2].replace('"psnr": ', '"psnr": 1'), *lines[3:-1], lines[-1][:50]]
    journal.write_text("\n".join(damaged))
    with pytest.warns(UserWarning, match=r"line [37] is damaged") as caught:
        again = rd.sweep(pictures, [Rounding()], directory=tmp_path, resume=True)
    assert len(caught) == 2
    assert [(row.key, row.psnr) for row in again.rows] == [(row.key, row.psnr) for row in whole.rows]


def test_similar_names_and_settings_have_files_of_their_own(pictures, tmp_path):
    images = {"a/b": pictures["one"], "a_b": pictures["two"]}
    results = rd.sweep(images, [Rounding()], {"rounding": [4, 4.00000001]}, directory=tmp_path, jobs=2)
    assert len(list((tmp_path / "files").iterdir())) == 4
    for row in results.rows:
        assert row.psnr == pytest.approx(psnr(images[row.picture], images[row.picture] >> 4 << 4))


def test_lines_of_another_kind_are_dropped(pictures, tmp_path):
    lines = ["[" * 100_000, "5", "null", '"run"', '{"run": 3}', '{"picture": "one"}', "\x00\x00", ""]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    with pytest.warns(UserWarning, match=r"line \d is damaged") as caught:
        results = rd.sweep({"one": pictures["one"]}, [Rounding()], {"rounding": [4]}, directory=tmp_path, resume=True)
    assert len(caught) == len(lines) - 1
    assert results.failures == []


def test_a_file_of_equal_size_but_other_content_is_made_again(pictures, tmp_path):
    rd.sweep(pictures, [Rounding()], directory=tmp_path)
    path = next((tmp_path / "files").iterdir())
    path.write_bytes(bytes(path.stat().st_size))
    rows = []
    rd.sweep(
        pictures, [Rounding()], directory=tmp_path, resume=True, callback=lambda progress: rows.append(progress.row)
    )
    assert len(rows) == 1


def test_a_journal_without_damage_is_left_alone(pictures, tmp_path):
    rd.sweep(pictures, [Rounding()], directory=tmp_path)
    before = (tmp_path / "rows.jsonl").stat()
    rd.sweep(pictures, [Rounding()], directory=tmp_path, resume=True)
    after = (tmp_path / "rows.jsonl").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


class Slow(Rounding):
    """Takes its time when a process calls it first."""

    name = "slow"
    qualities = (4,)
    calls = 0

    def encode(self, image, quality):
        Slow.calls += 1
        if Slow.calls == 1:
            time.sleep(0.5)
        return super().encode(image, quality)


def test_the_first_call_of_a_process_is_not_timed(pictures):
    (row,) = rd.sweep({"one": pictures["one"]}, [Slow()]).rows
    assert row.encode_seconds < 0.25


class Threaded(Rounding):
    """Fails unless it may use three threads."""

    name = "threaded"
    qualities = (4,)

    def encode(self, image, quality):
        assert get_num_threads() == 3
        return super().encode(image, quality)


def test_processes_share_the_threads_of_the_user(pictures):
    before = get_num_threads()
    set_num_threads(7)
    try:
        results = rd.sweep({"one": pictures["one"]}, [Threaded()], jobs=2)
    finally:
        set_num_threads(before)
    assert not results.failures


class Odd(Rounding):
    """Hands out what is no picture and no file."""

    name = "odd"
    qualities = (1, 2, 3, 4)

    def encode(self, image, quality):
        if quality == 4:
            sys.exit("no more")
        return np.zeros(3) if quality == 1 else bytes([int(quality)])

    def decode(self, data):
        return [1, 2] if data == b"\2" else np.zeros((40, 48, 3))


def test_what_is_no_file_or_no_picture_is_a_failure(pictures):
    errors = [row.error for row in rd.sweep({"one": pictures["one"]}, [Odd()]).rows]
    assert errors == [
        "encode: TypeError: expected bytes, got ndarray",
        "decode: TypeError: expected an array of uint8, got list",
        "decode: TypeError: expected an array of uint8, got float64",
        "encode: SystemExit: no more",
    ]


def test_a_codec_that_cannot_travel_is_a_failure(pictures):
    codec = Rounding()
    codec.lock = threading.Lock()
    (row, *_) = rd.sweep({"one": pictures["one"]}, [codec]).rows
    assert row.error


@pytest.mark.parametrize("name", ["webp", "avif"])
def test_grey_pictures_may_come_back_in_colour(pictures, name):
    (row,) = rd.sweep({"grey": pictures["one"][:, :, 0]}, [name], {name: [90]}).rows
    assert row.psnr > 35


def test_results_are_not_overwritten(pictures, tmp_path):
    rd.sweep(pictures, [Rounding()], directory=tmp_path)
    with pytest.raises(ResultsError, match="holds results already"):
        rd.sweep(pictures, [Rounding()], directory=tmp_path)


def test_files_of_equal_names_are_told_apart(pictures, tmp_path):
    paths = [tmp_path / folder / "one.png" for folder in "ab"]
    for path, pixels in zip(paths, pictures.values(), strict=True):
        path.parent.mkdir()
        Image.fromarray(pixels).save(path)
    results = rd.sweep(paths, [Rounding()], directory=tmp_path / "out")
    assert results.pictures == [str(path) for path in paths]
    assert len(list((tmp_path / "out" / "files").iterdir())) == 6
    with pytest.raises(ValueError, match="two pictures are called"):
        rd.sweep([paths[0], paths[0]], [Rounding()])


def test_pictures_are_read_before_anything_is_measured(tmp_path, pictures):
    (tmp_path / "bad.png").write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"bad\.png"):
        rd.sweep([pictures["one"], tmp_path / "bad.png"], [Rounding({2: "die"})])


@pytest.mark.parametrize(
    "options",
    [
        {"jobs": 0},
        {"resume": True},
        {"qualities": {"mpeg": [1]}},
        {"qualities": {"rounding": [math.nan]}},
        {"codecs": []},
        {"images": []},
        {"images": "one.png"},
        {"qualities": {"rounding": []}},
        {"codecs": [Rounding(), Rounding()]},
        {"codecs": ["mpeg"]},
    ],
)
def test_senseless_arguments_are_refused(pictures, options):
    with pytest.raises(ValueError, match=r"jobs|resume|qualities|two codecs|no codecs|unknown|images"):
        rd.sweep(**({"images": pictures, "codecs": [Rounding()]} | options))


def test_progress_counts_to_the_end(pictures):
    steps = []
    rd.sweep(pictures, [Rounding()], callback=steps.append)
    assert [step.done for step in steps] == [1, 2, 3, 4, 5, 6]
    assert steps[-1].total == 6
    assert steps[-1].seconds_left == 0
    assert all(step.seconds_left > 0 for step in steps[:-1])


def test_a_killed_run_resumes(tmp_path, pictures):
    """A codec of a script's own, as in the documentation, and a process that is killed without notice."""
    np.save(tmp_path / "picture.npy", pictures["one"])
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import time, zlib
        import numpy as np
        from splatcodec import rd

        class Slow(rd.Codec):
            name = "slow"
            qualities = tuple(range(12))

            def encode(self, image, quality):
                time.sleep(0.2)
                return bytes(image.shape) + image.tobytes()

            def decode(self, data):
                return np.frombuffer(data[3:], np.uint8).reshape(tuple(data[:3]))

        pictures = {"one": np.load("picture.npy")}
        show = lambda progress: print(progress.row.quality, flush=True)
        rd.sweep(pictures, [Slow()], directory="out", resume=True, callback=show)
        """)
    )
    command = [sys.executable, script.name]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    before = [process.stdout.readline() for _ in range(3)]
    process.kill()
    # Its processes hold the pipe open until they notice.
    before += process.communicate(timeout=60)[0].splitlines(keepends=True)
    after = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120).stdout
    assert {float(line) for line in before} | {float(line) for line in after.splitlines()} == set(range(12))
    assert set(before).isdisjoint(after.splitlines(keepends=True))

"""What a file may ask for is limited, and whoever reads it may change the limits."""

from collections.abc import Callable

import numpy as np
import pytest

import splatcodec
from splatcodec import GsiError
from splatcodec.compress.half import _varints
from splatcodec.container import Reader, varint
from splatcodec.decoder import decode_picture, read_document
from splatcodec.limits import DEFAULT_MAX_GAUSSIANS, DEFAULT_MAX_PIXELS

from ..cli.command import assert_fails, run
from .parts import Parts, valid

FILES = {(parts["profile"], parts["channels"]): parts for parts in valid() if parts["n_gaussians"] == 37}
READERS = (splatcodec.read, read_document, splatcodec.decode, decode_picture)


def more_opacity_than_colors() -> bytes:
    """A file with one Gaussian for the colours and 18 for the opacity."""
    many, one = FILES[0, 2], next(p for p in valid() if (p["profile"], p["channels"], p["n_gaussians"]) == (0, 1, 1))
    at = [tag for tag, _ in many.chunks].index(b"ALPH")
    one = one.with_field("width", many["width"]).with_field("height", many["height"]).with_field("channels", 2)
    cells = -(-many["width"] // 64) * -(-many["height"] // 64)
    one = one.with_payload(0, b"\1" + bytes(cells - 1))
    return Parts(one.fields, one.chunks + many.chunks[at : at + 6]).pack()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("parts", FILES.values())
def test_files_of_too_many_gaussians_are_refused(reader, parts):
    data = parts.pack()
    reader(data, max_gaussians=37)
    with pytest.raises(GsiError, match=r"37 Gaussians are over the limit of 36 \(max_gaussians\)"):
        reader(data, max_gaussians=36)


@pytest.mark.parametrize("reader", READERS)
def test_gaussians_of_the_opacity_are_limited_too(reader):
    data = more_opacity_than_colors()
    reader(data, max_gaussians=18)
    with pytest.raises(GsiError, match=r"18 Gaussians are over the limit of 17"):
        reader(data, max_gaussians=17)


@pytest.mark.parametrize("decode", [splatcodec.decode, decode_picture])
def test_outputs_of_too_many_pixels_are_refused(decode):
    data = FILES[1, 4].pack()
    for size in ({"width": 30, "height": 20}, {"scale": 2, "region": (5, 5, 15, 10)}):
        decode(data, **size, max_pixels=600)
        with pytest.raises(ValueError, match=r"an output of 30x20 pixels is over the limit of 599 \(max_pixels\)"):
            decode(data, **size, max_pixels=599)


def test_the_size_of_a_canvas_alone_is_no_fault():
    """Reading makes no pixels; decoding at a small size few."""
    parts = FILES[1, 3].with_field("width", 65535).with_field("height", 65535)
    parts = parts.with_payload(0, varint(0)).with_field("n_gaussians", 0)
    assert splatcodec.read(parts.pack()).width == 65535
    assert splatcodec.decode(parts.pack(), width=100).shape == (100, 100, 3)
    with pytest.raises(ValueError, match=f"65535x65535 pixels is over the limit of {DEFAULT_MAX_PIXELS}"):
        splatcodec.decode(parts.pack())


@pytest.mark.parametrize("profile", range(3))
def test_forged_counts_are_refused_before_there_is_memory_for_them(profile):
    """Also where limits are lifted: a Gaussian takes some of the file."""
    parts = FILES[profile, 3].with_field("n_gaussians", 2**31 - 1)
    with pytest.raises(GsiError, match=f"2147483647 Gaussians are over the limit of {DEFAULT_MAX_GAUSSIANS}"):
        splatcodec.read(parts.pack())
    with pytest.raises(GsiError, match=r"byte \d+"):
        splatcodec.read(parts.pack(), max_gaussians=2**31 - 1)


def test_commands_have_the_limits(tmp_path):
    (tmp_path / "a.gsi").write_bytes(FILES[1, 3].pack())
    picture = splatcodec.decode(tmp_path / "a.gsi")
    height, width, _ = picture.shape
    assert run("decode", "a.gsi", "a.png", "--max-pixels", height * width, cwd=tmp_path).returncode == 0
    outputs = {"decode": ["b.png"], "plot": ["-o", "sheet.png"]}
    for command, rest in outputs.items():
        result = run(command, "a.gsi", *rest, "--max-pixels", height * width - 1, cwd=tmp_path)
        assert_fails(result, "a.gsi", f"{width}x{height} pixels is over the limit")
    for command, *words in (
        *([command, "a.gsi", *rest] for command, rest in outputs.items()),
        ["export", "a.gsi", "a.json"],
        ["eval", "a.png", "a.gsi"],
    ):
        result = run(command, *words, "--max-gaussians", 36, cwd=tmp_path)
        assert_fails(result, "a.gsi", "37 Gaussians are over the limit of 36")
    result = run("info", "a.gsi", "--attributes", "--max-gaussians", 36, cwd=tmp_path)
    assert result.returncode == 1
    assert b"37 Gaussians are over the limit of 36" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gsi", "a.png"]


def outcome(read: Callable[[Reader], list[int]], reader: Reader) -> tuple[list[int], int] | str:
    """What is read and where that ends, or the error."""
    try:
        return read(reader), reader.position
    except GsiError as error:
        return str(error)


@pytest.mark.parametrize("count", [1, 2, 127, 128, 1000])
def test_counts_of_cells_are_read_as_one_by_one(count):
    """Varints of every length, or damaged: all at once and one after the other they say the same."""
    rng = np.random.default_rng(count)
    for _ in range(100):
        values = np.exp(rng.uniform(0, np.log(2**35 - 1), count)).astype(np.int64)
        data = b"".join(varint(int(value)) for value in values) + rng.bytes(3)
        if rng.random() < 0.5:
            place = int(rng.integers(len(data)))
            data = data[:place] + rng.bytes(1) + data[place + 1 :]
        one, other = Reader(data, "file", 7), Reader(data, "file", 7)
        found = outcome(lambda reader: [reader.varint("CELL") for _ in range(count)], one)
        assert outcome(lambda reader, data=data: _varints(reader, data, count, "CELL").tolist(), other) == found


def test_no_chunk_is_believed_to_be_longer_than_the_file():
    data = Parts(FILES[0, 3].fields, ((b"CELL", b""),), ((0, varint(2**35 - 1)),)).pack()
    with pytest.raises(GsiError, match="the file ends too early"):
        splatcodec.read(data)

"""The codec and the decoder of the specification read the same from every file, and refuse the same."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from zlib import crc32

import numpy as np
import pytest

from splatcodec import document
from splatcodec.compress import adaptive
from splatcodec.container import HEADER_SIZE, Chunk, Layer, pack, unpack, varint
from splatcodec.document import Coded, to_bytes
from splatcodec.errors import GsiError

from . import decoder
from .comparison import assert_same
from .generate import METADATA, Case, adaptive_chunks, file
from .reading import DamagedError

ROOT = Path(__file__).parents[2]
CANVASES = ((1, 1), (17, 33), (100, 80), (65, 300), (1, 600))
COUNTS = (0, 1, 2, 3, 16, 17, 33, 140)


def cases() -> Iterator[Case]:
    """Every profile and kind of picture with every number of Gaussians, on canvases in turn."""
    number = 0
    for profile in ("half", "adaptive", "vq"):
        for channels in (1, 2, 3, 4):
            for count in COUNTS:
                number += 1
                yield Case(profile, channels, *CANVASES[number % len(CANVASES)], count)


@pytest.mark.parametrize("profile", ["half", "adaptive", "vq"])
def test_random_files_are_read_alike(profile):
    for case in cases():
        if case.profile == profile:
            found = assert_same(file(case, metadata=METADATA))
            assert found.ancillary["iccp"] == METADATA.icc


def test_frequencies_are_halved_alike():
    """Those of a row add up to 2^16 after 640 symbols."""
    assert_same(file(Case("vq", 1, 100, 80, 2000)))
    assert_same(file(Case("adaptive", 3, 512, 512, 3000)))


@pytest.mark.parametrize("count", [0, 1, 2, 33, 150])
@pytest.mark.parametrize("side", [300, 65535])
@pytest.mark.parametrize("channels", [1, 3])
def test_extreme_values_neither_overflow_nor_break(count, side, channels):
    """As a forged file may hold them: the largest colours in any class, the longest Gaussians, places far apart."""
    layer = Layer(channels, side, side, count)
    chunks = adaptive_chunks(np.random.default_rng(count), layer, extreme=True)
    assert_same(to_bytes(adaptive.PROFILE.number, Coded(layer, chunks), None))


@pytest.mark.parametrize("case", [Case("half", 4, 17, 33, 4), Case("adaptive", 3, 17, 33, 4), Case("vq", 2, 5, 4, 4)])
def test_samples_are_those_of_the_formula(case):
    data = file(case)
    pixels = document.from_bytes(data, "file").render().pixels(16).reshape(case.height, case.width, -1)
    found = decoder.decode(data)
    for row, column in ((0, 0), (case.height - 1, case.width // 2), (case.height // 2, case.width - 1)):
        np.testing.assert_allclose(pixels[row, column], found.pixel(column, row, 16), atol=4)


SMALL = [Case("half", 2, 5, 4, 2), Case("adaptive", 3, 5, 4, 3), Case("adaptive", 2, 5, 4, 4), Case("vq", 3, 5, 4, 2)]


def agree(data: bytes) -> bool:
    """Whether both decoders read a file, and then the same; fails unless both read or both refuse it."""
    try:
        decoder.decode(data)
    except DamagedError:
        with pytest.raises(GsiError):
            document.from_bytes(data, "file")
        return False
    assert_same(data)
    return True


@pytest.mark.parametrize("case", SMALL)
def test_whatever_is_cut_off_or_changed_is_refused(case):
    data = file(case)
    assert agree(data)
    assert not any(agree(data[:length]) for length in range(len(data)))
    assert not agree(data + b"\0")
    rng = np.random.default_rng(0)
    for at in range(len(data)):
        assert not agree(changed(data, at, rng))


@pytest.mark.parametrize("case", SMALL)
def test_what_is_changed_under_fitting_checksums_is_read_alike_or_refused_by_both(case):
    data, rng = file(case, metadata=METADATA), np.random.default_rng(1)
    read = sum(agree(repaired(changed(data, at, rng), data)) for at in range(len(data)) for _ in range(3))
    # Both happen: names of ancillary chunks and numbers change, counts and symbols break.
    assert 0 < read < 3 * len(data)


def changed(data: bytes, at: int, rng: np.random.Generator) -> bytes:
    """A file with another byte, as often by one bit as by any."""
    flip = 1 << int(rng.integers(8)) if rng.random() < 0.5 else int(rng.integers(1, 256))
    return data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]


def repaired(data: bytes, original: bytes) -> bytes:
    """A file with checksums that fit wherever the original has some."""
    parts = [data[: HEADER_SIZE - 4]]
    parts.append(crc32(parts[0]).to_bytes(4, "little"))
    at = HEADER_SIZE
    for chunk in unpack(original, "file")[1]:
        end = chunk.offset + len(chunk.payload)
        parts += [data[at:end], crc32(data[at:end]).to_bytes(4, "little")]
        at = end + 4
    return b"".join(parts)


PAIR = Case("half", 4, 5, 4, 2)
# Of what `PAIR` and `METADATA` give: five chunks of colours, ALPH, five of the alpha layer, iccp, exif, xmpp.
ORDERS = {
    "as written": lambda chunks: chunks,
    "metadata first": lambda chunks: [*chunks[11:], *chunks[:11]],
    "metadata between": lambda chunks: [*chunks[:2], chunks[13], *chunks[2:13]],
    "unknown ancillary ones": lambda chunks: [Chunk("abcd", b"1"), *chunks, Chunk("abcd", b"2")],
    "empty metadata": lambda chunks: [*chunks[:11], Chunk("iccp", b""), Chunk("exif", b"")],
    "no profile": lambda chunks: [*chunks[:11], *chunks[12:]],
}
DISORDERS = {
    "an unknown critical one": lambda chunks: [*chunks, Chunk("ABCD", b"")],
    "metadata twice": lambda chunks: [*chunks, chunks[13]],
    "exchanged": lambda chunks: [chunks[1], chunks[0], *chunks[2:]],
    "one is missing": lambda chunks: chunks[1:],
    "no ALPH": lambda chunks: [*chunks[:5], *chunks[6:]],
    "nothing after ALPH": lambda chunks: chunks[:6],
    "two alpha layers": lambda chunks: [*chunks[:11], *chunks[5:11]],
    "none at all": lambda chunks: [],
}


def arranged(change: Callable[[list[Chunk]], list[Chunk]]) -> bytes:
    """A file whose list of chunks has been changed."""
    header, chunks = unpack(file(PAIR, metadata=METADATA), "file")
    return pack(header, change(chunks))


@pytest.mark.parametrize("order", ORDERS)
def test_ancillary_chunks_stand_anywhere(order):
    assert agree(arranged(ORDERS[order]))


@pytest.mark.parametrize("disorder", DISORDERS)
def test_chunks_in_another_order_than_the_specification_tells_are_refused(disorder):
    assert not agree(arranged(DISORDERS[disorder]))


@pytest.mark.parametrize(
    ("payload", "is_read"),
    [
        (b"\0\1", True),
        (b"\1\1", True),
        (b"\2\1", False),
        (b"\0", False),
        (b"", False),
        (b"\0\2", False),
        (b"\0\1\0", False),
        (b"\0\x81\0", False),
        (b"\0" + varint(2**31), False),
    ],
)
def test_alph_says_what_follows_in_one_way_only(payload, is_read):
    assert agree(arranged(lambda chunks: [*chunks[:5], Chunk("ALPH", payload), *chunks[6:]])) == is_read


def test_minor_versions_are_read_and_other_values_of_the_header_refused():
    data = file(PAIR)
    valid = {5: range(256), 6: (0,), 7: (4,), 16: (8, 16), 17: (0, 1, 2, 255)}
    for at in (4, 5, 6, 7, 16, 17, 18):
        for value in range(256):
            if value != data[at]:
                other = repaired(data[:at] + bytes([value]) + data[at + 1 :], data)
                assert agree(other) == (value in valid.get(at, ()))


def test_300_gaussians_take_plain_python_less_than_two_seconds(tmp_path):
    (tmp_path / "file.gsi").write_bytes(file(Case("adaptive", 3, 512, 512, 300)))
    begin = perf_counter()
    command = [sys.executable, "-m", "tests.spec.decoder", str(tmp_path / "file.gsi")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert perf_counter() - begin < 2
    assert '"rotation"' in result.stdout


def test_the_decoder_of_the_specification_imports_nothing_but_the_standard_library():
    code = "import sys, tests.spec.decoder; print({'numpy', 'splatcodec', 'splatkernels'} & {*sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"

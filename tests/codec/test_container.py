"""The .gsi container: what is written is read back, and damage is always noticed."""

from zlib import crc32

import numpy as np
import pytest

import splatcodec
from splatcodec import GsiError
from splatcodec.container import MAGIC, Chunk, Header, Reader, pack, read_header, unpack, varint

HEADER = Header(0, 3, 300, 20, 1)


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 16383, 16384, 2**31 - 1])
def test_varints_read_back(value):
    reader = Reader(varint(value), "file")
    assert reader.varint("value") == value
    reader.end("value")


@pytest.mark.parametrize("data", [b"\x80\x00", b"\xff\xff\xff\xff\xff\x01", b"\x80"])
def test_overlong_endless_and_cut_varints_are_refused(data):
    with pytest.raises(GsiError, match="file: value: "):
        Reader(data, "file").varint("value")


def test_header_and_chunks_read_back():
    chunks = [Chunk("ABCD", b""), Chunk("EFGH", bytes(range(200)))]
    header, found = unpack(pack(HEADER, chunks), "file")
    assert header == HEADER
    assert [(chunk.tag, chunk.payload) for chunk in found] == [(chunk.tag, chunk.payload) for chunk in chunks]


def test_chunk_offsets_point_at_payloads(encoded):
    _, chunks = unpack(encoded, "file")
    for chunk in chunks:
        assert encoded[chunk.offset : chunk.offset + len(chunk.payload)] == chunk.payload


def test_every_truncation_is_noticed(encoded):
    for length in range(len(encoded)):
        with pytest.raises(GsiError):
            splatcodec.read(encoded[:length])


def test_every_flipped_byte_is_noticed(encoded):
    for position in range(len(encoded)):
        damaged = bytearray(encoded)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(GsiError):
            splatcodec.read(bytes(damaged))


def test_trailing_bytes_are_noticed(encoded):
    with pytest.raises(GsiError, match=f"1 unexpected bytes at byte {len(encoded)}"):
        splatcodec.read(encoded + b"\0")


def test_errors_name_file_and_fault(tmp_path, encoded):
    path = tmp_path / "cut.gsi"
    path.write_bytes(encoded[:-1])
    with pytest.raises(GsiError, match=r"cut\.gsi: chunk COLR: the file ends too early at byte"):
        splatcodec.read(path)
    with pytest.raises(GsiError, match=r"not a \.gsi file"):
        splatcodec.read(b"hello")
    with pytest.raises(GsiError, match="empty"):
        splatcodec.read(b"")
    with pytest.raises(GsiError, match="version 9 is not supported"):
        splatcodec.read(MAGIC + b"\x09" + encoded[5:])


@pytest.mark.parametrize(
    ("header", "field"),
    [
        (Header(0, 3, 0, 10, 1), "canvas size"),
        (Header(0, 3, 10, 10, 2**33), "Gaussian count"),
    ],
)
def test_header_values_out_of_range_are_refused(header, field):
    with pytest.raises(GsiError, match=f"{field}: value out of range"):
        unpack(pack(header, []), "file")


@pytest.mark.parametrize(("position", "value", "field"), [(5, 7, "profile"), (6, 2, "channels"), (6, 0, "channels")])
def test_unknown_codes_in_the_header_are_refused(position, value, field):
    head = bytearray(pack(HEADER, [])[:-4])
    head[position] = value
    with pytest.raises(GsiError, match=f"{field}: value out of range at byte {position}"):
        splatcodec.read(bytes(head) + crc32(head).to_bytes(4, "little"))


def test_a_header_can_be_read_alone():
    data = pack(HEADER, [Chunk("ABCD", bytes(100))])
    assert read_header(data, "file") == read_header(data[:-100], "file") == HEADER
    with pytest.raises(GsiError, match="file: header: checksum mismatch"):
        read_header(data[:9] + b"x" + data[10:], "file")


def test_tags_are_letters_and_digits():
    with pytest.raises(GsiError, match="chunk tag: not four letters or digits"):
        unpack(pack(HEADER, [Chunk("A\nB\x1b", b"")]), "file")


def test_a_huge_count_in_a_tiny_file_allocates_nothing():
    chunks = [Chunk("CELL", varint(2**31 - 1)), *(Chunk(tag, b"") for tag in ("MEAN", "SCAL", "ROTA", "COLR"))]
    with pytest.raises(GsiError, match="MEAN: 0 bytes where 2147483647 Gaussians take"):
        splatcodec.read(pack(Header(0, 3, 64, 64, 2**31 - 1), chunks))
    with pytest.raises(GsiError, match="fewer bytes than the canvas has cells"):
        splatcodec.read(pack(Header(0, 3, 65535, 65535, 2**31 - 1), chunks))


@pytest.mark.parametrize("value", [np.nan, np.inf, 0, -1])
def test_values_that_describe_no_gaussian_are_refused(encoded, value):
    header, chunks = unpack(encoded, "file")
    scales = np.frombuffer(chunks[2].payload, "<f2").copy()
    scales[5] = value
    chunks[2] = Chunk("SCAL", scales.tobytes())
    with pytest.raises(GsiError, match=r"SCAL: .* is not a valid value at byte"):
        splatcodec.read(pack(header, chunks))


def test_counts_must_add_up(encoded):
    header, chunks = unpack(encoded, "file")
    chunks[0] = Chunk("CELL", varint(header.n_gaussians + 1))
    with pytest.raises(GsiError, match="CELL: counts add up to 61, not to 60 Gaussians"):
        splatcodec.read(pack(header, chunks))


def test_chunks_must_be_those_of_the_profile(encoded):
    header, chunks = unpack(encoded, "file")
    for wrong in (chunks[:4], [*chunks, chunks[0]], [chunks[0], chunks[2], chunks[1], *chunks[3:]]):
        with pytest.raises(GsiError, match="chunks: expected CELL MEAN SCAL ROTA COLR, found"):
            splatcodec.read(pack(header, wrong))


def test_too_large_a_canvas_is_refused():
    with pytest.raises(GsiError, match="65535 is the longest side"):
        pack(Header(0, 3, 65536, 1, 0), [])

"""The .gsi container: what is written is read back, and damage is always noticed."""

from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest

import splatcodec
from splatcodec import GsiError
from splatcodec.container import MAGIC, Chunk, Header, Reader, pack, read_header, unpack, varint
from splatcodec.decoder import read_document
from splatcodec.document import read_chunks
from splatcodec.metadata import ColorSpace, Metadata

HEADER = Header(0, 3, 200, 20, 1)


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
    ("position", "value", "field"),
    [
        (6, 7, "profile"),
        (7, 5, "channels"),
        (7, 0, "channels"),
        (8, 0, "width"),
        (10, 0, "height"),
        (12, 2**31, "Gaussian count"),
        (16, 12, "depth"),
        (17, 9, "color space"),
    ],
)
def test_unknown_codes_in_the_header_are_refused(position, value, field):
    head = bytearray(pack(HEADER, [])[:-4])
    size = 4 if position == 12 else 1
    head[position : position + size] = value.to_bytes(size, "little")
    with pytest.raises(GsiError, match=f"{field}: value out of range at byte {position}"):
        splatcodec.read(bytes(head) + crc32(head).to_bytes(4, "little"))


def test_a_header_can_be_read_alone():
    data = pack(HEADER, [Chunk("ABCD", bytes(100))])
    assert read_header(data, "file") == read_header(data[:-100], "file") == HEADER
    with pytest.raises(GsiError, match="file: header: checksum mismatch"):
        read_header(data[:9] + b"x" + data[10:], "file")


def test_tags_are_letters_and_digits():
    with pytest.raises(GsiError, match="chunk tag: not a letter and three letters or digits"):
        unpack(pack(HEADER, [Chunk("A\nB\x1b", b"")]), "file")


def test_a_huge_count_in_a_tiny_file_allocates_nothing():
    most = 2**31 - 1
    chunks = [Chunk("CELL", varint(most)), *(Chunk(tag, b"") for tag in ("MEAN", "SCAL", "ROTA", "COLR"))]
    with pytest.raises(GsiError, match="2147483647 Gaussians are over the limit of 8388608"):
        splatcodec.read(pack(Header(0, 3, 64, 64, most), chunks))
    with pytest.raises(GsiError, match="MEAN: 0 bytes where 2147483647 Gaussians take"):
        splatcodec.read(pack(Header(0, 3, 64, 64, most), chunks), max_gaussians=most)
    with pytest.raises(GsiError, match="fewer bytes than the canvas has cells"):
        splatcodec.read(pack(Header(0, 3, 65535, 65535, most), chunks), max_gaussians=most)


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


@pytest.mark.parametrize(
    ("header", "chunks", "fault"),
    [
        (Header(0, 3, 65536, 1, 0), 0, "65535 is the longest side"),
        (Header(0, 5, 1, 1, 0), 0, "5 channels cannot be stored"),
        (Header(0, 3, 1, 1, 2**31), 0, "2147483648 Gaussians are too many"),
        (Header(0, 3, 1, 1, 0), 256, "256 chunks are too many"),
    ],
)
def test_what_does_not_fit_is_refused(header, chunks, fault):
    with pytest.raises(GsiError, match=fault):
        pack(header, [Chunk("abcd", b"")] * chunks)


def test_unknown_chunks_are_skipped_if_they_are_ancillary(encoded):
    header, chunks = unpack(encoded, "file")
    expected = splatcodec.decode(encoded)
    for place in range(len(chunks) + 1):
        added = pack(header, [*chunks[:place], Chunk("noTe", b"hello"), *chunks[place:]])
        np.testing.assert_array_equal(splatcodec.decode(added), expected)
        assert pack(*unpack(added, "file")) == added
        with pytest.raises(GsiError, match=r"file: chunk NoTe is critical, and not known for this profile at byte"):
            read_chunks(*unpack(pack(header, [*chunks[:place], Chunk("NoTe", b""), *chunks[place:]]), "file"), "file")


def test_later_minor_versions_are_read(encoded):
    header, chunks = unpack(encoded, "file")
    np.testing.assert_array_equal(
        splatcodec.decode(pack(replace(header, minor=200), chunks)), splatcodec.decode(encoded)
    )


def test_metadata_comes_once_and_back(encoded):
    header, chunks = unpack(encoded, "file")
    noted = [Chunk("exif", b"II*\0"), Chunk("iccp", b"profile"), Chunk("xmpp", b"<x/>")]
    found = read_document(pack(replace(header, color_space=ColorSpace.ICC), [*noted, *chunks])).metadata
    assert found == Metadata(ColorSpace.ICC, b"profile", b"II*\0", b"<x/>")
    assert read_document(pack(header, [*chunks, *noted])).metadata.icc is None
    with pytest.raises(GsiError, match="chunk exif: there are several"):
        read_document(pack(header, [*chunks, noted[0], noted[0]]))

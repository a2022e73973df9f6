"""What damage leaves readable is told: every byte of every frozen file is damaged, and every file cut anywhere."""

from pathlib import Path

import numpy as np
import pytest

from splatcodec import GsiError, document
from splatcodec.container import ALPHA, HEADER_SIZE, Chunk, pack, unpack
from splatcodec.diagnosis import METADATA, diagnose

FILES = sorted((Path(__file__).parent / "data" / "v1").glob("*.gsi"))
PARTS = {tag: part for part, tag in METADATA.items()}


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def data(request) -> bytes:
    return request.param.read_bytes()


@pytest.fixture
def layered() -> bytes:
    """Colours, an opacity, and metadata of every kind."""
    return next(path for path in FILES if path.stem == "half-rgb-alpha-metadata").read_bytes()


def parts_of(chunks: list[Chunk]) -> list[str]:
    """What each chunk belongs to."""
    parts, layer = [], "colors"
    for chunk in chunks:
        if chunk.tag == ALPHA:
            layer = "alpha"
        parts.append(layer if chunk.is_critical else PARTS.get(chunk.tag, ""))
    return parts


def complaint(data: bytes) -> str:
    """What a reader says."""
    with pytest.raises(GsiError) as caught:
        unpack(data, "file")
    return str(caught.value)


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]


def test_whole_files_have_no_faults(data):
    found = diagnose(data, "file")
    assert found.faults == []
    assert found.chunks == unpack(data, "file")[1]
    assert set(found.readable) == set(parts_of(found.chunks)) - {""}
    content = document.from_bytes(data, "file")
    assert found.header.n_gaussians == len(content.splats)
    if content.alpha is None:
        assert found.alpha is None
    else:
        layer, is_transparency = found.alpha
        assert layer.n_gaussians == len(content.alpha.splats)
        assert is_transparency == content.alpha.is_transparency


def test_one_damaged_payload_costs_one_part(data):
    whole = diagnose(data, "file")
    parts = parts_of(whole.chunks)
    for number, chunk in enumerate(whole.chunks):
        for place in {max(chunk.offset, chunk.end - 5), chunk.end - 1}:
            damaged = flipped(data, place)
            found = diagnose(damaged, "file")
            assert [intact for _, intact in found.found] == [other != number for other in range(len(parts))]
            assert [(fault.chunk, fault.byte) for fault in found.faults] == [(chunk.tag, chunk.offset)]
            assert str(found.faults[0].error) == complaint(damaged)
            assert found.readable == [part for part in whole.readable if part != parts[number]]


def test_every_flipped_byte_is_a_fault_and_spares_what_precedes_it(data):
    whole = diagnose(data, "file")
    for place in range(len(data)):
        damaged = flipped(data, place)
        if place < HEADER_SIZE:
            with pytest.raises(GsiError):
                diagnose(damaged, "file")
            continue
        found = diagnose(damaged, "file")
        before = [chunk for chunk in whole.chunks if chunk.end <= place]
        assert found.header == whole.header
        assert found.chunks[: len(before)] == before
        assert str(found.faults[0].error) == complaint(damaged)
        assert set(found.readable) <= set(whole.readable)


def test_every_cut_spares_what_precedes_it(data):
    whole = diagnose(data, "file")
    for length in range(len(data)):
        if length < HEADER_SIZE:
            with pytest.raises(GsiError):
                diagnose(data[:length], "file")
            continue
        found = diagnose(data[:length], "file")
        assert found.chunks == [chunk for chunk in whole.chunks if chunk.end <= length]
        assert len(found.found) <= len(found.chunks) + 1
        assert str(found.faults[0].error) == complaint(data[:length])


def test_what_stands_where_a_chunk_should_is_told_with_its_place(data):
    whole = diagnose(data, "file")
    (fault,) = diagnose(data + b"\0", "file").faults
    assert (fault.chunk, fault.byte) == (None, len(data))
    starts = [HEADER_SIZE, *(chunk.end for chunk in whole.chunks[:-1])]
    for start in starts:
        found = diagnose(data[:start] + b"\n" + data[start + 1 :], "file")
        assert [(fault.chunk, fault.byte) for fault in found.faults] == [(None, start)]
        assert found.chunks == [chunk for chunk in whole.chunks if chunk.end <= start]


def test_two_damaged_chunks_are_both_told(layered):
    first, *_, second = diagnose(layered, "file").chunks
    found = diagnose(flipped(flipped(layered, first.offset), second.offset), "file")
    assert [fault.chunk for fault in found.faults] == [first.tag, second.tag]


def test_chunks_that_readers_refuse_are_faults(layered):
    """Their checksums are right, and yet it is no file."""
    header, chunks = unpack(layered, "file")
    at = [chunk.tag for chunk in chunks].index(ALPHA)
    for wrong, fault in (
        ([*chunks, Chunk("ZZZZ", b"")], "chunk ZZZZ is critical, and not known"),
        (chunks[1:], "chunks: expected CELL MEAN SCAL ROTA COLR, found MEAN"),
        ([*chunks, chunks[-1]], f"chunk {chunks[-1].tag}: there are several"),
        ([*chunks[:at], Chunk(ALPHA, b"\2\1"), *chunks[at + 1 :]], "ALPH: value out of range"),
    ):
        (found,) = diagnose(pack(header, wrong), "file").faults
        assert fault in str(found.error)
        assert found.chunk is None
        with pytest.raises(GsiError, match=fault):
            document.from_bytes(pack(header, wrong), "file")


def test_unknown_ancillary_chunks_are_no_faults(layered):
    header, chunks = unpack(layered, "file")
    more = Chunk("note", b"anything")
    for place in range(len(chunks) + 1):
        found = diagnose(pack(header, [*chunks[:place], more, *chunks[place:]]), "file")
        assert found.faults == []
        assert [found.is_known(chunk) for chunk in found.chunks] == [chunk.tag != "note" for chunk in found.chunks]


def test_noise_is_diagnosed_without_any_other_error(layered):
    rng = np.random.default_rng(0)
    for _ in range(300):
        noise = bytearray(layered)
        first, last = np.sort(rng.integers(HEADER_SIZE, len(noise), 2))
        noise[first:last] = rng.bytes(int(last - first))
        diagnose(bytes(noise), "file")

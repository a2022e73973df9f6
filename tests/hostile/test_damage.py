"""Damage is always noticed, and what is forged under checksums that are right is refused or shown."""

import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

import splatcodec
import splatcodec.pil
from splatcodec import GsiError
from splatcodec.container import HEADER_SIZE, varint
from splatcodec.decoder import read_document

from .mutations import VARINTS, hostile
from .parts import Parts, taken_apart, valid
from .verdict import check_message, judged

ROOT = Path(__file__).parents[2]
# One file of each profile and number of channels.
SMALL = {(parts["profile"], parts["channels"]): parts for parts in valid() if parts["n_gaussians"] == 37}


def each(files: dict[tuple[int, int], Parts]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("parts", files.values(), ids=[f"profile{p}-channels{c}" for p, c in files])


def refuse(data: bytes) -> str:
    with pytest.raises(GsiError) as error:
        read_document(data)
    check_message(error.value)
    return str(error.value)


def test_there_are_small_files_of_every_kind():
    assert len(SMALL) == 3 * 4
    assert all(taken_apart(parts.pack()) == parts for parts in valid())


@pytest.mark.parametrize("parts", valid())
def test_every_truncation_is_refused(parts):
    data = parts.pack()
    for length in range(len(data)):
        refuse(data[:length])


@each(SMALL)
def test_every_flipped_bit_is_refused(parts):
    data = parts.pack()
    for place in range(len(data)):
        for bit in range(8):
            refuse(data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :])


@each(SMALL)
def test_bytes_inserted_or_gone_are_refused(parts):
    data = parts.pack()
    for place in range(len(data) + 1):
        refuse(data[:place] + b"\0" + data[place:])
        if place < len(data):
            refuse(data[:place] + data[place + 1 :])


def test_the_first_chunks_of_one_file_and_the_last_of_another_are_none():
    rng = Random(0)
    for _ in range(300):
        one, other = (rng.choice(valid()) for _ in range(2))
        first, last = rng.randrange(len(one.chunks)), rng.randrange(len(other.chunks))
        spliced = replace(one, chunks=one.chunks[:first] + other.chunks[last:])
        if spliced.chunks != one.chunks:
            judged(spliced.pack(), rng)
        # Under the checksums that were right where the bytes come from.
        data, more = one.pack(), other.pack()
        judged(data[: rng.randrange(len(data))] + more[rng.randrange(len(more)) :], rng)


@each(SMALL)
def test_forged_lengths_are_refused(parts):
    for number, (_, payload) in enumerate(parts.chunks):
        wrong = {size for size in (0, len(payload) - 1, len(payload) + 1, 2**31 - 1, 2**35 - 1) if size >= 0}
        # Without any, the first byte of a payload may happen to be the length of the others.
        for length in (*filter(None, VARINTS), *(varint(size) for size in wrong - {len(payload)})):
            refuse(replace(parts, lengths=((number, length),)).pack())


@each(SMALL)
def test_forged_counts_are_refused(parts):
    for count in (0, 1, 2, 38, 1000, 2**23, 2**23 + 1, 2**31 - 1, 2**31, 2**32 - 1):
        if count != parts["n_gaussians"]:
            refuse(parts.with_field("n_gaussians", count).pack())
    for count in {0, 255, len(parts.chunks) - 1, len(parts.chunks) + 1}:
        refuse(replace(parts, count=count).pack())


@each(SMALL)
def test_forged_opacities_are_refused(parts):
    for channels in {1, 2, 3, 4} - {parts["channels"]}:
        refuse(parts.with_field("channels", channels).pack())
    numbers = [number for number, (tag, _) in enumerate(parts.chunks) if tag == b"ALPH"]
    for number in numbers:
        for payload in (b"", b"\0", b"\2\0", b"\0\x80\0", b"\0\0\0", b"\1" + varint(2**31 - 1), b"\1" + varint(2**32)):
            refuse(parts.with_payload(number, payload).pack())
        refuse(replace(parts, chunks=parts.chunks[:number] + parts.chunks[number + 1 :]).pack())


@pytest.mark.parametrize("parts", [parts for parts in valid() if parts["n_gaussians"] == 37])
def test_unknown_chunks_are_passed_over_or_refused_by_their_first_letter(parts):
    expected = splatcodec.decode(parts.pack())
    for at in range(len(parts.chunks) + 1):
        for tag, is_critical in ((b"abcd", False), (b"zz09", False), (b"Abcd", True)):
            data = replace(parts, chunks=(*parts.chunks[:at], (tag, b"?"), *parts.chunks[at:])).pack()
            if is_critical:
                assert "critical" in refuse(data) or "expected" in refuse(data)
            else:
                np.testing.assert_array_equal(splatcodec.decode(data), expected)


@pytest.mark.parametrize("seed", range(8))
def test_hostile_files_are_read_or_refused(seed):
    rng = Random(seed)
    outcomes = {judged(hostile(rng), rng, drawn=number % 3 == 0) for number in range(500)}
    assert outcomes == {"refused", "read", "drawn"}


@pytest.mark.filterwarnings("ignore:a .gsi file of version")
def test_pillow_says_what_is_wrong_with_hostile_files():
    rng = Random(0)
    for _ in range(500):
        data = hostile(rng)[: HEADER_SIZE + 600]
        try:
            with Image.open(BytesIO(data), formats=["GSI"]) as image:
                if image.width * image.height < 10_000:
                    image.load()
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
            pass


def test_a_file_of_a_campaign_can_be_judged_again():
    seed, number = 5, 8
    rng = Random(seed << 40 | number)
    command = [sys.executable, ROOT / "benchmarks" / "fuzz.py", "--seed", str(seed), "--only", str(number)]
    again = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert again == judged(hostile(rng), rng, drawn=True)

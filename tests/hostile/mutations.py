"""Hostile files: valid ones with anything changed, most of them under checksums that are right again.

A file follows from the state of a random generator alone.
"""

import struct
from collections.abc import Callable
from dataclasses import replace
from random import Random

from splatcodec.container import varint

from .parts import FIELDS, Parts, valid

MOST_BYTES = 2**18
NUMBERS = (0, 1, 2, 3, 7, 8, 16, 17, 63, 64, 65, 127, 128, 255, 256, 257, 768, 1023, 1024, 1025, 4096, 65534, 65535)
NUMBERS += (2**16, 2**20, 2**23, 2**23 + 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
"""Where limits, sizes of fields and of tables lie."""
VARINTS = (b"\x80\x00", b"\x80", b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\x7f", b"\xff\xff\xff\xff\xff\x01", b"")
HALVES = (0x0000, 0x8000, 0x0001, 0x03FF, 0x0400, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00, 0xFFFF)
"""Zeros, the least and the largest numbers of half precision, infinities and no numbers."""
TAGS = (b"CELL", b"MEAN", b"SCAL", b"ROTA", b"COLR", b"ADAP", b"BOOK", b"INDX", b"ALPH", b"iccp", b"exif", b"xmpp")
TAGS += (b"ABCD", b"abcd", b"0BCD", b"A\nBC", b"\xffBCD", b"A\0\0\0")


def hostile(rng: Random) -> bytes:
    """A file that may do harm."""
    parts = rng.choice(valid())
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        parts = rng.choice(_MUTATIONS)(rng, parts)
    data = parts.pack()
    if rng.random() < 0.1:
        data = changed(rng, data)
    return data[:MOST_BYTES]


def changed(rng: Random, data: bytes) -> bytes:
    """Bytes with something flipped, overwritten, cut, inserted, repeated or gone."""
    at = rng.randrange(len(data) + 1)
    until = min(len(data), at + rng.choice((1, 1, 2, 3, 4, 8, 30, len(data))))
    kind = rng.randrange(7)
    if kind == 0 and data:
        place = rng.randrange(len(data))
        return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
    if kind == 1:
        return data[:at] + bytes([rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))]) + data[at + 1 :]
    if kind == 2:
        return data[:at] + rng.randbytes(until - at) + data[until:]
    if kind == 3:
        return data[:at]
    if kind == 4:
        return data[:at] + rng.choice((bytes(rng.randrange(40)), rng.randbytes(rng.randrange(40)))) + data[at:]
    if kind == 5:
        return data[:until] + data[at:]
    return data[:at] + data[until:]


def _payload(rng: Random, parts: Parts) -> Parts:
    if not parts.chunks:
        return parts
    number = rng.randrange(len(parts.chunks))
    return parts.with_payload(number, changed(rng, parts.chunks[number][1]))


def _noise(rng: Random, parts: Parts) -> Parts:
    """Straight at what decodes symbols: any bytes, and a count that they may just be for."""
    if not parts.chunks:
        return parts
    number = rng.randrange(len(parts.chunks))
    size = rng.choice((0, 1, 4, 5, 20, 100, 400))
    payload = rng.choice((rng.randbytes(size), bytes(size), b"\xff" * size, bytes(size) + b"\1"))
    return parts.with_payload(number, payload).with_field("n_gaussians", rng.randrange(8 * size + 2))


def _half(rng: Random, parts: Parts) -> Parts:
    if not parts.chunks:
        return parts
    number = rng.randrange(len(parts.chunks))
    payload = bytearray(parts.chunks[number][1])
    if len(payload) >= 2:
        struct.pack_into("<H", payload, rng.randrange(len(payload) // 2) * 2, rng.choice(HALVES))
    return parts.with_payload(number, bytes(payload))


def _varint(rng: Random, parts: Parts) -> Parts:
    """Where chunks have varints: at their beginning or after a byte."""
    if not parts.chunks:
        return parts
    number = rng.randrange(len(parts.chunks))
    payload = parts.chunks[number][1]
    at = rng.choice((0, 0, 1, rng.randrange(len(payload) + 1)))
    value = rng.choice((*VARINTS, varint(rng.choice(NUMBERS))))
    return parts.with_payload(number, payload[:at] + value + payload[at + 1 :])


def _field(rng: Random, parts: Parts) -> Parts:
    return parts.with_field(rng.choice(FIELDS), rng.choice((*NUMBERS, rng.randrange(256))))


def _count(rng: Random, parts: Parts) -> Parts:
    return parts.with_field("n_gaussians", max(0, parts["n_gaussians"] + rng.choice((-9, -1, 1, 2, 9, 100))))


def _canvas(rng: Random, parts: Parts) -> Parts:
    """Another canvas may suit the chunks as well."""
    width, height = (rng.choice((1, 2, 64, 65, 128, rng.randrange(1, 300), 65535)) for _ in range(2))
    return parts.with_field("width", width).with_field("height", height)


def _drop(rng: Random, parts: Parts) -> Parts:
    at = rng.randrange(len(parts.chunks) + 1)
    return replace(parts, chunks=parts.chunks[:at] + parts.chunks[at + 1 :])


def _move(rng: Random, parts: Parts) -> Parts:
    chunks = list(parts.chunks)
    rng.shuffle(chunks)
    return replace(parts, chunks=tuple(chunks))


def _repeat(rng: Random, parts: Parts) -> Parts:
    if not parts.chunks:
        return parts
    at = rng.randrange(len(parts.chunks))
    times = rng.choice((2, 2, 3, 300)) if len(parts.chunks) < 300 else 2
    return replace(parts, chunks=parts.chunks[:at] + parts.chunks[at : at + 1] * times + parts.chunks[at + 1 :])


def _add(rng: Random, parts: Parts) -> Parts:
    at = rng.randrange(len(parts.chunks) + 1)
    chunk = (rng.choice(TAGS), rng.randbytes(rng.choice((0, 1, 2, 5, 50))))
    return replace(parts, chunks=(*parts.chunks[:at], chunk, *parts.chunks[at:]))


def _retag(rng: Random, parts: Parts) -> Parts:
    if not parts.chunks:
        return parts
    at = rng.randrange(len(parts.chunks))
    chunk = (rng.choice(TAGS), parts.chunks[at][1])
    return replace(parts, chunks=(*parts.chunks[:at], chunk, *parts.chunks[at + 1 :]))


def _splice(rng: Random, parts: Parts) -> Parts:
    """The first chunks of one file and the last of another."""
    other = rng.choice(valid())
    at = rng.randrange(len(parts.chunks) + 1)
    return replace(parts, chunks=parts.chunks[:at] + other.chunks[rng.randrange(len(other.chunks) + 1) :])


def _exchange(rng: Random, parts: Parts) -> Parts:
    """A payload, or a part of it, from another file, of the same tag if there is one."""
    if not parts.chunks:
        return parts
    at = rng.randrange(len(parts.chunks))
    tag, payload = parts.chunks[at]
    others = rng.choice(valid()).chunks
    other = next((content for name, content in others if name == tag), b"")
    cut = rng.randrange(len(payload) + 1)
    return parts.with_payload(at, rng.choice((other, payload[:cut] + other[cut:])))


def _length(rng: Random, parts: Parts) -> Parts:
    if not parts.chunks:
        return parts
    at = rng.randrange(len(parts.chunks))
    size = len(parts.chunks[at][1])
    forged = rng.choice((*VARINTS, varint(rng.choice(NUMBERS)), varint(max(0, size + rng.choice((-4, -1, 1, 4))))))
    return replace(parts, lengths=((at, forged),))


def _chunk_count(rng: Random, parts: Parts) -> Parts:
    return replace(parts, count=max(0, len(parts.chunks) + rng.choice((-1, 1, 100))))


_MUTATIONS: tuple[Callable[[Random, Parts], Parts], ...] = (
    *(_payload,) * 6,
    *(_noise, _half, _varint) * 2,
    *(_field, _count, _canvas, _splice, _exchange),
    *(_drop, _move, _repeat, _add, _retag, _length, _chunk_count),
)

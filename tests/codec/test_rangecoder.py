"""Range coding: what is written is read back, in about as many bits as it is worth."""

import numpy as np
import pytest

from splatcodec.compress import rangecoder
from splatcodec.compress.rangecoder import (
    HIGHEST_SUM,
    PRIOR_WEIGHT,
    NoRoomError,
    check_end,
    decoder,
    encoder,
    finished,
    meter,
    symbol,
    tables_of,
    uniform,
    weighted_symbol,
)

from ..spec.reading import RangeDecoder, Table


def prior(contexts: int, symbols: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(symbols, 0.5), contexts)
    return np.maximum(1, PRIOR_WEIGHT * shares).astype(np.int64)


class Message:
    """Random symbols of every kind, which a decoder writes anew."""

    def __init__(self, count: int, symbols: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.priors = [prior(5, symbols), prior(1, 16)]
        self.contexts, self.symbols = rng.integers(0, 5, count), rng.integers(0, symbols, count)
        self.sizes = np.exp(rng.uniform(0, np.log(2**24), count)).astype(np.int64)
        self.offsets = rng.integers(0, self.sizes) if count else self.sizes
        self.weights = rng.integers(0, 4, (count, 16))
        self.weights[np.arange(count), rng.integers(0, 16, count)] = 1
        self.weighted = np.array([rng.choice(np.flatnonzero(row)) for row in self.weights], np.int64)

    def code(self, coder, known: bool = True) -> list[tuple[int, int, int]]:
        tables = tables_of(self.priors)
        return [
            (
                symbol(coder, tables, 0, context, known * own, 0),
                uniform(coder, size, known * offset, 0),
                weighted_symbol(coder, tables, 1, 0, weights.copy(), known * weighted, 0),
            )
            for context, own, size, offset, weights, weighted in zip(
                self.contexts, self.symbols, self.sizes, self.offsets, self.weights, self.weighted, strict=True
            )
        ]

    @property
    def values(self) -> list[tuple[int, int, int]]:
        return list(zip(self.symbols.tolist(), self.offsets.tolist(), self.weighted.tolist(), strict=True))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 64, 1500])
@pytest.mark.parametrize("symbols", [1, 2, 40])
def test_symbols_read_back(count, symbols):
    message = Message(count, symbols, seed=count)
    writer, information = encoder(10_000), meter(1)
    message.code(writer)
    message.code(information)
    data = finished(writer)
    reader = decoder(data)
    assert message.code(reader, known=False) == message.values
    check_end(reader)
    assert 8 * len(data) == pytest.approx(information.bits[0], rel=0.001, abs=32)


@pytest.mark.parametrize("count", [0, 1, 7, 1500])
def test_a_reader_by_the_specification_reads_the_same(count):
    message = Message(count, 9, seed=count)
    writer = encoder(10_000)
    message.code(writer)
    reader = RangeDecoder(finished(writer))
    first, second = (Table(own.tolist()) for own in message.priors)
    for k, values in enumerate(message.values):
        found = first.read(reader, message.contexts[k]), reader.uniform(int(message.sizes[k]))
        assert (*found, second.read(reader, 0, message.weights[k].tolist())) == values
    reader.end()


def test_carries_run_through_bytes_of_ones():
    """Values at the upper end of their range, whose bytes are all ones, until one more makes a carry."""
    for last in (0, 255):
        values = [*[255] * 40, last, *[255] * 40, 254]
        writer = encoder(1000)
        for value in values:
            uniform(writer, 256, value, 0)
        reader = decoder(finished(writer))
        assert [uniform(reader, 256, 0, 0) for _ in values] == values


def test_any_number_of_zeros_may_be_left_out():
    writer = encoder(10_000)
    for _ in range(3000):
        uniform(writer, 2**16, 0, 0)
    assert finished(writer) == b""
    reader = decoder(b"")
    assert not any(uniform(reader, 2**16, 0, 0) for _ in range(3000))
    check_end(reader)


def test_too_little_room_is_no_loss():
    message = Message(300, 30)
    writer = encoder(10)
    message.code(writer)
    with pytest.raises(NoRoomError) as error:
        finished(writer)
    roomy, exact = encoder(10_000), encoder(error.value.size)
    message.code(roomy)
    message.code(exact)
    assert finished(roomy) == finished(exact)


def test_frequencies_follow_what_occurs():
    tables, information = tables_of([np.full((1, 16), PRIOR_WEIGHT // 16)]), meter(1)
    rangecoder.symbols(information, tables, 0, np.full(2000, 3))
    assert information.bits[0] < 2000 * 0.5
    assert tables.occurrences.tolist() == [0, 0, 0, 2000, *[0] * 12]


def test_long_arrays_of_few_symbols_read_back():
    """However large frequencies grow, rare symbols keep a share, and sums stay what they are."""
    values = np.zeros(100_000, np.int64)
    values[::5000] = 39
    writer = encoder(100_000)
    rangecoder.symbols(writer, tables_of([prior(1, 40)]), 0, values)
    tables, found = tables_of([prior(1, 40)]), np.zeros_like(values)
    rangecoder.symbols(decoder(finished(writer)), tables, 0, found)
    np.testing.assert_array_equal(found, values)
    assert tables.frequencies.min() > 0
    assert tables.frequencies.sum() == tables.sums[0] <= HIGHEST_SUM


def test_whatever_follows_or_replaces_the_end_is_noticed():
    message = Message(20, 12)
    writer = encoder(1000)
    message.code(writer)
    data = finished(writer)
    with pytest.raises(ValueError, match="zero byte"):
        decoder(data + b"\0")
    last = [data[:-1] + bytes([byte]) for byte in range(1, 256) if byte != data[-1]]
    for other in (data + b"\1", data + b"12345678", data[:-1].rstrip(b"\0"), *last):
        reader = decoder(other)
        same = message.code(reader, known=False) == message.values
        if same:
            with pytest.raises(ValueError, match="symbols"):
                check_end(reader)


def test_random_bytes_decode_to_something_or_are_refused():
    rng = np.random.default_rng(0)
    message = Message(100, 40)
    for _ in range(50):
        reader = decoder(rng.bytes(int(rng.integers(0, 300))).rstrip(b"\0"))
        for own, size, (value, offset, weighted) in zip(
            message.weights, message.sizes, message.code(reader, known=False), strict=True
        ):
            assert 0 <= value < 40
            assert 0 <= offset < size
            assert own[weighted] > 0

"""Entropy coding: what is written is read back, in about as many bits as it is worth."""

import numpy as np
import pytest

from splatcodec.compress.coder import PRIOR_WEIGHT, Decoder, Encoder, Meter, Table


def prior(contexts: int, symbols: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(symbols, 0.5), contexts)
    return np.maximum(1, PRIOR_WEIGHT * shares).astype(np.int64)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 3000])
@pytest.mark.parametrize("symbols", [1, 2, 40])
def test_symbols_read_back(count, symbols):
    rng = np.random.default_rng(count)
    contexts, values = rng.integers(0, 5, count), rng.integers(0, symbols, count)
    sizes = rng.integers(1, 5000, count)
    offsets = rng.integers(0, sizes) if count else sizes

    def code(coder, known):
        first = Table(prior(5, symbols)).code(coder, contexts, values * known)
        return first, coder.uniform(sizes, offsets * known)

    encoder, meter = Encoder(), Meter()
    code(encoder, True)
    code(meter, True)
    data = encoder.bytes()
    first, second = code(Decoder(data), False)
    np.testing.assert_array_equal(first, values)
    np.testing.assert_array_equal(second, offsets)
    assert 8 * len(data) == pytest.approx(meter.bits[""], rel=0.002, abs=40)


def test_frequencies_follow_what_occurs():
    table = Table(np.full((1, 16), PRIOR_WEIGHT // 16))
    meter = Meter()
    table.code(meter, np.zeros(2000, np.int64), np.full(2000, 3))
    assert meter.bits[""] < 2000 * 0.5


def test_long_arrays_of_few_symbols_read_back():
    """However large frequencies grow, rare symbols keep a share."""
    values = np.zeros(200_000, np.int64)
    values[::5000] = 39
    contexts = np.zeros(len(values), np.int64)
    encoder = Encoder()
    Table(prior(1, 40)).code(encoder, contexts, values)
    decoded = Table(prior(1, 40)).code(Decoder(encoder.bytes()), contexts, np.zeros_like(values))
    np.testing.assert_array_equal(decoded, values)


def test_what_follows_the_symbols_is_noticed():
    encoder = Encoder()
    encoder.uniform(np.full(20, 77), np.arange(20))
    data = encoder.bytes()
    decoder = Decoder(data)
    decoder.uniform(np.full(20, 77), np.zeros(20, np.int64))
    decoder.end()
    decoder = Decoder(data + b"12345678")
    decoder.uniform(np.full(20, 77), np.zeros(20, np.int64))
    with pytest.raises(ValueError, match="bytes follow"):
        decoder.end()
    with pytest.raises(ValueError, match="zero byte"):
        Decoder(data + b"\0")


def test_multiplicities_weigh_symbols():
    table = Table(np.full((1, 2), PRIOR_WEIGHT // 2))
    meter = Meter()
    table.code(meter, np.zeros(1, np.int64), np.ones(1, np.int64), np.array([[1, 3]]))
    assert meter.bits[""] == pytest.approx(np.log2(4 / 3))


def test_symbols_take_the_shares_of_the_specification():
    """At both sides of each border between two symbols, the first word of a file decodes to the right one."""
    rng = np.random.default_rng(0)
    symbols, share = 40, (2**64 - 1) >> 24
    for _ in range(200):
        frequencies = rng.integers(1, 60_000, symbols)
        total, sums = np.float32(0), []
        for frequency in frequencies:
            sums.append(total)
            total = np.float32(total + np.float32(frequency))
        scale = np.float32(np.float32(2**24 - symbols) / total)
        k = int(rng.integers(1, symbols))
        border = int(np.float32(sums[k] * scale)) + k
        for quantile, expected in ((border, k), (border - 1, k - 1)):
            point = quantile * share + share // 2
            words = np.array([point >> 32, point % 2**32], "<u4")
            decoder = Decoder(words.tobytes().rstrip(b"\0"))
            assert decoder.symbols(frequencies[None], np.zeros(1, np.int64))[0] == expected


def test_bits_are_counted_by_label():
    meter = Meter()
    for meter.label in ("a", "b", "a"):
        meter.uniform(np.full(10, 4), np.zeros(10, np.int64))
    assert meter.bits == {"a": 40, "b": 20}


def test_random_bytes_decode_to_something_or_are_refused():
    rng = np.random.default_rng(0)
    for _ in range(50):
        decoder = Decoder(rng.bytes(int(rng.integers(0, 40))))
        try:
            values = Table(prior(5, 40)).code(decoder, rng.integers(0, 5, 200), np.zeros(200, np.int64))
            offsets = decoder.uniform(np.full(200, 77), np.zeros(200, np.int64))
        except ValueError:
            continue
        assert values.min() >= 0
        assert values.max() < 40
        assert offsets.max() < 77

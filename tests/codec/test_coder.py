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
        first = Table(prior(5, symbols)).code(coder, contexts, values if known else None)
        return first, coder.uniform(sizes, offsets if known else None)

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
    assert table.occurrences().tolist() == [[0, 0, 0, 2000, *[0] * 12]]


def test_multiplicities_weigh_symbols():
    table = Table(np.full((1, 2), PRIOR_WEIGHT // 2))
    meter = Meter()
    table.code(meter, np.zeros(1, np.int64), np.ones(1, np.int64), np.array([[1, 3]]))
    assert meter.bits[""] == pytest.approx(np.log2(4 / 3))


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
            values = Table(prior(5, 40)).code(decoder, rng.integers(0, 5, 200), None)
            offsets = decoder.uniform(np.full(200, 77), None)
        except ValueError:
            continue
        assert values.min() >= 0
        assert values.max() < 40
        assert offsets.max() < 77

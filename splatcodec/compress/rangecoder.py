"""A range coder in integers below 2^53, and frequencies that follow what is coded.

A model of the symbols is written once, as compiled code that passes every symbol through a coder. Its mode decides what
happens: symbols are written, read, or their information is added up. The coder is that of Martin (1979) with the carry
of Schindler's and Pavlov's (LZMA): a range of 32 bits is divided among the symbols and spread again by whole bytes.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from splatkernels.jit import inlined, kernel

Integers = NDArray[np.int64]

ENCODE, DECODE, MEASURE = range(3)
# Places in the state: the lower end of the range, which a decoder knows modulo 2^32; its length; the last byte that a
# carry could change, and how many bytes of ones follow it; the place in the data; how far the code of a decoder lies
# above the lower end; and whether it has met what no encoder writes.
LOW, RANGE, CACHE, PENDING, POSITION, CODE, DAMAGED = range(7)
_STATES = 7

_LEAST_RANGE = 2**24
_TOP = 2**32
# Numbers of possibilities that are coded at once; of more, the lowest bits come apart.
_MOST_AT_ONCE = 2**16

INCREMENT = 96
"""What a symbol that occurs adds to its frequency, where those of a row add up to about `PRIOR_WEIGHT`."""
PRIOR_WEIGHT = 4096
"""Sum of the frequencies of a row of a trained table."""
HIGHEST_SUM = 2**16
"""Rows whose frequencies add up to more are halved."""


class NoRoomError(Exception):
    """There was too little room for what was to be written."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


class Coder(NamedTuple):
    """Where the symbols of a model pass through."""

    mode: int
    """ENCODE, DECODE or MEASURE."""
    state: Integers
    """[7], by the names above."""
    data: NDArray[np.uint8]
    """What is read, or has been written as far as there is room; POSITION counts on."""
    bits: NDArray[np.float64]
    """Information by label, added up when it is measured."""


class Tables(NamedTuple):
    """Frequencies of symbols in contexts, of several tables in one array."""

    frequencies: NDArray[np.int32]
    """Row after row; small, so that they stay in cache."""
    sums: Integers
    """Of each row."""
    rows: Integers
    """Number of the first row of each table."""
    starts: Integers
    """Where each table starts in `frequencies`."""
    sizes: Integers
    """Symbols of each table."""
    occurrences: Integers
    """How often each symbol has been measured, like `frequencies`."""

    def copy(self) -> "Tables":
        """The same, to be changed on their own."""
        return self._replace(
            frequencies=self.frequencies.copy(), sums=self.sums.copy(), occurrences=self.occurrences.copy()
        )


def tables_of(priors: list[NDArray[np.integer]]) -> Tables:
    """Tables that begin with frequencies [contexts, symbols] each."""
    frequencies = np.concatenate([prior.ravel() for prior in priors]).astype(np.int32)
    sums = np.concatenate([prior.sum(axis=1, dtype=np.int64) for prior in priors])
    rows, starts = (np.cumsum([0, *counts])[:-1] for counts in ([len(p) for p in priors], [p.size for p in priors]))
    sizes = np.array([prior.shape[1] for prior in priors])
    return Tables(frequencies, sums, rows, starts, sizes, np.zeros(len(frequencies), np.int64))


def encoder(room: int) -> Coder:
    """Writes up to `room` bytes."""
    state = np.zeros(_STATES, np.int64)
    state[RANGE] = _TOP - 1
    # The first byte holds nothing but a carry that cannot come.
    state[POSITION] = -1
    return Coder(ENCODE, state, np.zeros(room, np.uint8), np.zeros(0))


def decoder(data: bytes) -> Coder:
    """Reads what an encoder has written.

    Raises:
        ValueError: the data end in a zero byte, which an encoder leaves out.
    """
    if data.endswith(b"\0"):
        raise ValueError("the coded symbols end in a zero byte")
    state = np.zeros(_STATES, np.int64)
    state[RANGE] = _TOP - 1
    state[CODE] = int.from_bytes(data[:4].ljust(4, b"\0"), "big")
    state[POSITION] = 4
    return Coder(DECODE, state, np.frombuffer(bytearray(data), np.uint8), np.zeros(0))


def meter(labels: int) -> Coder:
    """Adds up information."""
    return Coder(MEASURE, np.zeros(_STATES, np.int64), np.zeros(0, np.uint8), np.zeros(labels))


def finished(coder: Coder) -> bytes:
    """The bytes that an encoder has written.

    Raises:
        NoRoomError: there are more than there was room for.
    """
    coder.state[LOW] += _last_step(coder)
    for _ in range(5):
        _shift(coder)
    written = int(coder.state[POSITION])
    if written > len(coder.data):
        raise NoRoomError(written)
    return coder.data[:written].tobytes().rstrip(b"\0")


def check_end(coder: Coder) -> None:
    """Raise ValueError unless a decoder has read just what an encoder would have written."""
    if coder.state[DAMAGED]:
        raise ValueError("the coded symbols are damaged")
    if len(coder.data) > coder.state[POSITION]:
        raise ValueError("bytes follow the coded symbols")
    if coder.state[CODE] != _last_step(coder):
        raise ValueError("the coded symbols end in another way than they should")


def _last_step(coder: Coder) -> int:
    """From the lower end of the range to the point in it that ends in the most bytes of zeros."""
    low, length = int(coder.state[LOW]), int(coder.state[RANGE])
    return next(step for zeros in (24, 16, 8, 0) if (step := -low % (1 << zeros)) < length)


@inlined
def _shift(coder):
    """Hand on the top byte of the lower end: once it is sure that no carry will reach it."""
    state = coder.state
    if state[LOW] < 0xFF000000 or state[LOW] >= _TOP:
        carry = state[LOW] >> 32
        byte = state[CACHE] + carry
        for _ in range(state[PENDING] + 1):
            if 0 <= state[POSITION] < len(coder.data):
                coder.data[state[POSITION]] = byte & 0xFF
            state[POSITION] += 1
            byte = 0xFF + carry
        state[PENDING] = 0
        state[CACHE] = (state[LOW] >> 24) & 0xFF
    else:
        state[PENDING] += 1
    state[LOW] = (state[LOW] & 0x00FFFFFF) << 8


@inlined
def _quotient(a, b):
    """a // b of numbers below 2^32, which takes half the time at that width."""
    return np.int64(np.uint32(a) // np.uint32(b))


@inlined
def _narrow(coder, share, start, size):
    """Go on with a part of the range: `size` shares from `start` on."""
    state = coder.state
    state[LOW] += share * start
    if coder.mode == DECODE:
        state[CODE] -= share * start
    state[RANGE] = share * size
    while state[RANGE] < _LEAST_RANGE:
        state[RANGE] <<= 8
        if coder.mode == ENCODE:
            _shift(coder)
        else:
            state[LOW] = (state[LOW] << 8) & (_TOP - 1)
            byte = coder.data[state[POSITION]] if state[POSITION] < len(coder.data) else 0
            state[CODE] = (state[CODE] << 8) | byte
            state[POSITION] += 1


@inlined
def _target(coder, share, total):
    """Which of `total` shares of the range the code of a decoder lies in."""
    found = _quotient(coder.state[CODE], share)
    if found >= total:
        coder.state[DAMAGED] = 1
        return total - 1
    return found


@inlined
def _equal(coder, count, value):
    """Pass one of at most `_MOST_AT_ONCE` equally likely values."""
    share = _quotient(coder.state[RANGE], count)
    if coder.mode == DECODE:
        value = _target(coder, share, count)
    _narrow(coder, share, value, 1)
    return value


@inlined
def uniform(coder, count, value, label):
    """Pass one of 0, 1, ... count - 1, each equally likely; a decoder returns what it reads instead of `value`."""
    if count <= 1:
        return 0
    if coder.mode == MEASURE:
        coder.bits[label] += math.log2(count)
        return value
    low = 0
    while (count - 1) >> low >= _MOST_AT_ONCE:
        low += 1
    if low == 0:
        return _equal(coder, count, value)
    high = _equal(coder, ((count - 1) >> low) + 1, value >> low)
    value = (high << low) + _equal(coder, 1 << low, value & ((1 << low) - 1))
    if value >= count:
        coder.state[DAMAGED] = 1
        return count - 1
    return value


@inlined
def _choose(coder, frequencies, first, total, value, label):
    """Pass one of several values, whose frequencies begin at `first` and add up to `total`."""
    if coder.mode == MEASURE:
        coder.bits[label] += math.log2(total / frequencies[first + value])
        return value
    share, start = _quotient(coder.state[RANGE], total), 0
    if coder.mode == DECODE:
        target = _target(coder, share, total)
        value = 0
        while start + frequencies[first + value] <= target:
            start += frequencies[first + value]
            value += 1
    else:
        for other in range(value):
            start += frequencies[first + other]
    _narrow(coder, share, start, frequencies[first + value])
    return value


@inlined
def symbol(coder, tables, table, context, value, label):
    """Pass a symbol of a table in a context; a decoder returns what it reads instead of `value`."""
    size = tables.sizes[table]
    if size == 1:
        return 0
    first = tables.starts[table] + context * size
    row = tables.rows[table] + context
    value = _choose(coder, tables.frequencies, first, tables.sums[row], value, label)
    _learn(coder, tables, row, first, size, value)
    return value


@kernel
def symbols(coder, tables, table, values):
    """Pass symbols [N] of a table of one row; a decoder writes what it reads."""
    for i in range(len(values)):
        values[i] = symbol(coder, tables, table, 0, values[i], 0)


@inlined
def weighted_symbol(coder, tables, table, context, weights, value, label):
    """As `symbol`, where symbol k counts `weights[k]` times, or not at all; the weights become frequencies."""
    size = tables.sizes[table]
    first = tables.starts[table] + context * size
    total = 0
    for k in range(size):
        weights[k] *= tables.frequencies[first + k]
        total += weights[k]
    value = _choose(coder, weights, 0, total, value, label)
    _learn(coder, tables, tables.rows[table] + context, first, size, value)
    return value


@inlined
def _learn(coder, tables, row, first, size, value):
    """Let the frequencies of a row, `size` of them from `first` on, follow a symbol; count it where it is measured."""
    if coder.mode == MEASURE:
        tables.occurrences[first + value] += 1
    frequencies = tables.frequencies
    frequencies[first + value] += INCREMENT
    tables.sums[row] += INCREMENT
    if tables.sums[row] > HIGHEST_SUM:
        total = 0
        for k in range(first, first + size):
            frequencies[k] = (frequencies[k] + 1) >> 1
            total += frequencies[k]
        tables.sums[row] = total

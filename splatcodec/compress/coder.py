"""Entropy coding: symbols to bits under given frequencies, and back.

A model of the symbols is written once, as code that passes every symbol through a coder. What the coder is decides
what happens: an `Encoder` writes the symbols it is given, a `Decoder` ignores them and reads those of a file, a `Meter`
adds up their information.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_BYTES_PER_WORD = 4
_SMALLEST_BLOCK, _LARGEST_BLOCK = 64, 512
# A row whose frequencies add up to more is halved: the range coder counts in floats, exact below 2^24.
_HIGHEST_SUM = 2**20
# What a symbol that occurs adds to its frequency, where those of a row add up to about `PRIOR_WEIGHT`.
_INCREMENT = 96
PRIOR_WEIGHT = 4096
"""Sum of the frequencies of a row of a trained table."""


class Coder(ABC):
    """Where the symbols of a model pass through."""

    label = ""
    """What the symbols describe at present."""

    @abstractmethod
    def symbols(self, frequencies: Integers, values: Integers) -> Integers:
        """Pass one symbol per row: symbol k of row i has the probability frequencies[i, k] / sum(frequencies[i])."""

    @abstractmethod
    def uniform(self, sizes: Integers, values: Integers) -> Integers:
        """Pass one symbol per row, each of 0, 1, ... sizes[i] - 1 equally likely; sizes are 1 to 2^24."""


@cache
def _models() -> Any:
    """The Categorical and the Uniform family; loaded late because `half` files do without."""
    from constriction import stream

    # Of perfect rounding no two platforms could be sure.
    return stream.model.Categorical(perfect=False), stream.model.Uniform()


def _rows(frequencies: Integers) -> NDArray[np.float32]:
    """Frequencies as the range coder takes them."""
    return frequencies.astype(np.float32)


class Encoder(Coder):
    """Writes symbols."""

    def __init__(self) -> None:
        from constriction import stream

        self._coder = stream.queue.RangeEncoder()

    def symbols(self, frequencies: Integers, values: Integers) -> Integers:
        if len(values):
            self._coder.encode(values.astype(np.int32), _models()[0], _rows(frequencies))
        return values

    def uniform(self, sizes: Integers, values: Integers) -> Integers:
        free = sizes > 1
        if free.any():
            self._coder.encode(values[free].astype(np.int32), _models()[1], sizes[free].astype(np.int32))
        return values

    def bytes(self) -> bytes:
        """What has been written; zeros at the end are left out, a decoder takes them for granted."""
        return self._coder.get_compressed().astype("<u4").tobytes().rstrip(b"\0")


class Decoder(Coder):
    """Reads symbols that an `Encoder` wrote.

    Damaged bytes decode to symbols that mean nothing, or raise ValueError.
    """

    def __init__(self, data: bytes) -> None:
        from constriction import stream

        if data.endswith(b"\0"):
            raise ValueError("the coded symbols end in a zero byte")
        padded = data + bytes(-len(data) % _BYTES_PER_WORD)
        self._coder = stream.queue.RangeDecoder(np.frombuffer(padded, "<u4").astype(np.uint32))

    def end(self) -> None:
        """Fail unless all has been read."""
        if not self._coder.maybe_exhausted():
            raise ValueError("bytes follow the coded symbols")

    def symbols(self, frequencies: Integers, values: Integers) -> Integers:
        return self._decode(_models()[0], _rows(frequencies))

    def uniform(self, sizes: Integers, values: Integers) -> Integers:
        decoded = np.zeros(len(sizes), np.int64)
        free = sizes > 1
        decoded[free] = self._decode(_models()[1], sizes[free].astype(np.int32))
        return decoded

    def _decode(self, model: Any, parameters: NDArray[Any]) -> Integers:
        """One symbol for each row of the parameters of a family of models."""
        if not len(parameters):
            return np.zeros(0, np.int64)
        try:
            return self._coder.decode(model, parameters).astype(np.int64)
        except AssertionError as error:
            raise ValueError("the coded symbols are damaged") from error


class Meter(Coder):
    """Adds up the information of symbols in bits, under the label that is set."""

    def __init__(self) -> None:
        self.bits: defaultdict[str, float] = defaultdict(float)

    def symbols(self, frequencies: Integers, values: Integers) -> Integers:
        own = np.take_along_axis(frequencies, values[:, None], axis=1)[:, 0]
        self.bits[self.label] += float(np.log2(frequencies.sum(axis=1) / own).sum())
        return values

    def uniform(self, sizes: Integers, values: Integers) -> Integers:
        self.bits[self.label] += float(np.log2(sizes).sum())
        return values


class Table:
    """Frequencies of K symbols in each of several contexts, which follow what has been coded.

    Args:
        prior: [contexts, K] frequencies to begin with, > 0; rows add up to about `PRIOR_WEIGHT`.
    """

    def __init__(self, prior: NDArray[np.integer]) -> None:
        self._counts = prior.astype(np.int64)
        self._sums = self._counts.sum(axis=1)

    def code(
        self, coder: Coder, contexts: Integers, values: Integers, multiplicities: Integers | None = None
    ) -> Integers:
        """Pass one symbol for each context, in blocks: frequencies change between blocks only.

        Symbol k in row i counts `multiplicities[i, k]` times, if these are given.
        """
        if self._counts.shape[1] == 1:
            return np.zeros(len(contexts), np.int64)
        parts, start, size = [], 0, _SMALLEST_BLOCK
        while start < len(contexts):
            block = slice(start, start + size)
            rows = contexts[block]
            frequencies = self._counts[rows]
            if multiplicities is not None:
                frequencies = frequencies * multiplicities[block]
            coded = coder.symbols(frequencies, values[block])
            np.add.at(self._counts, (rows, coded), _INCREMENT)
            np.add.at(self._sums, rows, _INCREMENT)
            heavy = rows[self._sums[rows] > _HIGHEST_SUM]
            self._counts[heavy] = (self._counts[heavy] + 1) // 2
            self._sums[heavy] = self._counts[heavy].sum(axis=1)
            parts.append(coded)
            start, size = start + size, min(2 * size, _LARGEST_BLOCK)
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

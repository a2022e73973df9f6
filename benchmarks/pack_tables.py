"""Pack the trained tables of the profile `adaptive` for pages of `splatcodec view`, to a fifth of their size.

    python benchmarks/pack_tables.py splatcodec/compress/priors.bin splatcodec/web/viewer/tables.bin

A table is coded value by value, a value as how many bits it has and then its bits, each under the mean of three
adaptive probabilities, given what stands before it and above. `splatcodec/web/viewer/tables.js` is the other way round;
floats are only added, multiplied and divided, so that both find the same probabilities everywhere.
"""

import argparse
from pathlib import Path

TABLES = ((195, 17, 13), (13, 32, 1), (20, 48, 1), (16, 32, 1), (16, 32, 1))
TABLES += ((896, 32, 8), (448, 32, 4), (400, 64, 20), (400, 64, 20), (132, 16, 33))
"""Rows and symbols of each table, and how many rows are between alike contexts."""
SUM = 4110
"""What frequencies of a row add up to, or nearly."""
CONTEXTS = (2**9, 2**11, 2**12)
NODES = 128
"""Decisions in a context: 16 about the number of bits, and 8 about the first bits after each such number."""
MODELLED = 3
"""Bits behind the first that are not taken as even."""


class Coder:
    """A range coder of decisions, each under the mean of adaptive probabilities."""

    def __init__(self) -> None:
        self.low, self.high = 0, 2**32 - 1
        self.bytes = bytearray()
        self.probabilities = [[0.5] * (NODES * count) for count in CONTEXTS]
        self.counts = [[0] * (NODES * count) for count in CONTEXTS]

    def code(self, bit: int, contexts: tuple[int, ...], node: int) -> None:
        """A decision under what is known of it in each context."""
        total = weights = 0.0
        for k, context in enumerate(contexts):
            p, n = self.probabilities[k][NODES * context + node], self.counts[k][NODES * context + node]
            weight = (n + 0.4) / (p * (1 - p) + 0.005)
            total += weight * p
            weights += weight
        self.put(bit, min(max(total / weights, 1 / 4096), 4095 / 4096))
        for k, context in enumerate(contexts):
            at = NODES * context + node
            self.counts[k][at] = n = min(self.counts[k][at] + 1, 60)
            self.probabilities[k][at] += (bit - self.probabilities[k][at]) / (n + 1.5)

    def put(self, bit: int, probability: float) -> None:
        """A decision that is true with a probability."""
        middle = self.low + int((self.high - self.low) * probability)
        if bit:
            self.high = middle
        else:
            self.low = middle + 1
        while self.low >> 24 == self.high >> 24:
            self.bytes.append(self.high >> 24)
            self.low = self.low << 8 & 0xFFFFFFFF
            self.high = self.high << 8 & 0xFFFFFFFF | 255

    def finished(self) -> bytes:
        """All bytes."""
        return bytes(self.bytes) + self.high.to_bytes(4, "big")


def halves(value: int) -> int:
    """Twice the logarithm of a number above 0, about."""
    bits = value.bit_length()
    return 2 * bits + (value >> bits - 2 & 1 if bits > 1 else 0)


def code_table(coder: Coder, rows: list[list[int]], stride: int) -> None:
    """Code all values of a table."""
    for r, row in enumerate(rows):
        above = rows[r - 1] if r else [1] * len(row)
        alike = rows[r - stride] if r >= stride else above
        is_same, left, left_above = 1, SUM, 2 * SUM
        for s, value in enumerate(row):
            before, second = (row[s - k] if s >= k else 1 for k in (1, 2))
            both = above[s] + alike[s]
            expected = max(1, both * max(left, 1) // max(left_above, 1))
            a, b, w = (number.bit_length() for number in (before, above[s], alike[s]))
            contexts = (16 * b + w) * 2 + is_same, (16 * halves(expected) + a) * 2 + is_same, (16 * a + b) * 16
            contexts = (*contexts[:2], contexts[2] + second.bit_length())
            length = value.bit_length()
            for k in range(1, length + 1):
                coder.code(k == length, contexts, k)
            for k in range(1, length):
                top, bit = value >> length - k, value >> length - k - 1 & 1
                if k <= MODELLED:
                    coder.code(bit, contexts, 16 + 8 * length + top)
                else:
                    coder.put(bit, 0.5)
            is_same &= value == above[s]
            left -= value
            left_above -= both


def packed(tables: bytes) -> bytes:
    """The weights, which stand at the end of the tables, as they are, and then all else."""
    coder, at = Coder(), 0
    for count, symbols, stride in TABLES:
        rows = []
        for _ in range(count):
            row = tables[at : at + 2 * symbols]
            rows.append([row[k] | row[k + 1] << 8 for k in range(0, 2 * symbols, 2)])
            at += 2 * symbols
        code_table(coder, rows, stride)
    return tables[at:] + coder.finished()


def main() -> None:
    """Read, pack and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    arguments.out.write_bytes(packed(arguments.tables.read_bytes()))


if __name__ == "__main__":
    main()

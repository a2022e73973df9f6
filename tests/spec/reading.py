"""How values are read: bytes and numbers in turn, and range-coded symbols. By docs/format.md alone."""

import math
import struct


class DamagedError(ValueError):
    """The file is refused."""


def check(holds: bool, fault: str) -> None:
    """Refuse the file unless a rule holds."""
    if not holds:
        raise DamagedError(fault)


class Bytes:
    """Reads bytes, varints and halves in turn."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        check(count <= len(self.data) - self.at, "ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                check(byte > 0 or shift == 0, "overlong varint")
                return value
        raise DamagedError("varint of more than five bytes")

    def halves(self, count: int) -> tuple[list[int], list[float]]:
        """The bits of numbers, and the numbers."""
        data = self.take(2 * count)
        values = list(struct.unpack(f"<{count}e", data))
        check(all(map(math.isfinite, values)), "a number is not finite")
        return list(struct.unpack(f"<{count}H", data)), values

    def end(self) -> None:
        check(self.at == len(self.data), "bytes are left")


class RangeDecoder:
    """Range coding."""

    def __init__(self, data: bytes) -> None:
        check(not data.endswith(b"\0"), "range coding ends in a zero")
        self.data, self.at = data, 4
        self.r, self.low = 2**32 - 1, 0
        self.c = int.from_bytes(data[:4].ljust(4, b"\0"), "big")

    def narrow(self, a: int, before: int, own: int) -> None:
        self.c -= a * before
        self.low = (self.low + a * before) % 2**32
        self.r = a * own
        while self.r < 2**24:
            self.r *= 256
            self.low = 256 * self.low % 2**32
            self.c = 256 * self.c + (self.data[self.at] if self.at < len(self.data) else 0)
            self.at += 1

    def symbol(self, frequencies: list[int]) -> int:
        total = sum(frequencies)
        a = self.r // total
        target = self.c // a
        check(target < total, "symbol")
        k = before = 0
        while before + frequencies[k] <= target:
            before += frequencies[k]
            k += 1
        self.narrow(a, before, frequencies[k])
        return k

    def uniform(self, n: int) -> int:
        if n <= 1:
            return 0
        if n > 2**16:
            y = ((n - 1) >> 16).bit_length()
            value = (self.uniform(((n - 1) >> y) + 1) << y) + self.uniform(2**y)
            check(value < n, "value")
            return value
        a = self.r // n
        value = self.c // a
        check(value < n, "value")
        self.narrow(a, value, 1)
        return value

    def end(self) -> None:
        check(len(self.data) <= self.at, "bytes are left")
        check(self.c == next(s for z in (24, 16, 8, 0) if (s := -self.low % 2**z) < self.r), "end of range coding")


class Table:
    """Rows of frequencies, which follow what is read."""

    def __init__(self, rows: list[list[int]]) -> None:
        self.rows = rows

    def read(self, coder: RangeDecoder, number: int, times: list[int] | None = None) -> int:
        row = self.rows[number]
        if len(row) == 1:
            return 0
        k = coder.symbol(row if times is None else [f * t for f, t in zip(row, times, strict=True)])
        row[k] += 96
        if sum(row) > 2**16:
            row[:] = [(frequency + 1) // 2 for frequency in row]
        return k

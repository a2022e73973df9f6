"""A decoder written from docs/format.md alone, slowly, in Python's own integers.

Whatever overflows, rounds or looks at the wrong neighbour in the product differs from this.
"""

from math import atan2, ceil, cos, exp, hypot, log, pi, sin, sqrt

import numpy as np

STRIDES = [None, 16, 8, 4, 2, 1]
HUES = (-12, -5, -1, 2, 6, 13)
LUMAS = (2, 6, 10, 14, 18, 26, 36)


class Reader:
    """Range coding."""

    def __init__(self, data: bytes) -> None:
        assert not data.endswith(b"\0")
        self.data = data
        self.at = 4
        self.r = 2**32 - 1
        self.c = int.from_bytes(data[:4].ljust(4, b"\0"), "big")
        self.low = 0

    def symbol(self, frequencies: list[int]) -> int:
        a = self.r // sum(frequencies)
        target = self.c // a
        assert target < sum(frequencies)
        before = k = 0
        while before + frequencies[k] <= target:
            before += frequencies[k]
            k += 1
        self.narrow(a, before, frequencies[k])
        return k

    def narrow(self, a: int, before: int, own: int) -> None:
        self.c -= a * before
        self.low = (self.low + a * before) % 2**32
        self.r = a * own
        while self.r < 2**24:
            self.r *= 256
            self.low = self.low * 256 % 2**32
            self.c = 256 * self.c + (self.data[self.at] if self.at < len(self.data) else 0)
            self.at += 1

    def even(self, n: int) -> int:
        if n <= 1:
            return 0
        y = 0
        while (n - 1) // 2**y >= 2**16:
            y += 1
        if y:
            high = self.even((n - 1) // 2**y + 1)
            value = high * 2**y + self.even(2**y)
            assert value < n
            return value
        a = self.r // n
        assert self.c // a < n
        value = self.c // a
        self.narrow(a, value, 1)
        return value

    def end(self) -> None:
        assert len(self.data) <= self.at
        steps = (-self.low % 2**zeros for zeros in (24, 16, 8, 0))
        assert self.c == next(step for step in steps if step < self.r)


class Table:
    """Frequencies that follow the file."""

    def __init__(self, rows: list[list[int]]) -> None:
        self.rows = [list(row) for row in rows]

    def read(self, reader: Reader, row: int, times: list[int] | None = None) -> int:
        own = self.rows[row]
        if len(own) == 1:
            return 0
        symbol = reader.symbol(own if times is None else [f * t for f, t in zip(own, times, strict=True)])
        own[symbol] += 96
        if sum(own) > 2**16:
            own[:] = [(f + 1) // 2 for f in own]
        return symbol


class Adaptive:
    """The Gaussians of a payload of `ADAP`."""

    def __init__(self, payload: bytes, priors: dict[str, np.ndarray], width: int, height: int, channels: int, n: int):
        self.d, start = varint(payload, 0)
        self.reader = Reader(payload[start:])
        tables = {name: own for name, own in priors.items() if name not in ("larger", "smaller")}
        self.tables = {name: Table(own.reshape(-1, own.shape[-1]).tolist()) for name, own in tables.items()}
        self.weights = [priors[name].ravel().tolist() for name in ("larger", "smaller")]
        self.width, self.height, self.channels, self.n = width, height, channels, n
        self.cells()
        self.centers = [(2 * x + 2**a, 2 * y + 2**b) for x, y, a, b in self.leaves]
        self.m, self.t, self.r = ([0] * n for _ in range(3))
        self.k = [[0] * channels for _ in range(n)]
        self.q, self.l, self.surplus = ([[0, 0] for _ in range(n)] for _ in range(3))
        self.means = [(0.0, 0.0)] * n
        for j in STRIDES:
            for i in range(0, n, 32) if j is None else range(j, n, 2 * j):
                self.gaussian(i, j)
        self.reader.end()

    def cells(self) -> None:
        b = (3 * max(self.width, self.height) - 1).bit_length()
        left, top = (self.width - 2**b) // 2, (self.height - 2**b) // 2
        # Cells of a level: corner, logarithms of sides, means, in the order of the walk.
        level = [(left, top, b, b, self.n)] if self.n else []
        leaves = []
        depth = 0
        while level:
            axis = depth % 2
            held = {cell[:2]: cell[4] for cell in level}
            following = []
            for x, y, p, q, n in level:
                if n <= 1 or p + q == 0:
                    leaves += [(x, y, p, q)] * n
                    continue
                width = 2 ** ((p, q)[axis])
                size, at = ((self.width, x), (self.height, y))[axis]
                shares = [
                    16 * max(0, min(begin + width // 2, size) - max(begin, 0)) + width // 2
                    for begin in (at, at + width // 2)
                ]
                if shares[0] != shares[1]:
                    g = 8 * shares[0] // sum(shares)
                else:
                    step = (width, 0) if axis == 0 else (0, width)
                    after, before = (held.get((x + s * step[0], y + s * step[1]), 0) for s in (1, -1))
                    d = after - before
                    g = 10 + (d > 0) * (1 + (2 * d > n)) - (d < 0) * (1 + (-2 * d > n))
                if n <= 16:
                    first = self.tables["few"].read(self.reader, 13 * (n - 2) + g)
                else:
                    quotient = self.tables["many"].read(self.reader, g)
                    possible = [f for f in range(n + 1) if 32 * f // (n + 1) == quotient]
                    first = possible[self.reader.even(len(possible))]
                half = (p - 1, q) if axis == 0 else (p, q - 1)
                second = (x + width // 2, y) if axis == 0 else (x, y + width // 2)
                following += [(x, y, *half, first), (*second, *half, n - first)]
            level = following
            depth += 1
        # The order of a walk: by the bits of x and y in turn.
        self.leaves = sorted(
            leaves,
            key=lambda cell: [(c >> bit) & 1 for bit in range(b - 1, -1, -1) for c in (cell[0] - left, cell[1] - top)],
        )

    def gaussian(self, i: int, j: int | None) -> None:
        x, y, a, b = self.leaves[i]
        others = [i + offset for offset in range(-8, 9) if offset]
        nearest = sorted(self.distance(i, o) if 0 <= o < self.n else 2**26 for o in others)
        u = max(1, nearest[1])
        others = [] if j is None else [i + odd * j for odd in range(-15, 16, 2)]
        self.w = {o: 256 * u // (u + self.distance(i, o)) for o in others if 0 <= o < self.n}
        self.largest = max(self.w.values(), default=0)

        m = self.m[i] = self.tables["class"].read(self.reader, min(19, a + b))
        for channel in range(self.channels):
            name = "grey" if self.channels == 1 else f"color{channel}"
            z = max(0, m // 2 - 3)
            self.k[i][channel] = self.shifted(name, self.color_row(i, channel, z), z, -16)

        step = max(1, round(1024 * min(1, 1.5 / log(2) * 2 ** (-m / 2))))
        z = 0
        while step * 2**z < 256:
            z += 1
        features = [16 * (a + b)]
        # The powers 2^(p / 8) that are at most d^2, without roots.
        features += [sum(2**p <= nearest[rank - 1] ** 8 for p in range(1, 209)) for rank in (1, 2, 4, 8)]
        base, v = self.predicted(0, m, features)
        q1 = self.shifted("scale0", 20 * min(m, 19) + max(0, min(19, 3 * v // 1024)), z, 0)
        l1 = q1 * step
        assert l1 < 16384
        self.surplus[i][0] = l1 - base
        base, v = self.predicted(1, m, [*features, 16 * l1 // 1024])
        below = self.shifted("scale1", 20 * min(m, 19) + max(0, min(19, 4 * v // 1024 + 2)), z, 0)
        assert below <= q1
        self.surplus[i][1] = below * step - base
        self.q[i], self.l[i] = [q1, q1 - below], [l1, l1 - below * step]

        e = min(127, 8 * (self.l[i][0] - self.l[i][1]) // 1024)
        ratio = 2 ** ((e + 0.5) / 8)
        count = self.r[i] = min(65536, max(1, ceil(pi * 2 ** (m / 2) * (ratio - 1 / ratio) / 2.4)))
        if count > 1:
            groups = [[t for t in range(count) if 16 * t // count == g] for g in range(16)] if count < 128 else None
            times = None if groups is None else [len(group) for group in groups]
            direction = self.tables["rotation"].read(self.reader, self.rotation_row(i), times)
            low, high = -(-direction * count // 16), -(-(direction + 1) * count // 16)
            self.t[i] = low + self.reader.even(high - low)
        self.means[i] = tuple(
            corner + 2**side * (self.reader.even(places) + 0.5) / places
            for corner, side, places in (
                (x, a, self.places(i, e, ratio, a, 0)),
                (y, b, self.places(i, e, ratio, b, 32)),
            )
        )

    def places(self, i: int, e: int, ratio: float, side: int, turned: int) -> int:
        at = ((64 * self.t[i] // self.r[i] + turned) % 64 + 0.5) * pi / 64
        c = round(4 * log(cos(at) ** 2 + ratio**2 * sin(at) ** 2, 2))
        p = 8 * side - (8 * self.l[i][0] // 1024 - 12 - c) - 5 + 4 * self.m[i]
        return round(2 ** (min(160, max(0, p)) / 8))

    def distance(self, a: int, b: int) -> int:
        return min(sum((p - q) ** 2 for p, q in zip(self.centers[a], self.centers[b], strict=True)), 2**26 - 1)

    def shifted(self, table: str, row: int, z: int, first: int) -> int:
        high = self.tables[table].read(self.reader, row) + first
        return high * 2**z + self.reader.even(2**z)

    def predicted(self, which: int, m: int, features: list[int]) -> tuple[int, int]:
        weights = self.weights[which]
        base = weights[min(m, 19)] + 64 * sum(f * a for f, a in zip(features, weights[20:], strict=True)) // 1024
        total = sum(w * self.surplus[o][which] for o, w in self.w.items())
        return base, base + total // max(1, self.largest + sum(self.w.values()))

    def color_row(self, i: int, channel: int, z: int) -> int:
        m = self.m[i]
        row = m if m < 14 else 14 + m % 2
        if channel == 0:
            return row
        own = [4 * k // 2**z for k in self.k[i]]
        yy, yu, uu = self.product(0, 0), self.product(0, 1), self.product(1, 1)
        if channel == 1:
            hue = sum(border <= own[0] * yu // yy for border in HUES)
            return 8 * (7 * row + hue) + sum(luma <= abs(own[0]) for luma in LUMAS)
        yv, uv = self.product(0, 2), self.product(1, 2)
        predicted = own[0] * (yv * uu - uv * yu) + own[1] * (uv * yy - yv * yu)
        hue = sum(border <= predicted // max(1, yy * uu - yu**2) for border in HUES)
        left = max(0, 3 * 2**m // 2 - self.k[i][0] ** 2 - self.k[i][1] ** 2)
        return 4 * (7 * row + hue) + min(3, 8 * left // 3 // 2**m)

    def product(self, a: int, b: int) -> int:
        total = sum(w * self.normal(o, a) * self.normal(o, b) for o, w in self.w.items())
        return (total + (82 * self.largest + 64 if a == b else 0)) // 64

    def normal(self, i: int, channel: int) -> int:
        return max(-127, min(127, self.k[i][channel] * round(2 ** (30 - self.m[i] / 2)) // 2**24))

    def rotation_row(self, i: int) -> int:
        x = sum(w * self.vector(o)[0] for o, w in self.w.items())
        y = sum(w * self.vector(o)[1] for o, w in self.w.items())
        square = (x // 64) ** 2 + (y // 64) ** 2
        whole = sum(w * self.length(o) for o, w in self.w.items()) + 768 * self.largest
        hint = 32
        if 25 * square > whole**2:
            along = [x * a + y * b for a, b in (unit(2 * pi * g / 16) for g in range(16))]
            hint = 2 * along.index(max(along)) + (4 * square > whole**2)
        return 33 * min(3, (self.l[i][0] - self.l[i][1]) // 1024) + hint

    def length(self, i: int) -> int:
        return min(24, 8 * (self.l[i][0] - self.l[i][1]) // 1024) * round(16 * 2 ** (min(self.m[i], 12) / 4))

    def vector(self, i: int) -> tuple[int, int]:
        x, y = unit(2 * pi * (64 * self.t[i] // self.r[i]) / 64)
        return self.length(i) * x, self.length(i) * y

    def gaussians(self) -> tuple[np.ndarray, ...]:
        """Means, scales, rotations and colours, float64."""
        big = 4 * 2 ** (-self.d / 32)
        scales = np.array([[0.35 * 2 ** (part / 1024) for part in pair] for pair in self.l]).reshape(-1, 2)
        rotations = np.array([pi * t / r for t, r in zip(self.t, self.r, strict=True)])
        basis = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
        steps = np.array([big / sqrt(pi * a * b) for a, b in scales]).reshape(-1, 1)
        colors = np.array(self.k, float).reshape(-1, self.channels) * steps
        return np.array(self.means).reshape(-1, 2), scales, rotations, colors @ basis if self.channels == 3 else colors


def unit(angle: float) -> tuple[int, int]:
    return round(64 * cos(angle)), round(64 * sin(angle))


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def indices(payload: bytes, sizes: list[int], n: int) -> list[list[int]]:
    """The arrays of `INDX`, for codebooks of such sizes."""
    reader = Reader(payload)
    found = []
    for size in sizes:
        table = Table([[max(1, 4096 // max(size, 1))] * size])
        found.append([table.read(reader, 0) for _ in range(n)])
    reader.end()
    return found


def shape(a: float, b: float, c: float) -> tuple[float, float, float]:
    """Standard deviations and rotation of an entry of the codebook of shapes."""
    h = hypot((a - b) / 2, c / sqrt(2))
    return exp((a + b) / 2 + h), exp((a + b) / 2 - h), atan2(c / sqrt(2), (a - b) / 2) / 2

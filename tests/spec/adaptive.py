"""The `adaptive` profile, by docs/format.md alone: slowly, and in Python's own integers."""

import math
import struct
from bisect import bisect_right
from functools import cache
from itertools import pairwise
from pathlib import Path

from .layers import Gaussian, Layer
from .reading import Bytes, RangeDecoder, Table, check

PRIORS = Path(__file__).parents[2] / "splatcodec" / "compress" / "priors.bin"
# Tables, their rows, and the symbols of a row.
NAMES = ("few", "many", "class", "grey", "color0", "color1", "color2", "scale0", "scale1", "rotation")
ROWS = (195, 13, 20, 16, 16, 896, 448, 400, 400, 132)
SYMBOLS = (17, 32, 48, 32, 32, 32, 32, 64, 64, 16)

HUES = (-12, -5, -1, 2, 6, 13)
LUMAS = (2, 6, 10, 14, 18, 26, 36)
INVERSE = [round(2 ** (30 - m / 2)) for m in range(48)]
STEP = [max(1, round(1024 * min(1, 1.5 / math.log(2) * 2 ** (-m / 2)))) for m in range(48)]
STRENGTH = [round(16 * 2 ** (m / 4)) for m in range(13)]
TURN = [round(64 * math.cos(2 * math.pi * i / 64)) for i in range(64)]
COUNT = [round(2 ** (p / 8)) for p in range(161)]
POWER = [next(n for n in range(int(2 ** (i / 8)) - 1, 2**27) if n**8 >= 2**i) for i in range(1, 209)]
FAR = 2**26


def priors() -> tuple[dict[str, Table], list[list[int]]]:
    """The tables as they are at first, and the weights of predictions."""
    data, at, tables = PRIORS.read_bytes(), 0, {}
    for name, rows, symbols in zip(NAMES, ROWS, SYMBOLS, strict=True):
        end = at + 2 * rows * symbols
        tables[name] = Table([list(row) for row in struct.iter_unpack(f"<{symbols}H", data[at:end])])
        at = end
    weights = struct.unpack_from("<51i", data, at)
    return tables, [list(weights[:25]), list(weights[25:])]


@cache
def conditional(e: int, i: int) -> int:
    """The table c."""
    angle = (i + 0.5) * math.pi / 64
    return round(4 * math.log2(math.cos(angle) ** 2 + 2 ** ((e + 0.5) / 4) * math.sin(angle) ** 2))


@cache
def rotation_count(m: int, e: int) -> int:
    """The table R."""
    ratio = 2 ** ((e + 0.5) / 8)
    return min(65536, max(1, math.ceil(math.pi * 2 ** (m / 2) * (ratio - 1 / ratio) / 2.4)))


def adaptive(layer: Layer, chunks: list[bytes]) -> None:
    """Profile 1."""
    reader = Bytes(chunks[0])
    d = reader.varint()
    check(d <= 767, "d")
    check(layer.n <= 8 * len(chunks[0]), "more Gaussians than the bytes allow")
    Adaptive(layer, RangeDecoder(chunks[0][reader.at :]), d).decode()


class Adaptive:
    """What is known while `ADAP` is decoded; lists are of all Gaussians, by number."""

    def __init__(self, layer: Layer, coder: RangeDecoder, d: int) -> None:
        n = layer.n
        self.layer, self.coder, self.n, self.d = layer, coder, n, d
        self.tables, self.weights = priors()
        self.cells: list[tuple[int, int, int, int]] = []
        self.m, self.t, self.rotations, self.length = ([0] * n for _ in range(4))
        self.k, self.y = ([[0, 0, 0] for _ in range(n)] for _ in range(2))
        self.q, self.logs, self.surplus, self.places, self.vector = ([[0, 0] for _ in range(n)] for _ in range(5))

    def decode(self) -> None:
        self.cells = self.leaves()
        self.centers = [(2 * x + 2**a, 2 * y + 2**b) for x, y, a, b in self.cells]
        for i in range(0, self.n, 32):
            self.gaussian(i, None)
        for j in (16, 8, 4, 2, 1):
            for i in range(j, self.n, 2 * j):
                self.gaussian(i, j)
        self.coder.end()
        colors = [own[: self.layer.channels] for own in self.k]
        names = {"class": self.m, "color": colors, "scale": self.q, "rotation": self.t, "place": self.places}
        self.layer.symbols |= {"d": self.d, "cell": self.cells} | names
        self.layer.gaussians += [self.values(i) for i in range(self.n)]

    def read(self, table: str, row: int) -> int:
        return self.tables[table].read(self.coder, row)

    def shifted(self, table: str, row: int, z: int, first: int) -> int:
        high = self.read(table, row) + first
        return high * 2**z + self.coder.uniform(2**z)

    def leaves(self) -> list[tuple[int, int, int, int]]:
        """The cell of each Gaussian: its corner, and the logarithms of its sides."""
        width, height = self.layer.width, self.layer.height
        b = (3 * max(width, height) - 1).bit_length()
        # Cells of a level in order: the way to it from the root as bits, its corner, and its means.
        level = [("", (width - 2**b) // 2, (height - 2**b) // 2, self.n)]
        found = []
        for depth in range(2 * b + 1):
            axis, side = depth % 2, 2 ** (b - depth // 2)
            sides = b - (depth + 1) // 2, b - depth // 2
            held = {(x, y): n for _, x, y, n in level}
            halves = []
            for way, x, y, n in level:
                if n <= 1 or depth == 2 * b:
                    found += [(way, x, y, *sides)] * n
                    continue
                dx, dy = (side, 0) if axis == 0 else (0, side)
                more = held.get((x + dx, y + dy), 0) - held.get((x - dx, y - dy), 0)
                first = self.first_half(n, (x, y)[axis], side // 2, (width, height)[axis], more)
                halves += [(way + "0", x, y, first), (way + "1", x + dx // 2, y + dy // 2, n - first)]
            level = halves
        found.sort(key=lambda leaf: leaf[0])
        return [leaf[1:] for leaf in found]

    def first_half(self, n: int, p: int, h: int, size: int, more: int) -> int:
        """How many of n means are in the first half of a cell."""
        f, s = (16 * max(0, min(at + h, size) - max(at, 0)) + h for at in (p, p + h))
        g = 8 * f // (f + s)
        if f == s:
            sign = (more > 0) - (more < 0)
            g = 10 + sign * (1 + (2 * abs(more) > n))
        if n <= 16:
            first = self.read("few", 13 * (n - 2) + g)
            check(first <= n, "more means in a half than in the cell")
            return first
        q = self.read("many", g)
        low, high = -(-q * (n + 1) // 32), -(-(q + 1) * (n + 1) // 32)
        check(low < high, "no number has this quotient")
        return low + self.coder.uniform(high - low)

    def distance(self, i: int, k: int) -> int:
        if not 0 <= k < self.n:
            return FAR
        (x, y), (u, v) = self.centers[i], self.centers[k]
        return min(FAR - 1, (x - u) ** 2 + (y - v) ** 2)

    def gaussian(self, i: int, j: int | None) -> None:
        """Read one."""
        _, _, a, b = self.cells[i]
        near = sorted(self.distance(i, i + offset) for offset in range(-8, 9) if offset)
        u = max(1, near[1])
        numbers = [] if j is None else [i + odd * j for odd in range(-15, 16, 2)]
        # Of the neighbours, by number.
        self.w = {k: 256 * u // (u + self.distance(i, k)) for k in numbers if 0 <= k < self.n}
        self.largest = max(self.w.values(), default=0)

        m = self.m[i] = self.read("class", min(19, a + b))
        self.read_colors(i, m)
        features = [16 * (a + b), *(bisect_right(POWER, near[rank - 1]) for rank in (1, 2, 4, 8))]
        self.read_scales(i, m, features)
        self.read_rotation(i, m)
        self.places[i] = [self.coder.uniform(count) for count in self.place_counts(i)]

    def read_colors(self, i: int, m: int) -> None:
        z, row, k = max(0, m // 2 - 3), m if m < 14 else 14 + m % 2, self.k[i]
        if self.layer.channels == 1:
            k[0] = self.shifted("grey", row, z, -16)
            return

        def product(p: int, q: int) -> int:
            total = sum(weight * self.y[o][p] * self.y[o][q] for o, weight in self.w.items())
            return (total + (82 * self.largest + 64 if p == q else 0)) // 64

        yy, yu, yv, uu, uv = product(0, 0), product(0, 1), product(0, 2), product(1, 1), product(1, 2)
        k[0] = self.shifted("color0", row, z, -16)
        luma = 4 * k[0] // 2**z
        hue = sum(border <= luma * yu // yy for border in HUES)
        k[1] = self.shifted("color1", 8 * (7 * row + hue) + sum(border <= abs(luma) for border in LUMAS), z, -16)
        chroma = 4 * k[1] // 2**z
        v = (luma * (yv * uu - uv * yu) + chroma * (uv * yy - yv * yu)) // max(1, yy * uu - yu**2)
        hue = sum(border <= v for border in HUES)
        left = max(0, 3 * 2**m // 2 - k[0] ** 2 - k[1] ** 2)
        k[2] = self.shifted("color2", 4 * (7 * row + hue) + min(3, 8 * left // 3 // 2**m), z, -16)
        self.y[i] = [max(-127, min(127, own * INVERSE[m] // 2**24)) for own in k]

    def read_scales(self, i: int, m: int, features: list[int]) -> None:
        z = next(z for z in range(9) if STEP[m] * 2**z >= 256)
        base, v = self.predicted(0, m, features)
        q1 = self.shifted("scale0", 20 * min(m, 19) + max(0, min(19, 3 * v // 1024)), z, 0)
        l1 = q1 * STEP[m]
        check(l1 < 16384, "scale")
        self.surplus[i][0] = l1 - base
        base, v = self.predicted(1, m, [*features, 16 * l1 // 1024])
        below = self.shifted("scale1", 20 * min(m, 19) + max(0, min(19, 4 * v // 1024 + 2)), z, 0)
        check(below <= q1, "ratio of scales")
        self.surplus[i][1] = below * STEP[m] - base
        self.q[i], self.logs[i] = [q1, q1 - below], [l1, (q1 - below) * STEP[m]]

    def predicted(self, which: int, m: int, features: list[int]) -> tuple[int, int]:
        """The base and the prediction v."""
        weights = self.weights[which]
        base = weights[min(m, 19)] + 64 * sum(f * a for f, a in zip(features, weights[20:], strict=True)) // 1024
        surplus = sum(weight * self.surplus[o][which] for o, weight in self.w.items())
        return base, base + surplus // max(1, self.largest + sum(self.w.values()))

    def read_rotation(self, i: int, m: int) -> None:
        apart = self.logs[i][0] - self.logs[i][1]
        e = 8 * apart // 1024
        count = self.rotations[i] = rotation_count(m, e)
        if count > 1:
            row = 33 * min(3, apart // 1024) + self.hint()
            edges = [-(-n * count // 16) for n in range(17)]
            times = [high - low for low, high in pairwise(edges)] if count < 128 else None
            n = self.tables["rotation"].read(self.coder, row, times)
            self.t[i] = edges[n] + self.coder.uniform(edges[n + 1] - edges[n])
        length = self.length[i] = min(24, e) * STRENGTH[min(m, 12)]
        turn = 64 * self.t[i] // count
        self.vector[i] = [length * TURN[turn], length * TURN[(turn + 48) % 64]]

    def hint(self) -> int:
        x, y = (sum(weight * self.vector[o][axis] for o, weight in self.w.items()) for axis in (0, 1))
        square = (x // 64) ** 2 + (y // 64) ** 2
        whole = 768 * self.largest + sum(weight * self.length[o] for o, weight in self.w.items())
        if 25 * square <= whole**2:
            return 32
        along = [x * TURN[4 * n] + y * TURN[(4 * n + 48) % 64] for n in range(16)]
        return 2 * along.index(max(along)) + (4 * square > whole**2)

    def place_counts(self, i: int) -> tuple[int, int]:
        """P along x and y."""
        (l1, l2), (_, _, a, b) = self.logs[i], self.cells[i]
        e, turn = 8 * (l1 - l2) // 1024, 64 * self.t[i] // self.rotations[i]
        finer = [
            8 * side - (8 * l1 // 1024 - 12 - conditional(e, at)) - 5 + 4 * self.m[i]
            for side, at in ((a, turn), (b, (turn + 32) % 64))
        ]
        return COUNT[max(0, min(160, finer[0]))], COUNT[max(0, min(160, finer[1]))]

    def values(self, i: int) -> Gaussian:
        """The Gaussian that the symbols stand for."""
        x, y, a, b = self.cells[i]
        (place_x, place_y), (count_x, count_y) = self.places[i], self.place_counts(i)
        s1, s2 = (0.35 * 2 ** (part / 1024) for part in self.logs[i])
        step = 4 * 2 ** (-self.d / 32) / math.sqrt(math.pi * s1 * s2)
        k0, k1, k2 = (step * own for own in self.k[i])
        if self.layer.channels == 1:
            colors = [k0]
        else:
            k0, k1, k2 = k0 / math.sqrt(3), k1 / math.sqrt(2), k2 / math.sqrt(6)
            colors = [k0 + k1 + k2, k0 - 2 * k2, k0 - k1 + k2]
        mean = x + 2**a * (place_x + 0.5) / count_x, y + 2**b * (place_y + 0.5) / count_y
        return Gaussian(*mean, s1, s2, math.pi * self.t[i] / self.rotations[i], colors)

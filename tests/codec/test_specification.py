"""The contexts of the `adaptive` profile once more, slowly and from docs/format.md alone, in Python's own integers.

Whatever overflows, rounds or looks at the wrong neighbour in the model differs from this.
"""

from math import ceil, cos, log, pi, sin

import numpy as np
import pytest

from splatcodec.compress import adaptive, contexts, lattice
from splatcodec.compress.adaptive import Canvas, Quantized
from splatcodec.compress.coder import Meter, Table
from splatcodec.compress.lattice import Symbols
from splatcodec.compress.positions import Tree
from splatcodec.container import unpack

from .test_frozen import DATA

STRIDES = [None, 16, 8, 4, 2, 1]
BORDERS = (-12, -5, -1, 2, 6, 13)


class Specification:
    """Rows of the tables of one file, from its values as lists of integers."""

    def __init__(self, given: Quantized) -> None:
        symbols = given.symbols
        tree = Tree(given.canvas.width, given.canvas.height)
        cells = tree.cells(tree.paths(given.means))
        corners, sides = cells.corners.tolist(), cells.sides.tolist()
        self.count, self.channels = len(symbols), given.canvas.channels
        self.m, self.k = symbols.classes.tolist(), symbols.colors.tolist()
        self.q, self.t = symbols.scales.tolist(), symbols.rotations.tolist()
        self.centers = [(2 * x + 2**a, 2 * y + 2**b) for (x, y), (a, b) in zip(corners, sides, strict=True)]
        self.areas = [a + b for a, b in sides]
        steps = [max(1, round(1024 * min(1, 1.5 / log(2) * 2 ** (-m / 2)))) for m in self.m]
        self.l = [[a * step, b * step] for (a, b), step in zip(self.q, steps, strict=True)]
        self.r = [self.rotations(i) for i in range(self.count)]
        self.nearest = [self.sixteen(i) for i in range(self.count)]
        self.passes = [
            range(0, self.count, 32) if j is None else range(j, self.count, 2 * j) for j in STRIDES
        ]  # fmt: skip
        self.w = [{} for _ in range(self.count)]
        for rows, j in zip(self.passes, STRIDES, strict=True):
            for i in rows:
                others = [] if j is None else [i + odd * j for odd in range(-15, 16, 2)]
                scale = max(1, self.nearest[i][1])
                self.w[i] = {
                    o: 256 * scale // (scale + self.distance(i, o)) for o in others if 0 <= o < self.count
                }  # fmt: skip
        self.largest = [max(w.values(), default=0) for w in self.w]

    def rotations(self, i: int) -> int:
        eighths = min(127, 8 * (self.l[i][0] - self.l[i][1]) // 1024)
        ratio = 2 ** ((eighths + 0.5) / 8)
        return min(65536, max(1, ceil(pi * 2 ** (self.m[i] / 2) * (ratio - 1 / ratio) / 2.4)))

    def distance(self, a: int, b: int) -> int:
        return min(sum((p - q) ** 2 for p, q in zip(self.centers[a], self.centers[b], strict=True)), 2**26 - 1)

    def sixteen(self, i: int) -> list[int]:
        others = [i + offset for offset in range(-8, 9) if offset]
        return sorted(self.distance(i, o) if 0 <= o < self.count else 2**26 for o in others)

    def rows(self) -> list[tuple[str, list[int]]]:
        colors = [self.color(channel, rows) for rows in self.passes for channel in range(self.channels)]
        return colors + self.scales(0) + self.scales(1) + [("rotation", self.directions(rows)) for rows in self.passes]

    def color(self, channel: int, rows: range) -> tuple[str, list[int]]:
        name = "grey" if self.channels == 1 else f"color{channel}"
        return name, [self.color_row(i, channel) for i in rows]

    def color_row(self, i: int, channel: int) -> int:
        m = self.m[i]
        row = m if m < 14 else 14 + m % 2
        if channel == 0:
            return row
        quarters = [4 * k // 2 ** max(0, m // 2 - 3) for k in self.k[i]]
        yy, yu, uu = self.product(i, 0, 0), self.product(i, 0, 1), self.product(i, 1, 1)
        if channel == 1:
            hue = sum(border <= quarters[0] * yu // yy for border in BORDERS)
            return 8 * (7 * row + hue) + sum(luma <= abs(quarters[0]) for luma in (2, 6, 10, 14, 18, 26, 36))
        yv, uv = self.product(i, 0, 2), self.product(i, 1, 2)
        predicted = quarters[0] * (yv * uu - uv * yu) + quarters[1] * (uv * yy - yv * yu)
        hue = sum(border <= predicted // (yy * uu - yu**2) for border in BORDERS)
        left = max(0, 3 * 2**m // 2 - self.k[i][0] ** 2 - self.k[i][1] ** 2)
        return 4 * (7 * row + hue) + min(3, 8 * left // 3 // 2**m)

    def product(self, i: int, a: int, b: int) -> int:
        total = sum(w * self.normal(o, a) * self.normal(o, b) for o, w in self.w[i].items())
        return total + (82 * self.largest[i] + 1 if a == b else 0)

    def normal(self, i: int, channel: int) -> int:
        return max(-127, min(127, self.k[i][channel] * round(2 ** (30 - self.m[i] / 2)) // 2**24))

    def scales(self, which: int) -> list[tuple[str, list[int]]]:
        weights = adaptive.trained()[("larger", "smaller")[which]].tolist()
        bases, surplus = [], []
        for i, (larger, smaller) in enumerate(self.l):
            features = [16 * self.areas[i]]
            for rank in (1, 2, 4, 8):
                # The powers 2^(p / 8) that are at most d^2, without roots.
                features.append(sum(2**p <= self.nearest[i][rank - 1] ** 8 for p in range(1, 209)))
            features += [16 * larger // 1024] if which else []
            products = sum(f * weight for f, weight in zip(features, weights[20:], strict=True))
            bases.append(weights[min(self.m[i], 19)] + 64 * products // 1024)
            surplus.append((larger - smaller if which else larger) - bases[-1])
        result = []
        for rows in self.passes:
            found = []
            for i in rows:
                total = sum(w * surplus[o] for o, w in self.w[i].items())
                predicted = bases[i] + total // max(1, self.largest[i] + sum(self.w[i].values()))
                likely = 4 * predicted // 1024 + 2 if which else 3 * predicted // 1024
                found.append(20 * min(self.m[i], 19) + max(0, min(19, likely)))
            result.append((f"scale{which}", found))
        return result

    def directions(self, rows: range) -> list[int]:
        return [self.direction(i) for i in rows if self.r[i] > 1]

    def direction(self, i: int) -> int:
        x = sum(w * self.vector(o)[0] for o, w in self.w[i].items())
        y = sum(w * self.vector(o)[1] for o, w in self.w[i].items())
        square = (x**2 + y**2) // 64**2
        whole = sum(w * self.length(o) for o, w in self.w[i].items()) + 768 * self.largest[i]
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


def unit(angle: float) -> tuple[int, int]:
    return round(64 * cos(angle)), round(64 * sin(angle))


def modelled(given: Quantized, monkeypatch) -> list[tuple[str, list[int]]]:
    """The rows that the model asks its tables for."""
    found = []

    def code(self, coder, rows, values, multiplicities=None):
        found.append((self, rows.tolist()))
        return original(self, coder, rows, values, multiplicities)

    original = Table.code
    monkeypatch.setattr(Table, "code", code)
    model = adaptive.Model()
    model.code(Meter(), given)
    names = {id(table): name for name, table in model.tables.items()}
    rows = [(names[id(table)], own) for table, own in found]
    return [(name, own) for name, own in rows if name not in ("few", "many", "class")]


@pytest.mark.parametrize("name", ["adaptive-rgb", "adaptive-grey"])
def test_contexts_of_files_are_those_of_the_specification(name, monkeypatch):
    given = adaptive.read(*unpack((DATA / f"{name}.gsi").read_bytes(), name), name)
    assert modelled(given, monkeypatch) == Specification(given).rows()


@pytest.mark.parametrize("count", [0, 1, 2, 33, 150])
@pytest.mark.parametrize("side", [300, 65535])
def test_extreme_values_neither_overflow_nor_break(count, side, monkeypatch):
    """As a forged file may hold them: the largest colours in any class, the longest Gaussians, places far apart."""
    rng = np.random.default_rng(count)
    tree = Tree(side, side)
    means = tree.clip(rng.uniform(-1, 2, (count, 2)) * side)
    means[count // 2 :] /= 1000
    means = means[np.argsort(tree.paths(means), kind="stable")]
    classes = rng.choice([0, 1, 12, 13, 14, 15, 30, 46, 47], count)
    shifts = contexts.color_shifts(classes)[:, None]
    colors = (rng.choice([-16, -3, 0, 1, 15], (count, 3)) << shifts) + rng.integers(0, 2) * ((1 << shifts) - 1)
    larger = np.minimum(lattice.largest_scales(classes), (64 << adaptive.scale_shifts(classes)) - 1)
    scales = np.stack([larger, larger * rng.integers(0, 2, count)], axis=1)
    rotations = lattice.rotation_counts(lattice.scale_units(scales, classes), classes) - 1
    symbols = Symbols(classes, colors, scales, rotations * rng.integers(0, 2, count))
    cells = tree.cells(tree.paths(means))
    counts = lattice.mean_counts(symbols, cells.sides)
    means = lattice.mean_values(lattice.places(means, cells, counts), cells, counts)
    given = Quantized(100, symbols, means, Canvas(side, side, 3))
    assert modelled(given, monkeypatch) == Specification(given).rows()

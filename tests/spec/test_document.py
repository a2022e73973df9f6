"""docs/format.md says what the codec does: its tables, and files that it takes apart byte by byte."""

import hashlib
import re
from math import prod
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

import splatcodec
from splatcodec.compress import contexts, lattice, model, neighbors

from . import adaptive, decoder, reading
from .comparison import assert_same

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "format.md").read_text()


def section(title: str) -> str:
    """What stands under a heading, up to the next one of the same rank."""
    rank = re.search(rf"^(#+) {re.escape(title)}$", TEXT, re.MULTILINE)
    assert rank is not None, f"no heading {title!r}"
    rest = TEXT[rank.end() :]
    following = re.search(rf"^#{{1,{len(rank[1])}}} ", rest, re.MULTILINE)
    return rest[: following.start()] if following else rest


def table(text: str, first: str) -> list[list[str]]:
    """The cells of the rows of the table whose first column has a heading."""
    rows = re.search(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert rows is not None, f"no table of {first!r}"
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows[1].splitlines()]


def dump(text: str) -> bytes:
    """The bytes of a dump, each line of which is headed by its place."""
    data = b""
    for line in re.search(r"```hex\n(.*?)```", text, re.DOTALL)[1].splitlines():
        place, row = re.match(r" *(\d+)  ((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:$| {2,})", line).groups()
        assert int(place) == len(data), line
        data += bytes.fromhex(row)
    return data


def test_priors_are_those_of_the_document():
    data = adaptive.PRIORS.read_bytes()
    text = section("Tables")
    assert f"`{hashlib.sha256(data).hexdigest()}`" in text
    assert f"{len(data):,} bytes" in text
    assert model.trained_file(model.trained()) == data


def test_the_layout_of_priors_is_that_of_the_document():
    at = 0
    rows = table(section("Tables"), "table")
    assert [row[0].strip("`") for row in rows] == [*model.SHAPES, *contexts.WEIGHTS]
    for name, place, count, symbols in rows:
        name = name.strip("`")
        *shape, size = model.SHAPES.get(name, (1, contexts.WEIGHTS.get(name)))
        assert (int(place), int(count.split("=")[-1]), int(symbols)) == (at, prod(shape), size)
        if "=" in count:
            assert count == f"{' x '.join(map(str, shape))} = {prod(shape)}"
        own = model.trained()[name]
        at += own.size * own.itemsize


def test_checksums_of_generated_tables_are_those_of_the_document():
    steps = lattice.steps()
    expected = {
        "inverse[m]": contexts.inverses(),
        "S[m]": steps.scales,
        "power[i]": neighbors._powers(),
        "R[m][e]": steps.rotations,
        "strength[m]": contexts.strengths(),
        "turn[i]": contexts.turns()[:, 0],
        "conditional[e][i]": steps.conditional,
        "count[p]": steps.places,
    }
    rows = table(section("Tables").split("these CRCs")[1], "table")
    assert [row[0].strip("`") for row in rows] == [*expected]
    for (_, numbers, crc), own in zip(rows, expected.values(), strict=True):
        assert prod(map(int, numbers.split(" x "))) == own.size
        assert crc == f"`{crc32(own.astype('<i4').tobytes()):08x}`"
    np.testing.assert_array_equal(contexts.turns()[:, 1], np.roll(contexts.turns()[:, 0], 16))


@pytest.mark.parametrize(
    ("title", "name", "expected"),
    [
        ("Scales", "S[m]", lattice.scale_steps()),
        ("Rotation", "strength[m]", contexts.strengths()),
        ("Rotation", "turn[i]", contexts.turns()[:, 0]),
    ],
)
def test_printed_tables_are_those_of_the_codec(title, name, expected):
    printed = re.search(rf"^{re.escape(name)} = .*\n +=([ \d]+)", section(title), re.MULTILINE)[1].split()
    assert [int(number) for number in printed] == expected[: len(printed)].tolist()
    assert len(printed) > 12


EXAMPLES = ["Three Gaussians in `half`", "Three Gaussians in `adaptive`"]


@pytest.mark.parametrize("title", EXAMPLES)
def test_worked_examples_are_read_as_the_document_says(title):
    text = section(title)
    data = dump(text)
    found = assert_same(data)
    expected = [[float(cell) for cell in row] for row in table(text, "x")]
    shown = [[g.x, g.y, g.s1, g.s2, g.rotation, *g.colors] for g in found.colors.gaussians]
    np.testing.assert_allclose(shown, expected, atol=6e-5)
    x, y, *pixel = map(int, re.search(r"ixel \((\d+), (\d+)\).*? is \((\d+), (\d+), (\d+)\)", text, re.DOTALL).groups())
    assert found.pixel(x, y) == pixel
    assert splatcodec.decode(data)[y, x].tolist() == pixel


def test_symbols_of_the_worked_example_are_those_of_the_document(monkeypatch):
    text = section("Three Gaussians in `adaptive`")
    read: list[list[str]] = []

    class Traced(reading.RangeDecoder):
        """Takes down what is read, as the document does."""

        def narrow(self, a: int, before: int, own: int) -> None:
            self.state = self.r, self.c
            super().narrow(a, before, own)

        def symbol(self, frequencies: list[int]) -> int:
            k = super().symbol(frequencies)
            read.append([*map(str, (*self.state, sum(frequencies), k))])
            return k

        def uniform(self, n: int) -> int:
            k = super().uniform(n)
            if n > 1:
                read.append([f"`uniform({n})`", *map(str, (*self.state, n, k))])
            return k

    class Named(reading.Table):
        def __init__(self, name: str, rows: list[list[int]]) -> None:
            super().__init__(rows)
            self.name = name

        def read(self, coder: reading.RangeDecoder, number: int, times: list[int] | None = None) -> int:
            k = super().read(coder, number, times)
            read[-1].insert(0, f"`{self.name}`, row {number}")
            return k

    tables, weights = adaptive.priors()
    named = {name: Named(name, own.rows) for name, own in tables.items()}
    monkeypatch.setattr(adaptive, "priors", lambda: (named, weights))
    monkeypatch.setattr(adaptive, "RangeDecoder", Traced)
    symbols = decoder.decode(dump(text)).colors.symbols
    expected = [[row[0], *row[2:]] for row in table(text, "read")]
    assert read[: len(expected)] == expected

    columns = (symbols[name] for name in ("class", "color", "scale", "rotation", "place"))
    own = [[m, *k, *q, t, *place] for m, k, q, t, place in zip(*columns, strict=True)]
    assert [[int(number) for number in re.split(r"[ ,]+", " ".join(row))] for row in table(text, "m")] == own

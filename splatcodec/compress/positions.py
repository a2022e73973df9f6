"""Where Gaussians lie, as counts of points down a binary tree of cells.

Points without an order take log2(N!) bits less than points with one. A square around the canvas is halved along x and y
in turn, and the number of points in the first half of a cell is coded given that in the whole, until a cell holds a
single point or is one pixel small.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkernels.jit import inlined, kernel

from .bisection import first_at_least
from .rangecoder import DAMAGED, DECODE, Coder, Integers, Tables, symbol, uniform

FEW = 16
"""The division of up to so many points has a table for each number; more are coded in `BINS` and a remainder."""
BINS = 32
_BORDER_BINS = 8
_SKEWS = 5
CONTEXTS = _BORDER_BINS + _SKEWS
"""Contexts of a division."""


@dataclass(frozen=True)
class Cells:
    """The leaf of each of N points, in the order of a walk through the tree.

    Attributes:
        corners: [N, 2] x, y of the top-left corner in pixels.
        sides: [N, 2] base-2 logarithms of width and height in pixels.
    """

    corners: Integers
    sides: Integers


class Tree:
    """The tree of a canvas of `width` x `height` pixels."""

    def __init__(self, width: int, height: int) -> None:
        self._size = np.array([width, height], np.int64)
        self._side = (3 * max(width, height) - 1).bit_length()
        self._corner = (self._size - 2**self._side) // 2

    def clip(self, means: NDArray[np.floating]) -> NDArray[np.float64]:
        """The nearest points [N, 2] within the square."""
        return np.clip(means, self._corner, self._corner + 2.0**self._side - 1e-3)

    def paths(self, means: NDArray[np.floating]) -> Integers:
        """The ways [N] from the root to the pixels of points [N, 2] in the square: their order is that of the walk."""
        return _paths(np.floor(means - self._corner).astype(np.int64))

    def cells(self, paths: Integers) -> Cells:
        """The leaves of points whose paths, sorted, are given."""
        depth = 2 * self._side
        shared = np.searchsorted(1 << np.arange(depth), paths[1:] ^ paths[:-1], side="right")
        borders = np.concatenate([[depth + 1], shared, [depth + 1]])[: len(paths) + 1]
        levels = np.minimum(depth + 1 - np.minimum(borders[:-1], borders[1:]), depth)
        return self._cells(paths >> (depth - levels) << (depth - levels), levels)

    def code(self, coder: Coder, tables: Tables, few: int, many: int, label: int, count: int, paths: Integers) -> Cells:
        """Pass the counts of points in all cells.

        Args:
            coder: where to.
            tables, few, many: those of the divisions, [(FEW - 1) * CONTEXTS, FEW + 1] and [CONTEXTS, BINS].
            label: of what is measured.
            count: number of points.
            paths: those of the points, sorted; a decoder does without.
        """
        found, levels = np.zeros(count, np.int64), np.zeros(count, np.int64)
        if count:
            _code(coder, tables, few, many, label, self._side, *self._size, *self._corner, paths, found, levels)
        order = np.argsort(found, kind="stable")
        return self._cells(found[order], levels[order])

    def _cells(self, paths: Integers, levels: Integers) -> Cells:
        sides = self._side - np.stack([(levels + 1) // 2, levels // 2], axis=1)
        return Cells(_pixels(paths) + self._corner, sides)


@kernel
def _code(coder, tables, few, many, label, side, width, height, left, top, paths, found, levels):
    """Pass the counts, level by level, and write paths and levels of the leaves, once for each point."""
    count = len(found)
    depth = 2 * side
    # The cells of a level that come from cells of more than one point, in the order of their paths; where the points of
    # each begin among all, and how many there are.
    path, first, own = np.zeros(1, np.int64), np.zeros(1, np.int64), np.full(1, count)
    leaves = 0
    for level in range(depth + 1):
        inner = 0
        for cell in range(len(path)):
            if own[cell] > 1 and level < depth:
                inner += 1
            else:
                for _ in range(own[cell]):
                    found[leaves] = path[cell] << (depth - level)
                    levels[leaves] = level
                    leaves += 1
        next_path = np.empty(2 * inner, np.int64)
        next_first = np.empty(2 * inner, np.int64)
        next_own = np.empty(2 * inner, np.int64)
        inner = 0
        for cell in range(len(path)):
            n = own[cell]
            if n <= 1 or level == depth:
                continue
            if coder.state[DAMAGED]:
                return
            half = 0
            if coder.mode != DECODE:
                # Points of the first half, among those of the cell.
                border = (2 * path[cell] + 1) << (depth - level - 1)
                half = first_at_least(paths[first[cell] : first[cell] + n], border)
            context = _context(path, own, cell, level, side, width, height, left, top)
            half = _divide(coder, tables, few, many, label, n, context, half)
            next_path[2 * inner], next_path[2 * inner + 1] = 2 * path[cell], 2 * path[cell] + 1
            next_first[2 * inner], next_first[2 * inner + 1] = first[cell], first[cell] + half
            next_own[2 * inner], next_own[2 * inner + 1] = half, n - half
            inner += 1
        path, first, own = next_path, next_first, next_own


@inlined
def _context(path, own, cell, level, side, width, height, left, top):
    """Context of the division of a cell: its share of the canvas on both sides, or what its neighbours hold."""
    axis = level % 2
    depth = 2 * side
    whole = path[cell] << (depth - level)
    x, y = _gathered(whole >> 1), _gathered(whole)
    # The division is along x or y.
    extent = 1 << (side - level // 2)
    half = extent // 2
    edge = (x + left) if axis == 0 else (y + top)
    size = width if axis == 0 else height
    before = _share(edge, half, size)
    after = _share(edge + half, half, size)
    if before != after:
        return _BORDER_BINS * before // (before + after)
    difference = 0
    for direction in (-1, 1):
        at = (x if axis == 0 else y) + direction * extent
        if 0 <= at < 1 << side:
            other = _interleave(at, y) if axis == 0 else _interleave(x, at)
            other >>= depth - level
            place = first_at_least(path, other)
            if place < len(path) and path[place] == other:
                difference += direction * own[place]
    skew = 0
    if difference != 0:
        skew = 1 + (2 * abs(difference) > own[cell])
    return _BORDER_BINS + 2 + (skew if difference > 0 else -skew)


@inlined
def _share(start, length, size):
    """Share of the canvas in a part of a cell; what lies beyond the canvas counts as little."""
    return 16 * max(min(start + length, size) - max(start, 0), 0) + length


@inlined
def _divide(coder, tables, few, many, label, n, context, half):
    """Pass how many of n > 1 points lie in the first half of a cell."""
    if n <= FEW:
        found = symbol(coder, tables, few, (n - 2) * CONTEXTS + context, half, label)
        if found > n:
            coder.state[DAMAGED] = 1
        return min(found, n)
    total = n + 1
    bin_ = symbol(coder, tables, many, context, half * BINS // total, label)
    # The smallest values that fall into a bin and into the next.
    low, high = -(-bin_ * total // BINS), -(-(bin_ + 1) * total // BINS)
    if high <= low:
        coder.state[DAMAGED] = 1
        return low if low <= n else n
    return low + uniform(coder, high - low, half - low, label)


@inlined
def _spread(number):
    """A 0 above each of the 32 bits of a number."""
    number = (number | number << 16) & 0x0000FFFF0000FFFF
    number = (number | number << 8) & 0x00FF00FF00FF00FF
    number = (number | number << 4) & 0x0F0F0F0F0F0F0F0F
    number = (number | number << 2) & 0x3333333333333333
    return (number | number << 1) & 0x5555555555555555


@inlined
def _gathered(number):
    """The number of every other bit."""
    number = number & 0x5555555555555555
    number = (number | number >> 1) & 0x3333333333333333
    number = (number | number >> 2) & 0x0F0F0F0F0F0F0F0F
    number = (number | number >> 4) & 0x00FF00FF00FF00FF
    number = (number | number >> 8) & 0x0000FFFF0000FFFF
    return (number | number >> 16) & 0x00000000FFFFFFFF


@inlined
def _interleave(x, y):
    """Bits of x and y, below 2^32, in turn, that of y the lowest."""
    return _spread(x) << 1 | _spread(y)


@kernel
def _paths(pixels):
    """Interleaved coordinates of pixels [N, 2]."""
    paths = np.empty(len(pixels), np.int64)
    for i in range(len(pixels)):
        paths[i] = _interleave(pixels[i, 0], pixels[i, 1])
    return paths


@kernel
def _pixels(paths):
    """Coordinates [N, 2] of paths [N]."""
    pixels = np.empty((len(paths), 2), np.int64)
    for i in range(len(paths)):
        pixels[i, 0] = _gathered(paths[i] >> 1)
        pixels[i, 1] = _gathered(paths[i])
    return pixels

"""Where Gaussians lie, as counts of points down a binary tree of cells.

Points without an order take log2(N!) bits less than points with one. A square around the canvas is halved along x and y
in turn, and the number of points in the first half of a cell is coded given that in the whole, until a cell holds a
single point or is one pixel small.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .coder import Coder, Integers, Table

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
        pixels = np.floor(means - self._corner).astype(np.int64)
        return _interleave(pixels[:, 0], pixels[:, 1])

    def code(self, coder: Coder, few: Table, many: Table, count: int, paths: Integers) -> Cells:
        """Pass the counts of points in all cells.

        Args:
            coder: where to.
            few, many: tables of the divisions, [(FEW - 1) * CONTEXTS, FEW + 1] and [CONTEXTS, BINS].
            count: number of points.
            paths: those of the points, sorted; a decoder ignores them.
        """
        depth = 2 * self._side
        path, n = np.zeros(1, np.int64), np.array([count], np.int64)
        leaves = []
        for level in range(depth + 1):
            inner = (n > 1) & (level < depth)
            leaf = ~inner & (n > 0)
            leaves.append((path[leaf] << (depth - level), n[leaf], np.full(leaf.sum(), level, np.int64)))
            if not inner.any():
                break
            contexts = self._contexts(path, n, level)[inner]
            path, n = path[inner], n[inner]
            edges = np.stack([2 * path, 2 * path + 1]) << (depth - level - 1)
            first = np.diff(np.searchsorted(paths, edges), axis=0)[0]
            first = _divide(coder, few, many, n, contexts, first)
            if (first > n).any():
                raise ValueError("more points lie in a half than in the whole")
            path = np.stack([2 * path, 2 * path + 1], axis=1).ravel()
            n = np.stack([first, n - first], axis=1).ravel()
        paths_of_leaves, counts, levels = (np.concatenate(column) for column in zip(*leaves, strict=True))
        order = np.argsort(paths_of_leaves)
        order = np.repeat(order, counts[order])
        return self._cells(paths_of_leaves[order], levels[order])

    def cells(self, paths: Integers) -> Cells:
        """The leaves of points whose paths, sorted, are given."""
        depth = 2 * self._side
        shared = np.searchsorted(1 << np.arange(depth), paths[1:] ^ paths[:-1], side="right")
        borders = np.concatenate([[depth + 1], shared, [depth + 1]])[: len(paths) + 1]
        levels = np.minimum(depth + 1 - np.minimum(borders[:-1], borders[1:]), depth)
        return self._cells(paths >> (depth - levels) << (depth - levels), levels)

    def _cells(self, paths: Integers, levels: Integers) -> Cells:
        sides = self._side - np.stack([(levels + 1) // 2, levels // 2], axis=1)
        return Cells(np.stack(_deinterleave(paths), axis=1) + self._corner, sides)

    def _contexts(self, path: Integers, n: Integers, level: int) -> Integers:
        """Context of the division of each cell: its share of the canvas on both sides, or what its neighbours hold."""
        axis = level % 2
        digits = (level + 1) // 2, level // 2
        place = [part >> (self._side - d) for part, d in zip(self._unpack(path, level), digits, strict=True)]
        widths = [1 << (self._side - d) for d in digits]
        half = widths[axis] // 2
        edge = (place[axis] << (self._side - digits[axis])) + self._corner[axis]
        shares = []
        for start in (edge, edge + half):
            inside = np.minimum(start + half, self._size[axis]) - np.maximum(start, 0)
            # A part beyond the canvas counts as little.
            shares.append(16 * np.maximum(inside, 0) + half)
        border = _BORDER_BINS * shares[0] // (shares[0] + shares[1])
        counts = []
        for direction in (-1, 1):
            neighbor = [p + direction * (a == axis) for a, p in enumerate(place)]
            limit = 1 << digits[axis]
            valid = (neighbor[axis] >= 0) & (neighbor[axis] < limit)
            x, y = (p << (self._side - d) for p, d in zip(neighbor, digits, strict=True))
            wanted = _interleave(x, y) >> (2 * self._side - level)
            found = np.minimum(np.searchsorted(path, wanted), len(path) - 1)
            counts.append(np.where(valid & (path[found] == wanted), n[found], 0))
        difference = counts[1] - counts[0]
        skew = np.sign(difference) * (1 + (2 * np.abs(difference) > n)) + 2
        return np.where(shares[0] == shares[1], _BORDER_BINS + skew, border)

    def _unpack(self, path: Integers, level: int) -> tuple[Integers, Integers]:
        return _deinterleave(path << (2 * self._side - level))


def _divide(coder: Coder, few: Table, many: Table, n: Integers, contexts: Integers, first: Integers) -> Integers:
    """Pass how many of `n` > 1 points lie in the first half of a cell."""
    result = np.empty(len(n), np.int64)
    small = n <= FEW
    rows = (n[small] - 2) * CONTEXTS + contexts[small]
    result[small] = few.code(coder, rows, first[small])
    large = ~small
    total = n[large] + 1
    bins = many.code(coder, contexts[large], first[large] * BINS // total)
    # The smallest values that fall into a bin and into the next.
    low, high = -(-bins * total // BINS), -(-(bins + 1) * total // BINS)
    if (high <= low).any():
        raise ValueError("a division falls between two values")
    result[large] = low + coder.uniform(high - low, first[large] - low)
    return result


def _interleave(x: Integers, y: Integers) -> Integers:
    """Bits of x and y, below 2^32, in turn, that of y the lowest."""
    return _spread(x) << 1 | _spread(y)


def _deinterleave(path: Integers) -> tuple[Integers, Integers]:
    return _gathered(path >> 1), _gathered(path)


# Every other bit, in groups of 1, 2, 4, ...
_MASKS = [(2**64 - 1) // (2**width + 1) for width in (1, 2, 4, 8, 16, 32)]


def _spread(number: Integers) -> Integers:
    """A 0 above each of the 32 bits of numbers."""
    for width in (16, 8, 4, 2, 1):
        number = (number | number << width) & _MASKS[width.bit_length() - 1]
    return number


def _gathered(number: Integers) -> Integers:
    """Numbers of every other bit."""
    number = number & _MASKS[0]
    for width in (1, 2, 4, 8, 16):
        number = (number | number >> width) & _MASKS[width.bit_length()]
    return number

"""Positions are counts in a tree: every point is found in its cell, and order costs nothing."""

from math import lgamma, log

import numpy as np
import pytest

from splatcodec.compress.model import FEW, MANY, Model
from splatcodec.compress.positions import Tree
from splatcodec.compress.rangecoder import check_end, decoder, encoder, finished, meter


def points(count: int, width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, (count, 2)) * (width, height)


def code(coder, tree: Tree, count: int, paths):
    return tree.code(coder, Model().tables, FEW, MANY, 0, count, paths)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 300), (768, 512), (65535, 3)])
@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 400])
def test_every_point_lies_in_its_cell(width, height, count):
    tree = Tree(width, height)
    means = points(count, width, height)
    # Some outside the canvas, some in the same place.
    means[: count // 8] *= 1.9
    means[count // 2 : count // 2 + count // 8] = means[count // 2 : count // 2 + 1]
    means = tree.clip(means)
    order = np.argsort(tree.paths(means))
    writer = encoder(10_000)
    cells = code(writer, tree, count, tree.paths(means)[order])
    reader = decoder(finished(writer))
    decoded = code(reader, tree, count, np.zeros(count, np.int64))
    check_end(reader)
    for found in (cells, decoded, tree.cells(tree.paths(means)[order])):
        np.testing.assert_array_equal(found.sides, cells.sides)
        assert len(found.corners) == count
        assert (means[order] >= found.corners).all()
        assert (means[order] < found.corners + 2.0**found.sides).all()


def test_cells_hold_one_point_or_are_a_pixel():
    tree = Tree(300, 200)
    means = points(500, 300, 200)
    cells = code(meter(1), tree, 500, np.sort(tree.paths(means)))
    corners, counts = np.unique(cells.corners, axis=0, return_counts=True)
    crowded = (cells.corners[:, None] == corners[counts > 1]).all(axis=2).any(axis=1)
    assert (cells.sides[crowded] == 0).all()


def test_order_costs_nothing():
    width, height, count = 768, 512, 3000
    tree = Tree(width, height)
    information = meter(1)
    cells = code(information, tree, count, np.sort(tree.paths(points(count, width, height))))
    # Down to single pixels, as if each point were coded on its own, less the order.
    bits = information.bits[0] + cells.sides.sum()
    ideal = count * log(width * height, 2) - lgamma(count + 1) / log(2)
    assert bits < ideal + 0.7 * count
    assert bits < count * log(width * height, 2) - 0.8 * lgamma(count + 1) / log(2)


def test_crowds_cost_less():
    tree = Tree(768, 512)
    spread, crowded = points(2000, 768, 512), points(2000, 768, 512)
    crowded[500:] = crowded[500:] / 4 + 100
    bits = []
    for means in (spread, crowded):
        information = meter(1)
        cells = code(information, tree, 2000, np.sort(tree.paths(means)))
        bits.append(information.bits[0] + cells.sides.sum())
    assert bits[1] < bits[0] - 2000


def test_points_far_away_come_to_the_edge():
    tree = Tree(100, 50)
    clipped = tree.clip(np.array([[-1e9, 20], [1e9, 1e9]]))
    assert (clipped[0] < -100).all() or clipped[0, 1] == 20
    assert tree.paths(clipped).min() >= 0

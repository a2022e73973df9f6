"""Neighbours: the near ones that are known, and what they tell."""

import numpy as np
import pytest

from splatcodec.compress import contexts, lattice
from splatcodec.compress.neighbors import FULL_WEIGHT, Surroundings
from splatcodec.compress.positions import Cells, Tree


def cells(count: int, seed: int = 0) -> Cells:
    tree = Tree(300, 200)
    means = np.random.default_rng(seed).uniform(0, 200, (count, 2))
    return tree.cells(np.sort(tree.paths(means)))


@pytest.mark.parametrize("count", [0, 1, 2, 17, 500])
def test_every_gaussian_is_in_one_pass_and_knows_earlier_ones_only(count):
    known = np.zeros(count, bool)
    for one in Surroundings(cells(count)).passes:
        assert not known[one.rows].any()
        assert known[one.neighbors[one.weights > 0]].all()
        known[one.rows] = True
    assert known.all()


def test_most_gaussians_have_near_neighbours():
    own = cells(2000)
    centers = own.corners + 0.5 * 2.0**own.sides
    one = Surroundings(own).passes[-1]
    best = one.neighbors[one.weights.argmax(axis=0), np.arange(len(one.rows))]
    distances = np.hypot(*(centers[best] - centers[one.rows]).T)
    everywhere = np.hypot(*(centers[:, None] - centers[one.rows]).transpose(2, 0, 1))
    everywhere[one.rows, np.arange(len(one.rows))] = np.inf
    assert np.median(distances) < 2 * np.median(everywhere.min(axis=0))


def test_nearer_neighbours_count_more():
    own = Cells(np.array([[0, 0], [10, 0], [14, 0]]), np.zeros((3, 2), np.int64))
    last = Surroundings(own).passes[-1]
    near, far = (last.weights[:, 0][last.neighbors[:, 0] == row].max() for row in (2, 0))
    assert FULL_WEIGHT > near > far > 0


def test_means_are_drawn_towards_zero():
    own = Cells(np.array([[0, 0], [10, 0], [20, 0]]), np.zeros((3, 2), np.int64))
    last = Surroundings(own).passes[-1]
    assert last.means(np.array([300, 0, 300])).tolist() == [200]
    assert last.means(np.array([-300, 0, -300])).tolist() == [-200]


def test_densities_are_logarithms_of_distances():
    own = Cells(np.array([[0, 0], [64, 0], [-32, 0]]), np.zeros((3, 2), np.int64))
    densities = Surroundings(own).densities
    # Distances in half pixels: 64, 128 and 192; the fourth and eighth nearest do not exist.
    assert densities[:, 1].tolist() == [16 * 6, 16 * 7, 16 * 6]
    assert densities[0, 2:].tolist() == [16 * 7, 16 * 13, 16 * 13]


def everything(count: int) -> tuple[Surroundings, np.ndarray]:
    return Surroundings(cells(count)), np.full(count, 6)


def test_colours_are_expected_where_neighbours_have_them():
    """Among pictures of one hue, chroma follows luma."""
    surroundings, classes = everything(300)
    luma = np.random.default_rng(0).integers(-8, 9, 300)
    colors = np.stack([luma, luma // 2, -luma // 2], axis=1)
    model = contexts.Colors(surroundings.passes[-1], classes, colors)
    rows = surroundings.passes[-1].rows
    table, found = model.channel(colors[rows, :1])
    hues = found // contexts.LUMAS % contexts.HUES
    assert table == "color1"
    assert np.corrcoef(hues, colors[rows, 1])[0, 1] > 0.9
    hues = model.channel(colors[rows, :2])[1] // contexts.REMAINDERS % contexts.HUES
    assert np.corrcoef(hues, colors[rows, 2])[0, 1] > 0.9


def test_directions_follow_those_of_neighbours():
    surroundings, classes = everything(300)
    units = np.tile([4 * lattice.OCTAVE, lattice.OCTAVE], (300, 1))
    counts = lattice.rotation_counts(units, classes)
    model = contexts.Directions(classes, units, counts)
    one = surroundings.passes[-1]
    rows = 3 * contexts.HINTS
    for direction in range(contexts.DIRECTIONS):
        found = model.contexts(one, np.full(300, direction * counts[0] // contexts.DIRECTIONS + 1))
        hints, strong = (found - rows) // 2, (found - rows) % 2
        assert (np.abs((hints - direction + 8) % 16 - 8) <= 1).all()
        assert strong.mean() > 0.9
    mixed = model.contexts(one, np.random.default_rng(0).integers(0, counts))
    assert ((mixed - rows) % 2).mean() < 0.6


def test_all_passes_in_one_have_the_same_neighbours():
    surroundings = Surroundings(cells(100))
    for one in surroundings.passes:
        np.testing.assert_array_equal(surroundings.all.neighbors[:, one.rows], one.neighbors)
        np.testing.assert_array_equal(surroundings.all.weights[:, one.rows], one.weights)

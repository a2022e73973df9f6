"""Neighbours: the near ones that are known, and what they tell."""

import numpy as np
import pytest

from splatcodec.compress import contexts, lattice
from splatcodec.compress.neighbors import FIRST_STRIDE, FULL_WEIGHT, NEIGHBORS, Surroundings, surroundings
from splatcodec.compress.positions import Cells, Tree


def cells(count: int, seed: int = 0) -> Cells:
    tree = Tree(300, 200)
    means = np.random.default_rng(seed).uniform(0, 200, (count, 2))
    return tree.cells(np.sort(tree.paths(means)))


def passes(count: int) -> list[np.ndarray]:
    """Rows of each pass."""
    strides = [FIRST_STRIDE >> k for k in range(1, FIRST_STRIDE.bit_length())]
    return [np.arange(0, count, FIRST_STRIDE), *(np.arange(stride, count, 2 * stride) for stride in strides)]


def line(places: list[int]) -> Surroundings:
    """Those of pixels in a row."""
    return surroundings(Cells(np.array([[x, 0] for x in places]), np.zeros((len(places), 2), np.int64)))


@pytest.mark.parametrize("count", [0, 1, 2, 17, 500])
def test_every_gaussian_is_in_one_pass_and_knows_earlier_ones_only(count):
    known, near = np.zeros(count, bool), surroundings(cells(count))
    for rows in passes(count):
        assert not known[rows].any()
        own = near.neighbors[rows]
        assert known[own[near.weights[rows] > 0]].all()
        assert ((own != rows[:, None]) <= known[own]).all()
        known[rows] = True
    assert known.all()
    assert near.neighbors.shape == (count, NEIGHBORS)


def test_most_gaussians_have_near_neighbours():
    own = cells(2000)
    centers, near = own.corners + 0.5 * 2.0**own.sides, surroundings(own)
    rows = passes(2000)[-1]
    best = near.neighbors[rows, near.weights[rows].argmax(axis=1)]
    distances = np.hypot(*(centers[best] - centers[rows]).T)
    everywhere = np.hypot(*(centers[:, None] - centers[rows]).transpose(2, 0, 1))
    everywhere[rows, np.arange(len(rows))] = np.inf
    assert np.median(distances) < 2 * np.median(everywhere.min(axis=0))


def test_nearer_neighbours_count_more():
    near = line([0, 10, 14])
    close, far = (near.weights[1][near.neighbors[1] == row].max() for row in (2, 0))
    assert FULL_WEIGHT > close > far > 0
    assert near.largest[1] == close


def test_weights_are_whole_quotients():
    """As the specification divides them."""
    near, own = surroundings(cells(300)), cells(300)
    twice = 2 * own.corners + (1 << own.sides)
    squares = ((twice[:, None] - twice) ** 2).sum(axis=2)
    for i in passes(300)[-1]:
        others = [o for o in range(i - 8, i + 9) if o != i]
        scale = max(1, sorted(int(squares[i, o]) if 0 <= o < 300 else 2**26 for o in others)[1])
        for j, weight in zip(near.neighbors[i], near.weights[i], strict=True):
            assert weight == (256 * scale // (scale + int(squares[i, j])) if j != i else 0)


def test_means_are_drawn_towards_zero():
    near = line([0, 10, 20])
    assert contexts.expected(1, near, np.array([300, 0, 300])) == 200
    assert contexts.expected(1, near, np.array([-300, 0, -300])) == -200


def test_densities_are_logarithms_of_distances():
    densities = line([0, 64, -32]).densities
    # Distances in half pixels: 64, 128 and 192; the fourth and eighth nearest do not exist.
    assert densities[:, 1].tolist() == [16 * 6, 16 * 7, 16 * 6]
    assert densities[0, 2:].tolist() == [16 * 7, 16 * 13, 16 * 13]


def test_colours_are_expected_where_neighbours_have_them():
    """Among pictures of one hue, chroma follows luma."""
    near, m = surroundings(cells(300)), 6
    luma = np.random.default_rng(0).integers(-8, 9, 300)
    colors = np.stack([luma, luma // 2, -luma // 2], axis=1)
    units = np.array([[contexts.normalised(k, m, contexts.inverses()) for k in row] for row in colors])
    sums, rows, found = np.zeros(5, np.int64), passes(300)[-1], []
    for i in rows:
        contexts.color_sums(i, near, units, sums)
        found.append([contexts.color_context(channel, m, colors[i], sums) for channel in (1, 2)])
    second, third = np.array(found).T
    hues = second // contexts.LUMAS % contexts.HUES
    assert np.corrcoef(hues, colors[rows, 1])[0, 1] > 0.9
    hues = third // contexts.REMAINDERS % contexts.HUES
    assert np.corrcoef(hues, colors[rows, 2])[0, 1] > 0.9


def test_directions_follow_those_of_neighbours():
    near, turns, rows = surroundings(cells(300)), contexts.turns(), passes(300)[-1]
    eccentricity = 3 * lattice.OCTAVE
    lengths = np.full(300, contexts.length(6, eccentricity, contexts.strengths()))

    def hints(angles: np.ndarray) -> np.ndarray:
        """Hints of the last pass, given all angles in units of the turns."""
        vectors = turns[angles] * lengths[:, None]
        found = [contexts.rotation_context(i, near, eccentricity, vectors, lengths, turns) for i in rows]
        return np.array(found) - 3 * contexts.HINTS

    for direction in range(contexts.DIRECTIONS):
        found = hints(np.full(300, direction * lattice.ANGLES // contexts.DIRECTIONS + 1))
        assert (np.abs((found // 2 - direction + 8) % 16 - 8) <= 1).all()
        assert (found % 2).mean() > 0.9
    assert (hints(np.random.default_rng(0).integers(0, lattice.ANGLES, 300)) % 2).mean() < 0.6

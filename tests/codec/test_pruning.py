"""Which Gaussians are missed least."""

import numpy as np

from splatcodec.fitting.pruning import removal_costs
from splatkernels import render
from splatkernels.gaussians import Gaussians


def gaussians(means, scales, rotations, colors) -> Gaussians:
    """Of arrays or lists; numbers stand for as many as there are means."""
    count = len(means)
    filled = (np.broadcast_to(part, (count, *shape)) for part, shape in ((scales, (2,)), (rotations, ())))
    return Gaussians(*(np.array(part, np.float32) for part in (means, *filled, colors)))


def cost_of(scene: Gaussians, i: int, height: int, width: int) -> float:
    """The squared error that removing Gaussian `i` adds, if the colours of all others are fitted again."""
    means, scales, rotations, colors = scene
    units = np.ones((1, 1), np.float32)
    basis = np.stack(
        [
            render(means[k : k + 1], scales[k : k + 1], rotations[k : k + 1], units, height, width, cutoff=6).ravel()
            for k in range(len(means))
        ],
        axis=1,
    ).astype(np.float64)
    picture = basis @ colors
    others = np.delete(basis, i, axis=1)
    fitted = others @ np.linalg.lstsq(others, picture, rcond=None)[0]
    return float(((picture - fitted) ** 2).sum())


def random_scene(count: int, height: int, width: int) -> Gaussians:
    rng = np.random.default_rng(0)
    return gaussians(
        rng.uniform(0.2, 0.8, (count, 2)) * (width, height),
        np.exp(rng.uniform(np.log(2), np.log(6), (count, 2))),
        rng.uniform(0, np.pi, count),
        rng.normal(0, 0.3, (count, 3)),
    )


def test_costs_of_lone_gaussians_are_their_energies():
    scene = gaussians([[20, 30], [90, 60]], [[3, 5], [4, 2]], 0, [[0.5, 0.1, 0], [0, 0.2, 0.4]])
    costs = removal_costs(scene, 90, 120)
    np.testing.assert_allclose(costs, np.pi * scene.scales.prod(axis=1) * (scene.colors**2).sum(axis=1), rtol=2e-3)


def test_costs_are_those_of_removing_and_fitting_again():
    """Of few enough Gaussians that all are neighbours; up to the damping."""
    height, width = 60, 80
    scene = random_scene(8, height, width)
    costs = removal_costs(scene, height, width)
    for i in range(8):
        np.testing.assert_allclose(costs[i], cost_of(scene, i, height, width), rtol=0.1, atol=0.05)


def test_one_of_two_equal_gaussians_is_missed_less_than_a_faint_one():
    costs = removal_costs(gaussians([[20, 20], [20.1, 20], [60, 40]], 5, 0, [[1.0], [1.0], [0.1]]), 60, 80)
    assert costs.argmax() == 2


def test_the_nearest_of_many_are_the_neighbours():
    """As by all overlaps, of which the eight largest are kept; more Gaussians than one thread takes."""
    height, width = 100, 140
    scene = means, scales, rotations, colors = random_scene(600, height, width)
    cos, sin = np.cos(rotations, dtype=float), np.sin(rotations, dtype=float)
    axes = np.stack([np.stack([cos, sin], 1), np.stack([-sin, cos], 1)], 1)
    covariances = np.einsum("nki,nk,nkj->nij", axes, scales.astype(float) ** 2, axes)
    sums = covariances[:, None] + covariances[None]
    offsets = means[:, None].astype(float) - means[None]
    squares = np.einsum("nmi,nmij,nmj->nm", offsets, np.linalg.inv(sums), offsets)
    areas = scales.astype(float).prod(axis=1)
    overlaps = 2 * np.sqrt(areas[:, None] * areas / np.linalg.det(sums)) * np.exp(-squares / 2)
    expected = []
    for i in range(600):
        group = np.argsort(-overlaps[i])[:9]
        assert group[0] == i
        inverse = np.linalg.inv(overlaps[np.ix_(group, group)] + 1e-3 * np.eye(9))
        expected.append(np.pi * areas[i] * (colors[i].astype(float) ** 2).sum() / inverse[0, 0])
    costs = removal_costs(scene, height, width)
    # Neighbours are sought among those that reach the tile of the mean, so that a few are missed.
    ratios = np.sort(costs / expected)
    np.testing.assert_allclose(ratios[30:-30], 1, atol=0.05)


def test_what_lies_outside_the_canvas_is_not_missed():
    costs = removal_costs(gaussians([[-50, 20], [20, 500], [0, 30], [30, 30]], 3, 0, np.ones((4, 1))), 60, 80)
    np.testing.assert_allclose(costs / (9 * np.pi), [0, 0, 0.5, 1], atol=2e-3)


def test_needles_that_nearly_coincide_have_sensible_costs():
    for scales in ((300, 0.4), (1500, 0.35)):
        for rotation in np.linspace(0, 3, 13):
            costs = removal_costs(gaussians([[40, 30], [40.01, 30]], scales, rotation, np.ones((2, 1))), 60, 80)
            assert (costs >= 0).all()
            assert (costs < 0.1 * np.pi * np.prod(scales)).all()

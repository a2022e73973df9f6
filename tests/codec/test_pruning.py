"""Which Gaussians are missed least."""

import numpy as np

from splatcodec.fitting.pruning import removal_costs
from splatkernels import render


def cost_of(scene: tuple[np.ndarray, ...], i: int, height: int, width: int) -> float:
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


def random_scene(count: int, height: int, width: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    return tuple(
        array.astype(np.float32)
        for array in (
            rng.uniform(0.2, 0.8, (count, 2)) * (width, height),
            np.exp(rng.uniform(np.log(2), np.log(6), (count, 2))),
            rng.uniform(0, np.pi, count),
            rng.normal(0, 0.3, (count, 3)),
        )
    )


def test_costs_of_lone_gaussians_are_their_energies():
    scene = [
        np.array([[20, 30], [90, 60]], np.float32),
        np.array([[3, 5], [4, 2]], np.float32),
        np.zeros(2, np.float32),
        np.array([[0.5, 0.1, 0], [0, 0.2, 0.4]], np.float32),
    ]
    costs = removal_costs(*scene, 90, 120)
    np.testing.assert_allclose(costs, np.pi * scene[1].prod(axis=1) * (scene[3] ** 2).sum(axis=1), rtol=2e-3)


def test_costs_are_those_of_removing_and_fitting_again():
    """Of few enough Gaussians that all are neighbours; up to the damping."""
    height, width = 60, 80
    scene = random_scene(8, height, width)
    costs = removal_costs(*scene, height, width)
    for i in range(8):
        np.testing.assert_allclose(costs[i], cost_of(scene, i, height, width), rtol=0.1, atol=0.05)


def test_one_of_two_equal_gaussians_is_missed_less_than_a_faint_one():
    means = np.array([[20, 20], [20.1, 20], [60, 40]], np.float32)
    scales = np.full((3, 2), 5, np.float32)
    colors = np.array([[1.0], [1.0], [0.1]], np.float32)
    costs = removal_costs(means, scales, np.zeros(3, np.float32), colors, 60, 80)
    assert costs.argmax() == 2


def test_gaussians_outside_the_canvas_have_costs_too():
    costs = removal_costs(
        np.array([[-50, 20], [20, 500]], np.float32),
        np.ones((2, 2), np.float32),
        np.zeros(2, np.float32),
        np.ones((2, 1), np.float32),
        60,
        80,
    )
    np.testing.assert_allclose(costs, np.pi, rtol=2e-3)

"""Which Gaussians a picture misses least.

The energy of a Gaussian is what its removal costs if nothing else changes. Where others overlap it, they make up for
part of the loss once their colours are fitted again; among Gaussians of equal energy, the redundant ones should go.
This is the saliency of the Optimal Brain Surgeon (Hassibi & Stork 1993) for colours, in which the squared error is
exactly quadratic, restricted to the neighbours that overlap a Gaussian most.

Costs are of removing one alone: of two that stand in for each other, each seems worthless, but one has to stay. So
Gaussians go in rounds, and in a round none goes together with a neighbour that overlaps it.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from splatkernels.arrays import render_backward
from splatkernels.gaussians import Gaussians
from splatkernels.geometry import Output, covariances
from splatkernels.jit import kernel
from splatkernels.threads import run
from splatkernels.tiles import sort_into_tiles, tile_at

_NEIGHBORS = 8
# Neighbours are looked for among those that reach the tile of a Gaussian's mean, in standard deviations.
_REACH = 2.5
# Inner product, both of unit energy, from which on neighbours may stand in for each other.
_STAND_INS = 0.3
# Added to the diagonal of overlaps, which are 1 there: no colour is fitted again quite perfectly.
_DAMPING = 1e-3


def removal_costs(
    gaussians: Gaussians,
    height: int,
    width: int,
    weights: NDArray[np.float32] | None = None,
) -> NDArray[np.float64]:
    """Squared error that removing each Gaussian alone adds, if the colours of its neighbours are fitted again.

    Inner products are taken as integrals, over the plane but for the Gaussian's own energy, which counts as far as it
    lies on the canvas.

    Args:
        gaussians: N of them.
        height, width: canvas in pixels.
        weights: [height, width], how much each pixel counts.

    Returns:
        Costs [N], summed over pixels and channels.
    """
    return _costs(gaussians, height, width, weights)[0]


def survivors(
    gaussians: Gaussians,
    height: int,
    width: int,
    weights: NDArray[np.float32] | None,
    keep: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
) -> NDArray[np.bool_]:
    """Which of N Gaussians [N] to keep, if `keep` says which ones are worth it at given `removal_costs`.

    The one that the picture would miss most is kept in any case. All else is as in `removal_costs`.
    """
    left = np.arange(gaussians.n_gaussians)
    while len(left) > 1:
        costs, neighbors = _costs(gaussians.take(left), height, width, weights)
        out = ~keep(costs)
        out[np.argmax(costs)] = False
        if not out.any():
            break
        # Of two neighbours that both would go, the cheaper one goes first.
        one, place = np.nonzero(neighbors >= 0)
        other = neighbors[one, place]
        both = out[one] & out[other]
        one, other = one[both], other[both]
        first = (costs[one] < costs[other]) | ((costs[one] == costs[other]) & (one < other))
        waits = np.zeros(len(out), bool)
        waits[np.where(first, other, one)] = True
        left = left[~out | waits]
    kept = np.zeros(gaussians.n_gaussians, bool)
    kept[left] = True
    return kept


def _costs(
    gaussians: Gaussians,
    height: int,
    width: int,
    weights: NDArray[np.float32] | None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The `removal_costs` [N], and neighbours [N, K] that may stand in for each Gaussian; -1 where there are fewer."""
    means, scales, rotations, colors = gaussians
    tiles = sort_into_tiles(means, scales, rotations, Output(height, width, cutoff=_REACH))
    xx, xy, yy = covariances(scales, rotations)
    shapes = np.stack([xx, xy, yy, scales.prod(axis=1, dtype=np.float64)], axis=1)
    grams = np.zeros((len(means), 1 + _NEIGHBORS, 1 + _NEIGHBORS))
    neighbors = np.full((len(means), _NEIGHBORS), -1)
    run(_fill_grams, len(means) // 256, tiles.starts, tiles.owners, height, width, means, shapes, grams, neighbors)
    neighbors[grams[:, 0, 1:] < _STAND_INS] = -1
    diagonal = np.arange(1 + _NEIGHBORS)
    grams[:, diagonal, diagonal] += _DAMPING
    energies = np.pi * shapes[:, 3] * (colors.astype(np.float64) ** 2).sum(axis=1)
    # A squared Gaussian is one of half the variance.
    deviations = np.sqrt(np.stack([xx, yy], axis=1) / 2)
    inside = ndtr(((width, height) - means) / deviations) - ndtr(-means / deviations)
    costs = energies * inside.prod(axis=1) / np.linalg.inv(grams)[:, 0, 0]
    if weights is not None:
        costs *= weights_at(weights, gaussians)
    return costs, neighbors


def weights_at(weights: NDArray[np.floating], gaussians: Gaussians) -> NDArray[np.floating]:
    """Means [N] of weights of pixels [height, width] under N squared Gaussians, as far as these lie on the canvas."""
    planes = np.stack([weights, np.ones_like(weights)]).astype(np.float32)
    # The derivative by a colour is the sum over pixels under a Gaussian; a squared one is narrower.
    narrow = gaussians.scales * np.float32(np.sqrt(0.5))
    zeros = np.zeros((gaussians.n_gaussians, 2), np.float32)
    sums = render_backward(gaussians.means, narrow, gaussians.rotations, zeros, planes).colors
    return sums[:, 0] / np.maximum(sums[:, 1], 1e-12)


def sample(weights: NDArray[np.floating], points: NDArray[np.floating]) -> NDArray[np.floating]:
    """Weights [N] of the pixels at, or nearest to, the given points [N, 2]."""
    height, width = weights.shape
    x, y = np.clip(points, 0, (width - 1, height - 1)).astype(int).T
    return weights[y, x]


def all_but_least(costs: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """False for as many as `count` of the least costs [N]."""
    kept = np.ones(len(costs), bool)
    kept[np.argsort(costs, kind="stable")[: max(0, count)]] = False
    return kept


@kernel
def _overlap(means, shapes, i, j):
    """Inner product of two Gaussians over the plane, both of unit energy: 1 if they are equal."""
    xx = shapes[i, 0] + shapes[j, 0]
    xy = shapes[i, 1] + shapes[j, 1]
    yy = shapes[i, 2] + shapes[j, 2]
    x = float(means[i, 0]) - means[j, 0]
    y = float(means[i, 1]) - means[j, 1]
    determinant = xx * yy - xy * xy
    square = (yy * x * x - 2 * xy * x * y + xx * y * y) / determinant
    return 2 * math.sqrt(shapes[i, 3] * shapes[j, 3] / determinant) * math.exp(-0.5 * square)


@kernel
def _fill_grams(part, parts, starts, owners, height, width, means, shapes, grams, neighbors):
    """Fill `grams` [N, 1 + K, 1 + K] with the overlaps of each Gaussian and its `neighbors` [N, K] that overlap most.

    `shapes` [N, 4] holds the covariances (xx, xy, yy) and the products of scales. Where there are fewer
    neighbours, rows of the identity stand in.
    """
    gaussians = len(means)
    most = neighbors.shape[1]
    chosen = np.empty(1 + most, np.int64)
    overlaps = np.empty(1 + most)
    for i in range(part * gaussians // parts, (part + 1) * gaussians // parts):
        chosen[0] = i
        found = 0
        tile = tile_at(means[i, 0], means[i, 1], height, width)
        for k in range(starts[tile], starts[tile + 1]):
            j = owners[k]
            if j == i:
                continue
            overlap = _overlap(means, shapes, i, j)
            # Insert into the list of the largest, kept in falling order.
            place = found
            while place > 0 and overlaps[place] < overlap:
                place -= 1
            if place == most:
                continue
            found = min(found + 1, most)
            for m in range(found, place + 1, -1):
                overlaps[m] = overlaps[m - 1]
                chosen[m] = chosen[m - 1]
            overlaps[place + 1] = overlap
            chosen[place + 1] = j
        for a in range(1 + most):
            grams[i, a, a] = 1
        for a in range(found):
            neighbors[i, a] = chosen[1 + a]
        for a in range(1 + found):
            for b in range(a):
                overlap = _overlap(means, shapes, chosen[a], chosen[b])
                grams[i, a, b] = overlap
                grams[i, b, a] = overlap

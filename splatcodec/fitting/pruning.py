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
from splatkernels.jit import inlined, kernel
from splatkernels.threads import run
from splatkernels.tiles import sort_into_tiles, tile_at

_NEIGHBORS = 8
# Neighbours are looked for among those that reach the tile of a Gaussian's mean, in standard deviations.
_REACH = 2.5
# Inner product, both of unit energy, from which on neighbours may stand in for each other.
_STAND_INS = 0.3
# Added to the diagonal of overlaps, which are 1 there: no colour is fitted again quite perfectly.
# It also exceeds what is left of overlaps that count as 0, at most e^-9 of each neighbour.
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
    everyone = np.arange(gaussians.n_gaussians)
    return _Overlaps(gaussians, height, width, weights).costs(everyone, everyone)


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
    overlaps = _Overlaps(gaussians, height, width, weights)
    left = stale = np.arange(gaussians.n_gaussians)
    while len(left) > 1:
        costs = overlaps.costs(left, stale)
        out = ~keep(costs)
        out[np.argmax(costs)] = False
        if not out.any():
            break
        left, stale = overlaps.without(left[out], left)
    kept = np.zeros(gaussians.n_gaussians, bool)
    kept[left] = True
    return kept


class _Overlaps:
    """What N Gaussians cost when they are removed, while some are."""

    def __init__(self, gaussians: Gaussians, height: int, width: int, weights: NDArray[np.float32] | None) -> None:
        means, scales, rotations, colors = gaussians
        self._means, self._size = means, (height, width)
        self._tiles = sort_into_tiles(means, scales, rotations, Output(height, width, cutoff=_REACH))
        xx, xy, yy = covariances(scales, rotations)
        self._shapes = np.stack([xx, xy, yy, scales.prod(axis=1, dtype=np.float64)], axis=1)
        self._neighbors = np.empty((len(means), _NEIGHBORS), np.int64)
        self._stand_ins = np.empty(len(means), np.int64)
        self._costs = np.empty(len(means))
        energies = np.pi * self._shapes[:, 3] * (colors.astype(np.float64) ** 2).sum(axis=1)
        # A squared Gaussian is one of half the variance.
        deviations = np.sqrt(np.stack([xx, yy], axis=1) / 2)
        inside = ndtr(((width, height) - means) / deviations) - ndtr(-means / deviations)
        self._energies = energies * inside.prod(axis=1)
        if weights is not None:
            self._energies *= weights_at(weights, gaussians)

    def costs(self, left: NDArray[np.int64], stale: NDArray[np.int64]) -> NDArray[np.float64]:
        """Costs of those that are `left`, of which some are `stale`: not known yet, or no longer."""
        is_left = np.zeros(len(self._means), bool)
        is_left[left] = True
        tiles, shapes = self._tiles, self._shapes
        args = stale, is_left, tiles.starts, tiles.owners, *self._size, self._means, shapes, self._energies
        run(_find_costs, len(stale) // 256, *args, self._neighbors, self._stand_ins, self._costs)
        return self._costs[left]

    def without(self, out: NDArray[np.int64], left: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Those that are left once others are `out`, and whose costs that changes.

        Of two neighbours that both would go, the cheaper one goes first, and the other one waits.
        """
        going = np.zeros(len(self._means), bool)
        going[out] = True
        near = self._neighbors[out]
        one, place = np.nonzero(np.arange(_NEIGHBORS) < self._stand_ins[out, None])
        one, other = out[one], near[one, place]
        both = going[other]
        one, other = one[both], other[both]
        costs = self._costs
        first = (costs[one] < costs[other]) | ((costs[one] == costs[other]) & (one < other))
        going[np.where(first, other, one)] = False
        left = left[~going[left]]
        changed = (going[self._neighbors[left]] & (self._neighbors[left] >= 0)).any(axis=1)
        return left, left[changed]


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


@inlined
def _overlap(means, shapes, i, j):
    """Inner product of two Gaussians over the plane, both of unit energy: 1 if they are equal, 0 if below e^-9."""
    xx = shapes[i, 0] + shapes[j, 0]
    xy = shapes[i, 1] + shapes[j, 1]
    yy = shapes[i, 2] + shapes[j, 2]
    x = float(means[i, 0]) - means[j, 0]
    y = float(means[i, 1]) - means[j, 1]
    determinant = xx * yy - xy * xy
    square = yy * x * x - 2 * xy * x * y + xx * y * y
    if square > 18 * determinant:
        return 0.0
    return 2 * math.sqrt(shapes[i, 3] * shapes[j, 3] / determinant) * math.exp(-0.5 * square / determinant)


@kernel
def _find_neighbors(owners, begin, end, is_left, i, means, shapes, chosen, overlaps):
    """Fill `chosen` with the Gaussians that overlap Gaussian i most, in falling order of `overlaps`; how many.

    They are among `owners` from `begin` to `end` - 1, and left.
    """
    most, found = len(chosen), 0
    for k in range(begin, end):
        j = owners[k]
        if j == i or not is_left[j]:
            continue
        overlap = _overlap(means, shapes, i, j)
        if found == most and overlap <= overlaps[most - 1]:
            continue
        found = min(found + 1, most)
        place = found - 1
        while place > 0 and overlaps[place - 1] < overlap:
            overlaps[place] = overlaps[place - 1]
            chosen[place] = chosen[place - 1]
            place -= 1
        overlaps[place] = overlap
        chosen[place] = j
    return found


@kernel
def _find_costs(
    part, parts, rows, is_left, starts, owners, height, width, means, shapes, energies, neighbors, stand_ins, costs
):
    """What it costs to remove some Gaussians, by number in `rows`, and their `neighbors` [N, K], -1 if there are fewer.

    The first `stand_ins` [N] of the neighbours may stand in for a Gaussian. `shapes` [N, 4] holds the covariances
    (xx, xy, yy) and the products of scales. With G the overlaps of a Gaussian and of the K that overlap it most, scaled
    to a diagonal of 1, it costs 1 / [G^-1]_00 of its energy: what is left of its diagonal once the others are
    eliminated, by the factors of Cholesky.
    """
    most = neighbors.shape[1]
    chosen = np.empty(most, np.int64)
    overlaps = np.empty(most)
    factor = np.empty((most, most))
    for k in range(part * len(rows) // parts, (part + 1) * len(rows) // parts):
        i = rows[k]
        tile = tile_at(means[i, 0], means[i, 1], height, width)
        found = _find_neighbors(owners, starts[tile], starts[tile + 1], is_left, i, means, shapes, chosen, overlaps)
        neighbors[i] = -1
        neighbors[i, :found] = chosen[:found]
        stand_ins[i] = 0
        while stand_ins[i] < found and overlaps[stand_ins[i]] >= _STAND_INS:
            stand_ins[i] += 1
        share = 1 + _DAMPING
        for a in range(found):
            # Row a of the factor, then the element of Gaussian i's own row: forward substitution.
            for b in range(a + 1):
                rest = 1 + _DAMPING if a == b else _overlap(means, shapes, chosen[a], chosen[b])
                for c in range(b):
                    rest -= factor[a, c] * factor[b, c]
                factor[a, b] = math.sqrt(max(rest, 1e-12)) if a == b else rest / factor[b, b]
            rest = overlaps[a]
            for c in range(a):
                rest -= factor[a, c] * overlaps[c]
            overlaps[a] = rest / factor[a, a]
            share -= overlaps[a] ** 2
        costs[i] = energies[i] * share

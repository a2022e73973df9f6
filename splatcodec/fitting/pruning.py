"""Which Gaussians a picture misses least.

The energy of a Gaussian is what its removal costs if nothing else changes. Where others overlap it, they make up for
part of the loss once their colours are fitted again; among Gaussians of equal energy, the redundant ones should go.
This is the saliency of the Optimal Brain Surgeon (Hassibi & Stork 1993) for colours, in which the squared error is
exactly quadratic, restricted to the neighbours that overlap a Gaussian most.
"""

import math

import numpy as np
from numpy.typing import NDArray

from splatkernels.jit import kernel
from splatkernels.simd import LANES
from splatkernels.threads import run
from splatkernels.tiles import TILE_ROWS, sort_into_tiles

_NEIGHBORS = 8
# Neighbours are looked for among those that reach the tile of a Gaussian's mean, in standard deviations.
_REACH = 2.5
# Added to the diagonal of overlaps, which are 1 there: no colour is fitted again quite perfectly.
_DAMPING = 1e-3


def removal_costs(
    means: NDArray[np.float32],
    scales: NDArray[np.float32],
    rotations: NDArray[np.float32],
    colors: NDArray[np.float32],
    height: int,
    width: int,
) -> NDArray[np.float64]:
    """Squared error [N], summed over pixels and channels, that removing each Gaussian alone adds.

    The colours of its neighbours are taken to be fitted again. Arguments are those of N Gaussians, as in `render`.
    """
    tiles = sort_into_tiles(means, scales, rotations, height, width, 0.0, 0.0, 1.0, _REACH)
    cos, sin = np.cos(rotations), np.sin(rotations)
    xx, yy = scales.T.astype(np.float64) ** 2
    shapes = np.stack(
        [cos**2 * xx + sin**2 * yy, cos * sin * (xx - yy), sin**2 * xx + cos**2 * yy, np.sqrt(xx * yy)], axis=1
    )
    grams = np.zeros((len(means), 1 + _NEIGHBORS, 1 + _NEIGHBORS))
    across = -(-width // LANES)
    run(_fill_grams, len(means) // 256, tiles.starts, tiles.owners, across, means, shapes, grams)
    diagonal = np.arange(1 + _NEIGHBORS)
    grams[:, diagonal, diagonal] += _DAMPING
    energies = np.pi * shapes[:, 3] * (colors.astype(np.float64) ** 2).sum(axis=1)
    return energies / np.linalg.inv(grams)[:, 0, 0]


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
def _fill_grams(part, parts, starts, owners, across, means, shapes, grams):
    """Fill `grams` [N, 1 + K, 1 + K] with the overlaps of each Gaussian and the K that overlap it most.

    `shapes` [N, 4] holds the covariances (xx, xy, yy) and the products of scales. Where there are fewer neighbours, or
    the mean lies outside the canvas, rows of the identity stand in.
    """
    gaussians = len(means)
    neighbors = grams.shape[1] - 1
    chosen = np.empty(1 + neighbors, np.int64)
    overlaps = np.empty(1 + neighbors)
    for i in range(part * gaussians // parts, (part + 1) * gaussians // parts):
        chosen[0] = i
        found = 0
        column = math.floor(means[i, 0] / LANES)
        row = math.floor(means[i, 1] / TILE_ROWS)
        if 0 <= column < across and 0 <= row < (len(starts) - 1) // across:
            tile = row * across + column
            for k in range(starts[tile], starts[tile + 1]):
                j = owners[k]
                if j == i:
                    continue
                overlap = _overlap(means, shapes, i, j)
                # Insert into the list of the largest, kept in falling order.
                place = found
                while place > 0 and overlaps[place] < overlap:
                    place -= 1
                if place == neighbors:
                    continue
                found = min(found + 1, neighbors)
                for m in range(found, place + 1, -1):
                    overlaps[m] = overlaps[m - 1]
                    chosen[m] = chosen[m - 1]
                overlaps[place + 1] = overlap
                chosen[place + 1] = j
        for a in range(1 + neighbors):
            grams[i, a, a] = 1
        for a in range(1 + found):
            for b in range(a):
                overlap = _overlap(means, shapes, chosen[a], chosen[b])
                grams[i, a, b] = overlap
                grams[i, b, a] = overlap

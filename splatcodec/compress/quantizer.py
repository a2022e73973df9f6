"""From fitted Gaussians to symbols: attributes are rounded one after the other, and those still free make up for it.

Scales are rounded first, then rotations, means and colours, in which the error is quadratic. That is the nearest-plane
algorithm of Babai (1986) with groups of parameters for parameters: it leaves much less error than rounding all at once.
In the end, single integers of colours and means change wherever the gradient says that it helps.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from splatkernels.gaussians import Gaussians

from ..errors import GsiError
from ..splats import SMALLEST_SCALE, Splats
from . import ladder, lattice, positions
from .adaptive import Canvas, Quantized
from .costs import ColorCosts
from .lattice import Symbols
from .neighbors import Surroundings, surroundings
from .rangecoder import Integers
from .refiner import Refiner

_FLIP_ROUNDS = 30
# Of the flips that would help alone, so many happen at once: neighbours would undo the same error twice.
_FLIPPED = 0.3
# Curvatures of the error, in units of D^2 per step, and a little more, since others change at the same time.
_COLOR_CURVATURE, _PLACE_CURVATURE = 1.1, 1.3


def quantize(splats: Splats, notch: int, refiner: Refiner) -> Quantized:
    """Round Gaussians to the lattice of a given D, with as little error and as few bits as possible.

    Args:
        splats: what to round.
        notch: of D, if amplitudes are not too large for that.
        refiner: what knows the picture.

    Returns:
        The Gaussians in the order of the tree, without those that round to nothing.

    Raises:
        GsiError: an amplitude is too large for the coarsest steps.
    """
    finest = ladder.finest(lattice.smallest_d(splats.scales, splats.colors))
    if finest < 0:
        raise GsiError(f"COLR: the amplitude {np.abs(splats.colors).max():g} of a Gaussian is too large")
    notch = min(notch, finest)
    d = ladder.value(notch)
    canvas = Canvas(splats.width, splats.height, splats.channels)
    tree = positions.Tree(splats.width, splats.height)
    gaussians, symbols = _round_shapes(splats, d, refiner)

    points = tree.clip(gaussians.means)
    order = np.argsort(tree.paths(points), kind="stable")
    points, gaussians, symbols = points[order], gaussians.take(order), symbols.take(order)
    cells = tree.cells(tree.paths(points))
    counts = lattice.mean_counts(symbols, cells.sides)
    places = lattice.places(points, cells, counts)
    means = lattice.mean_values(places, cells, counts).astype(np.float32)
    gaussians = refiner.refine(gaussians._replace(means=means), "colors")

    classes = symbols.classes
    near = surroundings(cells)
    steps = lattice.color_steps(gaussians.scales, d)
    curvatures = refiner.curvatures(gaussians)
    rounded = _round_colors(lattice.to_basis(gaussians.colors) / steps, curvatures, classes, near)

    def differentiate(colors: Integers, places: Integers) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        means = lattice.mean_values(places, cells, counts).astype(np.float32)
        values = lattice.from_basis(colors * steps).astype(np.float32)
        gradients = refiner.gradients(gaussians._replace(means=means, colors=values))
        sides = np.exp2(cells.sides) / counts
        return lattice.to_basis(gradients.colors) * steps / d**2, gradients.means * sides / d**2

    def costs_of(colors: Integers) -> ColorCosts:
        return ColorCosts(near, classes, colors)

    rounded, places = _flip(rounded, places, counts, curvatures, differentiate, costs_of, refiner)
    return Quantized(notch, replace(symbols, colors=rounded), lattice.mean_values(places, cells, counts), canvas)


def _round_shapes(splats: Splats, d: float, refiner: Refiner) -> tuple[Gaussians, Symbols]:
    """Gaussians of rounded scales and rotations, and what these are; colours are left at 0 in the symbols."""
    turned = np.where(splats.scales[:, 0] < splats.scales[:, 1], np.float32(np.pi / 2), np.float32(0))
    scales = -np.sort(-splats.scales, axis=1)
    means = positions.Tree(splats.width, splats.height).clip(splats.means).astype(np.float32)
    gaussians = Gaussians(means, scales, splats.rotations + turned, splats.colors)
    # The amplitudes, and so the steps, are known better once the Gaussians have been refined.
    for free in (("means", "rotations", "colors"), ()):
        gaussians, classes = _classify(gaussians, d)
        gaussians, scale_symbols = _round_scales(gaussians, classes)
        if free:
            gaussians = refiner.refine(gaussians, *free)
        gaussians, rotation_symbols = _round_rotations(gaussians, scale_symbols, classes)
        gaussians = refiner.refine(gaussians, "means", "colors")
    colors = np.zeros((len(classes), splats.channels), np.int64)
    return gaussians, Symbols(classes, colors, scale_symbols, rotation_symbols)


def _classify(gaussians: Gaussians, d: float) -> tuple[Gaussians, Integers]:
    """Amplitude classes, of the Gaussians whose colours do not round to nothing."""
    steps = lattice.color_steps(gaussians.scales, d)
    rounded = np.rint(lattice.to_basis(gaussians.colors) / steps).astype(np.int64)
    kept = (rounded != 0).any(axis=1)
    return gaussians.take(kept), lattice.classes_of(rounded[kept])


def _round_scales(gaussians: Gaussians, classes: Integers) -> tuple[Gaussians, Integers]:
    octaves = lattice.scale_steps()[classes][:, None] / lattice.OCTAVE
    symbols = np.rint(np.log2(gaussians.scales / SMALLEST_SCALE) / octaves).astype(np.int64)
    symbols = np.clip(symbols, 0, lattice.largest_scales(classes)[:, None])
    values = lattice.scale_values(lattice.scale_units(symbols, classes)).astype(np.float32)
    return gaussians._replace(scales=values), symbols


def _round_rotations(gaussians: Gaussians, scale_symbols: Integers, classes: Integers) -> tuple[Gaussians, Integers]:
    counts = lattice.rotation_counts(lattice.scale_units(scale_symbols, classes), classes)
    symbols = np.rint(gaussians.rotations / np.pi * counts).astype(np.int64) % counts
    return gaussians._replace(rotations=(symbols * np.pi / counts).astype(np.float32)), symbols


def _round_colors(
    colors: NDArray[np.floating], curvatures: NDArray[np.floating], classes: Integers, near: Surroundings
) -> Integers:
    """Integers [N, C] near `colors` [N, C], in steps, of the least error and rate; some lie nearer to their class."""
    channels = colors.shape[1]
    norms = np.linalg.norm(colors, axis=1, keepdims=True)
    middle = 2.0 ** (classes[:, None] / 2)
    clipped = colors * (np.clip(norms, middle * 2**-0.25, middle * 2**0.25) / np.maximum(norms, 1e-9))
    corners = np.stack(np.meshgrid(*[[0, 1]] * channels, indexing="ij"), axis=-1).reshape(-1, channels)
    color_costs = ColorCosts(near, classes, np.rint(colors).astype(np.int64))
    best, least = np.zeros(colors.shape, np.int64), np.full(len(colors), np.inf)
    for start in (colors, clipped):
        for corner in corners:
            other = np.floor(start).astype(np.int64) + corner
            costs = curvatures * ((other - colors) ** 2).sum(axis=1) + ladder.SLOPE * color_costs.bits(other)
            better = (costs < least) & other.any(axis=1)
            best[better], least[better] = other[better], costs[better]
    return best


def _flip(
    colors: Integers,
    places: Integers,
    counts: Integers,
    curvatures: NDArray[np.floating],
    differentiate: Callable[[Integers, Integers], tuple[NDArray[np.floating], NDArray[np.floating]]],
    costs_of: Callable[[Integers], ColorCosts],
    refiner: Refiner,
) -> tuple[Integers, Integers]:
    """Colours [N, C] and places [N, 2] of means, of `counts` [N, 2], after changes by one that lower the cost.

    `differentiate` returns the gradients of the error by both, in units of D^2 per step; `refiner` knows the time.
    The curvature of the error is `curvatures` [N] times that of the squared error.
    """
    rng = np.random.default_rng(0)
    for _ in range(_FLIP_ROUNDS if len(colors) else 0):
        if not refiner.in_time:
            break
        by_colors, by_places = differentiate(colors, places)
        flips = _color_flips(colors, costs_of(colors), by_colors, _COLOR_CURVATURE * curvatures)
        moves = _moves(places, counts, by_places, _PLACE_CURVATURE * curvatures)
        flipped = flips.costs < moves.costs
        if not (flips.costs.any() or moves.costs.any()):
            break
        chosen = rng.random(len(colors)) < _FLIPPED
        colors = colors + flips.changes * (chosen & flipped)[:, None]
        places = places + moves.changes * (chosen & ~flipped)[:, None]
    return colors, places


class _Flips(NamedTuple):
    """For each Gaussian the change of one integer by one that lowers distortion + lambda rate most, if any does."""

    changes: Integers
    costs: NDArray[np.float64]


def _color_flips(
    colors: Integers, color_costs: ColorCosts, gradients: NDArray[np.floating], curvatures: NDArray[np.floating]
) -> _Flips:
    """Of colours [N, C]."""
    bits = color_costs.bits(colors)

    def added(other: Integers) -> NDArray[np.float64]:
        return np.where(other.any(axis=1), ladder.SLOPE * (color_costs.bits(other) - bits), np.inf)

    return _flips(colors, gradients, curvatures, added)


def _moves(
    places: Integers, counts: Integers, gradients: NDArray[np.floating], curvatures: NDArray[np.floating]
) -> _Flips:
    """Of the places [N, 2] of means, of `counts` [N, 2] that are equally likely."""
    return _flips(
        places,
        gradients,
        curvatures,
        lambda other: np.where(((other >= 0) & (other < counts)).all(axis=1), 0, np.inf),
    )


def _flips(
    values: Integers,
    gradients: NDArray[np.floating],
    curvatures: NDArray[np.floating],
    added: Callable[[Integers], NDArray[np.float64]],
) -> _Flips:
    """Of values [N, K], given gradients [N, K] and curvatures [N] of the error in units of D^2 per step.

    `added` says what other values would add to the rate, in the same units.
    """
    costs = np.zeros(len(values))
    changes = np.zeros_like(values)
    for column in range(values.shape[1]):
        for change in (-1, 1):
            other = values.copy()
            other[:, column] += change
            cost = change * gradients[:, column] + curvatures + added(other)
            better = cost < costs
            costs[better] = cost[better]
            changes[better] = 0
            changes[better, column] = change
    return _Flips(changes, costs)

"""From fitted Gaussians to symbols: attributes are rounded one after the other, and those still free make up for it.

Scales are rounded first, then rotations, means and colours, in which the error is quadratic. That is the nearest-plane
algorithm of Babai (1986) with groups of parameters for parameters: it leaves much less error than rounding all at once.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..splats import Splats
from . import adaptive, lattice, positions
from .adaptive import Canvas, Quantized
from .coder import Integers
from .lattice import Symbols
from .refiner import Refiner

if TYPE_CHECKING:
    from splatkernels.adam import Gaussians

_FLIP_ROUNDS = 20
# Of the flips that would help alone, so many happen at once: neighbours would undo the same error twice.
_FLIPPED = 0.3
# Curvature of the error along a colour, in units of D^2 per step.
_CURVATURE = 1.0


def quantize(splats: Splats, step: int, refiner: Refiner) -> Quantized:
    """Round Gaussians to the lattice of a given D, with as little error and as few bits as possible.

    Args:
        splats: what to round.
        step: index of D, if amplitudes are not too large for that.
        refiner: what knows the picture.

    Returns:
        The Gaussians in the order of the tree, without those that round to nothing.
    """
    step = min(step, adaptive.finest_step(splats.scales, splats.colors))
    d = adaptive.step_value(step)
    canvas = Canvas(splats.width, splats.height, splats.channels)
    tree = positions.Tree(splats.width, splats.height)
    turned = np.where(splats.scales[:, 0] < splats.scales[:, 1], np.float32(np.pi / 2), np.float32(0))
    scales = -np.sort(-splats.scales, axis=1)
    gaussians = tree.clip(splats.means).astype(np.float32), scales, splats.rotations + turned, splats.colors

    # The amplitudes, and so the steps, are known better once the Gaussians have been refined.
    for free in (("means", "rotations", "colors"), ()):
        gaussians, classes = _classify(gaussians, d)
        gaussians, scale_symbols = _round_scales(gaussians, classes)
        if free:
            gaussians = refiner.refine(gaussians, *free)
        gaussians, rotation_symbols = _round_rotations(gaussians, scale_symbols, classes)
        gaussians = refiner.refine(gaussians, "means", "colors")

    rounded = _round_colors(lattice.to_basis(gaussians[3]) / lattice.color_steps(gaussians[1], d), classes)
    order = np.argsort(tree.paths(tree.clip(gaussians[0])), kind="stable")
    symbols = Symbols(classes, rounded, scale_symbols, rotation_symbols).take(order)
    means, scales, rotations, colors = (part[order] for part in gaussians)
    places = adaptive.round_means(Quantized(step, symbols, tree.clip(means), canvas)).means
    geometry = places.astype(np.float32), scales, rotations
    colors = refiner.refine((*geometry, colors), "colors")[3]

    classes, steps = symbols.classes, lattice.color_steps(scales, d)
    rounded = _round_colors(lattice.to_basis(colors) / steps, classes)
    rng = np.random.default_rng(0)
    for _ in range(_FLIP_ROUNDS if len(rounded) else 0):
        values = lattice.from_basis(rounded * steps).astype(np.float32)
        gradients = refiner.color_gradients((*geometry, values))
        if gradients is None:
            break
        rounded += _flips(rounded, classes, lattice.to_basis(gradients) * steps / d**2, rng)
    symbols = Symbols(classes, rounded, symbols.scales, symbols.rotations)
    return Quantized(step, symbols, places, canvas)


def _classify(gaussians: "Gaussians", d: float) -> tuple["Gaussians", Integers]:
    """Amplitude classes, of the Gaussians whose colours do not round to nothing."""
    _, scales, _, colors = gaussians
    rounded = np.rint(lattice.to_basis(colors) / lattice.color_steps(scales, d)).astype(np.int64)
    classes = lattice.classes_of(rounded)
    kept = rounded.any(axis=1)
    means, scales, rotations, colors = (part[kept] for part in gaussians)
    return (means, scales, rotations, colors), classes[kept]


def _round_scales(gaussians: "Gaussians", classes: Integers) -> tuple["Gaussians", Integers]:
    means, scales, rotations, colors = gaussians
    octaves = lattice.scale_steps()[classes][:, None] / lattice.OCTAVE
    symbols = np.rint(np.log2(scales / lattice.SMALLEST_SCALE) / octaves).astype(np.int64)
    symbols = np.clip(symbols, 0, lattice.largest_scales(classes)[:, None])
    values = lattice.scale_values(lattice.scale_units(symbols, classes)).astype(np.float32)
    return (means, values, rotations, colors), symbols


def _round_rotations(
    gaussians: "Gaussians", scale_symbols: Integers, classes: Integers
) -> tuple["Gaussians", Integers]:
    means, scales, rotations, colors = gaussians
    counts = lattice.rotation_counts(lattice.scale_units(scale_symbols, classes), classes)
    symbols = np.rint(rotations / np.pi * counts).astype(np.int64) % counts
    return (means, scales, (symbols * np.pi / counts).astype(np.float32), colors), symbols


def _round_colors(colors: NDArray[np.floating], classes: Integers) -> Integers:
    """Integers [N, C] near `colors` [N, C], in steps, of the least error and rate; some lie nearer to their class."""
    channels = colors.shape[1]
    norms = np.linalg.norm(colors, axis=1, keepdims=True)
    middle = 2.0 ** (classes[:, None] / 2)
    clipped = colors * (np.clip(norms, middle * 2**-0.25, middle * 2**0.25) / np.maximum(norms, 1e-9))
    corners = np.stack(np.meshgrid(*[[0, 1]] * channels, indexing="ij"), axis=-1).reshape(-1, channels)
    near = np.concatenate([np.floor(part).astype(np.int64)[:, None] + corners for part in (colors, clipped)], axis=1)
    bits = adaptive.color_bits(np.repeat(classes, near.shape[1]), near.reshape(-1, channels)).reshape(near.shape[:2])
    costs = ((near - colors[:, None]) ** 2).sum(axis=2) + lattice.SLOPE * bits
    costs[~near.any(axis=2)] = np.inf
    return np.take_along_axis(near, costs.argmin(axis=1)[:, None, None], axis=1)[:, 0]


def _flips(colors: Integers, classes: Integers, gradients: NDArray[np.floating], rng: np.random.Generator) -> Integers:
    """Changes [N, C] of one integer by one where that lowers distortion + lambda rate, for a part of the Gaussians.

    `gradients` [N, C] are those of the squared error in units of D^2 per step.
    """
    bits = adaptive.color_bits(classes, colors)
    best = np.zeros(len(colors))
    changes = np.zeros_like(colors)
    for channel in range(colors.shape[1]):
        for change in (-1, 1):
            other = colors.copy()
            other[:, channel] += change
            added = adaptive.color_bits(classes, other) - bits
            cost = change * gradients[:, channel] + _CURVATURE + lattice.SLOPE * added
            better = (cost < best) & other.any(axis=1)
            best[better] = cost[better]
            changes[better] = other[better] - colors[better]
    return changes * (rng.random(len(colors)) < _FLIPPED)[:, None]

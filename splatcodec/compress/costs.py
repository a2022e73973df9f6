"""What symbols cost, for decisions of an encoder by rate and distortion."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from splatkernels.jit import kernel

from . import contexts, model
from .contexts import color_context, color_shift, grey_context
from .neighbors import Surroundings
from .rangecoder import Integers

_SYMBOLS = model.COLOR_SYMBOLS


@cache
def _costs(table: str) -> NDArray[np.float64]:
    """Bits [contexts, symbols] of symbols under the trained frequencies."""
    prior = model.trained()[table].astype(np.float64)
    return np.log2(prior.sum(axis=1, keepdims=True) / prior)


class ColorCosts:
    """About how many bits colours take.

    Args:
        near: surroundings of N Gaussians.
        classes: [N].
        colors: [N, C], what neighbours are taken to have.
    """

    def __init__(self, near: Surroundings, classes: Integers, colors: Integers) -> None:
        self._classes = classes
        self._sums = np.zeros((len(classes), 5), np.int64)
        grey = colors.shape[1] == 1
        if not grey:
            _fill_sums(near, classes, colors, contexts.inverses(), self._sums)
        names = ("grey",) * 3 if grey else ("color0", "color1", "color2")
        self._costs = tuple(_costs(name) for name in names)

    def bits(self, colors: Integers) -> NDArray[np.float64]:
        """Bits [N] of colours [N, C], infinite where they cannot be stored."""
        bits = np.empty(len(colors))
        _fill_bits(self._classes, colors, self._sums, self._costs, bits)
        return bits


@kernel
def _fill_sums(near, classes, colors, inverses, sums):
    """Fill `sums` [N, 5] as `contexts.color_sums` does."""
    units = np.empty(colors.shape, np.int64)
    for i in range(len(classes)):
        for channel in range(3):
            units[i, channel] = contexts.normalised(colors[i, channel], classes[i], inverses)
    for i in range(len(classes)):
        contexts.color_sums(i, near, units, sums[i])


@kernel
def _fill_bits(classes, colors, sums, costs, bits):
    """Fill `bits` [N]."""
    known = np.zeros(3, np.int64)
    channels = colors.shape[1]
    for i in range(len(classes)):
        m = classes[i]
        shift = color_shift(m)
        bits[i] = shift * channels
        for channel in range(channels):
            known[channel] = colors[i, channel]
            symbol = (known[channel] >> shift) + _SYMBOLS // 2
            if not 0 <= symbol < _SYMBOLS:
                bits[i] = np.inf
            elif channels == 1:
                bits[i] += costs[0][grey_context(m), symbol]
            else:
                bits[i] += costs[channel][color_context(channel, m, known, sums[i]), symbol]

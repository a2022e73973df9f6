"""What symbols cost, for decisions of an encoder by rate and distortion."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from . import adaptive, contexts
from .coder import Integers
from .neighbors import Surroundings


@cache
def _costs(table: str) -> NDArray[np.float64]:
    """Bits [contexts, symbols] of symbols under the trained frequencies."""
    prior = adaptive.trained()[table].astype(np.float64)
    return np.log2(prior.sum(axis=1, keepdims=True) / prior)


class ColorRates:
    """About how many bits colours take.

    Args:
        surroundings: of N Gaussians.
        classes: [N].
        colors: [N, C], what neighbours are taken to have.
    """

    def __init__(self, surroundings: Surroundings, classes: Integers, colors: Integers) -> None:
        self._model = contexts.Colors(surroundings.all, classes, colors)
        self._shifts = contexts.color_shifts(classes)

    def bits(self, colors: Integers) -> NDArray[np.float64]:
        """Bits [N] of colours [N, C], infinite where they cannot be stored."""
        bits = np.zeros(len(colors))
        for channel in range(colors.shape[1]):
            table, rows = self._model.channel(colors[:, :channel])
            symbol = (colors[:, channel] >> self._shifts) + adaptive.COLOR_SYMBOLS // 2
            valid = (symbol >= 0) & (symbol < adaptive.COLOR_SYMBOLS)
            bits += np.where(valid, _costs(table)[rows, np.clip(symbol, 0, adaptive.COLOR_SYMBOLS - 1)], np.inf)
        return bits

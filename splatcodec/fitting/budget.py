"""How many Gaussians a fit shall have: a given number, or as many as are worth their price."""

import math
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from . import rate
from .pruning import all_but_least

_BLOCK = 32
# How the number of Gaussians worth a price goes with the number of DCT coefficients of more energy; a regression over
# fits of twenty pictures, which is off by a third. It guides the first stage of a fit only.
_PER_COEFFICIENT, _POWER = 5.8, 0.675
# The error falls with this power of the number of Gaussians, until a fit knows better; within these limits.
_EXPONENT, _LOWEST_EXPONENT, _HIGHEST_EXPONENT = 0.85, 0.4, 1.5
# Share of the squared error that falling rates leave.
_SETTLED = 0.75
_FEW = 10
_GROWN = 1.02
_LEAST = 1e-12


class Budget(Protocol):
    """Says how many Gaussians a fit wants."""

    def observe(self, n_gaussians: int, squared_error: float, hasty: bool = False) -> None:
        """Take note of the squared error, a sum over samples, with so many.

        A hasty fit has too few steps for Gaussians to settle: its error does not show how many are needed.
        """

    @property
    def wanted(self) -> int:
        """How many in the end, as far as that is known."""

    @property
    def d(self) -> float:
        """The D that the Gaussians will be stored with, likewise."""

    def keep(self, costs: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which Gaussians to keep once rates begin to fall, given the squared error that removing each would add."""


class Count:
    """So many Gaussians.

    Args:
        count: how many, >= 1.
        d: the D they will be stored with; whatever suits them if None.
    """

    def __init__(self, count: int, d: float | None = None) -> None:
        self._d = d
        self._error = 0.0
        self.wanted = count

    def observe(self, n_gaussians: int, squared_error: float, hasty: bool = False) -> None:
        self._error = _SETTLED * squared_error * (n_gaussians / self.wanted) ** _EXPONENT

    @property
    def d(self) -> float:
        return rate.balanced_d(self.wanted, self._error) if self._d is None else self._d

    def keep(self, costs: NDArray[np.float64]) -> NDArray[np.bool_]:
        return all_but_least(costs, len(costs) - self.wanted)


class _Trend:
    """The squared error as a power of the number of Gaussians, learned while a fit grows."""

    def __init__(self) -> None:
        self.exponent = _EXPONENT
        self._last: tuple[int, float] | None = None

    def update(self, n_gaussians: int, squared_error: float) -> None:
        """Learn from the squared error with so many."""
        if self._last is None or n_gaussians < _GROWN * self._last[0]:
            self._last = self._last or (n_gaussians, squared_error)
            return
        count, error = self._last
        seen = math.log(max(error, _LEAST) / max(squared_error, _LEAST)) / math.log(n_gaussians / count)
        self.exponent = 0.5 * (self.exponent + min(max(seen, _LOWEST_EXPONENT), _HIGHEST_EXPONENT))
        self._last = n_gaussians, squared_error


class Price:
    """As many Gaussians as reduce the squared error by more than their price.

    Args:
        target: [C, H, W], the picture.
        d: D, which says what each must be worth.
        most: limit on their number.
    """

    def __init__(self, target: NDArray[np.float32], d: float, most: int) -> None:
        self._price = rate.price(d)
        self._first = _foreseen(int(np.count_nonzero(_energies(target) > self._price)))
        self._most = most
        self._trend = _Trend()
        self.d = d
        self.wanted = self._bounded(self._first)

    def observe(self, n_gaussians: int, squared_error: float, hasty: bool = False) -> None:
        if squared_error <= self._price:
            # No other can be worth its price, and which of these are is seen when they are pruned.
            count = float(n_gaussians)
        elif hasty:
            count = self._first
        elif n_gaussians < _FEW:
            # The error bounds how many can be.
            count = max(self._first, min(n_gaussians + squared_error / self._price, _FEW))
        else:
            self._trend.update(n_gaussians, squared_error)
            # Where the derivative of the power law is the price.
            a = self._trend.exponent
            count = (a * squared_error * n_gaussians**a / self._price) ** (1 / (1 + a))
        self.wanted = self._bounded(count)

    def keep(self, costs: NDArray[np.float64]) -> NDArray[np.bool_]:
        return (costs > self._price) & all_but_least(costs, len(costs) - self._most)

    def _bounded(self, count: float) -> int:
        return int(min(max(count, 1), self._most))


class Distortion:
    """As many Gaussians as it takes for a squared error, as far as can be foreseen.

    Args:
        target: [C, H, W], the picture.
        squared_error: a sum over samples of full scale 1.
        most: limit on their number.
    """

    def __init__(self, target: NDArray[np.float32], squared_error: float, most: int) -> None:
        self._target = target
        self._error = squared_error
        self._most = most
        self._trend = _Trend()
        self.wanted = self._bounded(max(target[0].size / 200, _FEW))

    def observe(self, n_gaussians: int, squared_error: float, hasty: bool = False) -> None:
        if n_gaussians >= _FEW:
            self._trend.update(n_gaussians, squared_error)
            count = n_gaussians * (_SETTLED * squared_error / self._error) ** (1 / self._trend.exponent)
            self.wanted = self._bounded(min(count, self._limit) if hasty else count)

    @property
    def d(self) -> float:
        return rate.balanced_d(self.wanted, self._error)

    def keep(self, costs: NDArray[np.float64]) -> NDArray[np.bool_]:
        return all_but_least(costs, len(costs) - self.wanted)

    @cached_property
    def _limit(self) -> float:
        """As many as can be foreseen, twice too many at most where Gaussians suit the picture."""
        energies = np.sort(_energies(self._target))
        return _foreseen(len(energies) - int(np.searchsorted(np.cumsum(energies), self._error)))

    def _bounded(self, count: float) -> int:
        return int(min(max(count, 1), self._most))


def _foreseen(coefficients: int) -> float:
    """How many Gaussians stand for so many DCT coefficients."""
    return float(_PER_COEFFICIENT * coefficients**_POWER)


def _energies(target: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of the DCT coefficients of blocks, sums over channels."""
    planes = target - target.mean(axis=(1, 2), keepdims=True)
    channels, height, width = planes.shape
    planes = np.pad(planes, ((0, 0), (0, -height % _BLOCK), (0, -width % _BLOCK)))
    blocks = planes.reshape(channels, -(-height // _BLOCK), _BLOCK, -(-width // _BLOCK), _BLOCK)
    energies: NDArray[np.float32] = (dctn(blocks, axes=(2, 4), norm="ortho") ** 2).sum(axis=0).ravel()
    return energies

"""Means and deviations of rows, which make all their numbers alike in size, and back."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rows import COLORS, PRESENCE, Rows

# Columns that deviate less are constant, but for rounding.
_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each column of the rows of a data set.

    Those of the presence are over all rows, those of all else over the rows that are present. A deviation of 1 stands
    for a column that does not vary.
    """

    mean: tuple[float, ...]
    """6 + C of them."""
    deviation: tuple[float, ...]
    """6 + C of them, > 0."""

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.deviation) or len(self.mean) <= COLORS:
            raise ValueError(f"statistics are {COLORS} + C means and as many deviations, got {self}")
        if not (np.isfinite([self.mean, self.deviation]).all() and min(self.deviation) > 0):
            raise ValueError(f"means must be finite and deviations positive, got {self}")

    @classmethod
    def of(cls, tables: Iterable[Rows]) -> "Statistics":
        """Those of tables [..., N, 6 + C], which are looked at one after the other.

        Raises:
            ValueError: no row is present, or the tables differ in their number of columns.
        """
        rows = 0
        present, sums, squares = 0.0, np.zeros(1), np.zeros(1)
        for table in tables:
            flat = table.reshape(-1, table.shape[-1]).astype(np.float64)
            here = flat[flat[:, PRESENCE] >= 0.5]
            rows, present = rows + len(flat), present + len(here)
            sums, squares = sums + here.sum(axis=0), squares + (here**2).sum(axis=0)
        if not present:
            raise ValueError("statistics need a Gaussian at least")
        mean = sums / present
        variance = squares / present - mean**2
        mean[PRESENCE] = present / rows
        variance[PRESENCE] = mean[PRESENCE] * (1 - mean[PRESENCE])
        deviation = np.sqrt(np.maximum(variance, 0))
        deviation[deviation < _LEAST_DEVIATION] = 1
        return cls(tuple(mean.tolist()), tuple(deviation.tolist()))

    def normalise(self, rows: NDArray[np.floating]) -> Rows:
        """Rows [..., N, 6 + C] with a mean of 0 and a deviation of 1; absent ones become 0 but for their presence."""
        normal = (rows - np.array(self.mean)) / np.array(self.deviation)
        return self._without_absent(rows[..., PRESENCE], normal)

    def denormalise(self, rows: NDArray[np.floating]) -> Rows:
        """What `normalise` was given; all of an absent row but its presence is 0."""
        plain = rows * np.array(self.deviation) + np.array(self.mean)
        return self._without_absent(plain[..., PRESENCE], plain)

    @staticmethod
    def _without_absent(presence: NDArray[np.floating], rows: NDArray[np.floating]) -> Rows:
        absent = presence < 0.5
        own = rows[..., PRESENCE].copy()
        rows[absent] = 0
        rows[..., PRESENCE] = own
        return rows.astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """As numbers that JSON can hold."""
        return {"mean": list(self.mean), "deviation": list(self.deviation)}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Statistics":
        """What `to_dict` was called on.

        Raises:
            KeyError: a field is missing.
            ValueError: the numbers are no statistics.
        """
        return cls(tuple(map(float, fields["mean"])), tuple(map(float, fields["deviation"])))

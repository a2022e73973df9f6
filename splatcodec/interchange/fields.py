"""Values by name from a file that may hold anything: whatever is wrong is said with the file, the key and the row."""

import reprlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from splatkernels.gaussians import Gaussians

from ..container import MAX_SIDE
from ..errors import InterchangeError
from ..splats import Splats

Size = tuple[int, int]
"""Height and width of a canvas in pixels."""

MAX_ROWS = 2**24
"""Gaussians of a file at most: a few bytes of a hostile one could ask for any amount of memory."""

MOST_COLUMNS = 4
"""Values of a Gaussian at most in any array that is read."""


class Fields:
    """The values of a file.

    Args:
        values: by key: arrays, or what a JSON file holds.
        name: what to call the file in errors.
    """

    def __init__(self, values: Mapping[str, object], name: str) -> None:
        self._values = values
        self.name = name

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def error(self, key: str, fault: str, row: int | None = None) -> InterchangeError:
        """An error about a key, or about one row of it, counted from 0."""
        place = "" if row is None else f", row {row}"
        return InterchangeError(f'{self.name}: key "{key}"{place}: {fault}')

    def value(self, key: str) -> object:
        """What the file holds under a key.

        Raises:
            InterchangeError: there is no such key.
        """
        if key not in self._values:
            raise InterchangeError(f'{self.name}: key "{key}" is missing')
        return self._values[key]

    def whole(self, key: str, least: int, most: int) -> int:
        """A whole number between two limits.

        Raises:
            InterchangeError: it is missing, or something else.
        """
        value = self.value(key)
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value.item()
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.error(key, f"expected a whole number from {least} to {most}, got {_short(value)}")
        return value

    def array(self, key: str, rows: int | None, columns: int | None, *, positive: bool = False) -> NDArray[np.float64]:
        """Numbers that are finite in single precision, as many in each row.

        Args:
            key: of the array.
            rows: how many; any number if None.
            columns: numbers in a row, or None if rows are single numbers.
            positive: whether they are to be above 0.

        Returns:
            [rows, columns], or [rows].

        Raises:
            InterchangeError: it is missing, of another shape, or a row holds something else.
        """
        value = self.value(key)
        expected = "a number" if columns is None else f"{columns} number{'s' * (columns > 1)}"
        expected += " above 0" if positive else ""
        if isinstance(value, np.ndarray):
            table = self._checked(key, value, columns)
        elif isinstance(value, list):
            table = self._from_list(key, value, columns, expected)
        else:
            raise self.error(key, f"expected a list of rows, got {_short(value)}")
        if rows is not None and len(table) != rows:
            raise self.error(key, f"expected {rows} rows, got {len(table)}")
        with np.errstate(over="ignore"):
            single = table.astype(np.float32)
        for numbers, precision in ((table, ""), (single, " in single precision")):
            good = np.isfinite(numbers) & ((numbers > 0) if positive else True)
            bad = ~good.all(axis=tuple(range(1, table.ndim)))
            if bad.any():
                row = int(bad.argmax())
                raise self.error(key, f"expected {expected}{precision}, got {_short(table[row].tolist())}", row)
        return table

    def colors(self, key: str, rows: int) -> NDArray[np.float64]:
        """Amplitudes [rows, C] of a grey or a colour picture.

        Raises:
            InterchangeError: as `array`.
        """
        value = self.value(key)
        grey = isinstance(value, np.ndarray) and value.shape[1:] == (1,)
        return self.array(key, rows, 1 if grey else 3)

    def _checked(self, key: str, array: NDArray[np.generic], columns: int | None) -> NDArray[np.float64]:
        shape = [] if columns is None else [columns]
        if array.dtype.kind not in "fiu":
            raise self.error(key, f"expected numbers, got the type {array.dtype}")
        if array.ndim == 0 or list(array.shape[1:]) != shape:
            expected = "".join(f", {side}" for side in shape)
            raise self.error(key, f"expected the shape [N{expected}], got {list(array.shape)}")
        if len(array) > MAX_ROWS:
            raise self.error(key, f"{len(array)} rows are over the limit of {MAX_ROWS}")
        return array.astype(np.float64)

    def _from_list(self, key: str, rows: list[object], columns: int | None, expected: str) -> NDArray[np.float64]:
        table = np.empty((len(rows),) if columns is None else (len(rows), columns))
        for index, row in enumerate(rows):
            numbers = [row] if columns is None else row
            if (
                not isinstance(numbers, list)
                or len(numbers) != (columns or 1)
                or any(type(number) not in (int, float) for number in numbers)
            ):
                raise self.error(key, f"expected {expected}, got {_short(row)}", index)
            try:
                table[index] = numbers if columns else numbers[0]
            except OverflowError:
                raise self.error(key, f"expected {expected}, got {_short(row)}", index) from None
        return table

    def splats(
        self,
        means: NDArray[np.floating],
        scales: NDArray[np.floating],
        rotations: NDArray[np.floating],
        colors: NDArray[np.floating],
        size: Size,
    ) -> Splats:
        """Gaussians in our terms on a canvas of the given height and width.

        Raises:
            InterchangeError: single precision does not hold them.
        """
        height, width = size
        try:
            with np.errstate(over="ignore"):
                single = Gaussians(*(part.astype(np.float32) for part in (means, scales, rotations, colors)))
            return Splats(*single, height=height, width=width)
        except ValueError as error:
            raise InterchangeError(f"{self.name}: {error}") from error


def canvas(name: str, own: Size | None, given: Size | None) -> Size:
    """The size of a canvas, from what a file says and what its reader is told.

    Args:
        name: what to call the file in errors.
        own: height and width by the file; None if it does not say.
        given: height and width by the caller; None if he does not say.

    Raises:
        InterchangeError: neither says, they contradict each other, or the canvas is too large.
    """
    size = own or given
    if size is None:
        raise InterchangeError(f"{name}: does not hold the size of its canvas, which must be given as size (--size)")
    height, width = size
    if own and given and own != given:
        raise InterchangeError(f"{name}: its canvas is {width}x{height}, not {given[1]}x{given[0]}")
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise InterchangeError(f"{name}: a canvas of {width}x{height} is not between 1x1 and {MAX_SIDE}x{MAX_SIDE}")
    return size


def sigmoid(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The logistic function in double precision, which does not overflow as a hyperbolic tangent."""
    return 0.5 * (1 + np.tanh(0.5 * values.astype(np.float64)))


def _short(value: object) -> str:
    """A value in one short line, whatever it is."""
    return reprlib.repr(value)

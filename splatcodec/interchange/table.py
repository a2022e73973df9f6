"""Comma-separated values: a comment with the size of the canvas, a line of names, and one line a Gaussian."""

import csv
import re

import numpy as np

from ..errors import InterchangeError
from ..splats import Splats
from .fields import Fields, Size, canvas
from .formats import Format

_COMMENT = re.compile(r"#\s*splatcodec (\d{1,9})x(\d{1,9})\s*")
_SHAPE = ["mean_x", "mean_y", "scale_1", "scale_2", "rotation"]


def _header(channels: int) -> list[str]:
    return [*_SHAPE, *(f"color_{channel + 1}" for channel in range(channels))]


def write(splats: Splats) -> bytes:
    """The file of some Gaussians, whose numbers have as many digits as single precision needs."""
    table = np.column_stack([splats.means, splats.scales, splats.rotations, splats.colors])
    lines = [f"# splatcodec {splats.width}x{splats.height}", ",".join(_header(splats.channels))]
    return "\n".join([*lines, *map(",".join, table.astype(np.str_).tolist()), ""]).encode()


def read(data: bytes, name: str, size: Size | None) -> Splats:
    """The Gaussians of a file.

    Raises:
        InterchangeError: it is no such file, or the size is missing or another one.
    """
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InterchangeError(f"{name}: not a text file: {error}") from None
    comment = _COMMENT.fullmatch(lines[0]) if lines else None
    try:
        rows = [row for row in csv.reader(line for line in lines if not line.startswith("#")) if row]
    except csv.Error as error:
        raise InterchangeError(f"{name}: not a table of values: {error}") from None
    names = [cell.strip() for cell in rows[0]] if rows else []
    if names not in (_header(1), _header(3)):
        raise InterchangeError(f"{name}: expected the columns {','.join(_header(3))}, or color_1 alone for grey")
    columns: list[list[object]] = [[] for _ in names]
    for index, row in enumerate(rows[1:]):
        if len(row) != len(names):
            raise InterchangeError(f"{name}: row {index}: expected {len(names)} values, got {len(row)}")
        for column, cell in zip(columns, row, strict=True):
            column.append(_number(cell))
    fields = Fields(dict(zip(names, columns, strict=True)), name)
    arrays = {key: fields.array(key, None, None, positive=key.startswith("scale")) for key in names}
    x, y, scale1, scale2, rotations, *colors = arrays.values()
    own = (int(comment[2]), int(comment[1])) if comment else None
    return fields.splats(
        np.column_stack([x, y]),
        np.column_stack([scale1, scale2]),
        rotations,
        np.column_stack(colors),
        canvas(name, own, size),
    )


def _number(cell: str) -> float | str:
    """A number, or what stands in its place."""
    try:
        # Python alone reads 1_0 as ten.
        return cell if "_" in cell else float(cell)
    except ValueError:
        return cell


FORMAT = Format(write, read)

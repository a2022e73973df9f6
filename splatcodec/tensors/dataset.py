"""Splats as torch tensors, and a data set of .gsi files."""

import os
from collections.abc import Sequence

from ..decoder import read
from ..errors import GsiError, requires
from ..files import names_of
from ..splats import Splats
from .rows import COLORS, Rows, from_rows, to_rows
from .statistics import Statistics

with requires("torch", "torch"):
    import torch
    from torch import Tensor
    from torch.utils.data import Dataset


def to_tensor(splats: Splats, n: int | None = None, statistics: Statistics | None = None) -> Tensor:
    """The rows of Gaussians as a tensor.

    Args:
        splats, n: as in `to_rows`.
        statistics: normalise with these, if any.

    Returns:
        Tensor [n, 6 + C] float32.

    Raises:
        ValueError: `n` is negative, or the statistics are of other colours.
    """
    rows = to_rows(splats, n)
    return torch.from_numpy(rows if statistics is None else statistics.normalise(rows))


def from_tensor(tensor: Tensor, height: int, width: int, statistics: Statistics | None = None) -> Splats:
    """The Gaussians of a tensor, such as a model samples.

    Args:
        tensor: [N, 6 + C], on any device.
        height, width: canvas in pixels.
        statistics: those that it was normalised with, if any.

    Raises:
        ValueError: the shape is another, or a row is not finite.
    """
    rows = tensor.detach().cpu().numpy()
    return from_rows(rows if statistics is None else statistics.denormalise(rows), height, width)


class SplatDataset(Dataset[Tensor]):
    """A torch data set of .gsi files, each a normalised tensor [n, 6 + C].

    Files are read when they are asked for, and not kept. Their canvases may differ in size.

    Args:
        paths: the files.
        n: number of rows of each, as in `to_rows`.
        statistics: what to normalise with, such as those of the training set; those of the files if None, which are
            then all read once.

    Attributes:
        statistics: what the tensors are normalised with.

    Raises:
        GsiError: a file is damaged, or not of as many colour channels as the others.
        OSError: a file cannot be read.
        TypeError: `paths` is one path.
        ValueError: `n` is negative, or there are neither statistics nor Gaussians to take them of.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]], n: int, statistics: Statistics | None = None) -> None:
        self.paths = names_of(paths)
        self.n = n
        self._columns = 0 if statistics is None else len(statistics.mean)
        if statistics is None:
            statistics = Statistics.of(self._rows(path) for path in self.paths)
        self.statistics = statistics

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self.statistics.normalise(self._rows(self.paths[index])))

    def _rows(self, path: str) -> Rows:
        """The rows of a file, which must have as many columns as there are statistics of, or as the first file."""
        rows = to_rows(read(path), self.n)
        self._columns = self._columns or rows.shape[1]
        if rows.shape[1] != self._columns:
            expected, found = self._columns - COLORS, rows.shape[1] - COLORS
            raise GsiError(f"{path}: {found} colour channels, where the data set has {expected}")
        return rows

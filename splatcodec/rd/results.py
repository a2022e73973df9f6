"""Results of benchmarks: their rows, curves and BD-rates, and the files they are kept in."""

import csv
import io
import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from statistics import fmean
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ResultsError
from ..files import replacing
from .curves import METRICS, BdRate, Curve, bd_rate, decibels
from .row import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMAT = "splatcodec.rd"
_VERSION = 2


@dataclass(frozen=True)
class MeanBdRate:
    """Mean over pictures of their Bjontegaard delta rates.

    Attributes:
        pictures: each picture's own.
    """

    pictures: dict[str, BdRate]

    @property
    def compared(self) -> list[BdRate]:
        """Those of the pictures whose curves overlap; only these count."""
        return [rate for rate in self.pictures.values() if rate.overlap > 0]

    @property
    def percent(self) -> float:
        """Mean over the pictures that count; NaN if there are none."""
        return float(np.mean([rate.percent for rate in self.compared])) if self.compared else math.nan

    @property
    def overlap(self) -> float:
        """Least overlap of the pictures that count, 0 to 1; 0 if there are none."""
        return min((rate.overlap for rate in self.compared), default=0.0)

    def __str__(self) -> str:
        """The mean, the least overlap, and how many pictures count if not all do."""
        if not self.compared:
            return "none"
        share = "" if len(self.compared) == len(self.pictures) else f", {len(self.compared)} of {len(self.pictures)}"
        return f"{self.percent:+.1f} % ({self.overlap:.2f}{share})"


@dataclass(frozen=True)
class Results:
    """The rows of one or more benchmarks.

    Attributes:
        rows: in the order of measurement.
        runs: of each benchmark, its date, machine and whatever else is worth knowing.
    """

    rows: tuple[Row, ...]
    runs: tuple[dict[str, str], ...] = ()

    @property
    def codecs(self) -> list[str]:
        """Names of the codecs, in order of first appearance."""
        return list(dict.fromkeys(row.codec for row in self.rows))

    @property
    def pictures(self) -> list[str]:
        """Names of the pictures, in order of first appearance."""
        return list(dict.fromkeys(row.picture for row in self.rows))

    @property
    def failures(self) -> list[Row]:
        """Rows whose codec failed."""
        return [row for row in self.rows if row.error is not None]

    def of(self, codec: str) -> "Results":
        """The rows of one codec.

        Raises:
            ValueError: there are none.
        """
        rows = tuple(row for row in self.rows if row.codec == codec)
        if not rows:
            raise ValueError(f"no results of {codec!r}, only of {', '.join(self.codecs)}")
        return Results(rows, self.runs)

    def renamed(self, codec: str, name: str) -> "Results":
        """The same with a codec called `name`, as two versions of one codec need it before they are merged."""
        return Results(tuple(replace(row, codec=name) if row.codec == codec else row for row in self.rows), self.runs)

    def curve(self, codec: str, picture: str) -> Curve:
        """The curve of a codec on one picture.

        Raises:
            ValueError: there are no results of the codec.
        """
        rows = [row for row in self.of(codec).rows if row.picture == picture and row.error is None]
        return _curve(codec, [[row] for row in rows])

    def mean_curve(self, codec: str) -> Curve:
        """The curve of a codec through the means over all pictures at each quality.

        Qualities at which a picture is missing or failed are left out: their means would be of other pictures.

        Raises:
            ValueError: there are no results of the codec.
        """
        return _curve(codec, self.groups(codec))

    def groups(self, codec: str) -> list[list[Row]]:
        """The rows of a codec at each of its qualities, without those at which a picture is missing."""
        groups: dict[float, list[Row]] = {}
        for row in self.of(codec).rows:
            if row.error is None:
                groups.setdefault(row.quality, []).append(row)
        return [group for group in groups.values() if len(group) == len(self.pictures)]

    def _points(self, codec: str) -> dict[str, list[float]]:
        """The mean curve for CompressAI: rates that rise, and the metrics known at all of them."""
        means = _means(self.groups(codec))
        order = np.argsort(means["bpp"], kind="stable")
        order = order[np.isfinite(means["psnr"][order])]
        return {name: list(values[order]) for name, values in means.items() if np.isfinite(values[order]).all()}

    def bd_rate(
        self, anchor: str, metric: str = "psnr", bpp_range: tuple[float, float] = (0.0, math.inf)
    ) -> dict[str, MeanBdRate]:
        """Bjontegaard delta rate of every other codec against an anchor, picture by picture.

        Args:
            anchor: the codec to compare to.
            metric: one of `METRICS`.
            bpp_range: only where the anchor's rate lies within, in bits per pixel.

        Raises:
            ValueError: there are no results of the anchor, or no such metric.
        """
        if metric not in METRICS:
            raise ValueError(f"unknown metric {metric!r}, expected one of {', '.join(METRICS)}")
        anchors = {picture: self.curve(anchor, picture) for picture in self.pictures}
        return {
            codec: MeanBdRate(
                {
                    picture: bd_rate(self.curve(codec, picture), curve, metric, bpp_range)
                    for picture, curve in anchors.items()
                }
            )
            for codec in self.codecs
            if codec != anchor
        }

    def plot(self, metric: str = "psnr", picture: str | None = None) -> "Figure":
        """A figure of the mean curves of all codecs, or of those of one picture; save it with its `savefig`.

        Raises:
            ValueError: there is no such metric or picture.
        """
        if picture is not None and picture not in self.pictures:
            raise ValueError(f"no results of {picture!r}, only of {', '.join(self.pictures)}")
        from .plots import plot_curves

        curves = [self.curve(codec, picture) if picture else self.mean_curve(codec) for codec in self.codecs]
        count = len(self.pictures)
        title = picture or (f"mean of {count} pictures" if count != 1 else self.pictures[0])
        return plot_curves(curves, metric, title)

    def merge(self, other: "Results") -> "Results":
        """The rows of both; where both have measured the same file, the other's row, unless it is a failure.

        Raises:
            ResultsError: they hold different versions of a codec or pictures of equal names: rename one.
        """
        rows = {row.key: row for row in self.rows}
        for row in other.rows:
            if row.key not in rows or row.error is None:
                rows[row.key] = row
        versions: dict[str, str] = {}
        digests: dict[str, str] = {}
        for row in rows.values():
            if versions.setdefault(row.codec, row.version) != row.version:
                raise ResultsError(f"{row.codec} comes in two versions: {versions[row.codec]} and {row.version}")
            if digests.setdefault(row.picture, row.digest) != row.digest:
                raise ResultsError(f"two different pictures are called {row.picture}")
        runs = (*self.runs, *(run for run in other.runs if run not in self.runs))
        return Results(tuple(rows.values()), runs)

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write all to a JSON file, one row a line.

        If it is of one codec, CompressAI's plotting reads its mean curve from it: the file has CompressAI's "name" and
        "results".

        Raises:
            OSError: it cannot be written.
        """
        head: dict[str, object] = {"format": _FORMAT, "version": _VERSION, "runs": list(self.runs)}
        if len(self.codecs) == 1:
            head |= {"name": self.codecs[0], "results": self._points(self.codecs[0])}
        rows = ",\n".join(json.dumps(row.to_record()) for row in self.rows)
        text = f'{json.dumps(head, indent=1)[:-2]},\n "rows": [\n{rows}\n]}}\n'
        with replacing(path) as file:
            file.write(text.encode())

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ResultsError: it is no such file, or a row is damaged.
            OSError: it cannot be read.
        """
        name = os.fspath(path)
        with open(path, "rb") as file:
            content = file.read()
        try:
            values = json.loads(content)
        except ValueError as error:
            raise ResultsError(f"{name}: is no JSON: {error}") from None
        if not isinstance(values, dict) or values.get("format") != _FORMAT or not isinstance(values.get("rows"), list):
            raise ResultsError(f"{name}: holds no results of splatcodec's benchmarks")
        if values.get("version") != _VERSION:
            raise ResultsError(f"{name}: is of version {values.get('version')}, this program reads {_VERSION}")
        rows = []
        for number, record in enumerate(values["rows"], 1):
            try:
                rows.append(Row.from_record(record))
            except ResultsError as error:
                raise ResultsError(f"{name}: row {number} {error}") from None
        runs = values.get("runs")
        if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
            raise ResultsError(f"{name}: says nothing of its runs")
        return cls(tuple(rows), tuple(runs))

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the rows to a CSV file with a line of titles.

        Raises:
            OSError: it cannot be written.
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in self.rows)
        with replacing(path) as file:
            file.write(text.getvalue().encode())


def _curve(codec: str, groups: Sequence[Sequence[Row]]) -> Curve:
    """The curve through the means of groups of rows."""
    means = _means(groups)
    order = np.argsort(means["bpp"], kind="stable")
    for metric in ("ssim", "ms-ssim"):
        means[metric] = decibels(means[metric])
    return Curve(codec, means["bpp"][order], {metric: means[metric][order] for metric in METRICS})


def _means(groups: Sequence[Sequence[Row]]) -> dict[str, NDArray[np.float64]]:
    """Means over each group of rows, NaN where a row lacks the value."""
    names = ["bpp", *METRICS]
    return {
        name: np.array([fmean(_number(row, name) for row in group) for group in groups], np.float64) for name in names
    }


def _number(row: Row, metric: str) -> float:
    value = getattr(row, metric.replace("-", "_"))
    return math.nan if value is None else value

"""Results as one HTML file that needs nothing else: curves, tables, and every picture beside its original."""

import base64
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..files import replacing
from ..image import load_pixels
from .codecs import Codec, Pixels
from .curves import METRICS
from .results import Results
from .row import Row
from .sweep import file_of
from .tables import POINTS, bd_rates, points

if TYPE_CHECKING:
    from ..image import ImageLike

MOST_PICTURES = 12
"""Pictures shown in a report, in which each takes a megabyte or more."""
# Of larger ones, the middle is shown.
_MOST_ROWS, _MOST_COLUMNS = 1536, 2048


def write_report(
    path: str | os.PathLike[str],
    results: Results,
    images: "Mapping[str, ImageLike]",
    codecs: Sequence[Codec],
    directory: str | os.PathLike[str],
    *,
    metric: str = "psnr",
    bpp_range: tuple[float, float] = (0.0, math.inf),
) -> None:
    """Write an HTML report.

    Args:
        path: of the HTML file.
        results: what to show.
        images: the pictures by the names that the results call them.
        codecs: those of the results, to decode their files.
        directory: where `sweep` kept the files.
        metric, bpp_range: of the Bjontegaard delta rates, as in `Results.bd_rate`.

    Raises:
        OSError: a file cannot be read or written.
        KeyError: a codec or a picture of the results is missing.
    """
    head, *rates = bd_rates(results, metric, bpp_range)
    shown = list(images)[:MOST_PICTURES]
    failed = [[row.picture, row.codec, f"{row.quality:g}", row.error or ""] for row in results.failures]
    facts = list(dict.fromkeys(fact for run in results.runs for fact in run))
    everywhere = bpp_range == (0.0, math.inf)
    span = "" if everywhere else f" where the anchor takes {bpp_range[0]:g} to {bpp_range[1]:g} bpp"
    page = Template(files(__package__).joinpath("report.html").read_text("utf-8")).substitute(
        count=len(results.pictures),
        metric=escape(METRICS[metric].removesuffix(" (dB)")),
        span=span,
        curves="\n".join(f"<figure>{_svg(results, name)}</figure>" for name in _known(results)),
        rates=_table(head, rates),
        points=_table(POINTS, points(results)),
        failures="" if not failed else f"<h2>Failures</h2>{_table(('picture', 'codec', 'quality', 'error'), failed)}",
        shown="" if len(shown) == len(images) else f" The first {len(shown)} of {len(images)} pictures.",
        pictures="\n".join(
            _slider(name, load_pixels(images[name]), matched(results, name), codecs, directory) for name in shown
        ),
        versions=_table(("codec", "version"), [[codec, results.of(codec).rows[0].version] for codec in results.codecs]),
        runs=_table(facts, [[str(run.get(fact, "")) for fact in facts] for run in results.runs]),
    )
    with replacing(path) as file:
        file.write(page.encode())


def matched(results: Results, picture: str) -> list[Row]:
    """One row of every codec that has any for a picture, of sizes as equal as there are, low ones first.

    The sizes are matched to a file of the first codec.
    """
    rows = [row for row in results.rows if row.picture == picture and row.bytes and row.error is None]
    by_codec = [[row for row in rows if row.codec == codec] for codec in results.codecs]
    by_codec = [group for group in by_codec if group]
    if not by_codec:
        return []

    def nearest(size: int) -> list[Row]:
        return [min(group, key=lambda row: _distance(row, size)) for group in by_codec]

    sizes = sorted(row.bytes for row in by_codec[0] if row.bytes)
    size = min(sizes, key=lambda size: max(round(_distance(row, size), 2) for row in nearest(size)))
    return nearest(size)


def _distance(row: Row, size: int) -> float:
    return abs(math.log(row.bytes / size)) if row.bytes else math.inf


def _known(results: Results) -> Iterator[str]:
    """The metrics that can be drawn."""
    for metric in METRICS:
        if any(np.isfinite(results.mean_curve(codec).values[metric]).any() for codec in results.codecs):
            yield metric


def _svg(results: Results, metric: str) -> str:
    text = io.StringIO()
    results.plot(metric).savefig(text, format="svg")
    # The XML declaration has no place within HTML.
    return text.getvalue()[text.getvalue().index("<svg") :]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    return f"<table><tr>{titles}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _slider(
    picture: str, original: Pixels, rows: Sequence[Row], codecs: Sequence[Codec], directory: str | os.PathLike[str]
) -> str:
    """A picture with the original on the left of a line that can be moved, and one of its files on the right."""
    by_name = {codec.name: codec for codec in codecs}
    height, width = original.shape[:2]
    inner = _middle(height, _MOST_ROWS), _middle(width, _MOST_COLUMNS)
    original = original[inner]
    rows_shown, columns_shown = original.shape[:2]
    part = "" if (rows_shown, columns_shown) == (height, width) else ", the middle of it"
    images, choices = [], []
    for number, row in enumerate(rows):
        codec = by_name[row.codec]
        decoded = codec.decode(file_of(directory, row, codec).read_bytes())
        hidden = " hidden" if number else ""
        images.append(f'<img class="decoded" alt="{escape(row.codec)}" src="{_data_uri(decoded[inner])}"{hidden}>')
        quality = "lossless" if row.psnr is None else f"{row.psnr:.2f} dB"
        choices.append(f"<option>{escape(row.codec)}: {row.bytes} bytes, {row.bpp:.3f} bpp, {quality}</option>")
    return (
        f'<section class="picture"><h3>{escape(picture)}, {width} &times; {height}{part}</h3>'
        f'<select aria-label="codec" autocomplete="off">{"".join(choices)}</select>'
        f'<div class="split" style="width: {columns_shown}px; aspect-ratio: {columns_shown} / {rows_shown}">'
        f'<img alt="original" src="{_data_uri(original)}">{"".join(images)}'
        '<input type="range" min="0" max="100" value="50" step="0.1" autocomplete="off" '
        'aria-label="where the original ends">'
        "</div></section>"
    )


def _middle(length: int, most: int) -> slice:
    first = max(0, (length - most) // 2)
    return slice(first, first + most)


def _data_uri(pixels: Pixels) -> str:
    """A picture without loss."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True, method=2)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"

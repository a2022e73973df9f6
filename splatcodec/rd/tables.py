"""Results as tables of text."""

import math
from collections.abc import Sequence

import numpy as np

from .results import Results

POINTS = ("codec", "quality", "bpp", "PSNR", "luma", "SSIM", "MS-SSIM", "SSIMULACRA 2", "encode s", "decode s")
"""Titles of the columns of `points`; PSNR is in dB."""
_FIELDS = {
    "bpp": "{:.3f}",
    "psnr": "{:.2f}",
    "psnr_y": "{:.2f}",
    "ssim": "{:.4f}",
    "ms_ssim": "{:.4f}",
    "ssimulacra2": "{:.1f}",
    "encode_seconds": "{:.2f}",
    "decode_seconds": "{:.3f}",
}


def points(results: Results) -> list[list[str]]:
    """Means over the pictures for every codec and quality, under `POINTS`."""
    table = []
    for codec in results.codecs:
        for group in results.groups(codec):
            columns = {name: [getattr(row, name) for row in group] for name in _FIELDS}
            cells = [
                "-" if None in values else _FIELDS[name].format(np.mean(values)) for name, values in columns.items()
            ]
            table.append([codec, f"{group[0].quality:g}", *cells])
    return table


def bd_rates(
    results: Results, metric: str = "psnr", bpp_range: tuple[float, float] = (0.0, math.inf)
) -> list[list[str]]:
    """Bjontegaard delta rates, codecs in rows against anchors in columns; the first row holds the anchors."""
    columns = [results.bd_rate(anchor, metric, bpp_range) for anchor in results.codecs]
    rows = [
        [codec, *("" if codec not in column else str(column[codec]) for column in columns)] for codec in results.codecs
    ]
    return [["", *results.codecs], *rows]


def aligned(table: Sequence[Sequence[str]]) -> str:
    """Lines of text with the columns under each other, all but the first to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    )

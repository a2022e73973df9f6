"""Rate-distortion curves as figures."""

from collections.abc import Sequence

import numpy as np

from ..errors import requires
from .curves import METRICS, Curve

with requires("matplotlib", "bench"):
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

_MARKERS = "osD^vPX*<>"


def plot_curves(curves: Sequence[Curve], metric: str, title: str, faint: Sequence[Curve] = ()) -> Figure:
    """Quality over rate, which has a logarithmic axis.

    Args:
        curves: what to show, the first one most prominently.
        metric: one of `METRICS`.
        title: of the figure.
        faint: curves for the background, such as published ones.

    Raises:
        ValueError: there is no such metric.
    """
    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric!r}, expected one of {', '.join(METRICS)}")
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.subplots()
    for curve in faint:
        axes.plot(curve.bpp, curve.values[metric], linewidth=1, color="0.7")
        known = np.flatnonzero(np.isfinite(curve.values[metric]))
        if len(known):
            axes.annotate(curve.name, (curve.bpp[known[0]], curve.values[metric][known[0]]), color="0.5", fontsize=8)
    for number, curve in enumerate(curves):
        axes.plot(
            curve.bpp,
            curve.values[metric],
            label=curve.name,
            marker=_MARKERS[number % len(_MARKERS)],
            linewidth=1.5 if number else 2.5,
            zorder=3 if number else 4,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("rate (bits per pixel)")
    axes.set_ylabel(METRICS[metric])
    axes.set_title(title, parse_math=False)
    axes.grid(which="both", alpha=0.25)
    axes.legend()
    return figure

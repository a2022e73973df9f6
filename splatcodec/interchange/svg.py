"""SVG pictures that browsers draw: an approximation, which can be written only.

Every channel of a Gaussian is a circle with a radial gradient, under the matrix that makes it the Gaussian's ellipse.
`mix-blend-mode: plus-lighter` adds what is positive. Nothing subtracts, so the sum is inverted by a difference with
white, what is negative is added, and the result inverted back. A browser cuts sums off at full scale, therefore all
amplitudes are divided by the brightest sum of positive ones, and a filter multiplies the result again. Where a program
lacks `plus-lighter`, `screen` takes its place.

What is lost: browsers round to 8 bits for each Gaussian, gradients are made of straight lines, and they end.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import ceil, exp

import numpy as np

from ..splats import Splats
from .formats import Format

_REACH = 3.6
"""Standard deviations at which gradients end; there a Gaussian has fallen to 0.0015."""
_STOPS = 24
_MOST_CIRCLES = 8
"""Circles at most for one channel of a Gaussian, which stand for as many times full scale."""

_CHANNELS = {1: {"w": "#fff"}, 3: {"r": "#f00", "g": "#0f0", "b": "#00f"}}
_STYLE = "use{mix-blend-mode:screen;mix-blend-mode:plus-lighter}.invert{fill:#fff;mix-blend-mode:difference}"
_DESCRIPTION = (
    "An approximation of a .gsi picture: Gaussians as radial gradients, added and subtracted with mix-blend-mode. "
    "Browsers round and cut off sums, so that the picture is off by a few levels of 256; other programs may show less."
)


def write(splats: Splats) -> bytes:
    """The file of some Gaussians."""
    return ("\n".join(_lines(splats)) + "\n").encode()


def _lines(splats: Splats) -> Iterator[str]:
    width, height = splats.width, splats.height
    brightest = _brightest(splats)
    channels = _CHANNELS[splats.channels]
    invert = '<rect class="invert" width="100%" height="100%"/>'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    yield f"<desc>{_DESCRIPTION}</desc>"
    yield f"<style>{_STYLE}</style>"
    yield "<defs>"
    for name, color in channels.items():
        yield f'<radialGradient id="{name}-fall">{_stops(color)}</radialGradient>'
        yield f'<circle id="{name}" r="{_REACH}" fill="url(#{name}-fall)"/>'
    slopes = "".join(f'<feFunc{channel} type="linear" slope="{brightest:.6g}"/>' for channel in "RGB")
    yield '<filter id="amplify" x="0" y="0" width="100%" height="100%" color-interpolation-filters="sRGB">'
    yield f"<feComponentTransfer>{slopes}</feComponentTransfer></filter>"
    yield "</defs>"
    yield '<g filter="url(#amplify)" style="isolation:isolate"><rect width="100%" height="100%"/>'
    yield from _circles(splats, list(channels), 1 / brightest)
    yield invert
    yield from _circles(splats, list(channels), -1 / brightest)
    yield invert
    yield "</g></svg>"


def _circles(splats: Splats, names: list[str], factor: float) -> Iterator[str]:
    """The Gaussians' channels whose amplitudes, times a factor, are positive."""
    cos, sin = np.cos(splats.rotations), np.sin(splats.rotations)
    along, across = splats.scales.T
    matrices = np.stack([along * cos, along * sin, -across * sin, across * cos, *splats.means.T], axis=1)
    for matrix, amplitudes in zip(matrices.tolist(), (splats.colors * factor).tolist(), strict=True):
        transform = " ".join(f"{value:.6g}" for value in matrix)
        for name, amplitude in zip(names, amplitudes, strict=True):
            # Nothing is more than opaque; several together are.
            count = min(ceil(amplitude), _MOST_CIRCLES)
            for _ in range(count):
                opacity = min(1, amplitude / count)
                yield f'<use href="#{name}" transform="matrix({transform})" fill-opacity="{opacity:.4g}"/>'


def _stops(color: str) -> str:
    """A gradient that falls like a Gaussian, in straight lines, and to nothing at its end."""
    stops = []
    for number in range(_STOPS + 1):
        share = number / _STOPS
        opacity = exp(-0.5 * (share * _REACH) ** 2) if number < _STOPS else 0
        stops.append(f'<stop offset="{share:.4g}" stop-color="{color}" stop-opacity="{opacity:.4g}"/>')
    return "".join(stops)


def _brightest(splats: Splats) -> float:
    """The largest sum of positive amplitudes in the picture, or 1 if it is smaller."""
    return max(1.0, replace(splats, colors=np.maximum(splats.colors, 0)).overlap().peak)


FORMAT = Format(write)

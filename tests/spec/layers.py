"""Layers: Gaussians, and what they look like. By docs/format.md alone."""

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Gaussian:
    """Means and standard deviations in pixels, the rotation in radians, an amplitude for each channel."""

    x: float
    y: float
    s1: float
    s2: float
    rotation: float
    colors: list[float]


@dataclass
class Layer:
    """N Gaussians; `symbols` are all integers that the chunks hold."""

    n: int
    channels: int
    width: int
    height: int
    symbols: dict[str, Any] = field(default_factory=dict)
    gaussians: list[Gaussian] = field(default_factory=list)

    def sample(self, x: float, y: float) -> list[float]:
        """The sums at a point, clamped."""
        sums = [0.0] * self.channels
        for g in self.gaussians:
            cos, sin, dx, dy = math.cos(g.rotation), math.sin(g.rotation), x - g.x, y - g.y
            u, v = (cos * dx + sin * dy) / g.s1, (-sin * dx + cos * dy) / g.s2
            weight = math.exp(-(u * u + v * v) / 2) if u * u + v * v < 1400 else 0.0
            sums = [total + weight * color for total, color in zip(sums, g.colors, strict=True)]
        return [min(1.0, max(0.0, total)) for total in sums]

"""Random and awkward scenes that every backend is tested on."""

from dataclasses import dataclass

import numpy as np

from splatkernels import Viewport
from splatkernels.gaussians import Gaussians


@dataclass(frozen=True)
class Scene:
    """N Gaussians in the layout of `rasterize`, and the output to render."""

    means: np.ndarray
    scales: np.ndarray
    rotations: np.ndarray
    colors: np.ndarray
    height: int
    width: int
    viewport: Viewport | None = None

    @property
    def gaussians(self) -> Gaussians:
        return Gaussians(self.means, self.scales, self.rotations, self.colors)


def random_scene(
    gaussians: int,
    height: int,
    width: int,
    *,
    channels: int = 3,
    scales: tuple[float, float] = (0.7, 12.0),
    viewport: Viewport | None = None,
    seed: int = 0,
) -> Scene:
    """Gaussians around and somewhat beyond the canvas, scales log-uniform in a range."""
    rng = np.random.default_rng(seed)
    size = np.array([width, height])
    return Scene(
        means=(rng.uniform(-0.2, 1.2, (gaussians, 2)) * size).astype(np.float32),
        scales=np.exp(rng.uniform(*np.log(scales), (gaussians, 2))).astype(np.float32),
        rotations=rng.uniform(-4, 4, gaussians).astype(np.float32),
        colors=rng.normal(0, 0.3, (gaussians, channels)).astype(np.float32),
        height=height,
        width=width,
        viewport=viewport,
    )


def _needles() -> Scene:
    scene = random_scene(20, 61, 83)
    scene.scales[:] = (120.0, 0.12)
    return scene


def _edges() -> Scene:
    """Long and about a pixel wide, at every angle: the exponent varies as widely within a tile as it can."""
    scene = random_scene(60, 61, 83)
    scene.scales[:, 0] = 30.0
    scene.scales[:, 1] = np.linspace(0.35, 1.3, 60)
    return scene


def _off_canvas() -> Scene:
    scene = random_scene(20, 40, 40)
    scene.means[:] += 5000
    return scene


SCENES = {
    "one pixel": random_scene(5, 1, 1),
    "narrow": random_scene(20, 17, 3),
    "odd": random_scene(60, 61, 83),
    "several tiles": random_scene(80, 70, 90),
    "empty": random_scene(0, 20, 30),
    "off canvas": _off_canvas(),
    "needles": _needles(),
    "edges": _edges(),
    "sub-pixel": random_scene(60, 33, 35, scales=(0.02, 0.6)),
    "small": random_scene(200, 40, 44, scales=(0.4, 1.6)),
    "canvas-sized": random_scene(10, 50, 47, scales=(40, 900)),
    "many tiles": random_scene(3, 140, 230, channels=1, scales=(60, 90)),
    "grey": random_scene(30, 40, 40, channels=1),
    "two channels": random_scene(30, 40, 40, channels=2),
    "four channels": random_scene(30, 40, 40, channels=4),
    "twelve channels": random_scene(30, 40, 40, channels=12),
    "crowded tile": random_scene(700, 16, 16, scales=(1, 3)),
    "zoomed in": random_scene(40, 64, 50, viewport=Viewport(10.3, 5.2, 3.7)),
    "zoomed out": random_scene(60, 20, 30, viewport=Viewport(-4, 6.5, 0.23)),
}

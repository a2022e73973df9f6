"""A codec that is quick, and pictures for it."""

import os
import zlib

import numpy as np
import pytest

from splatcodec import rd


class Rounding(rd.Codec):
    """Keeps so many upper bits of every sample, deflated; fails as asked at qualities of the test's choice."""

    name = "rounding"
    qualities = (2, 4, 6)
    bounds = (1, 8)
    version = "1"

    def __init__(self, failing: dict[float, str] | None = None) -> None:
        self.failing = failing or {}

    def encode(self, image, quality):
        failure = self.failing.get(quality)
        if failure == "raise":
            raise RuntimeError("no memory for this")
        if failure == "die":
            os._exit(3)
        if failure == "shape":
            image = image[1:]
        bits = 8 - round(quality)
        return bytes(image.shape) + zlib.compress((image >> bits << bits).tobytes())

    def decode(self, data):
        return np.frombuffer(zlib.decompress(data[3:]), np.uint8).reshape(tuple(data[:3]))


@pytest.fixture(scope="session")
def pictures() -> dict[str, np.ndarray]:
    """Two small smooth pictures with some noise."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(20, 200, 40)[:, None, None] + np.linspace(0, 30, 48)[:, None]
    return {name: (ramp + rng.normal(0, 3, (40, 48, 3))).clip(0, 255).astype(np.uint8) for name in ("one", "two")}


@pytest.fixture(scope="session")
def results(pictures) -> rd.Results:
    """Two codecs on two pictures."""
    return rd.sweep(pictures, [Rounding(), "jpeg"], {"jpeg": [10, 40, 80]})

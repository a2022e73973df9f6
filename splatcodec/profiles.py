"""Fitted Gaussians to files, in any profile."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import container
from .compress import adaptive, half, vq
from .compress.quantizer import quantize
from .compress.refiner import Refiner
from .goals import price
from .splats import Splats

if TYPE_CHECKING:
    from .fitting.task import Task


@dataclass(frozen=True)
class Encoding:
    """A file and how it came about."""

    data: bytes
    """The file."""
    fitted: int
    """Gaussians of the fit; those that are not in the file were worth less than their bits."""
    n_gaussians: int
    """Gaussians of the file."""


def finish(task: "Task", splats: Splats, step: int, profile: str) -> Encoding:
    """Prune fitted Gaussians, and write them in a profile, at a step."""
    kept = task.prune(splats, price(step))
    data = to_bytes(kept, profile, step, task.refiner)
    return Encoding(data, len(splats), container.unpack(data, "")[0].n_gaussians)


def smallest(task: "Task", profile: str) -> Encoding:
    """The smallest file of a picture: one without Gaussians."""
    _, height, width = task.target.shape
    pairs, numbers = np.empty((0, 2), np.float32), np.empty(0, np.float32)
    nothing = Splats(pairs, pairs, numbers, np.empty((0, len(task.target)), np.float32), height, width)
    return finish(task, nothing, 0, profile)


def to_bytes(splats: Splats, profile: str, step: int, refiner: Refiner) -> bytes:
    """The .gsi file of Gaussians in any profile, as close to a picture as the step allows.

    Raises:
        GsiError: they do not fit the format.
    """
    if profile == "half":
        return half_to_bytes(splats)
    if profile == "vq":
        coded = vq.quantize(splats, refiner)
        chunks, count = vq.encode(coded), len(coded)
    else:
        quantized = quantize(splats, step, refiner)
        chunks, count = adaptive.encode(quantized), len(quantized.symbols)
    return container.pack(container.Header(profile, splats.channels, splats.width, splats.height, count), chunks)


def half_to_bytes(splats: Splats) -> bytes:
    """The .gsi file of the given Gaussians in the `half` profile, as `to_bytes`."""
    header = container.Header("half", splats.channels, splats.width, splats.height, len(splats))
    return container.pack(header, half.encode(splats))

"""Fitted Gaussians to files, in any profile."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import container
from .compress import adaptive, half, vq
from .compress.quantizer import quantize
from .splats import Splats

if TYPE_CHECKING:
    from .fitting.task import Task


_log = logging.getLogger(__name__)


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
    """Prune fitted Gaussians, and write them in a profile, as close to the picture as the step allows.

    Raises:
        GsiError: they do not fit the format.
    """
    d = adaptive.step_value(step)
    kept = task.prune(splats, d)
    _log.info("rounding %d of %d Gaussians, D = %.4g", len(kept), len(splats), d)
    if profile == "half":
        chunks, count = half.encode(kept), len(kept)
    elif profile == "vq":
        coded = vq.quantize(kept, task.refiner(kept))
        chunks, count = vq.encode(coded), len(coded)
    else:
        quantized = quantize(kept, step, task.refiner(kept, d))
        chunks, count = adaptive.encode(quantized), len(quantized.symbols)
    return Encoding(_pack(kept, profile, count, chunks), len(splats), count)


def smallest(task: "Task", profile: str) -> Encoding:
    """The smallest file of a picture: one without Gaussians."""
    pairs, numbers = np.empty((0, 2), np.float32), np.empty(0, np.float32)
    nothing = Splats(pairs, pairs, numbers, np.empty((0, task.channels), np.float32), task.height, task.width)
    return finish(task, nothing, 0, profile)


def half_to_bytes(splats: Splats) -> bytes:
    """The .gsi file of the given Gaussians in the `half` profile.

    Raises:
        GsiError: they do not fit the format.
    """
    return _pack(splats, "half", len(splats), half.encode(splats))


def _pack(splats: Splats, profile: str, count: int, chunks: list[container.Chunk]) -> bytes:
    header = container.Header(profile, splats.channels, splats.width, splats.height, count)
    return container.pack(header, chunks)

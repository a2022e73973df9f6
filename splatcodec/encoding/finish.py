"""From a fit to a file: Gaussians are pruned, quantised and written."""

import logging
from dataclasses import dataclass

import numpy as np

from .. import container
from ..compress import ladder
from ..compress.lattice import amplitudes
from ..compress.profiles import Profile
from ..decoder import MAX_PIXELS
from ..errors import GsiError
from ..fitting.pace import Deadline
from ..fitting.schedule import EFFORTS
from ..fitting.task import Task
from ..splats import Splats
from .goals import Goal

# Share of the Gaussians of others that may be too faint to be stored well, the steps that the faintest of the rest get,
# and an amplitude that nobody sees.
_FAINTEST, _STEPS, _LEAST_D = 0.02, 4, 1e-6
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


def finish(task: Task, splats: Splats, notch: int, profile: Profile, most: int | None = None) -> Encoding:
    """Prune fitted Gaussians, and write them in a profile, as close to the picture as the notch of D allows.

    Args:
        task: what knows the picture.
        splats: the fit.
        notch: of D on its ladder.
        profile: of the file.
        most: how many Gaussians to keep at most, the ones that would be missed most.

    Raises:
        GsiError: they do not fit the format.
    """
    deadline = task.begin_rounding()
    kept = task.prune(splats if most is None else task.trim(splats, most, deadline), ladder.value(notch))
    return _round(task, kept, notch, profile, len(splats), deadline)


def smallest(task: Task, profile: Profile) -> Encoding:
    """The smallest file of a picture: one without Gaussians."""
    pairs, numbers = np.empty((0, 2), np.float32), np.empty(0, np.float32)
    nothing = Splats(pairs, pairs, numbers, np.empty((0, task.channels), np.float32), task.height, task.width)
    return _round(task, nothing, 0, profile, 0, None)


def write_splats(splats: Splats, profile: Profile, quality: float) -> bytes:
    """The .gsi file of Gaussians that come from no picture: what they show is the picture.

    Raises:
        GsiError: they do not fit the format, or the picture is too large to be drawn.
    """
    if not profile.needs_picture:
        return _pack(profile, splats, *profile.write(splats))
    if splats.height * splats.width > MAX_PIXELS:
        size = f"{splats.width}x{splats.height}"
        raise GsiError(f"a canvas of {size} pixels is over the limit of {MAX_PIXELS}; the profile half has none")
    picture = splats.render()
    task = Task(picture, EFFORTS[min(EFFORTS)])
    notch = Goal("quality", quality).notch(picture.clip(0, 1))
    if len(splats):
        # Many faint ones may be all there is: nearly all are to remain.
        faintest = max(float(np.quantile(amplitudes(splats.scales, splats.colors), _FAINTEST)), _LEAST_D)
        notch = max(notch, ladder.nearest(faintest / _STEPS))
    return _round(task, splats, notch, profile, len(splats), None).data


def _round(task: Task, kept: Splats, notch: int, profile: Profile, fitted: int, deadline: Deadline | None) -> Encoding:
    d = ladder.value(notch)
    _log.info("rounding %d of %d Gaussians, D = %.4g", len(kept), fitted, d)
    quantised = profile.quantise(kept, notch, task.refiner(kept, d if profile.follows_d else None, deadline))
    count, chunks = profile.write(quantised)
    return Encoding(_pack(profile, kept, count, chunks), fitted, count)


def _pack(profile: Profile, splats: Splats, count: int, chunks: list[container.Chunk]) -> bytes:
    header = container.Header(profile.number, splats.channels, splats.width, splats.height, count)
    return container.pack(header, chunks)

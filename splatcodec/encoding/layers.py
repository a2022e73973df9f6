"""From Gaussians to the chunks of a layer."""

import logging

from ..compress import ladder
from ..compress.profiles import Profile
from ..container import Layer
from ..document import Coded
from ..fitting.pace import Deadline
from ..fitting.task import Task
from ..splats import Splats

_log = logging.getLogger(__name__)


def code_fitted(task: Task, splats: Splats, notch: int, profile: Profile, deadline: Deadline | None) -> Coded:
    """Code Gaussians as close to the picture of a task as the notch of D allows, and be done before a deadline.

    Raises:
        GsiError: they do not fit the format.
    """
    d = ladder.value(notch)
    _log.info("rounding %d Gaussians, D = %.4g", len(splats), d)
    quantised = profile.quantise(splats, notch, task.refiner(splats, d if profile.follows_d else None, deadline))
    return _coded(profile, splats, quantised)


def code_as_they_are(profile: Profile, splats: Splats) -> Coded:
    """Code Gaussians in a profile that needs no picture; raises as `code_fitted`."""
    return _coded(profile, splats, splats)


def _coded(profile: Profile, splats: Splats, quantised: object) -> Coded:
    count, chunks = profile.write(quantised)
    return Coded(Layer(splats.channels, splats.width, splats.height, count), chunks)

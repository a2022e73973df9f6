"""From a fit to a file: Gaussians are pruned, quantised and written."""

from dataclasses import dataclass

import numpy as np

from .. import document
from ..compress import ladder
from ..compress.lattice import amplitudes
from ..compress.profiles import Profile
from ..document import Coded
from ..errors import GsiError
from ..fitting.schedule import EFFORTS
from ..fitting.task import Task
from ..image import Picture
from ..limits import DEFAULT_MAX_PIXELS
from ..splats import Splats
from .goals import Goal
from .layers import code_as_they_are, code_fitted
from .opacity import Opacity

# Share of the Gaussians of others that may be too faint to be stored well, the steps that the faintest of the rest get,
# and an amplitude that nobody sees.
_FAINTEST, _STEPS, _LEAST_D = 0.1, 4, 1e-6


@dataclass(frozen=True)
class Encoding:
    """A file and how it came about."""

    data: bytes
    """The file."""
    fitted: int
    """Gaussians of the fit; those that are not in the file were worth less than their bits."""
    n_gaussians: int
    """Gaussians of the file that make colours."""


@dataclass(frozen=True)
class Job:
    """A picture that is to become a file.

    Attributes:
        picture: what to encode.
        task: the fit of its colours.
        profile: of the file.
        opacity: the fit of its opacity; None if it is opaque.
    """

    picture: Picture
    task: Task
    profile: Profile
    opacity: Opacity | None = None

    def finish(self, splats: Splats, notch: int, most: int | None = None, opacity_notch: int | None = None) -> Encoding:
        """Prune fitted Gaussians, and write them as close to the picture as the notch of D allows.

        Args:
            splats: the fit.
            notch: of D on its ladder.
            most: how many Gaussians to keep at most, the ones that would be missed most.
            opacity_notch: of the D of the opacity; the same if None.

        Raises:
            GsiError: they do not fit the format.
        """
        deadline = self.task.begin_rounding()
        kept = splats if most is None else self.task.trim(splats, most, deadline)
        kept = self.task.prune(kept, ladder.value(notch))
        coded = code_fitted(self.task, kept, notch, self.profile, deadline)
        return self._encoding(coded, len(splats), notch if opacity_notch is None else opacity_notch)

    def smallest(self) -> Encoding:
        """The smallest file of the picture: one without Gaussians."""
        pairs, numbers = np.empty((0, 2), np.float32), np.empty(0, np.float32)
        colors = np.empty((0, self.task.channels), np.float32)
        nothing = Splats(pairs, pairs, numbers, colors, self.task.height, self.task.width)
        return self._encoding(code_fitted(self.task, nothing, 0, self.profile, None), 0, 0)

    def squared_error(self, encoding: Encoding) -> float:
        """Of a file, a sum over samples of its colours and its opacity, each as much as it counts."""
        content = document.from_bytes(encoding.data, "")
        error = self.task.squared_error(content.splats)
        if self.opacity is not None and content.alpha is not None:
            error += self.opacity.squared_error(content.alpha)
        return error

    def _encoding(self, colors: Coded, fitted: int, opacity_notch: int) -> Encoding:
        alpha = None if self.opacity is None else self.opacity.coded(opacity_notch)
        data = document.to_bytes(self.profile.number, colors, alpha, self.picture.depth, self.picture.metadata)
        return Encoding(data, fitted, colors.layer.n_gaussians)


def write_splats(splats: Splats, profile: Profile, quality: float) -> bytes:
    """The .gsi file of Gaussians that come from no picture: what they show is the picture.

    Raises:
        GsiError: they do not fit the format, or the picture is too large to be drawn.
    """
    if not profile.needs_picture:
        return document.to_bytes(profile.number, code_as_they_are(profile, splats), None)
    if splats.height * splats.width > DEFAULT_MAX_PIXELS:
        size = f"{splats.width}x{splats.height}"
        raise GsiError(
            f"a canvas of {size} pixels is over the limit of {DEFAULT_MAX_PIXELS}; the profile half has none"
        )
    target = splats.render()
    task = Task(target, EFFORTS[min(EFFORTS)])
    notch = Goal("quality", quality).notch(target.clip(0, 1))
    if len(splats):
        # Many faint ones may be all there is: most are to remain.
        faintest = max(float(np.quantile(amplitudes(splats.scales, splats.colors), _FAINTEST)), _LEAST_D)
        notch = max(notch, ladder.nearest(faintest / _STEPS))
    return document.to_bytes(profile.number, code_fitted(task, splats, notch, profile, None), None)

"""The opacity of a picture: a grey layer with Gaussians of its own, and what it means for the fit of colours.

Colours are fitted as they are, not multiplied by the opacity, under its square as weights: where a pixel is not seen,
they may be anything, and go on smoothly beyond the edge of what is. `docs/compression.md` has the measurement.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..compress import ladder
from ..compress.profiles import Profile
from ..document import Alpha, CodedAlpha
from ..fitting.task import Task
from ..image import Picture
from ..splats import Splats
from .layers import code_fitted

# Notches between those at which the opacity is stored: a search for a size asks for many.
_APART = 16
# Errors of the opacity count a little more than the worst of black and white behind it makes them, for they gather in
# sharp edges.
_EMPHASIS = 1.25


class Opacity:
    """The opacity of a picture, fitted when it is first asked for.

    Args:
        make_task: makes the task of fitting it, given whether there is no time to do it well.
        profile: of the file.
        is_transparency: whether the task is to fit how transparent the picture is.
        fits_once: whether there is time for no more than one fit.
        is_hurried: says whether there is no time any more.
    """

    def __init__(
        self,
        make_task: Callable[[bool], Task],
        profile: Profile,
        *,
        is_transparency: bool,
        fits_once: bool,
        is_hurried: Callable[[], bool],
    ) -> None:
        self._make_task = make_task
        self._profile = profile
        self._is_transparency = is_transparency
        self._fits_once = fits_once
        self._is_hurried = is_hurried
        self._fit: Splats | None = None
        self._coded: dict[int, CodedAlpha] = {}

    def coded(self, notch: int) -> CodedAlpha:
        """The layer of a file whose D is at about that notch of the ladder."""
        notch = self.rounded(notch)
        if notch not in self._coded:
            self._coded[notch] = self._code(notch)
        return self._coded[notch]

    def rounded(self, notch: int) -> int:
        """The notch of the layer that `coded` gives for one."""
        return min(round(notch / _APART) * _APART, ladder.LAST)

    def squared_error(self, alpha: Alpha) -> float:
        """Of an opacity that has been read back, a sum over pixels, each as much as it counts."""
        return self._task.squared_error(alpha.splats)

    @cached_property
    def _task(self) -> Task:
        return self._make_task(self._is_hurried())

    def _code(self, notch: int) -> CodedAlpha:
        task, d = self._task, ladder.value(notch)
        if self._fit is None or not (self._fits_once or self._is_hurried()):
            self._fit = task.grow(task.budget_of_price(d))
        deadline = task.begin_rounding()
        coded = code_fitted(task, task.prune(self._fit, d), notch, self._profile, deadline)
        return CodedAlpha(coded, self._is_transparency)


def target_of(alpha: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool]:
    """What to fit of an opacity [H, W]: planes [1, H, W], and whether they are its complement, which is darker."""
    is_transparency = float(alpha.mean(dtype=np.float64)) > 0.5
    return np.ascontiguousarray((1 - alpha if is_transparency else alpha)[None]), is_transparency


def visible_colors(picture: Picture) -> NDArray[np.float32]:
    """Planes [C, H, W] with the mean of what is seen in place of what is not."""
    if picture.alpha is None:
        return picture.planes
    seen = float(picture.alpha.sum(dtype=np.float64))
    mean = (picture.planes * picture.alpha).sum(axis=(1, 2), dtype=np.float64) / max(seen, 1e-12)
    return np.where(picture.alpha > 0, picture.planes, mean[:, None, None].astype(np.float32))


def color_weights(alpha: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """How much errors of colours count in each pixel [H, W]; the same everywhere, None, if none is seen."""
    return alpha**2 if alpha.any() else None


def opacity_weights(colors: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much errors of the opacity count in each pixel [H, W] where colours [C, H, W] may lie on black or white."""
    on_black, on_white = (colors**2).sum(axis=0), ((1 - colors) ** 2).sum(axis=0)
    return np.asarray(_EMPHASIS * np.maximum(on_black, on_white), np.float32)

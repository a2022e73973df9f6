"""Encoding: a picture is fitted with Gaussians, and their attributes are written to a .gsi file.

The stages stand in modules of their own: `prepare` loads and plans, `fitting` fits, `finish` prunes, quantises and
writes, and `targets` repeats that until a size or a PSNR is met.
"""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from splatkernels.threads import limited

from ..compress import ladder, profiles
from ..files import replacing, write_all
from ..fitting.task import Task
from ..image import Picture
from ..options import Options, options_of
from ..splats import Splats
from .finish import Encoding, Job, write_splats
from .goals import DEFAULT_QUALITY, Goal
from .opacity import visible_colors
from .prepare import prepare
from .targets import USUAL_TRIES, meet

if TYPE_CHECKING:
    from ..image import ImageLike

# Small pictures are worth several fits: at notches so far apart, so many to each side.
_APART, _AWAY = 8, 2
# In them, bits count so much of what they do elsewhere: there are few, and files grow by four bytes at a time.
_SHARE_OF_BITS = 0.1
# Of pictures of 16 bits, D at quality 100 is so many octaves finer as long as it takes no more Gaussians than this.
_DEEP_OCTAVES, _PIXELS_PER_GAUSSIAN = 6, 64


def encode(image: "ImageLike", options: Options | None = None, **fields: Any) -> bytes:
    """Encode a picture as the bytes of a .gsi file.

    Args:
        image: anything `splatcodec.image.load_image` reads: a path, bytes, file, Pillow image, array or tensor.
        options: what the encoder is told.
        fields: the fields of `Options` one by one, instead, such as `quality=50` or `target_size=3000`.

    Raises:
        ImageError: the image or the weights cannot be read or are of an unsupported kind.
        OSError: a file cannot be read.
        TargetError: the picture cannot be encoded to the target; it says what can be had.
        TypeError: there is no such field.
        ValueError: an option is out of range.
    """
    return encode_to(image, options_of(options, fields)).encoding.data


@dataclass(frozen=True)
class Outcome:
    """What an encode has led to."""

    encoding: Encoding
    picture: Picture
    """What was to be encoded."""


def encode_to(image: "ImageLike", options: Options) -> Outcome:
    """Encode a picture, and say how that went; otherwise like `encode`."""
    goal = options.goal
    searches = goal is not None and goal.is_target
    with limited(options.threads):
        job = prepare(image, options, USUAL_TRIES if searches else 1)
        return Outcome(_encode(job, goal, options.n_gaussians), job.picture)


def _encode(job: Job, goal: Goal | None, n_gaussians: int | None) -> Encoding:
    if goal is None:
        splats = _fit(job.task, None, n_gaussians, 1.0)
        return job.finish(splats, ladder.nearest(job.task.balanced_d(splats)))
    if goal.is_target:
        return meet(goal, job, n_gaussians)
    notch, times = _notch(job, goal)
    if job.task.is_small and n_gaussians is None:
        return _best(job, notch)
    return job.finish(_fit(job.task, notch, n_gaussians, times), notch)


def fit(image: "ImageLike", options: Options | None = None, **fields: Any) -> Splats:
    """Fit Gaussians to the colours of a picture, without any quantisation.

    Args:
        image, options, fields: as in `encode`; there is no file whose size or PSNR could be a target.

    Returns:
        Gaussians on the canvas of the picture.

    Raises:
        ImageError, OSError, TypeError, ValueError: as in `encode`.
    """
    options = options_of(options, fields)
    goal = options.goal
    if goal is not None and goal.is_target:
        raise ValueError(f"a fit has no {goal.kind}: it is of a file, which takes `encode`")
    with limited(options.threads):
        job = prepare(image, options, 0)
        notch, times = (None, 1.0) if goal is None else _notch(job, goal)
        return _fit(job.task, notch, options.n_gaussians, times)


def _notch(job: Job, goal: Goal) -> tuple[int, float]:
    """The notch of D that a quality or a lambda asks for, and how many times more steps than usual its fit takes.

    Samples of 16 bits tell more apart: high qualities are finer for them, if the picture is so smooth that this takes
    few Gaussians. The noise of photographs is not worth millions of them.
    """
    notch = goal.notch(visible_colors(job.picture))
    if goal.kind != "quality" or job.picture.depth == 8:
        return notch, 1.0
    most = job.picture.height * job.picture.width / _PIXELS_PER_GAUSSIAN
    octaves = round(_DEEP_OCTAVES * max(0.0, goal.value - DEFAULT_QUALITY) / (100 - DEFAULT_QUALITY))
    finer = (min(notch + octave * ladder.PER_OCTAVE, ladder.LAST) for octave in range(octaves, 0, -1))
    deep = next((own for own in finer if job.task.budget_of_price(ladder.value(own)).wanted < most), notch)
    # The finer D is, the more it shows when a few Gaussians have not settled. Small pictures take more steps anyway.
    return deep, 1.0 if job.task.is_small else 1 + (deep - notch) / ladder.PER_OCTAVE


def _fit(task: Task, notch: int | None, n_gaussians: int | None, times: float) -> Splats:
    """Gaussians for the D of a notch, as many as are worth it or as are given; see `Task.grow` for the times."""
    d = None if notch is None else ladder.value(notch)
    if n_gaussians is not None:
        return task.grow(task.budget_of_count(n_gaussians, d), times=times)
    assert d is not None
    return task.grow(task.budget_of_price(d), times=times)


def _best(job: Job, notch: int) -> Encoding:
    """The file of the least distortion + lambda rate, for the D of a notch, among those of several notches around.

    These are the same ones for all D nearby. So a finer D takes a file that is no worse and no smaller, whichever fits
    have come out well.
    """
    task, middle = job.task, round(notch / _APART)
    found: list[Encoding] = []
    for number in (middle, *(middle + sign * away for away in range(1, _AWAY + 1) for sign in (-1, 1))):
        if found and not task.in_time:
            break
        own = min(max(number * _APART, 0), ladder.LAST)
        splats = task.grow(task.budget_of_price(ladder.value(own)), attempt=max(number, 0))
        found.append(job.finish(splats, own))
    price = _SHARE_OF_BITS * ladder.SLOPE * ladder.value(notch) ** 2

    def cost(encoding: Encoding) -> tuple[bool, float]:
        """A file without Gaussians comes last, whatever it costs."""
        return encoding.n_gaussians == 0, job.squared_error(encoding) + price * 8 * len(encoding.data)

    return min(found, key=cost)


def write(
    splats: Splats,
    file: str | os.PathLike[str] | BinaryIO,
    *,
    profile: str = "half",
    quality: float = 100,
) -> None:
    """Write Gaussians to a .gsi file, which appears whole or not at all.

    Args:
        splats: what to write.
        file: a path, or a file opened for writing bytes.
        profile: as in `Options`; "half" stores them as they are, in half precision.
        quality: how finely the profile "adaptive" stores them at least, as in `Options`; faint Gaussians make it finer.

    Raises:
        GsiError: they do not fit the format.
        OSError: the file cannot be written.
        ValueError: there is no such profile, or the quality is out of range.
    """
    data = to_bytes(splats, profile, quality)
    if not isinstance(file, str | os.PathLike):
        write_all(file, data)
        return
    with replacing(file) as output:
        output.write(data)


def to_bytes(splats: Splats, profile: str = "half", quality: float = 100) -> bytes:
    """What `write` writes."""
    return write_splats(splats, profiles.named(profile), quality)

"""Encoding: a picture is fitted with Gaussians, and their attributes are written to a .gsi file."""

import math
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from splatkernels import resolve_device

from . import container
from .compress import adaptive
from .compress.lattice import SLOPE
from .decoder import from_bytes
from .errors import ImageError
from .files import replacing, source_name
from .goals import DEFAULT_QUALITY, Goal
from .image import load_image
from .profiles import Encoding, finish, half_to_bytes
from .splats import Splats

if TYPE_CHECKING:
    from .fitting.growth import FitState
    from .fitting.objective import Objective
    from .fitting.task import Task
    from .image import ImageLike

DEFAULT_EFFORT = 5
DEFAULT_PROFILE = "adaptive"
# Small pictures are worth several fits: for D, and for D times powers of two.
_OCTAVES = (0, -0.5, 0.5, -1, 1)
TUNES = ("psnr", "ssim")
DEFAULT_TUNE = "psnr"


class FitOptions(TypedDict, total=False):
    """The options of `fit`, which describes them, but for the number of Gaussians."""

    effort: int
    tune: str
    loss: str
    weights: "ImageLike | None"
    max_seconds: float | None
    seed: int
    device: str
    callback: "Callable[[FitState], bool | None] | None"


def encode(
    image: "ImageLike",
    *,
    profile: str = DEFAULT_PROFILE,
    quality: float | None = None,
    lambda_: float | None = None,
    target_bpp: float | None = None,
    target_size: int | None = None,
    target_psnr: float | None = None,
    n_gaussians: int | None = None,
    **options: Unpack[FitOptions],
) -> bytes:
    """Encode a picture as the bytes of a .gsi file.

    At most one of `quality`, `lambda_` and the targets may be given. Without any, the quality is 60, or whatever suits
    `n_gaussians`.

    Args:
        image: anything `splatcodec.image.load_image` reads: a path, bytes, file, Pillow image, array or tensor.
        profile: how attributes are stored: "adaptive", the smallest files; "vq", codebooks; "half", half precision.
        quality: 0 (a few hundredths of a bit per pixel) to 100 (36 dB on the busiest photographs, 41 dB on smooth
            ones).
        lambda_: the squared error, summed over 8-bit samples, that a bit must save.
        target_bpp: bits per pixel that the file shall have, or up to 3 % fewer.
        target_size: the same in bytes.
        target_psnr: PSNR of the decoded 8-bit samples in dB, or up to 0.1 dB more; less only if `max_seconds` or
            `callback` end the fit before.
        n_gaussians: number of Gaussians at most; by default as many as are worth their bits.
        options: as in `fit`: effort, tune, loss, weights, max_seconds, seed, device, callback.

    Raises:
        ImageError: the image or the weights cannot be read or are of an unsupported kind.
        OSError: a file cannot be read.
        TargetError: the picture cannot be encoded to the target; it says what can be had.
        ValueError: an option is out of range.
    """
    goals = {
        "quality": quality,
        "lambda_": lambda_,
        "target_bpp": target_bpp,
        "target_size": target_size,
        "target_psnr": target_psnr,
    }
    return encode_to(image, Goal.only(goals), profile=profile, n_gaussians=n_gaussians, **options).data


def encode_to(
    image: "ImageLike",
    goal: Goal | None,
    *,
    profile: str = DEFAULT_PROFILE,
    n_gaussians: int | None = None,
    **options: Unpack[FitOptions],
) -> Encoding:
    """Encode a picture, and say how that went; otherwise like `encode`."""
    from .targets import USUAL_TRIES, meet

    if profile not in container.PROFILES.values():
        raise ValueError(f"unknown profile {profile!r}, expected one of {', '.join(container.PROFILES.values())}")
    if goal is None and n_gaussians is None:
        goal = Goal("quality", DEFAULT_QUALITY)
    roundings = 1 if goal is None or not goal.is_target else USUAL_TRIES
    planes, task = _task(image, n_gaussians, profile, roundings, **options)
    if goal is not None and goal.is_target:
        return meet(goal, planes, task, profile, n_gaussians)
    step = None if goal is None else goal.step(planes)
    if step is not None and n_gaussians is None and task.is_small:
        return _best(task, step, profile)
    splats = _fit(task, step, n_gaussians)
    if step is None:
        step = adaptive.nearest_step(task.balanced_step(splats))
    return finish(task, splats, step, profile)


def _best(task: "Task", step: int, profile: str) -> Encoding:
    """The file of the least distortion + lambda rate among those of several fits, for the D of an index.

    Bits count a quarter of what they do elsewhere: there are few, and files grow by four bytes at a time.
    """
    d = adaptive.step_value(step)
    found: list[Encoding] = []
    for attempt, octave in enumerate(_OCTAVES):
        if found and task.stopped:
            break
        splats = task.grow(task.worth(d * 2**octave), attempt=attempt)
        found.append(finish(task, splats, step, profile))

    def cost(encoding: Encoding) -> float:
        error = task.squared_error(from_bytes(encoding.data, ""))
        return error + 0.25 * SLOPE * d**2 * 8 * len(encoding.data)

    return min(found, key=cost)


def fit(
    image: "ImageLike",
    *,
    quality: float | None = None,
    n_gaussians: int | None = None,
    **options: Unpack[FitOptions],
) -> Splats:
    """Fit Gaussians to a picture, without any quantisation.

    Args:
        image: as in `encode`.
        quality: as in `encode`; decides how many Gaussians are worth their bits, unless `n_gaussians` is given.
        n_gaussians: number of Gaussians at most.
        effort: 1 (quick) to 9 (thorough); 5 by default.
        tune: what counts: "psnr", the squared error, by default; or "ssim", the structure that eyes see, as SSIM and
            MS-SSIM measure it, which takes about twice as long.
        loss: "l2", the squared error, unless another is named; "l1", the absolute error; or a mix with SSIM:
            "l1+ssim:0.2" is 0.8 times the absolute error plus 0.2 times (1 - SSIM). Goes with the tune "psnr" only.
        weights: how much each pixel counts: an image of the same size, such as a mask; its mean over channels.
        max_seconds: time for the whole encode, at a loss of quality if the effort would take longer: fewer steps, and
            where these would be too few, of a picture with fewer pixels. Compiling or loading the kernels does not
            count, and a step that is under way is finished. The outcome then depends on the machine.
        seed: equal inputs, options and seeds give equal results on one device; 0 by default.
        device: "cpu", "cuda" or "auto", the default, which takes the best there is.
        callback: called with a `FitState` after every step; where it returns True, the fit ends with what there is.

    Returns:
        Gaussians on the canvas of the picture.

    Raises:
        ImageError, OSError, ValueError: as in `encode`.
    """
    planes, task = _task(image, n_gaussians, DEFAULT_PROFILE, 0, **options)
    if quality is None and n_gaussians is None:
        quality = DEFAULT_QUALITY
    return _fit(task, None if quality is None else Goal("quality", quality).step(planes), n_gaussians)


def _fit(task: "Task", step: int | None, n_gaussians: int | None) -> Splats:
    """Gaussians for the D of an index, as many as are worth it or as are given."""
    d = None if step is None else adaptive.step_value(step)
    if n_gaussians is not None:
        return task.grow(task.count(n_gaussians, d))
    assert d is not None
    return task.grow(task.worth(d))


def _task(
    image: "ImageLike",
    n_gaussians: int | None,
    profile: str,
    roundings: int,
    *,
    effort: int = DEFAULT_EFFORT,
    tune: str = DEFAULT_TUNE,
    loss: str = "l2",
    weights: "ImageLike | None" = None,
    max_seconds: float | None = None,
    seed: int = 0,
    device: str = "auto",
    callback: "Callable[[FitState], bool | None] | None" = None,
) -> tuple[NDArray[np.float32], "Task"]:
    """The picture [C, H, W], and what is to be fitted and how, checked."""
    from .fitting.loss import Loss
    from .fitting.objective import make_objective, tuned_to_structure
    from .fitting.pace import Deadline, affordable, reduce
    from .fitting.schedule import EFFORTS
    from .fitting.task import Task

    if effort not in EFFORTS:
        raise ValueError(f"effort must be a whole number from {min(EFFORTS)} to {max(EFFORTS)}, got {effort!r}")
    if n_gaussians is not None and not 1 <= n_gaussians <= container.MAX_GAUSSIANS:
        raise ValueError(f"n_gaussians must lie between 1 and {container.MAX_GAUSSIANS}, got {n_gaussians!r}")
    if max_seconds is not None and not 0 < max_seconds < math.inf:
        raise ValueError(f"max_seconds must be positive, got {max_seconds!r}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    kind = Loss.parse(loss)
    if tune not in TUNES:
        raise ValueError(f"unknown tune {tune!r}, expected one of {', '.join(TUNES)}")
    if tune != DEFAULT_TUNE and kind != Loss():
        raise ValueError(f"the tune {tune} has a loss of its own and goes without {loss!r}")
    device = resolve_device(device)
    began = time.perf_counter()
    planes = load_image(image)
    _, height, width = planes.shape
    if max(height, width) > container.MAX_SIDE:
        raise ImageError(f"a picture of {width}x{height} pixels is too large: {container.MAX_SIDE} is the longest side")
    emphasis = None if weights is None else _load_weights(weights, height, width)
    schedule, reduction, deadline, target = EFFORTS[effort], 1, None, planes
    if max_seconds is not None:
        loading = time.perf_counter() - began
        _compile(profile, tune, loss, device)
        deadline = Deadline(max_seconds - loading)
        schedule, reduction = affordable(
            schedule,
            height * width,
            deadline.left,
            device,
            structure=tune == "ssim" or kind.has_structure,
            roundings=roundings,
        )
        target = reduce(planes, reduction)
        emphasis = None if emphasis is None else reduce(emphasis, reduction)

    def objective(target: NDArray[np.float32], weights: NDArray[np.float32] | None) -> "Objective | None":
        if tune == "ssim":
            return tuned_to_structure(target, weights, device)
        return make_objective(kind, target, weights, device)

    task = Task(
        target,
        schedule,
        size=(height, width),
        reduction=reduction,
        seed=seed,
        device=device,
        weights=emphasis,
        make_objective=objective,
        deadline=deadline,
        hurried=reduction > 1 or schedule != EFFORTS[effort],
        roundings=roundings,
        callback=callback,
    )
    return planes, task


def _compile(profile: str, tune: str, loss: str, device: str) -> None:
    """Have all kernels ready that an encode takes: those that are compiled for the first time would use up its time."""
    noise = np.random.default_rng(0).random((16, 16, 3), np.float32)
    encode(noise, n_gaussians=2, effort=1, profile=profile, tune=tune, loss=loss, device=device)


def _load_weights(weights: "ImageLike", height: int, width: int) -> NDArray[np.float32]:
    """Weights [height, width] from any image of that size, or an array of booleans; the largest becomes 1.

    Raises:
        ImageError: the image cannot be read, its size is another, or no weight is above 0.
    """
    if isinstance(weights, np.ndarray) and weights.dtype == bool:
        weights = weights.astype(np.float32)
    try:
        mask = load_image(weights).mean(axis=0)
    except ImageError as error:
        raise ImageError(f"weights: {error}") from error
    if mask.shape != (height, width):
        size = f"{mask.shape[1]}x{mask.shape[0]}"
        raise ImageError(f"{source_name(weights)}: weights are {size} pixels, the picture is {width}x{height}")
    if not mask.max() > 0:
        raise ImageError(f"{source_name(weights)}: no weight is above 0")
    return mask / mask.max()


def write(splats: Splats, file: str | os.PathLike[str] | BinaryIO) -> None:
    """Write Gaussians to a .gsi file of the `half` profile, which appears whole or not at all.

    Args:
        splats: what to write.
        file: a path, or a file opened for writing bytes.

    Raises:
        GsiError: they do not fit the format.
        OSError: the file cannot be written.
    """
    data = half_to_bytes(splats)
    if not isinstance(file, str | os.PathLike):
        file.write(data)
        return
    with replacing(file) as output:
        output.write(data)

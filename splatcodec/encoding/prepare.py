"""From a picture and options to what is to be fitted, and how: the first stage of the encoder."""

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from splatkernels import resolve_device

from .. import container
from ..compress import profiles
from ..errors import ImageError
from ..files import source_name
from ..fitting.loss import Loss
from ..fitting.objective import Objective, make_objective, tuned_to_structure
from ..fitting.pace import Deadline, affordable, reduce
from ..fitting.schedule import EFFORTS
from ..fitting.task import Task
from ..image import Picture, load_image
from ..options import DEFAULT_LOSS, DEFAULT_TUNE, Options
from .finish import Job
from .goals import Kind
from .opacity import Opacity, color_weights, opacity_weights, target_of, visible_colors

if TYPE_CHECKING:
    from ..image import ImageLike

# However long it has taken to read a picture, this much of the time is left for it.
_LEAST_SHARE = 0.25
# Of limited time, what the opacity may take.
_SHARE_OF_OPACITY = 0.3


def prepare(image: "ImageLike", options: Options, roundings: int) -> Job:
    """Load a picture and plan the fits of its colours and its opacity; `roundings` files are going to be made.

    Raises:
        ImageError: the image or the weights cannot be read or are of an unsupported kind.
        OSError: a file cannot be read.
        ValueError: the device is not there, or the loss needs a larger picture.
    """
    options = replace(options, device=resolve_device(options.device))
    began = time.perf_counter()
    picture = load_image(
        image,
        background=options.background,
        frame=options.frame,
        strip=options.strip,
        max_metadata=options.max_metadata,
    )
    height, width = picture.height, picture.width
    if max(height, width) > container.MAX_SIDE:
        raise ImageError(f"a picture of {width}x{height} pixels is too large: {container.MAX_SIDE} is the longest side")
    weights = None if options.weights is None else _load_weights(options.weights, height, width)
    profile, seconds = profiles.named(options.profile), None
    if options.max_seconds is not None:
        loading = time.perf_counter() - began
        _compile(options, picture)
        seconds = max(options.max_seconds - loading, _LEAST_SHARE * options.max_seconds)
    plan = partial(_plan, options, roundings)
    if picture.alpha is None:
        return Job(picture, plan(picture.planes, weights, seconds), profile)
    colors, (target, is_transparency) = visible_colors(picture), target_of(picture.alpha)
    of_colors = None if seconds is None else (1 - _SHARE_OF_OPACITY) * seconds
    task = plan(colors, _product(weights, color_weights(picture.alpha)), of_colors)
    errors = _product(weights, opacity_weights(colors))

    def plan_opacity(hurried: bool) -> Task:
        effort = min(EFFORTS) if hurried else options.effort
        plain = replace(options, tune=DEFAULT_TUNE, loss=DEFAULT_LOSS, callback=None, effort=effort)
        return _plan(plain, roundings, target, errors, None if seconds is None else _SHARE_OF_OPACITY * seconds)

    opacity = Opacity(
        plan_opacity,
        profile,
        is_transparency=is_transparency,
        fits_once=seconds is not None,
        is_hurried=lambda: task.stopped,
    )
    return Job(picture, task, profile, opacity)


def _plan(
    options: Options,
    roundings: int,
    planes: NDArray[np.float32],
    weights: NDArray[np.float32] | None,
    seconds: float | None,
) -> Task:
    """The task of fitting planes [C, H, W] under weights [H, W], in limited time if `seconds` says so."""
    usual = EFFORTS[options.effort]
    task = partial(
        Task,
        size=planes.shape[1:],
        seed=options.seed,
        device=options.device,
        make_objective=partial(_objective, options, options.device),
        roundings=roundings,
        callback=options.callback,
    )
    if seconds is None:
        return task(planes, usual, weights=weights)
    deadline = Deadline(seconds)
    schedule, reduction = affordable(
        usual,
        planes[0].size,
        deadline.left,
        options.device,
        structure=options.tune == "ssim" or (isinstance(options.loss, str) and Loss.parse(options.loss).has_structure),
        roundings=roundings,
        reducible=isinstance(options.loss, str),
    )
    return task(
        reduce(planes, reduction),
        schedule,
        weights=None if weights is None else reduce(weights, reduction),
        reduction=reduction,
        deadline=deadline,
        hurried=reduction > 1 or schedule != usual,
    )


def _product(weights: NDArray[np.float32] | None, others: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    """Weights [H, W] times others; None are the same everywhere."""
    if weights is None or others is None:
        return others if weights is None else weights
    return weights * others


def _objective(
    options: Options, device: str, target: NDArray[np.float32], weights: NDArray[np.float32] | None
) -> Objective:
    """What to minimise of a target [C, H, W] with weights [H, W]."""
    if options.tune == "ssim":
        return tuned_to_structure(target, weights, device)
    loss = Loss.parse(options.loss) if isinstance(options.loss, str) else options.loss
    return make_objective(loss, target, weights, device)


def _compile(options: Options, picture: Picture) -> None:
    """Have all kernels ready that an encode takes: those that are compiled for the first time would use up its time."""
    from .encode import encode_to

    channels = len(picture.planes) + (picture.alpha is not None)
    noise = np.random.default_rng(0).random((16, 16, channels), np.float32)
    weights = None if options.weights is None else noise[:, :, 0] + 0.1
    no_goal: dict[str, Any] = dict.fromkeys(get_args(Kind))
    few = replace(
        options,
        **no_goal,
        n_gaussians=2,
        effort=1,
        frame=None,
        weights=None if weights is None else weights / weights.max(),
        # A function may know of no other picture.
        loss=options.loss if isinstance(options.loss, str) else DEFAULT_LOSS,
        max_seconds=None,
        callback=None,
    )
    encode_to(noise, few)


def _load_weights(weights: "ImageLike", height: int, width: int) -> NDArray[np.float32]:
    """Weights [height, width] from any image of that size, or an array of booleans; the largest becomes 1.

    Raises:
        ImageError: the image cannot be read, its size is another, or no weight is above 0.
    """
    if isinstance(weights, np.ndarray) and weights.dtype == bool:
        weights = weights.astype(np.float32)
    try:
        mask = load_image(weights, strip=True).over(0).mean(axis=0)
    except ImageError as error:
        raise ImageError(f"weights: {error}") from error
    if mask.shape != (height, width):
        size = f"{mask.shape[1]}x{mask.shape[0]}"
        raise ImageError(f"{source_name(weights)}: weights are {size} pixels, the picture is {width}x{height}")
    if not mask.max() > 0:
        raise ImageError(f"{source_name(weights)}: no weight is above 0")
    return mask / mask.max()

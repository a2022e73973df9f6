"""From a picture and options to what is to be fitted, and how: the first stage of the encoder."""

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from splatkernels import resolve_device

from .. import container
from ..errors import ImageError
from ..files import source_name
from ..fitting.loss import Loss
from ..fitting.objective import Objective, make_objective, tuned_to_structure
from ..fitting.pace import Deadline, affordable, reduce
from ..fitting.schedule import EFFORTS
from ..fitting.task import Task
from ..image import load_image
from ..options import DEFAULT_LOSS, Options
from .goals import Kind

if TYPE_CHECKING:
    from ..image import ImageLike

# However long it has taken to read a picture, this much of the time is left for it.
_LEAST_SHARE = 0.25


def prepare(image: "ImageLike", options: Options, roundings: int) -> tuple[NDArray[np.float32], Task]:
    """The picture [C, H, W], and the task of fitting it; `roundings` says how many files are going to be made.

    Raises:
        ImageError: the image or the weights cannot be read or are of an unsupported kind.
        OSError: a file cannot be read.
        ValueError: the device is not there, or the loss needs a larger picture.
    """
    device = resolve_device(options.device)
    began = time.perf_counter()
    planes = load_image(image, background=options.background, frame=options.frame)
    _, height, width = planes.shape
    if max(height, width) > container.MAX_SIDE:
        raise ImageError(f"a picture of {width}x{height} pixels is too large: {container.MAX_SIDE} is the longest side")
    weights = None if options.weights is None else _load_weights(options.weights, height, width)
    loading = time.perf_counter() - began
    make = partial(_objective, options, device)
    task = partial(
        Task,
        size=(height, width),
        seed=options.seed,
        device=device,
        make_objective=make,
        roundings=roundings,
        callback=options.callback,
    )
    usual = EFFORTS[options.effort]
    if options.max_seconds is None:
        return planes, task(planes, usual, weights=weights)
    _compile(options, len(planes), device)
    deadline = Deadline(max(options.max_seconds - loading, _LEAST_SHARE * options.max_seconds))
    schedule, reduction = affordable(
        usual,
        height * width,
        deadline.left,
        device,
        structure=options.tune == "ssim" or (isinstance(options.loss, str) and Loss.parse(options.loss).has_structure),
        roundings=roundings,
        reducible=isinstance(options.loss, str),
    )
    return planes, task(
        reduce(planes, reduction),
        schedule,
        weights=None if weights is None else reduce(weights, reduction),
        reduction=reduction,
        deadline=deadline,
        hurried=reduction > 1 or schedule != usual,
    )


def _objective(
    options: Options, device: str, target: NDArray[np.float32], weights: NDArray[np.float32] | None
) -> Objective:
    """What to minimise of a target [C, H, W] with weights [H, W]."""
    if options.tune == "ssim":
        return tuned_to_structure(target, weights, device)
    loss = Loss.parse(options.loss) if isinstance(options.loss, str) else options.loss
    return make_objective(loss, target, weights, device)


def _compile(options: Options, channels: int, device: str) -> None:
    """Have all kernels ready that an encode takes: those that are compiled for the first time would use up its time."""
    from .encode import encode_to

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
        mask = load_image(weights).mean(axis=0)
    except ImageError as error:
        raise ImageError(f"weights: {error}") from error
    if mask.shape != (height, width):
        size = f"{mask.shape[1]}x{mask.shape[0]}"
        raise ImageError(f"{source_name(weights)}: weights are {size} pixels, the picture is {width}x{height}")
    if not mask.max() > 0:
        raise ImageError(f"{source_name(weights)}: no weight is above 0")
    return mask / mask.max()

"""Encoding: a picture is fitted with Gaussians, and their attributes are written to a .gsi file."""

import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from splatkernels import resolve_device

from . import container
from .compress import half
from .errors import ImageError
from .files import replacing, source_name
from .image import load_image
from .splats import Splats

if TYPE_CHECKING:
    from .fitting.growth import FitState
    from .image import ImageLike

DEFAULT_EFFORT = 5
DEFAULT_PROFILE = "half"


class FitOptions(TypedDict, total=False):
    """The options of `fit`, which describes them."""

    n_gaussians: int | None
    effort: int
    loss: str
    weights: "ImageLike | None"
    max_seconds: float | None
    seed: int
    device: str
    callback: "Callable[[FitState], bool | None] | None"


def encode(image: "ImageLike", *, profile: str = DEFAULT_PROFILE, **options: Unpack[FitOptions]) -> bytes:
    """Encode a picture as the bytes of a .gsi file.

    Args:
        image: anything `splatcodec.image.load_image` reads: a path, bytes, file, Pillow image, array or tensor.
        profile: how attributes are stored; "half" is half precision.
        options: as in `fit`: n_gaussians, effort, loss, weights, max_seconds, seed, device, callback.

    Raises:
        ImageError: the image or the weights cannot be read or are of an unsupported kind.
        OSError: a file cannot be read.
        ValueError: an option is out of range.
    """
    if profile not in container.PROFILES.values():
        raise ValueError(f"unknown profile {profile!r}, expected one of {', '.join(container.PROFILES.values())}")
    return to_bytes(fit(image, **options))


def fit(
    image: "ImageLike",
    *,
    n_gaussians: int | None = None,
    effort: int = DEFAULT_EFFORT,
    loss: str = "l2",
    weights: "ImageLike | None" = None,
    max_seconds: float | None = None,
    seed: int = 0,
    device: str = "auto",
    callback: "Callable[[FitState], bool | None] | None" = None,
) -> Splats:
    """Fit Gaussians to a picture, without any quantisation.

    Args:
        image: as in `encode`.
        n_gaussians: number of Gaussians at most; by default one per 200 pixels, at least 100 and at most one per pixel.
        effort: 1 (quick) to 9 (thorough).
        loss: "l2", the squared error; "l1", the absolute error; or a mix with SSIM: "l1+ssim:0.2" is 0.8 times the
            absolute error plus 0.2 times (1 - SSIM). All but "l2" without weights take several times as long.
        weights: how much each pixel counts: an image of the same size, such as a mask; its mean over channels.
        max_seconds: time for the optimisation, at a loss of quality if the effort would take longer. Compiling the
            kernels, once after installation, does not count, and a step that is under way is finished. The outcome
            then depends on the machine.
        seed: equal inputs, options and seeds give equal results on one device.
        device: "cpu", "cuda" or "auto", which takes the best there is.
        callback: called with a `FitState` after every step; where it returns True, the fit ends with what there is.

    Returns:
        At most `n_gaussians` Gaussians on the canvas of the picture.

    Raises:
        ImageError, OSError, ValueError: as in `encode`.
    """
    from .fitting.growth import grow
    from .fitting.loss import Loss, Objective
    from .fitting.schedule import EFFORTS, Schedule

    if effort not in EFFORTS:
        raise ValueError(f"effort must be a whole number from {min(EFFORTS)} to {max(EFFORTS)}, got {effort!r}")
    if n_gaussians is not None and not 1 <= n_gaussians <= container.MAX_GAUSSIANS:
        raise ValueError(f"n_gaussians must lie between 1 and {container.MAX_GAUSSIANS}, got {n_gaussians!r}")
    if max_seconds is not None and not 0 < max_seconds < math.inf:
        raise ValueError(f"max_seconds must be positive, got {max_seconds!r}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    kind = Loss.parse(loss)
    device = resolve_device(device)
    planes = load_image(image)
    _, height, width = planes.shape
    if max(height, width) > container.MAX_SIDE:
        raise ImageError(f"a picture of {width}x{height} pixels is too large: {container.MAX_SIDE} is the longest side")
    pixels = planes[0].size
    if n_gaussians is None:
        n_gaussians = max(pixels // 200, min(pixels, 100))
    emphasis = None if weights is None else _load_weights(weights, height, width)
    plain = kind == Loss() and emphasis is None
    objective = None if plain else Objective(kind, planes, emphasis, device)
    if max_seconds is not None:
        # Kernels that are compiled for the first time would use it up.
        grow(np.zeros((len(planes), 8, 8), np.float32), 2, Schedule(steps=2, stages=1), device=device)
    return grow(
        planes,
        n_gaussians,
        EFFORTS[effort],
        seed=seed,
        device=device,
        objective=objective,
        max_seconds=max_seconds,
        callback=callback,
    )


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


def to_bytes(splats: Splats) -> bytes:
    """The .gsi file of the given Gaussians in the `half` profile.

    Raises:
        GsiError: they do not fit the format.
    """
    header = container.Header("half", splats.channels, splats.width, splats.height, len(splats))
    return container.pack(header, half.encode(splats))


def write(splats: Splats, file: str | os.PathLike[str] | BinaryIO) -> None:
    """Write Gaussians to a .gsi file, which appears whole or not at all.

    Args:
        splats: what to write.
        file: a path, or a file opened for writing bytes.

    Raises:
        GsiError: they do not fit the format.
        OSError: the file cannot be written.
    """
    data = to_bytes(splats)
    if not isinstance(file, str | os.PathLike):
        file.write(data)
        return
    with replacing(file) as output:
        output.write(data)

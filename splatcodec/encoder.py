"""Encoding: a picture is fitted with Gaussians, and their attributes are written to a .gsi file."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from splatkernels import resolve_device

from . import container
from .compress import half
from .errors import ImageError
from .files import replacing
from .image import load_image
from .splats import Splats

if TYPE_CHECKING:
    from .fitting.growth import FitState
    from .image import ImageLike

DEFAULT_EFFORT = 5


def encode(
    image: "ImageLike",
    *,
    n_gaussians: int | None = None,
    effort: int = DEFAULT_EFFORT,
    profile: str = "half",
    seed: int = 0,
    device: str = "auto",
    callback: "Callable[[FitState], None] | None" = None,
) -> bytes:
    """Encode a picture as the bytes of a .gsi file.

    Args:
        image: anything `splatcodec.image.load_image` reads: a path, bytes, file, Pillow image, array or tensor.
        n_gaussians: number of Gaussians; by default one per 200 pixels, at least 100 and at most one per pixel.
        effort: 1 (quick) to 9 (thorough).
        profile: how attributes are stored; "half" is half precision.
        seed: equal inputs, options and seeds give equal bytes.
        device: "cpu", "cuda" or "auto", which takes the best there is.
        callback: called with a `FitState` after every optimisation step.

    Raises:
        ImageError: the image cannot be read or is of an unsupported kind.
        OSError: the file cannot be read.
        ValueError: an option is out of range.
    """
    if profile not in container.PROFILES.values():
        raise ValueError(f"unknown profile {profile!r}, expected one of {', '.join(container.PROFILES.values())}")
    return to_bytes(fit(image, n_gaussians=n_gaussians, effort=effort, seed=seed, device=device, callback=callback))


def fit(
    image: "ImageLike",
    *,
    n_gaussians: int | None = None,
    effort: int = DEFAULT_EFFORT,
    seed: int = 0,
    device: str = "auto",
    callback: "Callable[[FitState], None] | None" = None,
) -> Splats:
    """Fit Gaussians to a picture, without any quantisation; arguments as in `encode`."""
    from .fitting.growth import grow
    from .fitting.schedule import EFFORTS

    if effort not in EFFORTS:
        raise ValueError(f"effort must be a whole number from {min(EFFORTS)} to {max(EFFORTS)}, got {effort!r}")
    if n_gaussians is not None and not 1 <= n_gaussians <= container.MAX_GAUSSIANS:
        raise ValueError(f"n_gaussians must lie between 1 and {container.MAX_GAUSSIANS}, got {n_gaussians!r}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    planes = load_image(image)
    _, height, width = planes.shape
    if max(height, width) > container.MAX_SIDE:
        raise ImageError(f"a picture of {width}x{height} pixels is too large: {container.MAX_SIDE} is the longest side")
    pixels = planes[0].size
    if n_gaussians is None:
        n_gaussians = max(pixels // 200, min(pixels, 100))
    return grow(planes, n_gaussians, EFFORTS[effort], seed=seed, device=resolve_device(device), callback=callback)


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

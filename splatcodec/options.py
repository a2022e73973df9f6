"""What an encoder can be told, checked where it is said."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, get_args

from .compress import profiles
from .container import MAX_GAUSSIANS
from .encoding.goals import DEFAULT_QUALITY, Goal, Kind
from .fitting.schedule import EFFORTS
from .metadata import MAX_METADATA

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .fitting.growth import FitState
    from .image import ImageLike

    LossFunction = Callable[[NDArray[np.float32], NDArray[np.float32]], tuple[float, NDArray[np.floating]]]

TUNES = ("psnr", "ssim")
DEFAULT_EFFORT = 5
DEFAULT_TUNE = "psnr"
DEFAULT_LOSS = "l2"
DEFAULT_PROFILE = "adaptive"


@dataclass(frozen=True)
class Options:
    """What an encoder can be told.

    At most one of `quality`, `lambda_` and the targets may be given. Without any, the quality is 60, or whatever suits
    `n_gaussians`.

    Attributes:
        quality: 0 (a few hundredths of a bit per pixel) to 100 (36 dB on the busiest photographs, 41 dB on smooth
            ones); decides how many Gaussians are worth their bits.
        lambda_: the squared error, summed over 8-bit samples, that a bit must save.
        target_bpp: bits per pixel that the file shall have, or up to 3 % fewer.
        target_size: the same in bytes.
        target_psnr: PSNR of the decoded 8-bit samples in dB, or up to 0.1 dB more; less only if `max_seconds` or
            `callback` end the fit before.
        n_gaussians: number of Gaussians at most; by default as many as are worth their bits.
        profile: how attributes are stored: "adaptive", the smallest files; "vq", codebooks; "half", half precision.
        effort: 1 (quick) to 9 (thorough).
        tune: what counts: "psnr", the squared error; or "ssim", the structure that eyes see, as SSIM and MS-SSIM
            measure it, which takes about two and a half times as long.
        loss: "l2", the squared error; "l1", the absolute error; a mix with SSIM: "l1+ssim:0.2" is 0.8 times the
            absolute error plus 0.2 times (1 - SSIM); or a function of an image and its target, both [C, H, W] with
            1.0 as full scale, that returns the loss and its gradient [C, H, W]. Goes with the tune "psnr" only.
        background: a colour such as "white" or "#204080", as CSS has them, to lay translucent pictures on; otherwise
            they stay translucent.
        frame: which one of an animation, or page of several, from 0.
        strip: whether to leave out colour profile, EXIF and XMP.
        max_metadata: bytes that each of these may take. More of EXIF or XMP is left out, with a warning; a picture
            with a larger colour profile is refused.
        weights: how much each pixel counts: an image of the same size, such as a mask; its mean over channels.
        max_seconds: time for the whole encode, at a loss of quality if the effort would take longer: fewer steps, and
            where these would be too few, of a picture with fewer pixels. Compiling or loading the kernels does not
            count, and a step that is under way is finished. The outcome then depends on the machine.
        seed: equal inputs, options and seeds give equal results on one device.
        device: "cpu", "cuda" or "auto", which takes the best there is.
        threads: of the CPU kernels; those of `set_num_threads` if None.
        callback: called with a `FitState` after every step of a fit; where it returns True, the encoder ends with what
            there is. Small pictures and targets take several fits.

    Raises:
        ValueError: an option is out of range, or two exclude each other.
    """

    quality: float | None = None
    lambda_: float | None = None
    target_bpp: float | None = None
    target_size: int | None = None
    target_psnr: float | None = None
    n_gaussians: int | None = None
    profile: str = DEFAULT_PROFILE
    effort: int = DEFAULT_EFFORT
    tune: str = DEFAULT_TUNE
    loss: "str | LossFunction" = DEFAULT_LOSS
    background: str | None = None
    frame: int | None = None
    strip: bool = False
    max_metadata: int = MAX_METADATA
    weights: "ImageLike | None" = field(default=None, compare=False)
    max_seconds: float | None = None
    seed: int = 0
    device: str = "auto"
    threads: int | None = None
    callback: "Callable[[FitState], bool | None] | None" = None

    def __post_init__(self) -> None:
        for name in ("quality", "lambda_", "target_bpp", "target_psnr", "max_seconds"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, Real) or isinstance(value, bool)):
                raise ValueError(f"{name} must be a number, got {value!r}")
        least = {
            "n_gaussians": 1,
            "effort": 1,
            "target_size": 1,
            "threads": 1,
            "seed": 0,
            "frame": 0,
            "max_metadata": 0,
        }
        for name, lowest in least.items():
            value = getattr(self, name)
            if value is not None and (not isinstance(value, Integral) or isinstance(value, bool) or value < lowest):
                raise ValueError(f"{name} must be a whole number of at least {lowest}, got {value!r}")
        if self.n_gaussians is not None and self.n_gaussians > MAX_GAUSSIANS:
            raise ValueError(f"n_gaussians must be at most {MAX_GAUSSIANS}, got {self.n_gaussians!r}")
        _ = self.goal
        profiles.check_name(self.profile)
        if self.effort not in EFFORTS:
            raise ValueError(f"effort must be at most {max(EFFORTS)}, got {self.effort!r}")
        if self.tune not in TUNES:
            raise ValueError(f"unknown tune {self.tune!r}, expected one of {', '.join(TUNES)}")
        if self.tune != DEFAULT_TUNE and self.loss != DEFAULT_LOSS:
            raise ValueError(f"the tune {self.tune} has a loss of its own and goes without {self.loss!r}")
        if isinstance(self.loss, str):
            from .fitting.loss import Loss

            Loss.parse(self.loss)
        elif not callable(self.loss):
            raise ValueError(f"loss must be a name or a function, got {self.loss!r}")
        if self.background is not None:
            from PIL import ImageColor

            if not isinstance(self.background, str):
                raise ValueError(f"background must be a name or #RRGGBB, got {self.background!r}")
            ImageColor.getrgb(self.background)
        if not isinstance(self.strip, bool):
            raise ValueError(f"strip must be True or False, got {self.strip!r}")
        if self.callback is not None and not callable(self.callback):
            raise ValueError(f"callback must be a function, got {self.callback!r}")
        if self.max_seconds is not None and not 0 < self.max_seconds < math.inf:
            raise ValueError(f"max_seconds must be positive, got {self.max_seconds!r}")

    @property
    def goal(self) -> Goal | None:
        """What to aim at; None for whatever suits `n_gaussians`."""
        given = Goal.only({kind: getattr(self, kind) for kind in get_args(Kind)})
        if given is None and self.n_gaussians is None:
            return Goal("quality", DEFAULT_QUALITY)
        return given


def options_of(options: Options | None, fields: dict[str, Any]) -> Options:
    """The options of a call that takes them whole, or one by one.

    Raises:
        TypeError: there is no such option, or both are given.
        ValueError: as of `Options`.
    """
    if options is None:
        return Options(**fields)
    if not isinstance(options, Options):
        raise TypeError(f"options must be an Options, got {type(options).__name__}; fields are given by name")
    if fields:
        raise TypeError(f"{', '.join(fields)} cannot be given beside options; use dataclasses.replace")
    return options

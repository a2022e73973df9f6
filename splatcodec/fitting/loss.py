"""What a fit minimises, and the definitions of its parts in torch: differentiable, on any device.

`similarity` has compiled twins of them for the CPU.
"""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .similarity import C1, C2, LEAST, TAPS, WINDOW, powers, scales_within

if TYPE_CHECKING:
    from torch import Tensor


def decibels(squared_error: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error, full scale 1; 200 dB where there is hardly any."""
    return -10 * math.log10(max(squared_error, 1e-20))


@dataclass(frozen=True)
class Loss:
    """A sum of means over samples, each times its share."""

    l2: float = 1.0
    """Of the squared error."""
    l1: float = 0.0
    """Of the absolute error."""
    ssim: float = 0.0
    """Of 1 - SSIM."""
    ms_ssim: float = 0.0
    """Of 1 - MS-SSIM."""
    even: bool = False
    """Whether each part is first divided by its own value, so that shares say what each weighs."""
    start: float = 0.0
    """Share of a fit, from 0 to 1, during which the squared error alone counts."""

    @classmethod
    def parse(cls, text: str) -> "Loss":
        """Read "l2", "l1", "l2+ssim" or "l1+ssim:0.2"; the weight is 0.2 if it is not given.

        Raises:
            ValueError: the text is none of these, or the weight lies outside 0 to 1.
        """
        match = re.fullmatch(r"(l1|l2)(\+ssim(:([0-9]*\.?[0-9]+))?)?", text)
        if match is None:
            raise ValueError(f"loss must be l2 or l1, alone or followed by +ssim or +ssim:WEIGHT, got {text!r}")
        weight = float(match[4] or 0.2) if match[2] else 0.0
        if weight > 1:
            raise ValueError(f"the weight of SSIM must lie between 0 and 1, got {text!r}")
        base = 1 - weight
        return cls(l2=base, ssim=weight) if match[1] == "l2" else cls(l2=0.0, l1=base, ssim=weight)

    @property
    def has_structure(self) -> bool:
        """Whether windows of pixels are compared."""
        return self.ssim > 0 or self.ms_ssim > 0


class Parts(NamedTuple):
    """The parts of a loss, or factors on them; a mean over samples each, weighted by pixel."""

    l2: float
    l1: float
    ssim: float
    ms_ssim: float


class Measured(NamedTuple):
    """The parts of a loss at an image, each multiplied by a factor in the gradient."""

    parts: Parts
    squared_error: "float | Tensor"  # mean over samples, without weights
    gradient: "NDArray[np.float32] | Tensor"  # [C, H, W] of the factors times the parts, times the number of samples


def differentiable_parts(
    image: "Tensor", reference: "Tensor", weights: "Tensor", windows: "Tensor", factors: Parts
) -> "Tensor":
    """The `Parts` [4] of a loss; zeros where factors are 0, but for l2.

    Args:
        image, reference: [C, H, W], full scale 1.
        weights: [H, W], how much the error of each pixel counts.
        windows: [H, W], how much the window around each pixel counts.
        factors: what parts are needed.
    """
    import torch

    residual = image - reference
    nothing = torch.zeros((), device=image.device, dtype=image.dtype)
    found = [(residual**2 * weights).mean(), (residual.abs() * weights).mean() if factors.l1 else nothing]
    if (factors.ssim or factors.ms_ssim) and min(image.shape[1:]) >= WINDOW:
        found += [windows.mean() * (1 - similarity) for similarity in similarities(image, reference, windows)]
    else:
        found += [nothing, nothing]
    return torch.stack(found)


def similarities(image: "Tensor", reference: "Tensor", weights: "Tensor") -> "tuple[Tensor, Tensor]":
    """SSIM and MS-SSIM of two images [C, H, W], means over channels, where windows count by `weights` [H, W].

    As of Wang et al. 2004 and 2003: windows are Gaussian, of 11 x 11 pixels and a deviation of 1.5; full scale is 1.
    """
    import torch
    from torch.nn.functional import avg_pool2d

    exponents = powers(scales_within(*image.shape[1:]))
    products = torch.ones_like(image[:, 0, 0])
    edge = WINDOW // 2
    weights = weights[None]
    for number, exponent in enumerate(exponents):
        if number:
            image, reference, weights = (avg_pool2d(planes[None], 2)[0] for planes in (image, reference, weights))
        lightness, structure = _comparisons(image, reference)
        share = weights[:, edge : image.shape[1] - edge, edge : image.shape[2] - edge]
        share = share / share.sum().clamp(min=1e-12)
        whole = (lightness * structure * share).sum(dim=(1, 2))
        if number == 0:
            ssim = whole.mean()
        mean = whole if number == len(exponents) - 1 else (structure * share).sum(dim=(1, 2))
        products = products * mean.clamp(min=LEAST) ** exponent
    return ssim, products.mean()


def _comparisons(image: "Tensor", reference: "Tensor") -> "tuple[Tensor, Tensor]":
    """l and q of `similarity`, [C, H - 10, W - 10] each."""
    import torch
    from torch.nn.functional import conv2d

    window = torch.tensor(TAPS, device=image.device, dtype=image.dtype)
    planes = torch.cat([image, reference, image * image, reference * reference, image * reference])[:, None]
    rows = conv2d(planes, window[None, None, :, None])
    blurred = conv2d(rows, window[None, None, None, :])[:, 0]
    mean_a, mean_b, square_a, square_b, product = blurred.chunk(5)
    variances = square_a - mean_a**2 + square_b - mean_b**2
    covariance = product - mean_a * mean_b
    lightness = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    return lightness, (2 * covariance + C2) / (variances + C2)

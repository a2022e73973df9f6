"""What a fit minimises, if not the plain squared error: differentiable losses of images, on any device."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

# Those of Wang et al. 2004.
_WINDOW, _DEVIATION = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


@dataclass(frozen=True)
class Loss:
    """(1 - ssim) * base + ssim * (1 - SSIM), each a mean over samples."""

    base: str = "l2"
    """"l2", the squared error, or "l1", the absolute error."""
    ssim: float = 0.0
    """Weight of structural dissimilarity, from 0 to 1."""

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
        return cls(match[1], weight)


class Evaluated(NamedTuple):
    """A loss at an image."""

    loss: "Tensor"
    squared_error: "Tensor"  # mean over samples, without weights
    gradient: "NDArray[np.float32] | Tensor"  # [C, H, W] of the loss times the number of samples, of the image's type


class Objective:
    """A loss against a target.

    Args:
        loss: which one.
        target: [C, H, W] float32, full scale 1.
        weights: [H, W], how much each pixel counts, from 0 to 1 and not all 0; all count the same if None.
        device: where images will be.

    Raises:
        ValueError: SSIM is asked for in a picture smaller than its window.
    """

    def __init__(
        self, loss: Loss, target: NDArray[np.float32], weights: NDArray[np.float32] | None, device: str
    ) -> None:
        import torch

        if loss.ssim > 0 and min(target.shape[1:]) < _WINDOW:
            raise ValueError(f"SSIM needs a picture of at least {_WINDOW}x{_WINDOW} pixels")
        self.weights = weights
        self._loss = loss
        self._target = torch.tensor(target, device=device)
        share = np.ones(target.shape[1:]) if weights is None else weights / weights.mean(dtype=np.float64)
        self._weights = torch.tensor(share, dtype=torch.float32, device=device)

    def evaluate(self, image: "NDArray[np.float32] | Tensor") -> Evaluated:
        """Loss and gradient at an image [C, H, W]: an array, or a tensor on the device."""
        import torch

        variable = torch.as_tensor(image).detach().requires_grad_()
        # In ten bits, variances would drown in the rounding of squares; without an order, no two fits would be equal.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False, deterministic=True):
            loss = self(variable)
            (gradient,) = torch.autograd.grad(loss, variable)
        gradient *= gradient.numel()
        error = ((variable.detach() - self._target) ** 2).mean()
        return Evaluated(loss.detach(), error, gradient.numpy() if isinstance(image, np.ndarray) else gradient)

    def __call__(self, image: "Tensor") -> "Tensor":
        """The loss, differentiable."""
        residual = image - self._target
        base = residual.abs() if self._loss.base == "l1" else residual**2
        loss = (1 - self._loss.ssim) * (base * self._weights).mean()
        if self._loss.ssim > 0:
            edge = _WINDOW // 2
            weights = self._weights[edge:-edge, edge:-edge]
            similarity = (ssim_map(image, self._target) * weights).mean(dim=0).sum() / weights.sum().clamp(min=1e-12)
            loss = loss + self._loss.ssim * (1 - similarity)
        return loss


def ssim_map(image: "Tensor", reference: "Tensor") -> "Tensor":
    """Structural similarity [C, H - 10, W - 10] around every pixel whose window lies within two images [C, H, W].

    As of Wang et al. 2004: windows are Gaussian, of 11 x 11 pixels and a deviation of 1.5; full scale is 1.
    """
    import torch
    from torch.nn.functional import conv2d

    offsets = torch.arange(_WINDOW, device=image.device, dtype=image.dtype) - _WINDOW // 2
    window = torch.exp(-0.5 * (offsets / _DEVIATION) ** 2)
    window = window / window.sum()
    planes = torch.cat([image, reference, image * image, reference * reference, image * reference])[:, None]
    rows = conv2d(planes, window[None, None, :, None])
    blurred = conv2d(rows, window[None, None, None, :])[:, 0]
    mean_a, mean_b, square_a, square_b, product = blurred.chunk(5)
    variances = square_a - mean_a**2 + square_b - mean_b**2
    covariance = product - mean_a * mean_b
    similarity = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    return similarity / ((mean_a**2 + mean_b**2 + _C1) * (variances + _C2))

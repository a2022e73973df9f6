"""Checks the GPU rasteriser and optimiser against float64 torch, for `benchmarks/gpu.py`."""

import math

import torch
from torch import Tensor

from splatkernels import Viewport, gpu, rasterize_reference
from splatkernels.descent import CALM_SPREAD, Rates, longest_stride
from splatkernels.gaussians import Gaussians
from splatkernels.geometry import Output
from splatkernels.gpu_adam import GpuFrameAdam

# Standard deviations at which a Gaussian has vanished in float32's rounding.
WIDE = 6.5


def rates_of(step: int) -> Rates:
    """Rates that change with every step, as those of real schedules do."""
    return Rates(means=0.15, scales=0.1, rotations=0.1, colors=0.02).scaled(0.998**step)


def as_arrays(gaussians: list[Tensor]) -> Gaussians:
    """Means, scales, rotations and colours as NumPy arrays."""
    return Gaussians(*(tensor.cpu().numpy() for tensor in gaussians))


def images_and_gradients(gaussians: list[Tensor], height: int, width: int) -> dict[str, bool]:
    """Whether they are right on a crop, small enough for the float64 definition."""
    device = gaussians[0].device
    view = Viewport(width // 3, height // 3, 1.0)
    rows, columns = min(96, height), min(96, width)
    x, y = gaussians[0].T
    reach = 7 * gaussians[1].amax(1)
    near = (x > view.x0 - reach) & (x < view.x0 + columns + reach)
    near &= (y > view.y0 - reach) & (y < view.y0 + rows + reach)
    ours = [tensor[near].contiguous() for tensor in gaussians]
    exact = [tensor.double().requires_grad_() for tensor in ours]
    upstream = torch.randn(3, rows, columns, generator=torch.Generator().manual_seed(0)).to(device)
    output = Output(rows, columns, view, WIDE)
    image = gpu.rasterize(*ours, output)
    expected = rasterize_reference(*exact, rows, columns, view)
    gradients = gpu.rasterize_backward(*ours, upstream, output)
    expected.backward(upstream.double())
    return {
        "forward_right": bool((image - expected).abs().max() < 1e-4),
        "backward_right": all(
            bool((own - twin.grad).abs().max() < 1e-3 * twin.grad.abs().max())
            for own, twin in zip(gradients, exact, strict=True)
        ),
    }


def steps(device: str, count: int = 8, size: int = 20) -> dict[str, object]:
    """Whether some steps at changing rates lead to the parameters to which `_step` leads in float64.

    Where a gradient is close to zero its rounding decides which way Adam moves, so not all need to agree.
    """
    generator = torch.Generator().manual_seed(0)
    start = [
        torch.rand(count, 2, generator=generator) * size,
        1 + 4 * torch.rand(count, 2, generator=generator),
        math.pi * torch.rand(count, generator=generator),
        torch.rand(count, 3, generator=generator) - 0.3,
    ]
    target = torch.rand(3, size, size, generator=generator)
    ours = GpuFrameAdam(target.numpy(), smallest_scale=0.3, largest_scale=size, cutoff=WIDE, device=device)
    ours.append(as_arrays(start))
    exact = [start[0].double(), start[1].double().log(), start[2].double(), start[3].double()]
    averages = [(torch.zeros_like(tensor), torch.zeros_like(tensor)) for tensor in exact]
    errors = []
    for step in range(5):
        own = float(ours.step(rates_of(step)).plain)
        errors.append(abs(own / _step(exact, averages, target.double(), rates_of(step), step) - 1))
    exact[1] = exact[1].exp()
    differences = torch.cat(
        [(torch.from_numpy(own) - twin).flatten().abs() for own, twin in zip(ours.gaussians, exact, strict=True)]
    )
    most, largest = (round(float(value), 7) for value in (differences.quantile(0.98), differences.max()))
    return {
        "step_right": most < 1e-3 and max(errors) < 1e-3,
        "step_differences": {"errors": max(errors), "98% of parameters": most, "largest": largest},
    }


def _step(exact: list[Tensor], averages: list[tuple[Tensor, Tensor]], target: Tensor, rates: Rates, step: int) -> float:
    """One step of `adam.FrameAdam` in place on means, log-scales, rotations and colours; the error before it."""
    leaves = [tensor.clone().requires_grad_() for tensor in exact]
    means, logs, rotations, colors = leaves
    image = rasterize_reference(means, logs.exp(), rotations, colors, *target.shape[1:])
    loss = ((image - target) ** 2).sum()
    (loss / 2).backward()
    cos, sin, scales = rotations.detach().cos(), rotations.detach().sin(), logs.detach().exp()

    def turned(x: Tensor, y: Tensor, sin: Tensor) -> Tensor:
        return torch.stack([cos * x + sin * y, cos * y - sin * x], dim=1)

    gradients = [turned(*means.grad.T, sin) * scales, *(leaf.grad for leaf in leaves[1:])]
    moves = []
    for gradient, (first, second) in zip(gradients, averages, strict=True):
        first += 0.1 * (gradient - first)
        second += 0.01 * (gradient**2 - second)
        moves.append(first / (1 - 0.9 ** (step + 1)) / ((second / (1 - 0.99 ** (step + 1))).sqrt() + 1e-8))
    ratios = scales[:, 0] / scales[:, 1]
    calm = ((ratios - 1 / ratios).abs() / CALM_SPREAD).clamp(min=1)
    strides = scales.clamp(max=longest_stride(target))
    exact[0] -= rates.means * turned(*(moves[0] * strides).T, -sin)
    exact[1] -= rates.scales * moves[1]
    exact[1].clamp_(math.log(0.3), math.log(target.shape[1]))
    exact[2] -= rates.rotations * moves[2] / calm
    exact[3] -= rates.colors * moves[3]
    return float(loss) / target.numel()

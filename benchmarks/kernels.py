"""Times the CPU rasteriser against torch, after checking that it is right.

Usage: python benchmarks/kernels.py [--json FILE] [--threads 1 2]

A useful evaluation is a pixel within the cutoff ellipse of a Gaussian. Nanoseconds are per useful evaluation, minima of
rounds in which all take turns, and include the sorting into tiles. The ratio is to splatkernels at the same threads,
the speed-up to the same backend at the first number of threads. The opponents are torch per tile (for every tile the
exponents of its Gaussians, as matrix products with the six monomials of the pixel coordinates; its sorting is not
timed) and, where that ends within a minute, torch dense (every Gaussian at every pixel).
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from reports import about, write
from torch import Tensor

from splatkernels import rasterize_reference, set_num_threads
from splatkernels.adam import FrameAdam
from splatkernels.arrays import render, render_backward
from splatkernels.cpu import backward, forward
from splatkernels.descent import Rates
from splatkernels.gaussians import Gaussians
from splatkernels.geometry import Output
from splatkernels.tiles import CpuTiles, sort_into_tiles

HEIGHT, WIDTH = 512, 768
CUTOFF = 3.3
TILE = 16
CASES = [(1000, 10.0), (5000, 5.0), (20000, 2.5), (100000, 1.2)]
DENSE_LIMIT = 5e8
CALLS = 3
STILL = Rates(0.0, 0.0, 0.0, 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the CPU rasteriser against torch.")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    arguments = parser.parse_args()
    error = worst_error()
    if error > 1e-4:
        sys.exit(f"the rasteriser is wrong by {error:.1e}; no times")
    print(f"largest error against float64, relative to the largest value: {error:.1e}")
    # Compiles what is timed.
    for function in (ours(small := random_scene(50, HEIGHT, WIDTH, 5.0)) | step(small)).values():
        function()

    rows = []
    print(
        f"{'N':>7} {'sigma':>5} {'threads':>7} {'backend':12} {'forward':>9} {'+backward':>9} "
        f"{'ns fwd':>7} {'ns both':>7} {'ratio':>6} {'speedup':>7}"
    )
    for gaussians, scale in CASES:
        scene = random_scene(gaussians, HEIGHT, WIDTH, scale)
        useful = useful_evaluations(scene)
        times = fastest(contestants(scene), arguments.threads, arguments.rounds)
        for threads in arguments.threads:
            for backend in dict.fromkeys(backend for backend, _ in times):
                one, both = (times[backend, direction][threads] for direction in ("forward", "both"))
                row = {
                    "gaussians": gaussians,
                    "sigma": scale,
                    "threads": threads,
                    "backend": backend,
                    "useful_evaluations": useful,
                    "forward_ms": one * 1e3,
                    "forward_backward_ms": both * 1e3,
                    "ratio": both / times["splatkernels", "both"][threads],
                    "speedup": times[backend, "both"][arguments.threads[0]] / both,
                }
                rows.append(row)
                print(
                    f"{gaussians:7} {scale:5} {threads:7} {backend:12} {one * 1e3:6.2f} ms {both * 1e3:6.2f} ms "
                    f"{one * 1e9 / useful:7.2f} {both * 1e9 / useful:7.2f} {row['ratio']:6.1f} {row['speedup']:7.2f}",
                    flush=True,
                )
    if arguments.json:
        facts = about(os.cpu_count() or 1, "llvmlite", "torch")
        write(arguments.json, facts, rows, rounds=arguments.rounds, error=error)


def random_scene(gaussians: int, height: int, width: int, scale: float) -> tuple[np.ndarray, ...]:
    """Means, scales, rotations and colours; scales log-normal about `scale` pixels."""
    rng = np.random.default_rng(0)
    means = rng.uniform(0, 1, (gaussians, 2)) * (width, height)
    scales = np.maximum(0.8, scale * np.exp(rng.normal(-0.125, 0.5, (gaussians, 2))))
    rotations = rng.uniform(0, np.pi, gaussians)
    colors = rng.normal(0, 0.3, (gaussians, 3))
    return tuple(array.astype(np.float32) for array in (means, scales, rotations, colors))


def upstream(height: int, width: int) -> np.ndarray:
    """A loss gradient [3, H, W]."""
    return np.random.default_rng(1).normal(0, 1, (3, height, width)).astype(np.float32)


def worst_error() -> float:
    """Largest error of what is timed, relative to the largest values: on small scenes, as the definition takes long."""
    scene = random_scene(150, 128, 192, 5.0)
    gradient = upstream(128, 192)
    tensors = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in scene]
    image = rasterize_reference(*tensors, 128, 192)
    (image * torch.tensor(gradient)).sum().backward()
    exact = [image.detach().numpy(), *(tensor.grad.numpy() for tensor in tensors)]
    found = [render(*scene, 128, 192, cutoff=6.5), *render_backward(*scene, gradient, cutoff=6.5)]
    errors = [np.abs(a - b).max() / np.abs(b).max() for a, b in zip(found, exact, strict=True)]

    scene = random_scene(500, HEIGHT, WIDTH, 5.0)
    means, scales, rotations, colors = map(torch.from_numpy, scene)
    lists, across = tile_lists(means, scales, rotations, 6.5)
    opponent = render_tiles(means, conics_of(scales, rotations), colors, lists, across, 6.5).numpy()
    errors.append(np.abs(opponent - render(*scene, HEIGHT, WIDTH, cutoff=6.5)).max() / np.abs(opponent).max())

    squares = np.mean((render(*scene, HEIGHT, WIDTH, cutoff=6.5).astype(np.float64) - upstream(HEIGHT, WIDTH)) ** 2)
    errors.append(abs(float(optimizer_of(scene).step(STILL).plain) / squares - 1))
    return float(max(errors))


def tiles_of(scene: tuple[np.ndarray, ...]) -> CpuTiles:
    means, scales, rotations, _ = scene
    return sort_into_tiles(means, scales, rotations, Output(HEIGHT, WIDTH, cutoff=CUTOFF))


def useful_evaluations(scene: tuple[np.ndarray, ...]) -> int:
    """Number of pixel centres within the cutoff ellipses."""
    count = 0
    for x, y, u_x, u_y, v_x, v_y, reach_x, reach_y in tiles_of(scene).frames[:, :8]:
        columns = np.arange(max(0, int(x - reach_x)), min(WIDTH, int(x + reach_x) + 1)) + 0.5 - x
        rows = np.arange(max(0, int(y - reach_y)), min(HEIGHT, int(y + reach_y) + 1))[:, None] + 0.5 - y
        square = (u_x * columns + u_y * rows) ** 2 + (v_x * columns + v_y * rows) ** 2
        count += int((square <= CUTOFF**2).sum())
    return count


def fastest(
    functions: dict[tuple[str, str], Callable[[], object]], threads: list[int], rounds: int
) -> dict[tuple[str, str], dict[int, float]]:
    """Least seconds of each function at each number of threads.

    All take turns: in every round and at each number of threads a call that is not timed, then calls for a fifth of a
    second, `CALLS` of them at least. What slows the machine for a while slows them all, and most of all the numbers of
    threads of one function alike, which follow each other. What takes seconds runs once.
    """
    times = {name: dict.fromkeys(threads, np.inf) for name in functions}
    for _ in range(rounds):
        # The threads of torch, which comes last, spin for a while after its calls.
        time.sleep(0.5)
        for name, function in functions.items():
            best = times[name]
            for count in threads:
                set_num_threads(count)
                torch.set_num_threads(count)
                if 2 < best[count] < np.inf:
                    continue
                seconds = [duration(function)]
                if seconds[0] < 2:
                    seconds = []
                    while len(seconds) < CALLS or sum(seconds) < 0.2:
                        seconds.append(duration(function))
                best[count] = min([best[count], *seconds])
    return times


def duration(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def contestants(scene: tuple[np.ndarray, ...]) -> dict[tuple[str, str], Callable[[], object]]:
    """What is timed, by backend and direction; the fused step has no forward alone, so its image is rendered."""
    functions = ours(scene) | step(scene) | torch_tiles(scene)
    if len(scene[0]) * HEIGHT * WIDTH <= DENSE_LIMIT:
        functions |= torch_dense(scene)
    return functions


def ours(scene: tuple[np.ndarray, ...]) -> dict[tuple[str, str], Callable[[], object]]:
    colors, gradient = scene[3], upstream(HEIGHT, WIDTH)

    def both() -> None:
        tiles = tiles_of(scene)
        forward(tiles, colors, HEIGHT, WIDTH)
        backward(tiles, colors, gradient)

    return {
        ("splatkernels", "forward"): lambda: forward(tiles_of(scene), colors, HEIGHT, WIDTH),
        ("splatkernels", "both"): both,
    }


def step(scene: tuple[np.ndarray, ...]) -> dict[tuple[str, str], Callable[[], object]]:
    """A whole optimisation step: sorting, image, squared error, gradient and Adam."""
    optimizer = optimizer_of(scene)
    return {("fused step", "forward"): optimizer.render, ("fused step", "both"): lambda: optimizer.step(STILL)}


def optimizer_of(scene: tuple[np.ndarray, ...]) -> FrameAdam:
    optimizer = FrameAdam(upstream(HEIGHT, WIDTH), smallest_scale=0.3, largest_scale=1e4, cutoff=CUTOFF)
    optimizer.append(Gaussians(*scene))
    return optimizer


def torch_tiles(scene: tuple[np.ndarray, ...]) -> dict[tuple[str, str], Callable[[], object]]:
    means, scales, rotations, colors = map(torch.from_numpy, scene)
    lists, across = tile_lists(means, scales, rotations)
    conics = conics_of(scales, rotations)
    gradient = torch.from_numpy(upstream(HEIGHT, WIDTH))
    parameters = [tensor.clone().requires_grad_() for tensor in (means, conics, colors)]

    def one() -> None:
        with torch.no_grad():
            render_tiles(*parameters, lists, across)

    def both() -> None:
        for tensor in parameters:
            tensor.grad = None
        (render_tiles(*parameters, lists, across) * gradient).sum().backward()

    return {("torch tiles", "forward"): one, ("torch tiles", "both"): both}


def conics_of(scales: Tensor, rotations: Tensor) -> Tensor:
    """Inverse covariances [N, 3]: xx, xy, yy."""
    cos, sin = rotations.cos(), rotations.sin()
    a, b = scales[:, 0] ** -2, scales[:, 1] ** -2
    return torch.stack([cos**2 * a + sin**2 * b, cos * sin * (a - b), sin**2 * a + cos**2 * b], dim=1)


def tile_lists(means: Tensor, scales: Tensor, rotations: Tensor, cutoff: float = CUTOFF) -> tuple[Tensor, int]:
    """Gaussians of each tile [T, G], by the boxes around their cutoff ellipses; short lists end in index N."""
    cos, sin = rotations.cos(), rotations.sin()
    reach = cutoff * torch.stack(
        [torch.hypot(cos * scales[:, 0], sin * scales[:, 1]), torch.hypot(sin * scales[:, 0], cos * scales[:, 1])],
        dim=1,
    )
    across, down = WIDTH // TILE, HEIGHT // TILE
    limits = torch.tensor([across - 1, down - 1])
    first = ((means - reach) / TILE).floor().clamp(min=0).minimum(limits).long()
    last = ((means + reach) / TILE).floor().clamp(min=0).minimum(limits).long()
    columns = last[:, 0] - first[:, 0] + 1
    counts = columns * (last[:, 1] - first[:, 1] + 1)
    owners = torch.repeat_interleave(torch.arange(len(means)), counts)
    place = torch.arange(len(owners)) - (counts.cumsum(0) - counts)[owners]
    tile = (first[owners, 1] + place // columns[owners]) * across + first[owners, 0] + place % columns[owners]
    order = tile.argsort(stable=True)
    tile, owners = tile[order], owners[order]
    counts = torch.bincount(tile, minlength=across * down)
    lists = torch.full((across * down, int(counts.max())), len(means))
    lists[tile, torch.arange(len(tile)) - (counts.cumsum(0) - counts)[tile]] = owners
    return lists, across


def render_tiles(
    means: Tensor, conics: Tensor, colors: Tensor, lists: Tensor, across: int, cutoff: float = CUTOFF
) -> Tensor:
    """Image [3, H, W]: per tile, exponents and image as batched matrix products."""
    padded = [torch.cat([tensor, tensor.new_zeros(1, tensor.shape[1])])[lists] for tensor in (means, conics, colors)]
    tiles = torch.arange(len(lists))
    centers = torch.stack([tiles % across, tiles // across], dim=1) * TILE + TILE / 2
    x, y = (padded[0] - centers[:, None]).unbind(-1)  # [T, G]
    a, b, c = padded[1].unbind(-1)
    coefficients = torch.stack(
        [-0.5 * (a * x * x + 2 * b * x * y + c * y * y), a * x + b * y, b * x + c * y, -0.5 * a, -b, -0.5 * c], dim=-1
    )
    side = torch.arange(TILE) + 0.5 - TILE / 2
    v, u = (grid.reshape(-1) for grid in torch.meshgrid(side, side, indexing="ij"))
    monomials = torch.stack([torch.ones_like(u), u, v, u * u, u * v, v * v], dim=-1)  # [P, 6]
    exponents = monomials @ coefficients.transpose(1, 2)  # [T, P, G]
    weights = torch.where(exponents >= -0.5 * cutoff**2, torch.exp(exponents), 0.0)
    image = weights @ padded[2]  # [T, P, 3]
    return image.view(-1, across, TILE, TILE, 3).permute(4, 0, 2, 1, 3).reshape(3, -1, across * TILE)


def torch_dense(scene: tuple[np.ndarray, ...]) -> dict[tuple[str, str], Callable[[], object]]:
    """Every Gaussian at every pixel, a few at a time so that memory suffices."""
    gradient = torch.from_numpy(upstream(HEIGHT, WIDTH))
    chunks = [[torch.from_numpy(array[i : i + 20]) for array in scene] for i in range(0, len(scene[0]), 20)]

    def one() -> None:
        with torch.no_grad():
            sum(rasterize_reference(*chunk, HEIGHT, WIDTH) for chunk in chunks)

    def both() -> None:
        for chunk in chunks:
            tensors = [tensor.clone().requires_grad_() for tensor in chunk]
            (rasterize_reference(*tensors, HEIGHT, WIDTH) * gradient).sum().backward()

    return {("torch dense", "forward"): one, ("torch dense", "both"): both}


if __name__ == "__main__":
    main()

"""Times the GPU rasteriser and optimiser against dense torch on the same device, after checking that they are right.

    python benchmarks/gpu.py [--budget SECONDS]

Prints a table and writes it, with the device and the versions, to benchmarks/results/gpu-DATE.json. A kernel whose
check fails gets no time.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from splatkernels import Viewport, rasterize, rasterize_reference
from splatkernels.adam import FrameAdam
from splatkernels.descent import Rates
from splatkernels.geometry import Output

SIZES = [(512, 768), (4096, 4096)]  # height, width
COUNTS = [1_000, 5_000, 20_000, 100_000]
FIT_STEPS = 500
RATES = Rates(means=0.15, scales=0.1, rotations=0.1, colors=0.02)
# Gaussians times pixels that dense torch gets through in about a second, and that it holds in memory at once.
DENSE_WORK = 5e10
DENSE_CHUNK = 2**28
# Columns of times, and the check that each one depends on.
COLUMNS = {
    "sort": "forward_right",
    "forward": "forward_right",
    "backward": "backward_right",
    "step": "step_right",
    "forward_call": "forward_right",
    "both_calls": "backward_right",
    "dense_forward": None,
    "dense_both": None,
}
RESULTS = Path(__file__).parent / "results"


def random_gaussians(count: int, height: int, width: int, seed: int = 0) -> list[Tensor]:
    """Gaussians spread evenly, about half as wide as they are apart, and one as wide as the picture, on the GPU."""
    rng = np.random.default_rng(seed)
    scale = 0.56 * np.sqrt(height * width / count)
    arrays = (
        rng.uniform(0, 1, (count, 2)) * [width, height],
        scale * np.exp(rng.uniform(-0.7, 0.7, (count, 2))),
        rng.uniform(0, np.pi, count),
        rng.uniform(0, 0.5, (count, 3)),
    )
    # Every fit has one: it meets all tiles.
    arrays[0][0] = width / 2, height / 2
    arrays[1][0] = 0.6 * width, 0.6 * height
    return [torch.tensor(array, dtype=torch.float32, device="cuda") for array in arrays]


def percentiles(samples: list[float]) -> dict[str, float]:
    """Microseconds from seconds."""
    p20, p50, p80 = np.percentile(np.array(samples) * 1e6, [20, 50, 80])
    return {"p20": round(p20, 2), "p50": round(p50, 2), "p80": round(p80, 2)}


def time_graph(function: Callable[[], object], samples: int = 30, seconds: float = 2.0) -> dict[str, float]:
    """Time of a function's kernels, replayed as a CUDA graph without the host in between."""
    function()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function()
    return _time_events(graph.replay, samples, seconds)


def _time_events(function: Callable[[], object], samples: int, seconds: float) -> dict[str, float]:
    """Time on the device, by batches of calls of at least 100 microseconds."""

    def batch(calls: int) -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(calls):
            function()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3 / calls

    batch(3)
    once = batch(3)
    calls = max(1, round(1e-4 / once))
    return percentiles([batch(calls) for _ in range(max(3, min(samples, int(seconds / once / calls))))])


def time_calls(function: Callable[[], object], samples: int = 30, seconds: float = 2.0) -> dict[str, float]:
    """Time of single calls as the host sees it, waiting for each."""
    function()
    torch.cuda.synchronize()
    times: list[float] = []
    while len(times) < 3 or (len(times) < samples and sum(times) < seconds):
        start = time.perf_counter()
        function()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return percentiles(times)


def dense(gaussians: list[Tensor], height: int, width: int, upstream: Tensor | None = None) -> Tensor:
    """The image by dense torch, some Gaussians at a time; with `upstream`, its gradients as well."""
    image = torch.zeros(3, height, width, device="cuda")
    for part in zip(*(tensor.split(max(1, DENSE_CHUNK // (height * width))) for tensor in gaussians), strict=True):
        part_image = rasterize_reference(*part, height, width)
        if upstream is not None:
            part_image.backward(upstream)
        image += part_image.detach()
    return image


def check_rasterizer(gaussians: list[Tensor], height: int, width: int) -> tuple[bool, bool]:
    """Whether image and gradients are right on a crop, small enough for the float64 definition."""
    view = Viewport(width // 3, height // 3, 1.0)
    x, y = gaussians[0].T
    reach = 7 * gaussians[1].amax(1)
    near = (x > view.x0 - reach) & (x < view.x0 + 96 + reach) & (y > view.y0 - reach) & (y < view.y0 + 96 + reach)
    ours = [tensor[near].clone().requires_grad_() for tensor in gaussians]
    exact = [tensor[near].double().requires_grad_() for tensor in gaussians]
    upstream = torch.randn(3, 96, 96, device="cuda", generator=torch.Generator("cuda").manual_seed(0))
    image = rasterize(*ours, 96, 96, view, 6.5)
    expected = rasterize_reference(*exact, 96, 96, view)
    image.backward(upstream)
    expected.backward(upstream.double())
    forward = bool((image - expected).abs().max() < 1e-4)
    backward = all(
        bool((a.grad - b.grad).abs().max() < 1e-3 * b.grad.abs().max()) for a, b in zip(ours, exact, strict=True)
    )
    return forward, forward and backward


def optimizers(target: Tensor, gaussians: list[Tensor], *kinds: type) -> list:
    """Optimisers of some kinds, with the same Gaussians to begin with."""
    arrays = [tensor.cpu().numpy() for tensor in gaussians]
    made = []
    for kind in kinds:
        made.append(kind(target.cpu().numpy(), smallest_scale=0.3, largest_scale=max(target.shape), cutoff=3.5))
        made[-1].append(*arrays)
    return made


def time_steps(optimizer, steps: int = 50, samples: int = 9) -> dict[str, float]:
    """Time of a step, out of many that the host waits for at the end only."""
    times = []
    for _ in range(samples):
        start = time.perf_counter()
        for _ in range(steps):
            optimizer.step(RATES)
        optimizer.settle()
        times.append((time.perf_counter() - start) / steps)
    return percentiles(times[1:])


def measure(count: int, height: int, width: int) -> dict:
    """One row of the table: times in microseconds, None where a check failed or dense torch would take too long."""
    from splatkernels import gpu
    from splatkernels.gpu_adam import GpuFrameAdam

    gaussians = random_gaussians(count, height, width)
    upstream = torch.randn(3, height, width, device="cuda")
    row: dict = {"gaussians": count, "width": width, "height": height}
    row["forward_right"], row["backward_right"] = check_rasterizer(gaussians, height, width)
    output = Output(height, width)
    projection = gpu.project(*gaussians, output)
    row["pairs"] = gpu.pair_count(projection, *gaussians)
    tiles = gpu.sort_into_tiles(projection, row["pairs"], output)
    row["sort"] = row["forward"] = row["forward_call"] = row["backward"] = row["both_calls"] = None
    if row["forward_right"]:
        row["sort"] = time_graph(lambda: gpu.sort_into_tiles(gpu.project(*gaussians, output), row["pairs"], output))
        row["forward"] = time_graph(lambda: gpu.forward(tiles, output))
        row["forward_call"] = time_calls(lambda: rasterize(*gaussians, height, width))
    if row["backward_right"]:
        leaves = [tensor.clone().requires_grad_() for tensor in gaussians]
        row["backward"] = time_graph(
            lambda: gpu.parameter_gradients(gpu.backward(tiles, upstream, output), projection, *gaussians[1:], output)
        )
        row["both_calls"] = time_calls(lambda: rasterize(*leaves, height, width).backward(upstream))

    target = rasterize(*random_gaussians(count, height, width, seed=1), height, width)
    ours, twin = optimizers(target, gaussians, GpuFrameAdam, FrameAdam)
    errors = [[float(optimizer.step(RATES).plain) for _ in range(3)] for optimizer in (ours, twin)]
    row["step_right"] = bool(np.allclose(*errors, rtol=1e-2))
    row["step"] = row["fit_seconds"] = row["fit_psnr"] = None
    if row["step_right"]:
        row["step"] = time_steps(ours)
        (fresh,) = optimizers(target, gaussians, GpuFrameAdam)
        start = time.perf_counter()
        for _ in range(FIT_STEPS):
            fresh.step(RATES)
        fresh.settle()
        row["fit_seconds"] = round(time.perf_counter() - start, 3)
        row["fit_psnr"] = round(-10 * np.log10(float(fresh.step(RATES).plain)), 2)

    row["dense_forward"] = row["dense_both"] = None
    if count * height * width <= DENSE_WORK:
        leaves = [tensor.clone().requires_grad_() for tensor in gaussians]
        with torch.no_grad():
            row["dense_forward"] = time_calls(lambda: dense(gaussians, height, width), samples=5)
        row["dense_both"] = time_calls(lambda: dense(leaves, height, width, upstream), samples=5)
    return row


def print_row(row: dict) -> None:
    """Medians in microseconds; a dash where dense torch would take too long."""
    cells = [f"{row['gaussians']:7d}", f"{row['width']}x{row['height']}".rjust(9), f"{row['pairs']:8d}"]
    for name, check in COLUMNS.items():
        right = check is None or row[check]
        cells.append((f"{row[name]['p50']:.1f}" if row[name] else "-" if right else "WRONG").rjust(13))
    cells.append((f"{row['fit_seconds']:.2f} s, {row['fit_psnr']:.1f} dB" if row["fit_seconds"] else "-").rjust(18))
    print(" ".join(cells), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=400.0, help="seconds after which no further row is started")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("benchmarks/gpu.py needs a CUDA device, and torch finds none", file=sys.stderr)
        return 1

    import triton

    start = time.perf_counter()
    now = datetime.now(UTC)
    report: dict = {
        "date": now.isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name(),
        "capability": ".".join(map(str, torch.cuda.get_device_capability())),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "triton": triton.__version__,
        "unit": "microseconds",
        "rows": [],
    }
    print(f"{report['device']}, torch {torch.__version__}, triton {triton.__version__}; medians in microseconds")
    names = ["   N".rjust(7), "size".rjust(9), "pairs".rjust(8), *(name.rjust(13) for name in COLUMNS)]
    print(" ".join([*names, f"fit, {FIT_STEPS} steps".rjust(18)]))
    path = RESULTS / f"gpu-{now:%Y-%m-%d}.json"
    path.parent.mkdir(exist_ok=True)
    for height, width in SIZES:
        for count in COUNTS:
            if time.perf_counter() - start > arguments.budget:
                print(f"out of time before {count} Gaussians at {width}x{height}")
                continue
            row = measure(count, height, width)
            report["rows"].append(row)
            print_row(row)
            path.write_text(json.dumps(report, indent=1) + "\n")
    print(f"wrote {path}")
    wrong = [
        row for row in report["rows"] if not (row["forward_right"] and row["backward_right"] and row["step_right"])
    ]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

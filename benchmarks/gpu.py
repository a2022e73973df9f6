"""Times the GPU rasteriser and optimiser against dense torch on the same device, after checking that they are right.

    PYTHONPATH=kernels python benchmarks/gpu.py [--output DIR] [--budget SECONDS] [--timeout SECONDS] [ROW ...]

A ROW is a number of Gaussians and a size, as 5000@768x512. Each is measured by a process of its own, which writes what
it has after every cell, to DIR/ROW.json: one that crashes or takes too long loses neither its earlier cells nor other
rows. All of them end up in DIR/gpu.json. It needs torch, Triton and NumPy. What fails its check gets no time.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reports import commit

if TYPE_CHECKING:
    from torch import Tensor

ROOT = Path(__file__).parent.parent
ROWS = [f"{count}@{size}" for size in ("768x512", "4096x4096") for count in (1_000, 5_000, 20_000, 100_000)]
FIT_STEPS = 500
# Gaussians times pixels that dense torch gets through in about a second, and that it holds in memory at once.
DENSE_WORK = 5e10
DENSE_CHUNK = 2**28
COLUMNS = ["sort", "forward", "backward", "step", "forward_call", "both_calls", "dense_forward", "dense_both"]

Cells = Iterator[tuple[str, object]]


def random_gaussians(count: int, height: int, width: int, device: str, seed: int = 0) -> "list[Tensor]":
    """Gaussians spread evenly, about half as wide as they are apart, and one as wide as the picture."""
    import numpy as np
    import torch

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
    return [torch.tensor(array, dtype=torch.float32, device=device) for array in arrays]


def measure(count: int, height: int, width: int) -> Cells:
    """The cells of one row: what was checked, and times in microseconds.

    Without a device, under Triton's interpreter, they show that this program works and nothing else.
    """
    import gpu_checks
    import torch
    import triton
    from gpu_timing import kernel_times, time_calls, time_graph, time_steps

    from splatkernels import gpu
    from splatkernels.geometry import Output
    from splatkernels.gpu_adam import GpuFrameAdam

    device = "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"
    yield "device", torch.cuda.get_device_name() if device == "cuda" else "interpreter"
    yield "versions", {"torch": torch.__version__, "cuda": torch.version.cuda, "triton": triton.__version__}

    gaussians = random_gaussians(count, height, width, device)
    right = gpu_checks.images_and_gradients(gaussians, height, width)
    yield from right.items()
    if not all(right.values()):
        return
    output = Output(height, width)
    projection = gpu.project(*gaussians, output)
    capacity = gpu.pair_count(projection, *gaussians)
    yield "pairs", capacity
    pairs = gpu.emit_pairs(projection, capacity, output)
    tiles = gpu.sort_into_tiles(projection, pairs, output)

    def sort() -> None:
        listed = gpu.project(*gaussians, output)
        gpu.sort_into_tiles(listed, gpu.emit_pairs(listed, capacity, output), output)

    def backward() -> None:
        sums = gpu.backward(projection, pairs, gpu.cut_into_tiles(upstream), output)
        gpu.parameter_gradients(sums, *gaussians[1:], output)

    upstream = torch.randn(3, height, width, device=device)
    yield "sort", time_graph(sort, device)
    yield "forward", time_graph(lambda: gpu.forward(tiles, output), device)
    yield "backward", time_graph(backward, device)
    yield "forward_call", time_calls(lambda: gpu.rasterize(*gaussians, output), device)
    yield (
        "both_calls",
        time_calls(
            lambda: (
                gpu.rasterize(*gaussians, output),
                gpu.rasterize_backward(*gaussians, upstream, output),
            ),
            device,
        ),
    )

    differences = gpu_checks.steps(device)
    yield from differences.items()
    if not differences["step_right"]:
        return
    target = gpu.rasterize(*random_gaussians(count, height, width, device, seed=1), output).cpu().numpy()

    def optimizer() -> GpuFrameAdam:
        made = GpuFrameAdam(target, smallest_scale=0.3, largest_scale=max(height, width), cutoff=3.5, device=device)
        made.append(gpu_checks.as_arrays(gaussians))
        return made

    steps, samples = (FIT_STEPS, 9) if device == "cuda" else (2, 2)
    timed = optimizer()
    yield "step", time_steps(timed, min(50, steps), samples)
    if device == "cuda":
        yield "kernels", kernel_times(timed)
    fresh = optimizer()
    start = time.perf_counter()
    for step in range(steps):
        fresh.step(gpu_checks.rates_of(step))
    fresh.settle()
    yield "fit_seconds", round(time.perf_counter() - start, 3)
    yield "fit_squared_error", float(fresh.step(gpu_checks.rates_of(steps)).plain)

    if count * height * width <= DENSE_WORK:
        with torch.no_grad():
            yield "dense_forward", time_calls(lambda: dense(gaussians, height, width), device, samples=5)
        leaves = [tensor.clone().requires_grad_() for tensor in gaussians]
        yield "dense_both", time_calls(lambda: dense(leaves, height, width, upstream), device, samples=5)


def dense(gaussians: "list[Tensor]", height: int, width: int, upstream: "Tensor | None" = None) -> "Tensor":
    """The image by dense torch, some Gaussians at a time; with `upstream`, its gradients as well."""
    from splatkernels import rasterize_reference

    image = gaussians[0].new_zeros(3, height, width)
    for part in zip(*(tensor.split(max(1, DENSE_CHUNK // (height * width))) for tensor in gaussians), strict=True):
        part_image = rasterize_reference(*part, height, width)
        if upstream is not None:
            part_image.backward(upstream)
        image += part_image.detach()
    return image


def write(path: Path, content: object) -> None:
    """Write JSON, whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1) + "\n")
    partial.replace(path)


def measure_into(path: Path, row: str) -> None:
    """Measure a row in this process, and write it after every cell."""
    count, width, height = map(int, row.replace("@", "x").split("x"))
    cells: dict[str, object] = {"row": row}
    for name, value in measure(count, height, width):
        cells[name] = value
        write(path, cells)


def measure_apart(path: Path, row: str, seconds: float) -> dict:
    """Measure a row in another process; what it has by the time it ends or has to, and why it failed."""
    path.unlink(missing_ok=True)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "kernels"), os.environ.get("PYTHONPATH", "")])
    }
    command = [sys.executable, __file__, "--output", str(path.parent), "--here", row]
    failure = None
    try:
        subprocess.run(
            command, env=environment, timeout=seconds, check=True, stdout=sys.stderr, stderr=subprocess.PIPE, text=True
        )
    except subprocess.TimeoutExpired:
        failure = f"took longer than {seconds:g} s"
    except subprocess.CalledProcessError as error:
        print(error.stderr, file=sys.stderr)
        failure = (error.stderr.strip().splitlines() or [f"exit status {error.returncode}"])[-1]
    cells = json.loads(path.read_text()) if path.exists() else {"row": row}
    return cells if failure is None else cells | {"failure": failure}


def print_row(cells: dict) -> None:
    """Medians in microseconds; a dash for what was not measured."""
    medians = [f"{cells[name]['p50']:.1f}" if name in cells else "-" for name in COLUMNS]
    fit = f"{cells['fit_seconds']:.2f} s" if "fit_seconds" in cells else "-"
    wrong = [name for name, value in cells.items() if value is False]
    remark = "; ".join([*wrong, *([cells["failure"]] if "failure" in cells else [])])
    print(cells["row"].rjust(17), *(cell.rjust(13) for cell in (*medians, fit)), remark, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", default=ROWS, help="as 5000@768x512 (default: eight rows)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="default: benchmarks/results/gpu-DATE")
    parser.add_argument("--budget", type=float, default=420.0, help="seconds for all rows (default: %(default).0f)")
    parser.add_argument("--timeout", type=float, default=90.0, help="seconds for a row (default: %(default).0f)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    now = datetime.now(UTC)
    folder = arguments.output or ROOT / "benchmarks" / "results" / f"gpu-{now:%Y-%m-%d}"
    folder.mkdir(parents=True, exist_ok=True)
    if arguments.here:
        measure_into(folder / f"{arguments.rows[0]}.json", arguments.rows[0])
        return 0

    start = time.perf_counter()
    try:
        code = commit()
    except (OSError, subprocess.CalledProcessError):
        code = "unknown"  # A copy on another machine may be without git.
    report: dict = {"date": now.isoformat(timespec="seconds"), "commit": code, "unit": "microseconds", "rows": []}
    print("medians in microseconds")
    print("".rjust(17), *(name.rjust(13) for name in (*COLUMNS, f"{FIT_STEPS} steps")))
    for row in arguments.rows:
        left = arguments.budget - (time.perf_counter() - start)
        if left > 0:
            cells = measure_apart(folder / f"{row}.json", row, min(arguments.timeout, left))
        else:
            cells = {"row": row, "failure": "no time was left"}
        report["rows"].append(cells)
        write(folder / "gpu.json", report)
        print_row(cells)
    print(f"wrote {folder / 'gpu.json'}")
    return int(any("failure" in cells or False in cells.values() for cells in report["rows"]))


if __name__ == "__main__":
    sys.exit(main())

"""Times functions and optimisers on a CUDA device, or on the CPU where `benchmarks/gpu.py` itself is tried out."""

import time
from collections.abc import Callable

import gpu_checks
import numpy as np
import torch


def percentiles(samples: list[float]) -> dict[str, float]:
    """Microseconds from seconds."""
    p20, p50, p80 = np.percentile(np.array(samples) * 1e6, [20, 50, 80])
    return {"p20": round(p20, 2), "p50": round(p50, 2), "p80": round(p80, 2)}


def time_graph(function: Callable[[], object], device: str) -> dict[str, float]:
    """Time of a function's kernels, replayed as a CUDA graph without the host in between."""
    if device == "cpu":
        return time_calls(function, device)
    function()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function()
    return _time_events(graph.replay)


def _time_events(function: Callable[[], object], samples: int = 30, seconds: float = 1.0) -> dict[str, float]:
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


def time_calls(
    function: Callable[[], object], device: str, samples: int = 30, seconds: float = 1.0
) -> dict[str, float]:
    """Time of single calls as the host sees it, waiting for each."""
    if device == "cpu":
        wait, least, samples = (lambda: None), 1, 1
    else:
        wait, least = torch.cuda.synchronize, 3
        function()
        wait()
    times: list[float] = []
    while len(times) < least or (len(times) < samples and sum(times) < seconds):
        start = time.perf_counter()
        function()
        wait()
        times.append(time.perf_counter() - start)
    return percentiles(times)


def time_steps(optimizer, steps: int, samples: int) -> dict[str, float]:
    """Time of a step at changing rates, out of many that the host waits for at the end only."""
    times = []
    for _ in range(samples):
        start = time.perf_counter()
        for step in range(steps):
            optimizer.step(gpu_checks.rates_of(step))
        optimizer.settle()
        times.append((time.perf_counter() - start) / steps)
    # Kernels compile and graphs are captured in the first.
    return percentiles(times[1:])


def kernel_times(optimizer, steps: int = 20) -> dict[str, float]:
    """Microseconds per step that each kernel takes, by torch's profiler."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for step in range(steps):
            optimizer.step(gpu_checks.rates_of(step))
        optimizer.settle()
    totals = {event.key[:80]: event.device_time_total / steps for event in profile.key_averages()}
    return {name: round(total, 2) for name, total in sorted(totals.items(), key=lambda item: -item[1]) if total > 0}

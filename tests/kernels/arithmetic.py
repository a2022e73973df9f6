"""What a step of `GpuFrameAdam` would take on an H100, by arithmetic on the compiled code. This is not a measurement.

    PYTHONPATH=kernels python -m tests.kernels.arithmetic

A kernel takes as long as its slowest bound: all its instructions at one per scheduler and cycle; or what it reads from
the L2 cache, in which all that a step works on has room; or its longest warp by itself, at one instruction every other
cycle, with every load that it waits for. Every node of the graph takes a fixed time besides; how many nodes torch's
functions make is assumed.

Instructions are those of the code that Triton compiles for sm_90; how often loops run follows from the scene, which is
that of `benchmarks/gpu.py` for 5000 Gaussians at 768x512, cut off at 3.5 standard deviations.
"""

from dataclasses import dataclass

from splatkernels import gpu

from .machine_code import LAUNCHES, MachineCode, compiled

# An H100 with 132 multiprocessors of four schedulers.
CYCLES = 1755
"""Per microsecond."""
SCHEDULERS = 132 * 4
L2_BYTES = 6.5e6
"""Read per microsecond from the L2 cache. Assumed: multiprocessors could take 14.8e6, at 64 bytes a cycle each."""
L2_CYCLES = 270
"""From a load that misses the L1 cache to its value."""
LONE_CYCLES = 2
"""From an instruction of a warp to its next when no other warp has the scheduler."""
IDLE = 60
"""Instructions of a program that finds that it has no further pairs."""
NODE = 2.5
"""Microseconds from a node of a graph to the next when they do next to nothing."""

GAUSSIANS = 5000
TILES = 32 * 48
PAIRS = 48_584
LONGEST_TILE = 57
"""Pairs. Pictures are busier in places: with three times the mean, 94, a step takes 5 us more."""
CAPACITY = 1.25 * PAIRS
FURTHER = 398
"""Programs of further pairs: the Gaussian that is as wide as the picture has 95, and 276 have more than 16 pairs."""


@dataclass(frozen=True)
class Step:
    """A part of the step; times in microseconds."""

    name: str
    nodes: int
    issue: float = 0.0
    """All instructions, at one per scheduler and cycle."""
    cache: float = 0.0
    """All reads from the L2 cache."""
    longest: float = 0.0
    """The longest warp by itself."""

    @property
    def time(self) -> float:
        return NODE * self.nodes + max(self.issue, self.cache, self.longest)


def code_of(name: str, **constants: object) -> MachineCode:
    """What one of the kernels is compiled to for sm_90, with three channels and less than 2^15 tiles."""
    (launch,) = (
        key
        for key, launch in LAUNCHES.items()
        if launch.name == name
        and launch.channels in (0, 3)
        and constants.items() <= launch.constants.items()
        and "*i32" not in (launch.signature.get("pair_tiles"), launch.signature.get("sorted_tiles"))
    )
    return compiled(launch, 90)


def kernel(
    name: str,
    warps: float,
    mean_trips: list[float],
    longest_trips: list[float],
    waits: float,
    idle: float = 0.0,
    read: float = 0.0,
    **constants: object,
) -> Step:
    """One launch of a kernel.

    Args:
        name: of the kernel.
        warps: how many there are.
        mean_trips, longest_trips: through each inner loop, of the mean and the longest warp.
        waits: loads that the longest warp waits for, one after the other.
        idle: further warps, which find that they have nothing to do.
        read: bytes from the L2 cache, where these are many.
        constants: that tell the launch from others of the kernel.
    """
    code = code_of(name, **constants)
    loops = [len(loop) for loop in code.loops]
    once = len(code.instructions) - sum(loops)
    mean, longest = (
        once + sum(length * trips for length, trips in zip(loops, all_trips, strict=True))
        for all_trips in (mean_trips, longest_trips)
    )
    return Step(
        name,
        1,
        (warps * mean + idle * IDLE) / SCHEDULERS / CYCLES,
        read / L2_BYTES,
        (longest * LONE_CYCLES + waits * L2_CYCLES) / CYCLES,
    )


def step() -> list[Step]:
    """The parts of a step, in order."""
    parts = GAUSSIANS + FURTHER
    idle = CAPACITY / gpu.PART - FURTHER
    return [
        # Colours, by fours and one by one, then strips by fours: the widest has 48.
        kernel("project", GAUSSIANS / 8, [0, 3, 2], [0, 3, 12], 5, LOGARITHMIC=True),
        Step("cumsum", 2),
        # Free slots, then bands of narrow and of wide Gaussians.
        kernel("emit_pairs", GAUSSIANS / 16 * 4, [1, 2, 0], [1, 2, 3], 7),
        Step("sort (radix)", 6),
        kernel("find_starts", TILES / 32, [16], [16], 16),
        # Gaussians are loaded a trip ahead.
        kernel("compare_tiles", TILES, [PAIRS / TILES / 2 + 0.5], [LONGEST_TILE / 2], 6),
        # Both halves of a tile's gradient are waited for; its three channels take 4 bytes a pixel.
        kernel("differentiate", parts, [PAIRS / parts], [gpu.PART], 5 + 2 * gpu.PART, idle, PAIRS * 16 * 16 * 3 * 4),
        kernel("gather", GAUSSIANS, [1], [2], 5),
        # Colours, by fours and one by one, then their update.
        kernel("descend", GAUSSIANS / 32, [0, 3, 3], [0, 3, 3], 10),
        kernel("record_error", 4, [TILES / 1024], [2], 4),
    ]


def main() -> None:
    print("By arithmetic, not measured; microseconds.")
    print(f"{'':22}{'nodes':>6}{'issue':>8}{'cache':>8}{'longest':>9}{'time':>8}")
    for part in step():
        print(f"{part.name:22}{part.nodes:6d}{part.issue:8.1f}{part.cache:8.1f}{part.longest:9.1f}{part.time:8.1f}")
    print(f"{'step':22}{sum(p.nodes for p in step()):6d}{'':25}{sum(p.time for p in step()):8.1f}")


if __name__ == "__main__":
    main()

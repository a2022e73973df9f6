"""Time and memory that the worst files take: forged ones, each read in a process of its own.

python benchmarks/worst.py --output benchmarks/results/DATE-worst.json
python benchmarks/worst.py --only far

Prints a line of JSON for every case: the bytes of the file, seconds to read or decode it, and the memory that the
process has taken at most beyond what it takes when all is loaded, the result included.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from reports import about

import splatcodec
from splatcodec import Splats
from splatcodec.compress import adaptive, half, profiles
from splatcodec.compress.adaptive import Canvas, Quantized
from splatcodec.compress.lattice import Symbols, largest_scales
from splatcodec.container import Layer
from splatcodec.document import Coded, to_bytes
from splatkernels import get_num_threads

SIDE = 65535
MIB = 2**20


def stored(splats: Splats) -> bytes:
    """A file of the profile `half`."""
    layer = Layer(splats.channels, splats.width, splats.height, len(splats))
    return to_bytes(profiles.named("half").number, Coded(layer, half.encode(splats)), None)


def wide(count: int, side: int = 4096) -> bytes:
    """Gaussians as wide as their canvas."""
    rng = np.random.default_rng(0)
    scales = np.full((count, 2), side)
    return stored(
        Splats(
            rng.uniform(0, side, (count, 2)), scales, rng.uniform(-1, 1, count), np.full((count, 3), 1e-4), side, side
        )
    )


def small(count: int) -> bytes:
    """Small Gaussians all over the largest canvas."""
    rng = np.random.default_rng(0)
    means, scales = rng.uniform(0, SIDE, (count, 2)), rng.uniform(0.5, 2, (count, 2))
    return stored(Splats(means, scales, rng.uniform(-1, 1, count), np.full((count, 3), 0.5), SIDE, SIDE))


def needles(count: int) -> bytes:
    """Gaussians as long and as thin as they can be, at all angles."""
    rng = np.random.default_rng(0)
    means, scales = rng.uniform(0, 4096, (count, 2)), np.broadcast_to([65504, 6e-8], (count, 2))
    return stored(Splats(means, scales, rng.uniform(-1.5, 1.5, count), np.full((count, 3), 0.5), 4096, 4096))


def bomb(count: int) -> bytes:
    """As many Gaussians for each byte as the profile `adaptive` allows: in one place, the same but for a bit."""
    classes = np.zeros(count, np.int64)
    scales = np.stack([largest_scales(classes)] * 2, axis=1)
    colors = np.zeros((count, 3), np.int64)
    colors[:, 0] = np.random.default_rng(0).integers(0, 2, count)
    symbols = Symbols(classes, colors, scales, np.zeros(count, np.int64))
    coded = Quantized(0, symbols, np.full((count, 2), 100.5), Canvas(SIDE, SIDE, 3))
    chunks = adaptive.encode(coded)
    return to_bytes(profiles.named("adaptive").number, Coded(Layer(3, SIDE, SIDE, count), chunks), None)


def empty(side: int) -> bytes:
    """No Gaussians; the profile `half` lists the cells of the canvas all the same."""
    nothing = np.zeros((0, 2))
    return stored(Splats(nothing, nothing, np.zeros(0), np.zeros((0, 3)), side, side))


class Case(NamedTuple):
    """A file, and what is done with it."""

    what: str
    """In words."""
    make: Callable[[], bytes]
    run: Callable[[bytes], Any]


def _decode(**size: Any) -> Callable[[bytes], Any]:
    return partial(splatcodec.decode, **size)


CASES = {
    **{
        f"wide-{count}-{megapixels}": Case(
            f"{count:,} canvas-wide Gaussians, {megapixels} megapixel{'s' * (megapixels > 1)}",
            partial(wide, count),
            _decode(width=1024 * side, height=1024 * side),
        )
        for count, megapixels, side in (
            (1000, 1, 1),
            (10_000, 1, 1),
            (100_000, 1, 1),
            (1000, 16, 4),
            (10_000, 16, 4),
            (1000, 64, 8),
        )
    },
    "far": Case(
        "100,000 canvas-wide Gaussians, 16 megapixels of a region far away",
        partial(wide, 100_000),
        _decode(width=4096, height=4096, region=(1e9, 1e9, 100.0, 100.0)),
    ),
    "magnified": Case(
        "1,000 canvas-wide Gaussians, 1 megapixel at a magnification of 1e6",
        partial(wide, 1000),
        _decode(scale=1e6, region=(2000.0, 2000.0, 0.001, 0.001)),
    ),
    "needles": Case("100,000 needles, 16 megapixels", partial(needles, 100_000), _decode()),
    "reduced": Case(
        "1,000,000 Gaussians on 65535 x 65535 pixels, reduced to 1 megapixel",
        partial(small, 10**6),
        _decode(width=1024),
    ),
    "largest": Case("no Gaussian, 268 megapixels, the most by default", partial(empty, 16384), _decode()),
    "canvas": Case("no Gaussian, profile half, 65535 x 65535 pixels, read only", partial(empty, SIDE), splatcodec.read),
    "bomb": Case(
        "8,388,608 Gaussians, the most by default, in as few bytes as may be, read only",
        partial(bomb, 2**23),
        splatcodec.read,
    ),
}


def peak() -> float:
    """Memory that this process has taken at most, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MIB if sys.platform == "darwin" else 1024)


def measure(name: str, path: Path) -> dict[str, Any]:
    """Read a file, in a process that has done nothing else."""
    data = path.read_bytes()
    case = CASES[name]
    # Load what is compiled.
    splatcodec.decode(wide(3, 64))
    splatcodec.read(bomb(100))
    idle, start = peak(), time.perf_counter()
    case.run(data)
    return {
        "what": case.what,
        "bytes": len(data),
        "seconds": round(time.perf_counter() - start, 3),
        "mib": round(peak() - idle),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CASES, help="one case")
    parser.add_argument("--output", type=Path, help="file of results to write")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        arguments.make.write_bytes(CASES[arguments.only].make())
        return
    if arguments.measure:
        print(json.dumps(measure(arguments.only, arguments.measure)))
        return
    cases = {}
    for name in [arguments.only] if arguments.only else CASES:
        command = [sys.executable, __file__, "--only", name]
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "worst.gsi")
            # Not made here: what a process has taken at most counts for those that it starts.
            subprocess.run([*command, "--make", str(path)], check=True)
            report = subprocess.run([*command, "--measure", str(path)], check=True, capture_output=True, text=True)
        cases[name] = json.loads(report.stdout)
        print(json.dumps({name: cases[name]}), flush=True)
    if arguments.output:
        arguments.output.write_text(json.dumps(about(get_num_threads()) | {"cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()

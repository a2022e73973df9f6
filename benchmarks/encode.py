"""Where the time of an encode goes, by stage, effort and size.

Usage: python benchmarks/encode.py PICTURE [-e 1 3 5] [--megapixels 0.25 0.4 4] [-q 40] [--repeat 2] [--json FILE]

The picture is scaled to each size, by mirrored tiling where it is smaller. A stage counts without what it calls of
others; of several encodes, the quickest counts. Kernels are compiled before.
"""

import argparse
import math
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image
from reports import about, write

import splatcodec
from splatkernels import get_num_threads

# What is timed: a stage, a module, and a function or a method that the stage is spent in.
STAGES = (
    ("load", "splatcodec.encoding.prepare", "load_image"),
    ("place", "splatcodec.fitting.growth", "_place"),
    ("step", "splatcodec.fitting.growth", "descend"),
    ("prune", "splatcodec.fitting.growth", "survivors"),
    ("prune", "splatcodec.fitting.task", "survivors"),
    ("refine", "splatcodec.fitting.refinement", "PictureRefiner.refine"),
    ("round", "splatcodec.compress.quantizer", "quantize"),
    ("flip", "splatcodec.compress.quantizer", "_flip"),
    ("code", "splatcodec.compress.adaptive", "encode"),
)
NAMES = (*dict.fromkeys(stage for stage, _, _ in STAGES), "other")


class Clock:
    """Seconds by stage, each without those of the stages that it calls."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(NAMES, 0.0)
        self._running = ["other"]
        self._since = time.perf_counter()

    def _turn(self) -> None:
        now = time.perf_counter()
        self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function whose time counts for a stage."""

        def call(*args: Any, **options: Any) -> Any:
            self._turn()
            self._running.append(stage)
            try:
                return function(*args, **options)
            finally:
                self._turn()
                self._running.pop()

        return call


@contextmanager
def clock() -> Iterator[Clock]:
    """Time what is encoded within the block."""
    own = Clock()
    with ExitStack() as stack:
        for stage, module, name in STAGES:
            holder: Any = import_module(module)
            *owners, attribute = name.split(".")
            for owner in owners:
                holder = getattr(holder, owner)
            stack.enter_context(patch.object(holder, attribute, own.timed(stage, getattr(holder, attribute))))
        yield own
        own._turn()


def scaled(picture: Image.Image, megapixels: float) -> np.ndarray:
    """The picture at another size, [H, W, 3]."""
    factor = math.sqrt(megapixels * 1e6 / (picture.width * picture.height))
    if factor <= 1:
        size = round(picture.width * factor), round(picture.height * factor)
        return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
    pixels = np.asarray(picture)
    height, width = round(picture.height * factor), round(picture.width * factor)
    return np.pad(pixels, ((0, height - len(pixels)), (0, width - pixels.shape[1]), (0, 0)), mode="symmetric")


def main() -> None:
    parser = argparse.ArgumentParser(description="Where the time of an encode goes.")
    parser.add_argument("picture", type=Path)
    parser.add_argument("-e", "--efforts", type=int, nargs="+", default=[1, 3, 5])
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.25, 0.4])
    parser.add_argument("-q", "--quality", type=float, default=40)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    arguments = parser.parse_args()

    picture = Image.open(arguments.picture).convert("RGB")
    splatcodec.encode(np.asarray(picture.resize((48, 48))), effort=1)
    rows = []
    print(f"{'MP':>5} {'e':>2} {'N':>7} {'bytes':>8} " + " ".join(f"{name:>7}" for name in (*NAMES, "seconds")))
    for megapixels in arguments.megapixels:
        pixels = scaled(picture, megapixels)
        for effort in arguments.efforts:
            best: dict[str, float] = {}
            for _ in range(arguments.repeat):
                with clock() as own:
                    data = splatcodec.encode(pixels, quality=arguments.quality, effort=effort)
                if not best or sum(own.seconds.values()) < sum(best.values()):
                    best = own.seconds
            row = {"megapixels": megapixels, "effort": effort, "n_gaussians": len(splatcodec.read(data))}
            row |= {"bytes": len(data), "seconds": sum(best.values()), "stages": best}
            rows.append(row)
            times = " ".join(f"{best[name]:7.2f}" for name in NAMES)
            print(f"{megapixels:5g} {effort:2} {row['n_gaussians']:7} {len(data):8} {times} {row['seconds']:7.2f}")
            sys.stdout.flush()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"peak memory {peak:.0f} MiB")
    if arguments.json:
        more = {"quality": arguments.quality, "peak_mebibytes": round(peak)}
        write(arguments.json, about(get_num_threads(), "scipy"), rows, **more)


if __name__ == "__main__":
    main()

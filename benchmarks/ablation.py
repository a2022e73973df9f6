"""What each ingredient of the `adaptive` profile is worth: rates on every fourth Kodak picture without it.

Usage: python benchmarks/ablation.py DIRECTORY

Variants of the quantiser start from the same fits, at effort 3. Writes benchmarks/results/DATE-ablation.json: for each
variant the mean BD-rate by PSNR against all ingredients together, and the bits that each attribute takes of a Gaussian
on average.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

import numpy as np
from tqdm import tqdm

import splatcodec
from splatcodec.compress import adaptive, costs, ladder, model, profiles, quantizer
from splatcodec.compress.neighbors import Surroundings, surroundings
from splatcodec.compress.positions import Cells
from splatcodec.compress.rangecoder import PRIOR_WEIGHT, Integers, Tables, tables_of
from splatcodec.encoding.finish import Job
from splatcodec.encoding.goals import Goal
from splatcodec.fitting import rate
from splatcodec.fitting.refinement import PictureRefiner
from splatcodec.fitting.schedule import EFFORTS
from splatcodec.fitting.task import Task
from splatcodec.image import load_image
from splatcodec.metrics import psnr
from splatcodec.rd import METRICS, Curve, bd_rate

ROOT = Path(__file__).parent.parent
QUALITIES = (15, 55)
EFFORT = 3
ALL = "nothing"


@contextmanager
def no_neighbors() -> Iterator[None]:
    def without(cells: Cells) -> Surroundings:
        near = surroundings(cells)
        return near._replace(weights=np.zeros_like(near.weights), largest=np.zeros_like(near.largest))

    with patch.object(model, "surroundings", without), patch.object(quantizer, "surroundings", without):
        yield


@contextmanager
def no_training() -> Iterator[None]:
    shapes = {name: (int(np.prod(shape[:-1])), shape[-1]) for name, shape in model.SHAPES.items()}
    even = {name: np.full(shape, PRIOR_WEIGHT // shape[-1]) for name, shape in shapes.items()}
    weights = {name: own for name, own in model.trained().items() if name not in even}
    for kept in (costs._costs, model._begun):
        kept.cache_clear()
    with patch.object(model, "trained", lambda: even | weights):
        yield
    for kept in (costs._costs, model._begun):
        kept.cache_clear()


def stiff() -> Tables:
    """Tables whose frequencies are as large as can be, so that what occurs changes them a fifteenth as much."""
    return tables_of([15 * model.trained()[name].astype(np.int64) for name in model.SHAPES])


def nearest(colors: np.ndarray, *_: object) -> Integers:
    rounded = np.rint(colors).astype(np.int64)
    rounded[~rounded.any(axis=1), 0] = 1
    return rounded


VARIANTS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    ALL: nullcontext,
    "neighbours, under frequencies trained with them": no_neighbors,
    "trained frequencies": no_training,
    "frequencies that follow the file, but for a fifteenth": lambda: patch.object(model, "_begun", stiff),
    "flips of colours and means": lambda: patch.object(quantizer, "_FLIP_ROUNDS", 0),
    "flips, and rounding of colours by rate and distortion": lambda: patch.multiple(
        quantizer, _FLIP_ROUNDS=0, _round_colors=nearest
    ),
    "refinement between roundings": lambda: patch.object(
        PictureRefiner, "refine", lambda self, gaussians, *free: gaussians
    ),
    "the last pruning": lambda: patch.object(Task, "prune", lambda self, splats, step: splats),
}
FITS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    ALL: nullcontext,
    "the price of amplitudes, in fit and refinement": lambda: patch.object(rate, "_WEIGHT", 0.0),
}
"""Variants of the fit."""


def measure(path: Path, quality: float) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    """Bits per pixel and PSNR of each variant, and bits by attribute."""
    picture = load_image(path)
    planes = picture.planes
    notch = Goal("quality", quality).notch(planes)
    pixels = np.rint(planes.transpose(1, 2, 0) * 255).astype(np.uint8)
    d = ladder.value(notch)
    task = Task(planes, EFFORTS[EFFORT])
    job = Job(picture, task, profiles.named("adaptive"))
    splats = {}
    for name, variant in FITS.items():
        with variant():
            splats[name] = task.grow(task.budget_of_price(d))
    points = {}
    for name, variant in (VARIANTS | FITS).items():
        with variant():
            data = job.finish(splats.get(name, splats[ALL]), notch).data
            points[name] = 8 * len(data) / planes[0].size, psnr(pixels, splatcodec.decode(data))
    kept = task.prune(splats[ALL], d)
    quantized = quantizer.quantize(kept, notch, task.refiner(kept, d))
    return points, adaptive.measure(quantized) | {"Gaussians": len(quantized.symbols)}


def curve(points: list[tuple[float, float]]) -> Curve:
    bpp, values = np.array(points).T
    return Curve("", bpp, {name: np.full(len(bpp), np.nan) for name in METRICS} | {"psnr": values})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="where kodim01.png to kodim24.png are")
    pictures = sorted(parser.parse_args().directory.glob("kodim*.png"))[::4]
    jobs = [(path, quality) for path in pictures for quality in QUALITIES]
    points: dict[str, dict[Path, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    bits: dict[float, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        found = pool.map(measure, *zip(*jobs, strict=True))
        for (path, quality), (own, attributes) in zip(jobs, tqdm(found, total=len(jobs)), strict=True):
            for name, point in own.items():
                points[name][path].append(point)
            for name, count in attributes.items():
                bits[quality][name] += count
    full = {path: curve(own) for path, own in points[ALL].items()}
    bd_rates = {
        name: float(np.mean([bd_rate(curve(own[path]), full[path]).percent for path in full]))
        for name, own in points.items()
    }
    per_gaussian = {
        quality: {name: count / own["Gaussians"] for name, count in own.items()} for quality, own in bits.items()
    }
    result = {"effort": EFFORT, "pictures": len(pictures), "bd_rates": bd_rates, "bits_per_gaussian": per_gaussian}
    out = ROOT / "benchmarks" / "results" / f"{time.strftime('%Y-%m-%d')}-ablation.json"
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(out.read_text())


if __name__ == "__main__":
    main()

"""Train the frequencies that the `adaptive` profile starts from.

Pictures come from a directory, from scikit-image and from a generator of dead leaves, whole, reduced and cropped; never
from a test set. Each is encoded at several qualities, and the symbols are counted, also of its reflections. Contexts
that are rare borrow from those they are special cases of. Rounding to symbols needs frequencies itself, so that the
tables in use are where training starts.

    python benchmarks/train_priors.py DIRECTORY priors.bin

The tables in use come from CID22's training split (Sneyers et al. 2024, CC BY-SA 4.0), 68 photographs of 512 pixels,
beside the built-in pictures. Every fifth picture is first left out, to see what training on the others is worth; tables
in use that have seen them have an advantage.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage import data, transform
from tqdm import tqdm

from splatcodec.compress import adaptive, contexts, ladder, lattice, positions
from splatcodec.compress.adaptive import Quantized
from splatcodec.compress.model import COLOR_SYMBOLS, LABELS, SHAPES, Model, trained, trained_file
from splatcodec.compress.neighbors import PER_OCTAVE, surroundings
from splatcodec.compress.quantizer import quantize
from splatcodec.compress.rangecoder import PRIOR_WEIGHT, meter
from splatcodec.encoding.goals import Goal
from splatcodec.fitting.schedule import EFFORTS
from splatcodec.fitting.task import Task
from splatcodec.image import load_image
from splatkernels import set_num_threads

QUALITIES = (5, 20, 35, 50, 65, 85)
# Occurrences that the more general context counts for.
BACKOFF = 12


def leaves(seed: int, height: int = 384, width: int = 512) -> np.ndarray:
    """Dead leaves: shaded ellipses of power-law sizes that occlude each other, slightly blurred and noisy."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 0.5)
    y, x = np.mgrid[:height, :width]
    base = rng.uniform(0.2, 0.8, 3)
    for _ in range(600):
        radius = min(4 / np.sqrt(rng.random()), 200)
        center = rng.uniform(-50, width + 50), rng.uniform(-50, height + 50)
        flatness, angle = rng.uniform(0.3, 1), rng.uniform(0, np.pi)
        dx, dy = x - center[0], y - center[1]
        along = dx * np.cos(angle) + dy * np.sin(angle)
        across = (dy * np.cos(angle) - dx * np.sin(angle)) / flatness
        inside = along**2 + across**2 < radius**2
        color = np.clip(base + rng.normal(0, 0.25) + rng.normal(0, 0.08, 3), 0, 1)
        slope = rng.normal(0, 0.3, 2) / max(height, width)
        image[inside] = (color + (dx * slope[0] + dy * slope[1])[..., None])[inside]
    return (gaussian_filter(image, (0.7, 0.7, 0)) + rng.normal(0, 0.01, image.shape)).clip(0, 1)


def reduced(picture: np.ndarray, factor: int = 2) -> np.ndarray:
    """Averaged over squares of `factor` pixels."""
    return transform.downscale_local_mean(picture, (factor, factor) + (1,) * (picture.ndim - 2)) / 255


PICTURES: dict[str, Callable[[], np.ndarray]] = {
    "astronaut": data.astronaut,
    "astronaut, reduced": lambda: reduced(data.astronaut()),
    "astronaut, crop": lambda: data.astronaut()[100:164, 180:244],
    "brick": data.brick,
    "camera": data.camera,
    "cat": data.chelsea,
    "clock": data.clock,
    "coffee": data.coffee,
    "coffee, reduced": lambda: reduced(data.coffee()),
    "coffee, reduced more": lambda: reduced(data.coffee(), 4),
    "coins": data.coins,
    "grass": data.grass,
    "gravel": data.gravel,
    "hubble": lambda: reduced(data.hubble_deep_field()),
    "immunohistochemistry": data.immunohistochemistry,
    "leaves 1": lambda: leaves(1),
    "leaves 2": lambda: leaves(2),
    "leaves 3": lambda: leaves(3),
    "leaves, small": lambda: leaves(4, 96, 96),
    "logo": lambda: reduced(data.logo()[:, :, :3]),
    "moon": data.moon,
    "motorcycle": lambda: data.stereo_motorcycle()[0],
    "motorcycle, reduced": lambda: reduced(data.stereo_motorcycle()[0][:, :740]),
    "page": data.page,
    "retina": lambda: reduced(data.retina())[100:600, 60:640],
    "rocket": data.rocket,
}


def encoded(picture: str | Path, quality: float, effort: int) -> Quantized:
    """The Gaussians of a file of a picture, by name or by path."""
    set_num_threads(1)
    planes = load_image(PICTURES[picture]() if isinstance(picture, str) else picture).planes
    notch = Goal("quality", quality).notch(planes)
    d = ladder.value(notch)
    task = Task(planes, EFFORTS[effort])
    splats = task.prune(task.grow(task.budget_of_price(d)), d)
    return quantize(splats, notch, task.refiner(splats, d))


def variants(file: Quantized) -> list[Quantized]:
    """A file as it is, mirrored as a negative, transposed with red and blue exchanged, and all of that."""
    return [file] + [
        reflected(file, mirror, transpose) for mirror, transpose in ((True, False), (False, True), (True, True))
    ]


def reflected(file: Quantized, mirror: bool, transpose: bool) -> Quantized:
    """As `variants` says, in the order of its own tree."""
    symbols, canvas, means = file.symbols, file.canvas, file.means
    rotations, colors = symbols.rotations, symbols.colors
    counts = lattice.rotation_counts(lattice.scale_units(symbols.scales, symbols.classes), symbols.classes)
    if mirror:
        means = np.array([canvas.width, 0]) + means * [-1, 1]
        rotations = -rotations % counts
        colors = -colors
    if transpose:
        means = means[:, ::-1]
        rotations = np.rint(counts / 2 - rotations).astype(np.int64) % counts
        canvas = adaptive.Canvas(canvas.height, canvas.width, canvas.channels)
        colors = colors * [1, -1, 1][: canvas.channels]
    # The table of colours has one symbol more below zero than above.
    largest = (COLOR_SYMBOLS // 2 << np.maximum(symbols.classes // 2 - 3, 0)) - 1
    colors = np.minimum(colors, largest[:, None])
    tree = positions.Tree(canvas.width, canvas.height)
    means = tree.clip(means)
    order = np.argsort(tree.paths(means), kind="stable")
    symbols = replace(symbols, rotations=rotations, colors=colors).take(order)
    return Quantized(file.notch, symbols, means[order], canvas)


def weights(files: list[Quantized]) -> dict[str, np.ndarray]:
    """Of the predictions of scales, by ridge regression."""
    rows: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in contexts.WEIGHTS}
    for file in files:
        symbols = file.symbols
        tree = positions.Tree(file.canvas.width, file.canvas.height)
        densities = surroundings(tree.cells(tree.paths(file.means))).densities
        units = lattice.scale_units(symbols.scales, symbols.classes)
        own = np.eye(contexts.SCALE_CLASSES)[np.minimum(symbols.classes, contexts.SCALE_CLASSES - 1)]
        octaves = densities / PER_OCTAVE
        rows["larger"].append((np.column_stack([own, octaves]), units[:, 0]))
        larger = units[:, 0] / lattice.OCTAVE
        rows["smaller"].append((np.column_stack([own, octaves, larger]), units[:, 0] - units[:, 1]))
    result = {}
    for name, parts in rows.items():
        features, values = (np.concatenate(column) for column in zip(*parts, strict=True))
        solution = np.linalg.solve(features.T @ features + np.eye(features.shape[1]), features.T @ values)
        # A weight of 1 and an octave are both 1024.
        result[name] = np.rint(solution).astype(np.int32)
    return result


def occurrences(files: list[Quantized], predictions: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """How often each symbol occurs in each context of each table, given the weights of predictions."""
    total: np.ndarray | None = None
    for file in files:
        model = Model(trained() | predictions)
        adaptive.code(model, meter(len(LABELS)), file)
        total = model.tables.occurrences if total is None else total + model.tables.occurrences
    ends = np.cumsum([np.prod(shape) for shape in SHAPES.values()])
    return dict(zip(SHAPES, np.split(total, ends[:-1]), strict=True))


def probabilities(counts: np.ndarray) -> np.ndarray:
    """Of symbols, the last axis, in contexts, the others, from the first that matters most to the last."""
    if counts.ndim == 1:
        smooth = np.convolve(counts, [0.1, 0.8, 0.1], "same") + 1e-3 * (1 + counts.mean())
        return smooth / smooth.sum()
    general = probabilities(counts.sum(axis=-2))[..., None, :]
    return (counts + BACKOFF * general) / (counts.sum(axis=-1, keepdims=True) + BACKOFF)


def frequencies(name: str, counts: np.ndarray) -> np.ndarray:
    """The table to ship."""
    shares = probabilities(counts.reshape(SHAPES[name]).astype(float))
    if name == "few":
        # No more points can lie in a half than in the whole.
        points = np.arange(2, positions.FEW + 1)[:, None, None]
        shares = np.where(np.arange(positions.FEW + 1) <= points, shares, 0)
        shares /= shares.sum(axis=-1, keepdims=True)
    return np.maximum(np.rint(PRIOR_WEIGHT * shares), 1).astype(np.uint16)


def train(files: list[Quantized]) -> dict[str, np.ndarray]:
    """Tables and weights."""
    predictions = weights(files)
    counts = occurrences(files, predictions)
    return {name: frequencies(name, own) for name, own in counts.items()} | predictions


def bits_per_gaussian(files: list[Quantized], given: dict[str, np.ndarray]) -> float:
    """Of files, under tables and weights as `train` returns them."""
    flat = {name: own.reshape(-1, own.shape[-1]) if own.ndim > 1 else own for name, own in given.items()}
    information = meter(len(LABELS))
    for file in files:
        adaptive.code(Model(flat), information, file)
    return information.bits.sum() / sum(len(file.symbols) for file in files)


def main() -> None:
    """Encode, count, smooth and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--effort", type=int, default=3, help="of the fits (default: %(default)s)")
    parser.add_argument("directory", type=Path, help="of pictures")
    parser.add_argument("out", type=Path, help="file to write; the one in the package is part of the format")
    arguments = parser.parse_args()
    pictures = [*sorted(arguments.directory.glob("*.png")), *PICTURES]
    jobs = [(picture, quality, arguments.effort) for picture in pictures for quality in QUALITIES]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        found = list(tqdm(pool.map(encoded, *zip(*jobs, strict=True)), total=len(jobs)))
    groups = [found[at : at + len(QUALITIES)] for at in range(0, len(found), len(QUALITIES))]
    kept = [file for at, group in enumerate(groups) if at % 5 for own in group for file in variants(own)]
    left_out = [file for group in groups[::5] for file in group]
    for name, given in (("in use", trained()), ("trained on the others", train(kept))):
        print(f"{bits_per_gaussian(left_out, given):.2f} bits a Gaussian in pictures left out, tables {name}")
    arguments.out.write_bytes(trained_file(train([file for own in found for file in variants(own)])))


if __name__ == "__main__":
    main()

"""A diffusion model on splats: learns digits of 8 x 8 pixels as Gaussians, and draws new ones at 256 x 256.

Every digit is fitted with 16 Gaussians and kept as a .gsi file. A transformer of tokens that are Gaussians learns to
turn noise into such tensors by flow matching (Lipman et al. 2023), given the digit that is wanted. A classifier that
has seen rendered real digits only says how well its samples can be read.

Usage: python examples/diffusion.py [--out PICTURE] [--steps STEPS] [--digits DIGITS] [--seed SEED]
"""

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import Tensor, nn
from torch.nn import functional

import splatcodec
from splatcodec import Splats
from splatcodec.image import to_uint8
from splatcodec.tensors import SplatDataset, Statistics, from_tensor
from splatkernels.adam import FrameAdam
from splatkernels.descent import Rates
from splatkernels.gaussians import Gaussians

CANVAS = 32
"""Pixels a side to which digits are enlarged before they are fitted."""
GRID = 4
N = GRID**2
"""Gaussians of a digit, which start on a grid."""
FIT_STEPS = 100
BATCH = 128
CLASSES = 10
ANY = CLASSES
"""The class that stands for no wish, in training and for guidance."""
GUIDANCE = 2.0
"""How much of the difference between the flow with a wish and the flow without is followed (Ho & Salimans 2022)."""
CONFIDENT = 0.8


def fit_digit(image: NDArray[np.uint8]) -> Splats:
    """Fit a digit [8, 8] of levels 0 to 16 with N Gaussians.

    All digits start from the same grid, and means move slowly. So the Gaussian at the top left of one digit is like
    that of another, and they come in the same order: what is learnt is not which of many equal fits has been found.
    """
    enlarged = Image.fromarray(image.astype(np.float32) / 16).resize((CANVAS, CANVAS), Image.Resampling.BICUBIC)
    optimizer = FrameAdam(np.asarray(enlarged)[None].clip(0, 1), smallest_scale=1, largest_scale=CANVAS / 2, cutoff=4)
    places = CANVAS * (0.5 + 0.75 * ((np.arange(GRID) + 0.5) / GRID - 0.5))
    means = np.stack(np.meshgrid(places, places), axis=-1).reshape(N, 2)
    start = (means, np.full((N, 2), CANVAS / GRID / 2), np.zeros(N), np.full((N, 1), 0.3))
    optimizer.append(Gaussians(*(part.astype(np.float32) for part in start)))
    for step in range(FIT_STEPS):
        pace = 0.5 + 0.5 * math.cos(math.pi * step / FIT_STEPS)
        optimizer.step(Rates(means=0.02, scales=0.05, rotations=0.05, colors=0.03).scaled(pace))
    return Splats(*optimizer.gaussians, height=CANVAS, width=CANVAS)


class Block(nn.Module):
    """A layer of a transformer, whose norms follow time and class (Peebles & Xie 2023)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.modulate = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)
        self.attend, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: Tensor, condition: Tensor) -> Tensor:
        """Tokens [B, N, width], given a condition [B, width]."""
        scale1, shift1, gate1, scale2, shift2, gate2 = self.modulate(condition)[:, None].chunk(6, dim=-1)
        normal = functional.layer_norm(tokens, tokens.shape[-1:]) * (1 + scale1) + shift1
        queries = self.attend(normal).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(*queries).transpose(1, 2).flatten(2)
        tokens = tokens + gate1 * self.project(attended)
        return tokens + gate2 * self.think(functional.layer_norm(tokens, tokens.shape[-1:]) * (1 + scale2) + shift2)


class Flow(nn.Module):
    """The velocity from noise to splats, of tensors [B, N, columns] at times [B] from 0 to 1, given classes [B]."""

    def __init__(self, columns: int, width: int = 96, layers: int = 4, heads: int = 4) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(columns, width), nn.Linear(width, columns)
        self.places = nn.Parameter(0.02 * torch.randn(N, width))
        self.classes = nn.Embedding(CLASSES + 1, width)
        self.time = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.register_buffer("frequencies", torch.logspace(0, 2, 32))

    def forward(self, splats: Tensor, times: Tensor, classes: Tensor) -> Tensor:
        angles = times[:, None] * self.frequencies
        condition = functional.silu(self.time(torch.cat([angles.sin(), angles.cos()], dim=1)) + self.classes(classes))
        tokens = self.enter(splats) + self.places
        for block in self.blocks:
            tokens = block(tokens, condition)
        return self.leave(functional.layer_norm(tokens, tokens.shape[-1:]))


def train(splats: Tensor, labels: Tensor, steps: int, rate: float = 1e-3) -> tuple[Flow, list[float]]:
    """A flow to splats [B, N, columns] of the digits `labels` [B], and the loss of every step."""
    flow, batch, rise = Flow(splats.shape[-1]), min(BATCH, len(splats)), min(100, steps // 10)
    optimizer = torch.optim.AdamW(flow.parameters())
    losses = []
    for step in range(steps):
        chosen = torch.randint(len(splats), (batch,))
        noise, times = torch.randn(batch, *splats.shape[1:]), torch.randn(batch).sigmoid()
        path = splats[chosen] - noise
        classes = torch.where(torch.rand(batch) < 0.15, ANY, labels[chosen])
        loss = functional.mse_loss(flow(noise + times[:, None, None] * path, times, classes), path)
        fall = 0.5 + 0.5 * math.cos(math.pi * step / steps)
        optimizer.param_groups[0]["lr"] = rate * fall * min(1, (step + 1) / (rise + 1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return flow, losses


@torch.no_grad()
def sample(flow: Flow, labels: Tensor, columns: int, guidance: float, steps: int = 20) -> Tensor:
    """Splats [B, N, columns] of the digits `labels` [B], by Heun's method."""

    def velocity(splats: Tensor, time: float) -> Tensor:
        times = torch.full((len(labels),), time)
        wished = flow(splats, times, labels)
        if guidance == 1:
            return wished
        any_digit = flow(splats, times, torch.full_like(labels, ANY))
        return any_digit + guidance * (wished - any_digit)

    splats = torch.randn(len(labels), N, columns)
    for step in range(steps):
        first = velocity(splats, step / steps)
        second = velocity(splats + first / steps, (step + 1) / steps)
        splats = splats + (first + second) / (2 * steps)
    return splats


def render(splats: Tensor, statistics: Statistics, size: int) -> NDArray[np.float32]:
    """Pictures [B, size, size] of normalised splats [B, N, columns], within 0 and 1."""
    pictures = [from_tensor(tensor, CANVAS, CANVAS, statistics).render(height=size)[0] for tensor in splats]
    return np.stack(pictures).clip(0, 1)


def shuffled(splats: Tensor) -> Tensor:
    """Splats [B, N, columns] whose attributes have been exchanged: each is one of the same row of any other digit."""
    orders = torch.rand(splats.shape).argsort(dim=0)
    return splats.gather(0, orders)


@dataclass(frozen=True)
class Reading:
    """How well pictures can be read."""

    right: float
    """Share that is read as the digit that was meant."""
    sure_and_right: float
    """The same, with a confidence above CONFIDENT."""
    sure: float
    """Share that is read as any digit with such a confidence."""
    confidence: float
    """Mean confidence."""
    distance: float
    """Mean distance to the nearest digit that the reader and the flow know, as the root of a mean square."""
    shares: NDArray[np.float64]
    """[CLASSES] share of each digit among what is read."""

    def __str__(self) -> str:
        figures = (self.right, self.sure_and_right, self.sure, self.confidence)
        shares = " ".join(f"{100 * share:3.0f}" for share in self.shares)
        return " ".join(f"{100 * figure:9.1f}" for figure in figures) + f" {self.distance:9.3f}   {shares}"


class Reader:
    """A classifier of rendered digits.

    It compares pictures by a kernel of Gaussians. Far from all digits this says nothing of any class, so that the
    confidence is low there; that of a network of layers can be high anywhere.
    """

    SIZE = 16

    def __init__(self, pictures: NDArray[np.float32], labels: Tensor) -> None:
        kernel = Nystroem(gamma=0.1, n_components=min(1000, len(pictures)), random_state=0)
        self._known = pictures.reshape(len(pictures), -1)
        self._model = make_pipeline(kernel, LogisticRegression(C=100, max_iter=500)).fit(self._known, labels.numpy())
        self._classes = self._model.classes_

    def read(self, pictures: NDArray[np.float32], labels: Tensor) -> Reading:
        """How well pictures [B, SIZE, SIZE] can be read, as the digits `labels` [B]."""
        flat = pictures.reshape(len(pictures), -1)
        confidences = self._model.predict_proba(flat)
        found, sure = self._classes[confidences.argmax(axis=1)], confidences.max(axis=1)
        right = found == labels.numpy()
        nearest = [np.sqrt(np.mean((self._known - picture) ** 2, axis=1).min()) for picture in flat]
        return Reading(
            right=float(right.mean()),
            sure_and_right=float((right & (sure > CONFIDENT)).mean()),
            sure=float((sure > CONFIDENT).mean()),
            confidence=float(sure.mean()),
            distance=float(np.mean(nearest)),
            shares=np.bincount(found, minlength=CLASSES) / len(found),
        )


@dataclass(frozen=True)
class Outcome:
    """What a run has led to."""

    losses: list[float]
    readings: dict[str, Reading]
    samples: NDArray[np.float32]
    """[B, 256, 256] pictures of all digits in turn."""
    digits: NDArray[np.uint8]
    """[CLASSES, 8, 8] levels of 0 to 16: a digit of each class, as the data has it."""


def run(n_digits: int | None, steps: int, per_class: int, seed: int) -> Outcome:
    """Fit digits, learn to draw them, draw `per_class` of each and read them."""
    torch.manual_seed(seed)
    data = load_digits()
    chosen = torch.randperm(len(data.images))[:n_digits]
    images, labels = data.images[chosen].astype(np.uint8), torch.from_numpy(data.target)[chosen]
    with TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number:04}.gsi") for number in range(len(images))]
        for image, path in zip(images, paths, strict=True):
            splatcodec.write(fit_digit(image), path)
        cut = len(paths) * 4 // 5
        training = SplatDataset(paths[:cut], N)
        statistics = training.statistics
        known = torch.stack([training[number] for number in range(len(training))])
        held_out_set = SplatDataset(paths[cut:], N, statistics)
        held_out = torch.stack([held_out_set[number] for number in range(len(held_out_set))])
    flow, losses = train(known, labels[:cut], steps)

    reader = Reader(render(known, statistics, Reader.SIZE), labels[:cut])
    wanted = torch.arange(CLASSES).repeat(per_class)
    columns = known.shape[-1]
    samples = sample(flow, wanted, columns, GUIDANCE)
    sets = {
        "held-out digits": (held_out, labels[cut:]),
        "samples": (samples, wanted),
        "samples without guidance": (sample(flow, wanted, columns, 1.0), wanted),
        "shuffled attributes": (shuffled(held_out), labels[cut:]),
    }
    readings = {
        name: reader.read(render(splats, statistics, Reader.SIZE), meant) for name, (splats, meant) in sets.items()
    }
    firsts = np.stack([data.images[data.target == digit][0] for digit in range(CLASSES)])
    return Outcome(losses, readings, render(samples[: 3 * CLASSES], statistics, 256), firsts.astype(np.uint8))


def draw(outcome: Outcome, path: Path) -> None:
    """A row of digits as the data has them, above rows of samples as they came."""
    pixels = (outcome.digits * 15.9375).round().repeat(32, axis=1).repeat(32, axis=2)
    tiles = np.concatenate([pixels / 255, outcome.samples])
    rows, size = len(tiles) // CLASSES, tiles.shape[1]
    sheet = tiles.reshape(rows, CLASSES, size, size).swapaxes(1, 2).reshape(1, rows * size, CLASSES * size)
    Image.fromarray(to_uint8(sheet)).save(path, quality=70)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "docs" / "diffusion.jpg")
    parser.add_argument("--steps", type=int, default=1500, help="steps of training")
    parser.add_argument("--digits", type=int, help="how many of the 1797 digits to use")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.perf_counter()
    outcome = run(options.digits, options.steps, per_class=50, seed=options.seed)
    draw(outcome, options.out)
    print(f"{'%':24}     right sure+right      sure confidence distance   share of each digit")
    for name, reading in outcome.readings.items():
        print(f"{name:24} {reading}")
    print(f"loss {np.mean(outcome.losses[-100:]):.3f}, {time.perf_counter() - start:.0f} seconds, {options.out}")


if __name__ == "__main__":
    main()

"""Fits a picture in a training loop of one's own: parameters, loss and optimizer are plain torch.

Usage: python examples/torch_loop.py [PICTURE] [--gaussians N] [--steps STEPS] [--out OUT.gsi]
"""

import argparse
from pathlib import Path

import torch

import splatcodec
from splatcodec.image import load_image
from splatkernels import rasterize

HERE = Path(__file__).parent


def fit(target: torch.Tensor, count: int, steps: int) -> splatcodec.Splats:
    """Gaussians for a picture [C, H, W], which begin at random places in its colours there."""
    _, height, width = target.shape
    means = torch.rand(count, 2) * torch.tensor([width, height])
    column, row = means.long().T
    # Scales are positive: their logarithms are what is learned.
    parameters = {
        "means": (means, 0.6),
        "log_scales": (torch.full((count, 2), 0.4 * (height * width / count) ** 0.5).log(), 0.1),
        "rotations": (torch.rand(count) * torch.pi, 0.02),
        "colors": (0.3 * target[:, row, column].T.contiguous(), 0.03),
    }
    learned = {name: start.requires_grad_() for name, (start, _) in parameters.items()}
    optimizer = torch.optim.Adam([{"params": learned[name], "lr": rate} for name, (_, rate) in parameters.items()])
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        image = rasterize(
            learned["means"], learned["log_scales"].exp(), learned["rotations"], learned["colors"], height, width
        )
        loss = (image - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
        if step % 50 == 0:
            print(f"step {step}: PSNR {-10 * loss.log10().item():.2f} dB")
    found = {name: tensor.detach() for name, tensor in learned.items()}
    arrays = found["means"], found["log_scales"].exp(), found["rotations"], found["colors"]
    return splatcodec.Splats(*(array.numpy() for array in arrays), height=height, width=width)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit a picture in a torch loop, and write a .gsi file.")
    parser.add_argument("picture", nargs="?", default=HERE / "astronaut.png")
    parser.add_argument("--gaussians", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--out", default="torch_loop.gsi")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    splats = fit(torch.from_numpy(load_image(arguments.picture).planes), arguments.gaussians, arguments.steps)
    splatcodec.write(splats, arguments.out, profile="adaptive", quality=60)
    print(f"{arguments.out}: {splatcodec.evaluate(arguments.picture, arguments.out)}")


if __name__ == "__main__":
    main()

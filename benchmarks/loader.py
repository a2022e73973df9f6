"""Random crops of 224x224 a second that one core reads for training, from .gsi files and from JPEG with Pillow.

Usage: python benchmarks/loader.py [--rounds 5] [--crops 40] [--json FILE]

Pictures are scikit-image's astronaut, chelsea, coffee and rocket, resized to 0.4 megapixels and encoded at qualities 50
and 60 with effort 3. Each has its counterpart in JPEG at the quality whose PSNR is nearest. Both read the same regions,
in turn, on one thread; Pillow decodes the picture and resizes the region with the bilinear filter, as torchvision does.
The best of several rounds counts, by CPU time of this process. "Kept" are pictures that a data set has as Gaussians.
"""

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image
from reports import about, write

import splatcodec
from splatcodec.metrics import psnr
from splatcodec.splats import Region
from splatcodec.tensors import PictureDecoder, RandomResizedCrop

PICTURES = ("astronaut", "chelsea", "coffee", "rocket")
QUALITIES = (50, 60)
KINDS = ("gsi", "kept", "jpeg")
COLUMNS = ("gsi_bytes", "jpeg_bytes", "gsi_psnr", "jpeg_psnr", "n_gaussians", *KINDS)
SIDE = 224
PIXELS = 400_000


def main() -> None:
    parser = argparse.ArgumentParser(description="Random crops a second that one core reads.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--crops", type=int, default=40, help="of each picture (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    arguments = parser.parse_args()

    torch.manual_seed(0)
    torch.set_num_threads(1)
    rows = []
    print(("{:12} {:>3}" + " {:>10}" * len(COLUMNS)).format("picture", "q", *COLUMNS))
    for name in PICTURES:
        pixels = resized(name)
        for quality in QUALITIES:
            found = measure(pixels, quality, arguments.crops, arguments.rounds)
            rows.append({"picture": name, "quality": quality} | found)
            numbers = "".join(f" {found[column]:10.4g}" for column in COLUMNS)
            print(f"{name:12} {quality:3}{numbers}", flush=True)
    # Of equal numbers of crops from each file.
    total = {kind: len(rows) / sum(1 / row[kind] for row in rows) for kind in KINDS}
    print(", ".join(f"{kind} {own:.0f} crops/s ({own / total['jpeg']:.2f} of jpeg)" for kind, own in total.items()))
    if arguments.json:
        write(arguments.json, about(1, "pillow", "torch"), rows, total=total)


def resized(name: str) -> NDArray[np.uint8]:
    """A picture of about `PIXELS` pixels."""
    picture = Image.fromarray(getattr(skimage.data, name)())
    zoom = (PIXELS / (picture.width * picture.height)) ** 0.5
    size = round(picture.width * zoom), round(picture.height * zoom)
    return np.array(picture.resize(size, Image.Resampling.LANCZOS))


def measure(pixels: NDArray[np.uint8], quality: int, crops: int, rounds: int) -> dict[str, float]:
    """Crops a second from both kinds of files of a picture, and what these are worth."""
    gsi = splatcodec.encode(pixels, quality=quality, effort=3)
    gsi_psnr = psnr(pixels, splatcodec.decode(gsi))
    jpegs = [jpeg_of(pixels, own) for own in range(5, 96)]
    psnrs = [psnr(pixels, np.array(Image.open(io.BytesIO(data)))) for data in jpegs]
    nearest = int(np.argmin(np.abs(np.array(psnrs) - gsi_psnr)))
    height, width, _ = pixels.shape
    regions = [RandomResizedCrop()(height, width) for _ in range(crops)]
    place = iter(regions)
    decoder = PictureDecoder(SIDE, SIDE, crop=lambda height, width: next(place))
    document = splatcodec.read_document(gsi)
    kinds: dict[str, Callable[[Region], object]] = {
        "gsi": lambda region: decoder(gsi),
        "kept": lambda region: decoder.render(document),
        "jpeg": lambda region: crop_of(jpegs[nearest], region),
    }
    seconds = dict.fromkeys(kinds, np.inf)
    for _ in range(rounds):
        for kind, read in kinds.items():
            place = iter(regions)
            begun = time.process_time()
            for region in regions:
                read(region)
            seconds[kind] = min(seconds[kind], time.process_time() - begun)
    return {
        "gsi_bytes": len(gsi),
        "jpeg_bytes": len(jpegs[nearest]),
        "gsi_psnr": gsi_psnr,
        "jpeg_psnr": psnrs[nearest],
        "n_gaussians": len(document.splats),
    } | {kind: crops / own for kind, own in seconds.items()}


def jpeg_of(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """A picture as JPEG."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=quality)
    return content.getvalue()


def crop_of(data: bytes, region: Region) -> torch.Tensor:
    """A region of a JPEG as a tensor [3, SIDE, SIDE]."""
    x, y, width, height = region
    picture = Image.open(io.BytesIO(data))
    crop = picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=(x, y, x + width, y + height))
    return torch.from_numpy(np.asarray(crop).transpose(2, 0, 1).astype(np.float32) / np.float32(255))


if __name__ == "__main__":
    main()

"""Encodes generated pictures of every family at several qualities, and counts where more quality is worse or smaller.

Usage: python -m tests.sweep [--pictures N] [--efforts 1,5] [--qualities 20,40,60,80,100]

The long version of tests/codec/test_pictures.py. Prints each picture whose PSNR falls by more than 1 dB below 42 dB.
"""

import argparse
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context

import splatcodec
from splatcodec.metrics import psnr

from .families import FAMILIES, fall, picture


def measure(family: int, number: int, effort: int, qualities: list[float]) -> list[tuple[float, int]]:
    """PSNR and bytes of a picture at each quality."""
    splatcodec.set_num_threads(1)
    pixels = picture(FAMILIES[family], number)
    files = [splatcodec.encode(pixels, quality=quality, effort=effort) for quality in qualities]
    return [(psnr(pixels, splatcodec.decode(data)), len(data)) for data in files]


def main() -> None:
    parser = argparse.ArgumentParser(description="Look for pictures on which more quality is worse.")
    parser.add_argument("--pictures", type=int, default=12, help="of each family (default: %(default)s)")
    parser.add_argument("--efforts", default="1,5")
    parser.add_argument("--qualities", default="20,40,60,80,100")
    arguments = parser.parse_args()
    efforts = [int(effort) for effort in arguments.efforts.split(",")]
    qualities = [float(quality) for quality in arguments.qualities.split(",")]
    jobs = [(f, n, e, qualities) for n in range(arguments.pictures) for f in range(len(FAMILIES)) for e in efforts]
    steps, worse, smaller = 0, Counter[str](), Counter[str]()
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for (family, number, effort, _), found in zip(jobs, pool.map(measure, *zip(*jobs, strict=True)), strict=True):
            name = FAMILIES[family].__name__
            falls = [fall(before[0], after[0]) for before, after in pairwise(found)]
            steps += len(falls)
            worse[name] += sum(dB > 0.1 for dB in falls)
            smaller[name] += sum(after[1] < before[1] for before, after in pairwise(found))
            if max(falls) > 1:
                print(name, number, f"effort {effort}:", ", ".join(f"{dB:.1f} dB {size} B" for dB, size in found))
    print(f"{steps} steps of quality: {worse.total()} worse, {smaller.total()} smaller")
    print("worse:", dict(+worse), "smaller:", dict(+smaller))


if __name__ == "__main__":
    main()

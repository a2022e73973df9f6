"""Core-seconds that small pictures take on one thread: to encode, at every effort, and to decode.

Usage: python benchmarks/throughput.py [--efforts 1..9] [-q 60] [--json FILE]

Pictures are scikit-image's astronaut, coffee and chelsea, cut to squares and reduced to 256x256 and 500x500 pixels.
What counts is CPU time of this process, so that other programs change it little; kernels are compiled or loaded before.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image
from reports import about, write

import splatcodec
from splatkernels import set_num_threads

SIDES = (256, 500)
PICTURES = ("astronaut", "coffee", "chelsea")


def main() -> None:
    parser = argparse.ArgumentParser(description="Core-seconds that small pictures take on one thread.")
    parser.add_argument("--efforts", default="1..9", help="FIRST..LAST (default: %(default)s)")
    parser.add_argument("-q", "--quality", type=float, default=60)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    arguments = parser.parse_args()
    first, last = map(int, arguments.efforts.split(".."))

    set_num_threads(1)
    splatcodec.decode(splatcodec.encode(square("astronaut", 64), effort=1))
    rows = []
    print(f"{'side':>5} {'effort':>6} {'seconds':>8} {'a megapixel':>12} {'decode ms':>10} {'bpp':>6} {'psnr':>6}")
    for side in SIDES:
        for effort in range(first, last + 1):
            found = [measure(square(name, side), effort, arguments.quality) for name in PICTURES]
            row = {"side": side, "effort": effort} | {
                key: float(np.mean([own[key] for own in found])) for key in found[0]
            }
            rows.append(row)
            each = row["encode_seconds"]
            print(
                f"{side:5} {effort:6} {each:8.2f} {each / side**2 * 1e6:12.1f} {1000 * row['decode_seconds']:10.2f} "
                f"{row['bpp']:6.3f} {row['psnr']:6.2f}",
                flush=True,
            )
    if arguments.json:
        write(arguments.json, about(1, "scipy"), rows, quality=arguments.quality, pictures=len(PICTURES))


def square(name: str, side: int) -> NDArray[np.uint8]:
    """The middle of a picture, reduced."""
    picture = Image.fromarray(getattr(skimage.data, name)())
    shorter = min(picture.size)
    left, top = (picture.width - shorter) // 2, (picture.height - shorter) // 2
    box = (left, top, left + shorter, top + shorter)
    return np.array(picture.resize((side, side), Image.Resampling.LANCZOS, box))


def measure(pixels: NDArray[np.uint8], effort: int, quality: float) -> dict[str, Any]:
    """CPU seconds of one encode and the least of three decodes, and what the file is worth."""
    begun = time.process_time()
    data = splatcodec.encode(pixels, quality=quality, effort=effort)
    encoded = time.process_time() - begun
    decoded = []
    for _ in range(3):
        begun = time.process_time()
        splatcodec.decode(data)
        decoded.append(time.process_time() - begun)
    return {
        "encode_seconds": encoded,
        "decode_seconds": min(decoded),
        "bpp": 8 * len(data) / pixels[..., 0].size,
        "psnr": splatcodec.evaluate(pixels, data).psnr,
    }


if __name__ == "__main__":
    main()

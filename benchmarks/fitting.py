"""PSNR and seconds of fits over a directory of pictures, per picture and on average.

Usage: python benchmarks/fitting.py DIRECTORY [-n 2000] [-e 5] [--json FILE]

Each row is measured on a real file: PSNR "float" of the samples before any quantisation, "file" of the 8-bit picture
decoded from the .gsi file. Seconds are those of the fit alone, kernels being compiled before the first.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from reports import about, write

import splatcodec
from splatcodec.encoding.encode import to_bytes
from splatcodec.image import load_image, to_uint8
from splatcodec.metrics import psnr
from splatkernels import get_num_threads


def main() -> None:
    parser = argparse.ArgumentParser(description="PSNR and seconds of fits over a directory of pictures.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("-n", "--gaussians", type=int, default=2000)
    parser.add_argument("-e", "--effort", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    arguments = parser.parse_args()

    # Compiles the kernels, or loads them from the cache.
    splatcodec.fit(np.zeros((8, 8, 3), np.uint8), effort=1)
    rows = []
    print(f"{'picture':12} {'N':>6} {'float':>7} {'file':>7} {'bytes':>7} {'seconds':>8}")
    for path in sorted(arguments.directory.glob("*.png")):
        planes = load_image(path).planes
        start = time.perf_counter()
        splats = splatcodec.fit(path, n_gaussians=arguments.gaussians, effort=arguments.effort)
        seconds = time.perf_counter() - start
        data = to_bytes(splats)
        exact = -10 * np.log10(np.mean((np.clip(splats.render(), 0, 1) - planes) ** 2))
        row = {
            "picture": path.name,
            "n_gaussians": len(splats),
            "psnr_float": float(exact),
            "psnr_file": psnr(to_uint8(planes), splatcodec.decode(data)),
            "bytes": len(data),
            "seconds": seconds,
        }
        rows.append(row)
        print("{picture:12} {n_gaussians:6} {psnr_float:7.3f} {psnr_file:7.3f} {bytes:7} {seconds:8.2f}".format(**row))
    mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if key != "picture"}
    print(
        "{picture:12} {n_gaussians:6.0f} {psnr_float:7.3f} {psnr_file:7.3f} {bytes:7.0f} {seconds:8.2f}".format(
            picture="mean", **mean
        )
    )
    if arguments.json:
        write(arguments.json, about(get_num_threads(), "scipy"), rows, effort=arguments.effort, mean=mean)


if __name__ == "__main__":
    main()

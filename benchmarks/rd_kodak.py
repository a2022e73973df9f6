"""Rate-distortion curves of splatcodec and its opponents on the 24 Kodak pictures, for publication.

Usage: python benchmarks/rd_kodak.py DIRECTORY [--out DIR] [--resume]

The same as `splatcodec bench` with fixed codecs and settings, one file at a time, and the commit noted. Writes
benchmarks/results/DATE-rd-kodak.json, from which benchmarks/publish.py makes README's table and figure.
"""

import argparse
import sys
import time
from pathlib import Path

from reports import commit

from splatcodec.rd import get_codec, sweep
from splatcodec.rd.tables import POINTS, aligned, bd_rates, points

ROOT = Path(__file__).parent.parent
CODECS = ("gsi", "gsi-ssim", "jpeg", "webp", "jpeg2000", "avif", "avif-psnr", "avif-ssim", "jpegxl")


def main() -> None:
    parser = argparse.ArgumentParser(description="Rate-distortion curves on the 24 Kodak pictures.")
    parser.add_argument("directory", type=Path, help="where kodim01.png to kodim24.png are")
    parser.add_argument("--out", type=Path, default=Path("rd-kodak"), help="for the files (default: %(default)s)")
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()

    pictures = sorted(arguments.directory.glob("kodim*.png"))
    if len(pictures) != 24:
        sys.exit(f"{arguments.directory} holds {len(pictures)} of the 24 Kodak pictures")
    results = sweep(
        pictures,
        [get_codec(name) for name in CODECS],
        directory=arguments.out,
        resume=arguments.resume,
        about={"commit": commit()},
        callback=lambda progress: print(
            f"{progress.done}/{progress.total} {progress.row.picture} {progress.row.codec} {progress.row.quality:g}, "
            f"{progress.seconds_left:.0f} s left",
            flush=True,
        ),
    )
    if results.failures:
        sys.exit("\n".join(f"{row.picture} {row.codec} {row.quality:g}: {row.error}" for row in results.failures))
    results.to_json(ROOT / "benchmarks" / "results" / f"{time.strftime('%Y-%m-%d')}-rd-kodak.json")
    print(aligned([POINTS, *points(results)]))
    print(aligned(bd_rates(results)))


if __name__ == "__main__":
    main()

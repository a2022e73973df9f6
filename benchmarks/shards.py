"""What surrounds the encoding of a shard: to find its members, to digest it, and to know a finished one again.

Usage: python benchmarks/shards.py [--samples 10000] [--rounds 5] [--json FILE]

The tar file has samples of three members, one of them a picture of 60 kB of noise. The least of several rounds counts,
by CPU time of this process; the file lies in memory by then, as far as there is room. What is finished is looked at a
thousand times.
"""

import argparse
import hashlib
import io
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from reports import about, write

from splatcodec.batch import Recipe, encode_shard
from splatcodec.batch.sidecar import finished
from splatcodec.options import Options
from splatcodec.tars import members

BYTES = 60_000
LOOKS = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description="What surrounds the encoding of a shard.")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        row = measure(Path(name), arguments.samples, arguments.rounds)
    print(", ".join(f"{key} {value:.4g}" for key, value in row.items()))
    if arguments.json:
        write(arguments.json, about(1), [row], samples=arguments.samples)


def measure(folder: Path, samples: int, rounds: int) -> dict[str, float]:
    """Seconds for each member, bytes digested a second, and seconds to know a finished shard again."""
    source, empty, output = folder / "in.tar", folder / "empty.tar", folder / "out.tar"
    write_tar(source, samples)
    write_tar(empty, 0)
    recipe = Recipe(Options())
    encode_shard(empty, output, recipe)

    def find() -> None:
        with open(source, "rb") as file:
            members(file, "in.tar")

    def digest() -> None:
        with open(source, "rb") as file:
            hashlib.file_digest(file, "sha256")

    def look() -> None:
        for _ in range(LOOKS):
            finished(empty, output, recipe)

    return {
        "member_seconds": least(find, rounds) / (3 * samples),
        "digest_bytes_a_second": source.stat().st_size / least(digest, rounds),
        "finished_seconds": least(look, rounds) / LOOKS,
    }


def least(work: Callable[[], None], rounds: int) -> float:
    """The least CPU time of several rounds."""
    times = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


def write_tar(path: Path, samples: int) -> None:
    """Samples of a picture, a label and a caption."""
    noise = np.random.default_rng(0).bytes(BYTES)
    with tarfile.open(path, "w") as tar:
        for number in range(samples):
            for extension, data in (("jpg", noise), ("cls", b"7"), ("txt", b"words " * 20)):
                info = tarfile.TarInfo(f"{number:06}.{extension}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


if __name__ == "__main__":
    main()

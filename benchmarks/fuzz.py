"""A campaign of hostile files: whatever is in them, a reader comes to a picture or to an error of one line.

python benchmarks/fuzz.py --minutes 10 --jobs 2
python benchmarks/fuzz.py --seed 1 --only 12345 (one file again, with a traceback if it fails)

Every file follows from the seed and its number. A worker writes each one down before it is read, so that the file is
known that makes it crash or hang; such files, and those of which comes what may not, are saved. The last line is one
JSON object that tells of the campaign; the exit code is 1 if a file has failed.

With NUMBA_BOUNDSCHECK=1 compiled code checks its indices, with NUMBA_DISABLE_JIT=1 it is not compiled: NumPy then warns
of numbers that overflow, and warnings are failures. Both take a cache of their own, and files are fewer.
"""

import argparse
import json
import mmap
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from reports import about

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

HANG = 2.0
"""Seconds that a file may take."""
MOST_MEMORY = 512 * 2**20
"""Bytes beyond those that a worker takes when it begins."""
_FIRST = 600.0
"""Seconds that a worker may take to begin: it compiles, or loads what has been compiled."""
# Of so many files one is drawn, if it can be read; the renderer has to be compiled.
_DRAWN = 4
_RENDERS = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
_JOURNAL = struct.Struct("<QQI")
_ROOM = 2**20
# Files between two reports of a worker.
_REPORT = 500


def main() -> int:
    """Run a campaign, or a worker of one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="of all files (default: of the clock)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="judge one file, here")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"), help="where files that fail are saved")
    parser.add_argument("--output", type=Path, help="file of results that the campaign is added to")
    parser.add_argument("--worker", nargs=3, metavar=("JOURNAL", "FIRST", "STEP"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    seed = time.time_ns() % 2**32 if arguments.seed is None else arguments.seed
    if arguments.only is not None:
        warnings.simplefilter("error")
        print(outcome(seed, arguments.only))
        return 0
    if arguments.worker:
        journal, first, step = arguments.worker
        work(Path(journal), seed, int(first), int(step))
        return 0
    log = campaign(arguments.minutes, seed, arguments.jobs, arguments.failures)
    print(json.dumps(log))
    if arguments.output:
        logs = json.loads(arguments.output.read_text()) if arguments.output.exists() else []
        arguments.output.write_text(json.dumps([*logs, log], indent=1) + "\n")
    return int(any(log[kind] for kind in ("failed", "crash", "hang")))


def generator(seed: int, number: int) -> Random:
    """What a file of a campaign follows from."""
    return Random(seed << 40 | number)


def outcome(seed: int, number: int) -> str:
    """What comes of a file; raises what it makes a reader raise, and AssertionError if that is not allowed."""
    from tests.hostile.mutations import hostile
    from tests.hostile.verdict import judged

    rng = generator(seed, number)
    return judged(hostile(rng), rng, drawn=_RENDERS and number % _DRAWN == 0)


def peak_memory() -> int:
    """Bytes that this process has taken at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def work(journal: Path, seed: int, first: int, step: int) -> None:
    """Judge the files `first`, `first + step`, ... for ever; print JSON at every failure, and now and then."""
    from tests.hostile.mutations import hostile
    from tests.hostile.parts import valid
    from tests.hostile.verdict import judged

    warnings.simplefilter("error")
    for parts in valid():
        judged(parts.pack(), Random(0), drawn=_RENDERS)
    idle = limit = peak_memory()
    limit += MOST_MEMORY
    found: Counter[str] = Counter()
    with journal.open("r+b") as file, mmap.mmap(file.fileno(), 0) as page:
        number = first
        started = 0
        while True:
            rng = generator(seed, number)
            data = hostile(rng)
            page[_JOURNAL.size : _JOURNAL.size + len(data)] = data
            started += 1
            # The number of this try comes last in time: a watchdog that sees it change sees all of it.
            _JOURNAL.pack_into(page, 0, started, number, len(data))
            fault = None
            try:
                found[judged(data, rng, drawn=_RENDERS and number % _DRAWN == 0)] += 1
            except Exception:  # whatever else is raised is what the campaign looks for
                found["failed"] += 1
                fault = traceback.format_exc()
            if (peak := peak_memory()) > limit:
                fault = f"{(peak - idle) >> 20} MiB beyond those of an idle worker"
                limit = peak + 2**24
            if fault or started % _REPORT == 0:
                report = {
                    "found": found,
                    "peak": peak - idle,
                    "fault": fault,
                    "number": number,
                    "file": data.hex() if fault else "",
                }
                print(json.dumps(report), flush=True)
                found.clear()
            number += step


class Worker:
    """A process that judges files, and what is known of it."""

    def __init__(self, seed: int, first: int, step: int, directory: Path) -> None:
        self.step = step
        self.journal = directory / f"journal-{first % step}"
        self.journal.write_bytes(bytes(_ROOM))
        self.output = directory / f"output-{first % step}"
        self.read = 0
        command = [sys.executable, __file__, "--seed", str(seed), "--worker", str(self.journal), str(first), str(step)]
        environment = {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"} | os.environ
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        self.seen = (0, time.monotonic())

    def current(self) -> tuple[int, int, bytes]:
        """How many files it has begun, the number of the last one and what is in it."""
        content = self.journal.read_bytes()
        started, number, size = _JOURNAL.unpack_from(content)
        return started, number, content[_JOURNAL.size : _JOURNAL.size + size]

    def lines(self) -> list[str]:
        """Whole lines that it has printed since this was last asked for."""
        content = self.output.read_bytes()[self.read :]
        whole = content[: content.rfind(b"\n") + 1]
        self.read += len(whole)
        return whole.decode(errors="replace").splitlines()

    def trouble(self) -> str | None:
        """Whether it has crashed or hangs."""
        code = self.process.poll()
        if code is not None:
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            return f"crash ({name})"
        started = self.current()[0]
        if started != self.seen[0]:
            self.seen = started, time.monotonic()
        return "hang" if time.monotonic() - self.seen[1] > (HANG if started else _FIRST) else None

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def campaign(minutes: float, seed: int, jobs: int, failures: Path) -> dict[str, Any]:
    """Let workers judge files until time is up, and print a line for every failure; what there is to tell of it."""
    begun = time.monotonic()
    found: Counter[str] = Counter()
    peak = 0

    def save(number: int, data: bytes, fault: str) -> None:
        failures.mkdir(exist_ok=True)
        path = failures / f"{seed}-{number}.gsi"
        path.write_bytes(data)
        path.with_suffix(".txt").write_text(fault)
        print(f"{path}: {fault.strip().splitlines()[-1]}", flush=True)

    with tempfile.TemporaryDirectory() as name:
        workers = [Worker(seed, first, jobs, Path(name)) for first in range(jobs)]
        try:
            while time.monotonic() - begun < 60 * minutes:
                time.sleep(0.25)
                for place, worker in enumerate(workers):
                    trouble = worker.trouble()
                    if trouble:
                        worker.stop()
                    for line in worker.lines():
                        if not line.startswith("{"):
                            print(line)
                            continue
                        report = json.loads(line)
                        found.update(report["found"])
                        peak = max(peak, report["peak"])
                        if report["fault"]:
                            save(report["number"], bytes.fromhex(report["file"]), report["fault"])
                    if trouble:
                        started, number, data = worker.current()
                        if not started:
                            raise SystemExit("a worker did not begin")
                        found[trouble.partition(" ")[0]] += 1
                        save(number, data, trouble)
                        workers[place] = Worker(seed, number + jobs, jobs, Path(name))
        finally:
            for worker in workers:
                worker.stop()
    seconds = time.monotonic() - begun
    return {
        **about(jobs),
        "seed": seed,
        "inputs": sum(found.values()),
        **{kind: found[kind] for kind in ("refused", "read", "drawn", "failed", "crash", "hang")},
        "peak_mib_above_idle": round(peak / 2**20, 1),
        "seconds": round(seconds),
        "jobs": jobs,
        "settings": {
            name: os.environ[name] for name in ("NUMBA_BOUNDSCHECK", "NUMBA_DISABLE_JIT") if name in os.environ
        },
    }


if __name__ == "__main__":
    sys.exit(main())

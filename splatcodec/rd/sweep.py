"""Measures codecs on pictures: every file is written, read back and decoded in another process than encoded it."""

import hashlib
import json
import os
import platform
import queue
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite.binding import get_host_cpu_name
from loky import ProcessPoolExecutor
from loky.process_executor import BrokenProcessPool

from ..errors import ResultsError
from ..files import source_name
from ..image import load_image, to_uint8
from ..metrics import ms_ssim, psnr, psnr_y, ssim
from .codecs import Codec, Pixels, get_codec
from .results import Results, Row

if TYPE_CHECKING:
    from ..image import ImageLike

JOURNAL = "rows.jsonl"
FILES = "files"


@dataclass(frozen=True)
class Progress:
    """What `sweep` has done.

    Attributes:
        row: the latest.
        done, total: numbers of rows.
        seconds_left: an estimate from the times of each codec so far.
    """

    row: Row
    done: int
    total: int
    seconds_left: float


@dataclass(frozen=True, eq=False)
class _Task:
    """A file to make and to measure; `row` is what is known of it before."""

    row: Row
    codec: Codec
    image: Pixels | str
    path: Path


def sweep(
    images: "Sequence[ImageLike] | Mapping[str, ImageLike]",
    codecs: Sequence[Codec | str],
    qualities: Mapping[str, Sequence[float]] | None = None,
    *,
    jobs: int = 1,
    directory: str | os.PathLike[str] | None = None,
    resume: bool = False,
    about: Mapping[str, str] | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Results:
    """Measure codecs on pictures at several qualities.

    A codec that fails on a picture, or takes its process down with it, leaves a row with the error.

    Args:
        images: the pictures, as in `splatcodec.encode`; by name, or named after their files.
        codecs: the codecs, or names of built-in ones.
        qualities: the settings to measure, by name of codec; by default each codec's own.
        jobs: number of files to make at a time. Times are those of a quiet machine only with one.
        directory: keeps the files, and a journal of the rows; nothing is kept if None.
        resume: continue from the journal in the directory; what it holds of equal pictures, versions and qualities is
            not measured again, failures are.
        about: facts to keep with the results beside the date and the machine.
        callback: called with a `Progress` after every row.

    Raises:
        ImageError, OSError: a picture cannot be read, or the directory cannot be written.
        ResultsError: the directory holds results already, and `resume` is not set.
        ValueError: an argument makes no sense.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    if resume and directory is None:
        raise ValueError("there is nothing to resume without a directory")
    chosen = [get_codec(codec) if isinstance(codec, str) else codec for codec in codecs]
    settings = {codec.name: codec.qualities for codec in chosen} | dict(qualities or {})
    if len(settings) != len(chosen):
        names = ", ".join(codec.name for codec in chosen)
        raise ValueError(f"codecs are {names}; qualities are of {', '.join(settings)}")
    for name, values in settings.items():
        if not len(values):
            raise ValueError(f"{name} has no qualities of its own; say which to measure")
    named = list(_name(images))
    with _directory(directory) as folder:
        tasks = list(_tasks(named, chosen, settings, folder))
        journal = _Journal(folder / JOURNAL, resume)
        rows = {task: row for task in tasks if (row := journal.finished(task)) is not None}
        run = {
            "date": time.strftime("%Y-%m-%d"),
            "machine": f"{platform.machine()} {get_host_cpu_name()}, {os.cpu_count()} cores, {jobs} jobs",
            "python": platform.python_version(),
            "splatcodec": version("splatcodec"),
            **(about or {}),
        }
        open_tasks = [task for task in tasks if task not in rows]
        if open_tasks:
            journal.start(run)
        clock = _Clock(open_tasks, jobs)
        for task, row, seconds in _measure(open_tasks, jobs):
            journal.append(row)
            rows[task] = row
            if callback is not None:
                callback(Progress(row, len(rows), len(tasks), clock.left(task, seconds)))
        return Results(tuple(rows[task] for task in tasks), tuple(journal.runs))


def file_of(directory: str | os.PathLike[str], row: Row, codec: Codec) -> Path:
    """Where `sweep` keeps the file of a row."""
    stem = row.picture.replace(os.sep, "_")
    return Path(directory) / FILES / f"{stem}.{row.codec}.{row.quality:g}.{codec.extension}"


def _name(images: "Sequence[ImageLike] | Mapping[str, ImageLike]") -> "Iterator[tuple[str, ImageLike]]":
    """Names and pictures; files that share their names are told apart by their paths."""
    if isinstance(images, Mapping):
        yield from images.items()
        return
    paths = [source_name(image) for image in images]
    names = [os.path.basename(path) for path in paths]
    for path, name, image in zip(paths, names, images, strict=True):
        unique = name if names.count(name) == 1 else path
        if paths.count(path) > 1:
            raise ValueError(f"two pictures are called {path}")
        yield unique, image


def _tasks(
    images: "Iterable[tuple[str, ImageLike]]",
    codecs: Sequence[Codec],
    qualities: Mapping[str, Sequence[float]],
    folder: Path,
) -> Iterator[_Task]:
    for picture, image in images:
        pixels = to_uint8(load_image(image))
        height, width = pixels.shape[:2]
        digest = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()[:16]
        # Paths are read where they are needed, so that a thousand pictures fit into memory.
        source = os.path.abspath(image) if isinstance(image, str | os.PathLike) else pixels
        for codec in codecs:
            for quality in dict.fromkeys(float(quality) for quality in qualities[codec.name]):
                row = Row(picture, digest, width, height, codec.name, codec.version, quality)
                yield _Task(row, codec, source, file_of(folder, row, codec))


@contextmanager
def _directory(directory: str | os.PathLike[str] | None) -> Iterator[Path]:
    """The directory, with a folder for files, or a temporary one."""
    if directory is None:
        with tempfile.TemporaryDirectory(prefix="splatcodec-") as folder:
            (Path(folder) / FILES).mkdir()
            yield Path(folder)
        return
    path = Path(directory)
    (path / FILES).mkdir(parents=True, exist_ok=True)
    yield path


class _Journal:
    """A file with one line for every row and every run, so that what a killed run has done is not lost.

    Raises:
        ResultsError: there is one already and it is not to be resumed.
    """

    def __init__(self, path: Path, resume: bool) -> None:
        self.runs: list[dict[str, str]] = []
        self._path = path
        self._rows: dict[tuple[object, ...], Row] = {}
        if not path.exists():
            return
        if not resume:
            raise ResultsError(f"{path.parent}: holds results already; resume them or take another directory")
        lines = []
        for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
            try:
                record = json.loads(line)
                if "run" in record:
                    self.runs.append(record["run"])
                else:
                    row = Row.from_record(record)
                    self._rows[row.key] = row
                lines.append(line.rstrip() + b"\n")
            except ValueError:
                warnings.warn(f"{path}: line {number} is damaged, what it held is measured again", stacklevel=4)
        path.write_bytes(b"".join(lines))

    def finished(self, task: _Task) -> Row | None:
        """The row of a task that was done without failure and whose file is still there."""
        row = self._rows.get(task.row.key)
        if row is None or row.error is not None:
            return None
        return row if task.path.is_file() and task.path.stat().st_size == row.bytes else None

    def start(self, run: dict[str, str]) -> None:
        """Note a new run."""
        self.runs = [*self.runs, run]
        self._write({"run": run})

    def append(self, row: Row) -> None:
        """Note a row."""
        self._write(row.to_record())

    def _write(self, record: Mapping[str, object]) -> None:
        with open(self._path, "a") as file:
            file.write(json.dumps(record) + "\n")


class _Clock:
    """Estimates how long the rest takes, from the mean times of each codec."""

    def __init__(self, tasks: Sequence[_Task], jobs: int) -> None:
        self._jobs = jobs
        self._left: dict[str, int] = {}
        for task in tasks:
            self._left[task.row.codec] = self._left.get(task.row.codec, 0) + 1
        self._seconds: dict[str, list[float]] = {}

    def left(self, task: _Task, seconds: float) -> float:
        """Seconds left after a task that took so many."""
        self._left[task.row.codec] -= 1
        self._seconds.setdefault(task.row.codec, []).append(seconds)
        means = {name: float(np.mean(values)) for name, values in self._seconds.items()}
        guess = float(np.mean(list(means.values())))
        return sum(count * means.get(name, guess) for name, count in self._left.items()) / self._jobs


def _measure(tasks: Sequence[_Task], jobs: int) -> Iterator[tuple[_Task, Row, float]]:
    """Tasks as they are done, with their rows and seconds."""
    lanes: queue.SimpleQueue[_Lane] = queue.SimpleQueue()
    every = [_Lane(max(1, (os.cpu_count() or 1) // jobs)) for _ in range(min(jobs, len(tasks)))]
    for lane in every:
        lanes.put(lane)

    def work(task: _Task) -> tuple[_Task, Row, float]:
        lane = lanes.get()
        start = time.perf_counter()
        try:
            return task, lane.measure(task), time.perf_counter() - start
        finally:
            lanes.put(lane)

    if not tasks:
        return
    pool = ThreadPoolExecutor(len(every), thread_name_prefix="splatcodec-rd")
    try:
        for future in as_completed([pool.submit(work, task) for task in tasks]):
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for lane in every:
            lane.close()
        pool.shutdown()


class _Lane:
    """Two processes, one that encodes and one that decodes; one that dies is replaced.

    Args:
        threads: that each may use.
    """

    def __init__(self, threads: int) -> None:
        self._environment = {"OMP_NUM_THREADS": str(threads), "NUMBA_NUM_THREADS": str(threads)}
        self._processes: dict[Callable[..., dict[str, Any]], ProcessPoolExecutor] = {}

    def measure(self, task: _Task) -> Row:
        """The row of a task."""
        codec, image = task.codec, task.image
        values = self._run(_encode, codec, image, task.row.quality, task.path)
        if "error" not in values:
            values |= self._run(_decode, codec, image, task.path)
        return replace(task.row, **values)

    def _run(self, function: Callable[..., dict[str, Any]], *args: object) -> dict[str, Any]:
        """Values for the row that a function returns in its own process."""
        if function not in self._processes:
            self._processes[function] = ProcessPoolExecutor(
                1, initializer=_attend, initargs=(os.getpid(),), env=self._environment
            )
        try:
            return self._processes[function].submit(function, *args).result()
        except BrokenProcessPool:
            self._processes.pop(function).shutdown(kill_workers=True)
            return {"error": f"{function.__name__.strip('_')}: the process died"}

    def close(self) -> None:
        """End the processes at once."""
        for process in list(self._processes.values()):
            process.shutdown(kill_workers=True)


def _attend(parent: int) -> None:
    """Leave Ctrl-C, which reaches all processes of a terminal, to the parent, and end when it has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


_prepared: set[str] = set()


def _prepare(codec: Codec) -> None:
    """Keep what happens once per process out of the times."""
    if codec.name not in _prepared:
        codec.prepare()
        _prepared.add(codec.name)


def _failure(step: str, error: Exception) -> dict[str, Any]:
    return {"error": f"{step}: {type(error).__name__}: {error}"}


def _encode(codec: Codec, image: Pixels | str, quality: float, path: Path) -> dict[str, Any]:
    """Write the file of a picture; its length and time for the row."""
    pixels = to_uint8(load_image(image))
    try:
        _prepare(codec)
        start = time.perf_counter()
        data = codec.encode(pixels, quality)
        seconds = time.perf_counter() - start
        path.write_bytes(data)
    except Exception as error:
        return _failure("encode", error)
    bpp = 8 * len(data) / (pixels.shape[0] * pixels.shape[1])
    return {"bytes": len(data), "bpp": bpp, "encode_seconds": seconds}


def _decode(codec: Codec, image: Pixels | str, path: Path) -> dict[str, Any]:
    """Read a file back and compare it to the picture; metrics and time for the row."""
    pixels = to_uint8(load_image(image))
    try:
        _prepare(codec)
        data = path.read_bytes()
        start = time.perf_counter()
        decoded = np.asarray(codec.decode(data))
        seconds = time.perf_counter() - start
        if decoded.ndim == 3 and pixels.ndim == 2:
            # Formats that know colour pictures only give grey ones back in colour.
            pixels = np.repeat(pixels[:, :, None], 3, axis=2)
        if decoded.shape != pixels.shape or decoded.dtype != np.uint8:
            raise ValueError(f"expected uint8 {pixels.shape}, got {decoded.dtype} {decoded.shape}")
    except Exception as error:
        return _failure("decode", error)
    metrics = {"psnr": psnr(pixels, decoded), "psnr_y": psnr_y(pixels, decoded)}
    finite = {name: value if np.isfinite(value) else None for name, value in metrics.items()}
    structure = {"ssim": ssim(pixels, decoded), "ms_ssim": ms_ssim(pixels, decoded)}
    return {"decode_seconds": seconds, **finite, **structure}

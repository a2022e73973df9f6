"""Measures codecs on pictures: every file is written, read back and decoded by another process than encoded it."""

import hashlib
import os
import platform
import queue
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from llvmlite.binding import get_host_cpu_name

from ..files import source_name
from ..image import load_pixels
from ..processes import leave_interrupts
from .codecs import Codec, Pixels
from .journal import Journal
from .registry import get_codec
from .results import Results
from .row import Row
from .workers import Lane, file_digest

if TYPE_CHECKING:
    from ..image import ImageLike

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
        directory: keeps the files, and a journal of the rows; nothing is kept if None. For one run at a time.
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
    if isinstance(images, str | bytes) or not len(images):
        raise ValueError("images must be a list or a mapping of at least one picture")
    chosen = _settings(codecs, qualities or {})
    with _directory(directory) as folder:
        journal = Journal(folder, resume)
        tasks = list(_tasks(images, chosen, folder))
        (folder / FILES).mkdir(parents=True, exist_ok=True)
        rows = {task: row for task in tasks if (row := _finished(task, journal)) is not None}
        open_tasks = [task for task in tasks if task not in rows]
        if open_tasks:
            journal.start(
                {
                    "date": time.strftime("%Y-%m-%d"),
                    "machine": f"{platform.machine()} {get_host_cpu_name()}, {os.cpu_count()} cores, jobs: {jobs}",
                    "python": platform.python_version(),
                    "splatcodec": version("splatcodec"),
                    **(about or {}),
                }
            )
        clock = _Clock(open_tasks, jobs)
        for task, row, seconds in _measure(open_tasks, jobs):
            journal.append(row)
            rows[task] = row
            if callback is not None:
                callback(Progress(row, len(rows), len(tasks), clock.left(task, seconds)))
        return Results(tuple(rows[task] for task in tasks), tuple(journal.runs))


def file_of(directory: str | os.PathLike[str], row: Row, codec: Codec) -> Path:
    """Where `sweep` keeps the file of a row."""
    stem = re.sub(r"[^\w.-]", "_", row.picture)[-80:]
    return Path(directory) / FILES / f"{stem}-{row.digest[:6]}.{row.codec}.{row.quality:.12g}.{codec.extension}"


def _settings(
    codecs: Sequence[Codec | str], qualities: Mapping[str, Sequence[float]]
) -> list[tuple[Codec, list[float]]]:
    """The codecs, each with the qualities to measure."""
    chosen = {}
    for item in codecs:
        codec = get_codec(item) if isinstance(item, str) else item
        if not re.fullmatch(r"[\w.-]+", codec.name):
            raise ValueError(f"the name of a codec is of letters, digits, -, _ and ., not {codec.name!r}")
        if not isinstance(codec.version, str):
            raise ValueError(f"the version of {codec.name} must be text, got {codec.version!r}")
        if codec.name in chosen:
            raise ValueError(f"two codecs are called {codec.name}")
        settings = list(dict.fromkeys(float(quality) for quality in qualities.get(codec.name, codec.qualities)))
        if not settings or not np.isfinite(settings).all():
            raise ValueError(f"{codec.name} needs one or more finite qualities, got {settings}")
        chosen[codec.name] = codec, settings
    if not chosen:
        raise ValueError("there are no codecs to measure")
    for name in qualities:
        if name not in chosen:
            raise ValueError(f"there are qualities for {name}, which is not among {', '.join(chosen)}")
    return list(chosen.values())


@contextmanager
def _directory(directory: str | os.PathLike[str] | None) -> Iterator[Path]:
    """The directory, or a temporary one."""
    if directory is not None:
        yield Path(directory)
        return
    with tempfile.TemporaryDirectory(prefix="splatcodec-") as folder:
        yield Path(folder)


def _tasks(
    images: "Sequence[ImageLike] | Mapping[str, ImageLike]",
    codecs: Sequence[tuple[Codec, list[float]]],
    folder: Path,
) -> Iterator[_Task]:
    for picture, image in named(images).items():
        pixels = load_pixels(image)
        height, width = pixels.shape[:2]
        digest = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()[:16]
        # Paths are read where they are needed, so that a thousand pictures fit into memory.
        source = os.path.abspath(image) if isinstance(image, str | os.PathLike) else pixels
        for codec, settings in codecs:
            for quality in settings:
                row = Row(picture, digest, width, height, codec.name, codec.version, quality)
                yield _Task(row, codec, source, file_of(folder, row, codec))


def named(images: "Sequence[ImageLike] | Mapping[str, ImageLike]") -> "dict[str, ImageLike]":
    """Pictures by name: given ones, those of the files, or the paths of files that share their names.

    Raises:
        ValueError: a picture is given twice.
    """
    if isinstance(images, Mapping):
        return dict(images)
    # Names of files may hold bytes that are no text.
    paths = [os.fsencode(source_name(image)).decode("utf-8", "backslashreplace") for image in images]
    names = [os.path.basename(path) for path in paths]
    unique = [name if names.count(name) == 1 else path for path, name in zip(paths, names, strict=True)]
    for name in unique:
        if unique.count(name) > 1:
            raise ValueError(f"two pictures are called {name}; give a mapping from names to pictures")
    return dict(zip(unique, images, strict=True))


def _finished(task: _Task, journal: Journal) -> Row | None:
    """The row of a task that was done without failure and whose file is still what it was."""
    row = journal.find(task.row)
    if row is None or row.error is not None or not task.path.is_file():
        return None
    return row if file_digest(task.path.read_bytes()) == row.file_digest else None


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
    if not tasks:
        return
    from splatkernels import get_num_threads

    lanes = [Lane(max(1, get_num_threads() // jobs)) for _ in range(min(jobs, len(tasks)))]
    free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
    for lane in lanes:
        free.put(lane)

    def work(task: _Task) -> tuple[_Task, Row, float]:
        lane = free.get()
        start = time.perf_counter()
        try:
            values = lane.measure(task.codec, task.image, task.row.quality, task.path)
            return task, replace(task.row, **values), time.perf_counter() - start
        finally:
            free.put(lane)

    pool = ThreadPoolExecutor(len(lanes), "splatcodec-rd", leave_interrupts)
    try:
        for future in as_completed([pool.submit(work, task) for task in tasks]):
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for lane in lanes:
            lane.close()
        pool.shutdown()

"""Runs over files: tasks go to processes, and what comes of them comes back as it is done."""

import queue
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..processes import DiedError, Worker, leave_interrupts
from .coders import in_one_line, warm_up

# A process that dies takes what it does with it; of what it was doing, it may not have been the cause.
_ATTEMPTS = 2


@dataclass(frozen=True)
class Task:
    """What to do with a file.

    Attributes:
        function: called in another process with the source, the output and the arguments; returns what it finds.
        source: the file.
        output: what is made of it.
        arguments: what else the function takes; small, since it travels to the process.
    """

    function: Callable[..., dict[str, Any]]
    source: Path
    output: Path
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Failure:
    """Why a task was not done."""

    error: str
    """One line."""


def run(tasks: Sequence[Task], jobs: int = 1) -> Iterator[tuple[Task, dict[str, Any] | Failure]]:
    """Do tasks in processes side by side, which share the cores.

    Args:
        tasks: what to do.
        jobs: how many at a time.

    Yields:
        Tasks as they are done, with what was found and `warnings`, a list of lines; or why not.
    """
    if not tasks:
        return
    from splatkernels import get_num_threads

    jobs = min(jobs, len(tasks))
    workers = [Worker(max(1, get_num_threads() // jobs)) for _ in range(jobs)]
    free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)

    def work(task: Task) -> tuple[Task, dict[str, Any] | Failure]:
        worker = free.get()
        try:
            return task, _done(worker, task)
        finally:
            free.put(worker)

    pool = ThreadPoolExecutor(jobs, "splatcodec-batch", leave_interrupts)
    try:
        if jobs > 1:
            # Kernels that are not compiled yet are compiled once, not by all at the same time.
            with suppress(DiedError):
                pool.submit(workers[0].call, warm_up).result()
        for future in as_completed([pool.submit(work, task) for task in tasks]):
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.close()
        pool.shutdown()


def _done(worker: Worker, task: Task) -> dict[str, Any] | Failure:
    error: Exception | None = None
    for _ in range(_ATTEMPTS):
        try:
            found: dict[str, Any] = worker.call(_noted, task.function, task.source, task.output, *task.arguments)
            return found
        except DiedError as died:
            error = died
        except Exception as fault:  # whatever is wrong with one file, the others are worked on
            error = fault
            break
    assert error is not None
    text = in_one_line(error)
    is_named = any(str(path) in text for path in (task.source, task.output))
    return Failure(text if is_named else f"{task.source}: {text}")


def _noted(function: Callable[..., dict[str, Any]], *args: object) -> dict[str, Any]:
    """What a function returns, and of what it has warned."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        # Pillow's remarks on odd metadata are no faults of the picture.
        warnings.filterwarnings("ignore", module="PIL")
        found = function(*args)
    return found | {"warnings": list(dict.fromkeys(" ".join(str(entry.message).split()) for entry in caught))}

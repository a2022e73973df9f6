"""Runs over files: tasks go to processes, and what comes of them comes back as it is done."""

import queue
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..processes import DiedError, Worker, leave_interrupts
from .coders import in_one_line, warm_up

# A process that dies takes what it does with it; of what it was doing, it may not have been the cause.
_ATTEMPTS = 2
# Results that wait for an earlier one, for each process.
_AHEAD = 32

Found = dict[str, Any]
"""What a task leads to."""
Call = tuple[str, tuple[Any, ...]]
"""What is worked on, by name, and the arguments."""


@dataclass(frozen=True)
class Task:
    """What to do with a file.

    Attributes:
        function: called in another process with the source, the output and the arguments; returns what it finds.
        source: the file.
        output: what is made of it.
        arguments: what else the function takes; small, since it travels to the process.
    """

    function: Callable[..., Found]
    source: Path
    output: Path
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Failure:
    """Why a task was not done."""

    error: str
    """One line."""


class Crew:
    """Processes that work side by side and share the cores; they end when the block does.

    Args:
        jobs: how many.
    """

    def __init__(self, jobs: int) -> None:
        from splatkernels import get_num_threads

        self._workers = [Worker(max(1, get_num_threads() // jobs)) for _ in range(jobs)]
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(jobs, "splatcodec-batch", leave_interrupts)

    def __enter__(self) -> "Crew":
        try:
            if len(self._workers) > 1:
                # Kernels that are not compiled yet are compiled once, not by all at the same time.
                with suppress(DiedError):
                    self._pool.submit(self._workers[0].call, warm_up).result()
        except BaseException:
            self.__exit__()
            raise
        for worker in self._workers:
            self._free.put(worker)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.close()
        self._pool.shutdown()

    def submit(self, name: str, function: Callable[..., Found], *args: object) -> "Future[Found | Failure]":
        """Call a function in one of the processes; what it works on has a name, for failures."""
        return self._pool.submit(self._work, name, function, args)

    def in_order(self, function: Callable[..., Found], calls: Iterable[Call]) -> Iterator[Found | Failure]:
        """What a function returns for names and arguments, one after the other; few wait for those before them."""
        pending: deque[Future[Found | Failure]] = deque()
        try:
            for name, args in calls:
                pending.append(self.submit(name, function, *args))
                if len(pending) >= _AHEAD * len(self._workers):
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()

    def _work(self, name: str, function: Callable[..., Found], args: tuple[object, ...]) -> Found | Failure:
        worker = self._free.get()
        try:
            return _done(worker, name, function, args)
        finally:
            self._free.put(worker)


def run(tasks: Sequence[Task], jobs: int = 1) -> Iterator[tuple[Task, Found | Failure]]:
    """Do tasks in processes side by side, which share the cores.

    Args:
        tasks: what to do.
        jobs: how many at a time.

    Yields:
        Tasks as they are done, with what was found and `warnings`, a list of lines; or why not.
    """
    if not tasks:
        return
    with Crew(min(jobs, len(tasks))) as crew:
        futures = {
            crew.submit(str(task.source), _noted, task.function, task.source, task.output, *task.arguments): task
            for task in tasks
        }
        for future in as_completed(futures):
            yield futures[future], future.result()


def _done(worker: Worker, name: str, function: Callable[..., Found], args: tuple[object, ...]) -> Found | Failure:
    error: Exception | None = None
    for _ in range(_ATTEMPTS):
        try:
            found: Found = worker.call(function, *args)
            return found
        except DiedError as died:
            error = died
        except Exception as fault:  # whatever is wrong with one file, the others are worked on
            error = fault
            break
    assert error is not None
    text = in_one_line(error)
    return Failure(text if text.startswith(name) else f"{name}: {text}")


def _noted(function: Callable[..., Found], *args: object) -> Found:
    """What a function returns, and of what it has warned."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        # Pillow's remarks on odd metadata are no faults of the picture.
        warnings.filterwarnings("ignore", module="PIL")
        found = function(*args)
    return found | {"warnings": list(dict.fromkeys(" ".join(str(entry.message).split()) for entry in caught))}

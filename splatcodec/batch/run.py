"""Runs over files: tasks go to processes, and what comes of them comes back as it is done."""

import errno
import queue
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeGuard

from ..files import about, in_one_line
from ..processes import DiedError, Worker, leave_interrupts
from .coders import fault_of

# A process that dies takes what it does with it; of what it was doing, it may not have been the cause.
_ATTEMPTS = 2
# Results that wait for an earlier one, or for whoever takes them, for each process.
_AHEAD = 32
# Whatever cannot be written for these reasons, the next one cannot either.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

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
    cause: Exception | None = field(default=None, compare=False)
    """What was raised, if that is known."""


class Crew:
    """Processes that work side by side and share the cores; they end when the block does.

    Args:
        jobs: how many.
        warm_up: called in the first one before the others begin, so that kernels which are not compiled yet are
            compiled once, not by all at the same time.
    """

    def __init__(self, jobs: int, warm_up: Callable[[], object] | None = None) -> None:
        from splatkernels import get_num_threads

        self._warm_up = warm_up

        self._workers = [Worker(max(1, get_num_threads() // jobs)) for _ in range(jobs)]
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(jobs, "splatcodec-batch", leave_interrupts)

    def __enter__(self) -> "Crew":
        try:
            if len(self._workers) > 1 and self._warm_up is not None:
                with suppress(DiedError):
                    self._pool.submit(self._workers[0].call, self._warm_up).result()
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

    def submit(self, names: Sequence[str], function: Callable[..., Found], *args: object) -> "Future[Found | Failure]":
        """Call a function in one of the processes; failures begin with one of the names of what it works on."""
        return self._pool.submit(self._work, names, function, args)

    def in_order(self, function: Callable[..., Found], calls: Iterable[Call]) -> Generator[Found | Failure, None, None]:
        """What a function returns for names and arguments, one after the other; few wait for those before them."""
        pending: deque[Future[Found | Failure]] = deque()
        try:
            for name, args in calls:
                pending.append(self.submit([name], function, *args))
                if len(pending) >= _AHEAD * len(self._workers):
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()

    def _work(self, names: Sequence[str], function: Callable[..., Found], args: tuple[object, ...]) -> Found | Failure:
        worker = self._free.get()
        try:
            return _done(worker, names, function, args)
        finally:
            self._free.put(worker)


def run(
    tasks: Sequence[Task], jobs: int = 1, warm_up: Callable[[], object] | None = None
) -> Iterator[tuple[Task, Found | Failure]]:
    """Do tasks in processes side by side, which share the cores.

    Args:
        tasks: what to do.
        jobs: how many at a time.
        warm_up: as of `Crew`.

    Yields:
        Tasks as they are done, with what was found and `warnings`, a list of lines; or why not.

    Raises:
        OSError: there is no room for more.
    """
    if not tasks:
        return
    left = iter(tasks)
    with Crew(min(jobs, len(tasks)), warm_up) as crew:
        # Few at a time, and none that has been done: of a million, all would be too much to hold.
        waiting: dict[Future[Found | Failure], Task] = {}
        while True:
            for task in islice(left, _AHEAD * jobs - len(waiting)):
                names = str(task.source), str(task.output)
                args = task.function, task.source, task.output, *task.arguments
                waiting[crew.submit(names, _noted, *args)] = task
            if not waiting:
                return
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                outcome = future.result()
                if isinstance(outcome, Failure) and is_full(outcome.cause):
                    raise outcome.cause
                yield waiting.pop(future), outcome


def is_full(error: Exception | None) -> TypeGuard[OSError]:
    """Whether something could not be written for a reason for which nothing else can be."""
    return isinstance(error, OSError) and error.errno in _FULL


def _done(
    worker: Worker, names: Sequence[str], function: Callable[..., Found], args: tuple[object, ...]
) -> Found | Failure:
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
    return Failure(about(fault_of(error), *names), error)


@contextmanager
def remarks() -> Iterator[Callable[[], list[str]]]:
    """What to ask for the warnings in a block, each once and in one line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        # Pillow's remarks on odd metadata are no faults of the picture.
        warnings.filterwarnings("ignore", module="PIL")
        yield lambda: list(dict.fromkeys(in_one_line(str(entry.message)) for entry in caught))


def _noted(function: Callable[..., Found], *args: object) -> Found:
    """What a function returns, and of what it has warned, unless it says so itself."""
    with remarks() as lines:
        found = function(*args)
    return found | {"warnings": found.get("warnings", lines())}

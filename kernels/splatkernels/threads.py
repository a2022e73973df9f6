"""Runs the parts of a kernel side by side.

Kernels release the GIL, so plain Python threads are enough. They need no OpenMP runtime (two of which in one process,
torch's and Numba's, would spin against each other, even between calls), survive calls from several threads at once and
start in microseconds.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from numbers import Integral
from queue import SimpleQueue

import numba

_limit: ContextVar[int | None] = ContextVar("threads", default=None)
_threads = numba.config.NUMBA_NUM_THREADS


def get_num_threads() -> int:
    """Number of threads the CPU kernels use; at first NUMBA_NUM_THREADS, or else the number of usable cores."""
    return _limit.get() or _threads


def set_num_threads(threads: int) -> None:
    """Use `threads` >= 1 threads in the CPU kernels of this process from now on."""
    global _threads
    if not isinstance(threads, Integral) or threads < 1:
        raise ValueError(f"threads must be a whole number of at least 1, got {threads!r}")
    _threads = int(threads)


@contextmanager
def limited(threads: int | None) -> Iterator[None]:
    """Use so many threads in the CPU kernels that this thread calls within the block; None changes nothing."""
    token = _limit.set(threads or _limit.get())
    try:
        yield
    finally:
        _limit.reset(token)


def run(kernel: Callable[..., None], items: int, *args: object) -> None:
    """Call `kernel(part, parts, *args)` for every part, where `items` units of work bound the number of parts."""
    run_or(lambda: None, kernel, items, *args)


def run_or(fail: Callable[[], None], kernel: Callable[..., object], items: int, *args: object) -> None:
    """As `run`; `fail` is called as soon as a part has failed, lest the others wait for it."""
    parts = max(1, min(get_num_threads(), items))
    if parts == 1:
        kernel(0, 1, *args)
        return
    helpers: list[_Helper] = []
    failure: BaseException | None = None
    try:
        for part in range(1, parts):
            helper = _helper()
            helper.begin(partial(_try, fail, kernel, part, parts, *args))
            # Only now: one that has nothing to do would never end.
            helpers.append(helper)
        kernel(0, parts, *args)
    except BaseException as own:
        fail()
        failure = own
    while helpers:
        # Parts write to the arrays of the caller, who may go on only once all are done, whoever interrupts.
        try:
            failure = helpers[-1].end() or failure
            _idle.append(helpers.pop())
        except BaseException as interrupt:
            fail()
            failure = interrupt
    if failure is not None:
        raise failure


def _try(fail: Callable[[], None], function: Callable[..., object], *args: object) -> None:
    try:
        function(*args)
    except BaseException:
        fail()
        raise


class _Helper:
    """A thread that calls one function after another: handing it one takes half as long as a pool of futures does."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._ends: SimpleQueue[None] = SimpleQueue()
        self._ended = True
        self._failure: BaseException | None = None
        threading.Thread(target=self._work, name="splatkernels", daemon=True).start()

    def begin(self, call: Callable[[], object]) -> None:
        """Have a function called."""
        self._ended, self._failure = False, None
        self._calls.put(call)

    def end(self) -> BaseException | None:
        """Wait for that, and say what it has raised; also once more, if something interrupts."""
        while not self._ended:
            self._ends.get()
        return self._failure

    def _work(self) -> None:
        while True:
            try:
                self._calls.get()()
            except BaseException as failure:
                self._failure = failure
            self._ended = True
            self._ends.put(None)


def _helper() -> _Helper:
    try:
        return _idle.pop()
    except IndexError:
        return _Helper()


# Helpers that wait for work. One that is working belongs to the call that has given it its work.
_idle: deque[_Helper] = deque()

if hasattr(os, "register_at_fork"):
    # A forked child inherits the list, but none of its threads.
    os.register_at_fork(after_in_child=_idle.clear)

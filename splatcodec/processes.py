"""Processes that work for this one: they end with it, leave Ctrl-C to it, and one that dies harms no other."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any


class DiedError(RuntimeError):
    """A process has died of whatever it was doing."""


class Worker:
    """A process that calls one function at a time; one that dies is replaced.

    Args:
        threads: that our kernels may use in it.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool: ProcessPoolExecutor | None = None
        self._is_closed = False
        # Another thread closes it.
        self._lock = threading.Lock()

    def call(self, function: Callable[..., Any], *args: object) -> Any:
        """What a function returns there.

        Raises:
            DiedError: the process has died, and the next call gets another one; or the worker is closed.
            Exception: as the function raises it.
        """
        try:
            return self._submit(function, *args).result()
        except BrokenProcessPool:
            self._end()
            raise DiedError("the process died, perhaps for lack of memory") from None

    def close(self) -> None:
        """End the process at once, for good."""
        with self._lock:
            self._is_closed = True
        self._end()

    def _submit(self, function: Callable[..., Any], *args: object) -> "Future[Any]":
        with self._lock:
            if self._is_closed:
                raise DiedError("the process has been ended")
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    1, get_context("spawn"), initializer=_begin, initargs=(os.getpid(), self._threads)
                )
            return self._pool.submit(function, *args)

    def _end(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is None:
            return
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(cancel_futures=True)


def leave_interrupts() -> None:
    """Keep Ctrl-C from processes that this thread starts: it reaches all of a terminal, and the parent ends them."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def attend(parent: int) -> None:
    """Leave Ctrl-C to the parent of this process, and end when it has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _begin(parent: int, threads: int) -> None:
    attend(parent)
    from splatkernels import set_num_threads

    set_num_threads(threads)

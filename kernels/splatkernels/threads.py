"""Runs the parts of a kernel side by side.

Kernels release the GIL and split their work into parts that share nothing, so plain Python threads are enough. They
need no OpenMP runtime (two of which in one process, torch's and Numba's, would spin against each other), survive
calls from several threads at once and start in microseconds.
"""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Integral

import numba

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_pool_size = 0
_limit: ContextVar[int | None] = ContextVar("threads", default=None)
_threads = numba.config.NUMBA_NUM_THREADS


def _forget_pool() -> None:
    """Start afresh in a forked child, which inherits the pool but none of its threads."""
    global _lock, _pool
    _lock = threading.Lock()
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


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
    parts = max(1, min(get_num_threads(), items))
    if parts == 1:
        kernel(0, 1, *args)
        return
    futures = [_helpers(parts - 1).submit(kernel, part, parts, *args) for part in range(1, parts)]
    kernel(0, parts, *args)
    for future in futures:
        future.result()


def _helpers(count: int) -> ThreadPoolExecutor:
    """At least so many threads."""
    global _pool, _pool_size
    with _lock:
        if _pool is None or _pool_size < count:
            # Whoever still has work for the old ones will see it done.
            _pool, _pool_size = ThreadPoolExecutor(count, thread_name_prefix="splatkernels"), count
        return _pool

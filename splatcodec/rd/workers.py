"""Processes that encode and others that decode what these wrote; one that dies harms no other."""

import hashlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import requires
from ..files import replacing
from ..image import load_pixels
from ..metrics import evaluate
from ..processes import attend
from .codecs import Codec, Pixels
from .curves import METRICS

with requires("loky", "bench"):
    from loky import ProcessPoolExecutor
    from loky.process_executor import BrokenProcessPool

# A call that takes longer is not repeated to keep out of its time what only the first one does.
_LONG = 1.0


class Lane:
    """Two processes, one that encodes and one that decodes; one that dies is replaced.

    Args:
        threads: that our kernels and torch may use in each.
    """

    def __init__(self, threads: int) -> None:
        self._environment = {"OMP_NUM_THREADS": str(threads), "NUMBA_NUM_THREADS": str(threads)}
        self._processes: dict[Callable[..., dict[str, Any]], ProcessPoolExecutor] = {}

    def measure(self, codec: Codec, image: Pixels | str, quality: float, path: Path) -> dict[str, Any]:
        """Write the file of a picture, read it back and compare: fields of a `Row`."""
        values = self._run(_encode, codec, image, quality, path)
        if "error" not in values:
            values |= self._run(_decode, codec, image, path)
        return values

    def _run(self, function: Callable[..., dict[str, Any]], *args: object) -> dict[str, Any]:
        """What a function returns in its own process."""
        try:
            if function not in self._processes:
                self._processes[function] = ProcessPoolExecutor(
                    1, initializer=attend, initargs=(os.getpid(),), env=self._environment
                )
            return self._processes[function].submit(function, *args).result()
        except BrokenProcessPool as error:
            self._processes.pop(function).shutdown(kill_workers=True)
            # The library's message names the signal or the exit code in braces.
            reason = re.search(r"\{(.+?)\}", str(error))
            return {"error": f"{function.__name__[1:]}: the process died" + (f" of {reason[1]}" if reason else "")}
        except Exception as error:  # what cannot be sent to a process, or back from it, may raise anything
            return _failure(function.__name__[1:], error)

    def close(self) -> None:
        """End the processes at once."""
        for process in list(self._processes.values()):
            process.shutdown(kill_workers=True)


def file_digest(data: bytes) -> str:
    """What a row keeps of its file, to know it again."""
    return hashlib.sha256(data).hexdigest()[:16]


def _failure(step: str, error: BaseException) -> dict[str, Any]:
    return {"error": " ".join(f"{step}: {type(error).__name__}: {error}".split())}


_called: set[str] = set()


def _timed(codec: Codec, function: Callable[..., Any], *args: object) -> tuple[Any, float]:
    """The result of a codec's method, and the seconds it takes a process that has done it before."""
    first = codec.name not in _called
    if first:
        codec.prepare()
        _called.add(codec.name)
    start = time.perf_counter()
    result = function(*args)
    seconds = time.perf_counter() - start
    if first and seconds < _LONG:
        start = time.perf_counter()
        function(*args)
        seconds = time.perf_counter() - start
    return result, seconds


def _encode(codec: Codec, image: Pixels | str, quality: float, path: Path) -> dict[str, Any]:
    try:
        pixels = load_pixels(image)
        data, seconds = _timed(codec, codec.encode, pixels, quality)
        if not isinstance(data, bytes):
            raise TypeError(f"expected bytes, got {type(data).__name__}")
        with replacing(path) as file:
            file.write(data)
    # A codec may raise anything, SystemExit too.
    except BaseException as error:
        return _failure("encode", error)
    bpp = 8 * len(data) / (pixels.shape[0] * pixels.shape[1])
    return {"bytes": len(data), "bpp": bpp, "file_digest": file_digest(data), "encode_seconds": seconds}


def _decode(codec: Codec, image: Pixels | str, path: Path) -> dict[str, Any]:
    try:
        decoded, seconds = _timed(codec, codec.decode, path.read_bytes())
        if not isinstance(decoded, np.ndarray) or decoded.dtype != np.uint8:
            raise TypeError(f"expected an array of uint8, got {getattr(decoded, 'dtype', type(decoded).__name__)}")
        evaluation = asdict(evaluate(load_pixels(image), decoded))
    except BaseException as error:
        return _failure("decode", error)
    metrics = {name: evaluation[name] for name in (metric.replace("-", "_") for metric in METRICS)}
    finite = {name: None if value == float("inf") else value for name, value in metrics.items()}
    return {"decode_seconds": seconds, **finite}

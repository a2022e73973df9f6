"""What is done with one file, in a process that does the same with many."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from ..container import MAGIC
from ..files import named, replacing, spare_file
from ..options import Options
from .coders import Figures
from .journal import Journal
from .run import Found, remarks

Made = tuple[bytes, Found]
"""An output, and what there is to say of it."""


def encode_file(source: Path, output: Path, options: Options, overwrite: bool, journal: Journal) -> Found:
    """Encode a picture; returns its `Figures`, `seconds` and `warnings`.

    Raises:
        GsiError, ImageError, TargetError, ValueError: as of `encode_to`.
        OSError: a file cannot be read or written.
    """
    from ..decoder import read_document
    from ..encoding.encode import encode_to

    def encoded(file: BinaryIO, size: int) -> Made:
        outcome = encode_to(file, options)
        data = outcome.encoding.data
        return data, Figures.of(outcome, read_document(data))._asdict()

    if not overwrite:
        spare_file(output, MAGIC)
    return _make(source, output, encoded, journal)


def decode_file(source: Path, output: Path, how: dict[str, Any], overwrite: bool, journal: Journal) -> Found:
    """Decode a .gsi file as `decode_to` takes it; returns the bytes of both files, `seconds` and `warnings`.

    Raises:
        GsiError, ImageError, ValueError: as of `decode_to`.
        OSError: a file cannot be read or written.
    """
    from ..decoder import decode_to

    def decoded(file: BinaryIO, size: int) -> Made:
        data = decode_to(file, **how)
        return data, {"bytes": size, "picture_bytes": len(data)}

    if not overwrite:
        spare_file(output)
    return _make(source, output, decoded, journal)


def evaluate_file(source: Path, output: Path, max_gaussians: int) -> Found:
    """Compare a file to its original, the source; returns the fields of `Evaluation`.

    Raises:
        GsiError, ImageError, OSError: as of `evaluate`.
    """
    from ..metrics import evaluate

    begun = time.perf_counter()
    found = asdict(evaluate(source, output, max_gaussians=max_gaussians))
    return found | {"seconds": time.perf_counter() - begun}


def _make(source: Path, output: Path, make: Callable[[BinaryIO, int], Made], journal: Journal) -> Found:
    """Make an output of a file and its size, note it, and put it in place."""
    begun = time.perf_counter()
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as file, remarks() as lines:
        content = source.read_bytes()
        data, found = make(named(content, str(source)), len(content))
        found |= {"seconds": time.perf_counter() - begun, "warnings": lines()}
        journal.append(output, content, data, found)
        file.write(data)
    return found

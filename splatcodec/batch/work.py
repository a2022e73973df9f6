"""What is done with one file, in a process that does the same with many."""

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..container import MAGIC
from ..files import replacing, spare_file
from ..options import Options
from .coders import described
from .journal import digest_of

DIGESTS = ("source_digest", "output_digest")
"""What a journal keeps of files; not for people."""


def encode_file(source: Path, output: Path, options: Options, overwrite: bool) -> dict[str, Any]:
    """Encode a picture; returns what `described` finds, and the digests of both files.

    Raises:
        GsiError, ImageError, TargetError, ValueError: as of `encode_to`.
        OSError: a file cannot be read or written.
    """
    from ..encoding.encode import encode_to

    begun = time.perf_counter()
    if not overwrite:
        spare_file(output, MAGIC)
    content = source.read_bytes()
    outcome = encode_to(_named(content, source), options)
    data = outcome.encoding.data
    _write(output, data)
    digests = zip(DIGESTS, map(digest_of, (content, data)), strict=True)
    return described(outcome) | {"seconds": time.perf_counter() - begun} | dict(digests)


def decode_file(source: Path, output: Path, how: dict[str, Any], overwrite: bool) -> dict[str, Any]:
    """Decode a .gsi file as `decode_to` takes it; returns the bytes of both files, and their digests.

    Raises:
        GsiError, ImageError, ValueError: as of `decode_to`.
        OSError: a file cannot be read or written.
    """
    from ..decoder import decode_to

    begun = time.perf_counter()
    if not overwrite:
        spare_file(output)
    content = source.read_bytes()
    data = decode_to(_named(content, source), **how)
    _write(output, data)
    found = {"bytes": len(content), "picture_bytes": len(data), "seconds": time.perf_counter() - begun}
    return found | dict(zip(DIGESTS, map(digest_of, (content, data)), strict=True))


def evaluate_file(source: Path, output: Path, max_gaussians: int) -> dict[str, Any]:
    """Compare a file to its original, the source; returns the fields of `Evaluation`.

    Raises:
        GsiError, ImageError, OSError: as of `evaluate`.
    """
    from ..metrics import evaluate

    begun = time.perf_counter()
    found = asdict(evaluate(source, output, max_gaussians=max_gaussians))
    return found | {"seconds": time.perf_counter() - begun}


def _write(output: Path, data: bytes) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as file:
        file.write(data)


def _named(content: bytes, source: Path) -> Any:
    """A file of this content that errors call by its name."""
    from io import BytesIO

    file = BytesIO(content)
    file.name = os.fspath(source)
    return file

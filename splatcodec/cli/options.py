"""Argument types and outputs that several subcommands share."""

import argparse
import json
import math
import signal
import sys
from typing import BinaryIO

from ..encoder import DEFAULT_EFFORT
from ..files import STANDARD_STREAM

TERMINATION = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Signals that ask a program to end, of those that the platform has."""


def terminate(number: int, frame: object = None) -> None:
    """Leave as by an exception, so that temporary files are removed."""
    sys.exit(128 + number)


def positive_int(text: str) -> int:
    """A whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return value


def natural_number(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)


def _number(text: str) -> float:
    """The number, or NaN if it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def positive_float(text: str) -> float:
    """A finite number above 0."""
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def quality(text: str) -> float:
    """A number from 0 to 100."""
    value = _number(text)
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 100, got {text!r}")
    return value


def loss_name(text: str) -> str:
    """A loss as `splatcodec.fit` takes it."""
    from ..fitting.loss import Loss

    try:
        Loss.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def input_source(path: str) -> str | BinaryIO:
    """What to read for an input argument: the path, or standard input for "-"."""
    if path != STANDARD_STREAM:
        return path
    if sys.stdin is None:
        raise OSError("standard input is closed")
    return sys.stdin.buffer


def print_json(values: dict[str, object]) -> None:
    """Print one JSON object; infinite numbers, which JSON lacks, become null."""
    finite = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in values.items()
    }
    print(json.dumps(finite))


def add_effort(parser: argparse.ArgumentParser) -> None:
    """The option of everything that fits Gaussians."""
    parser.add_argument(
        "-e",
        "--effort",
        type=int,
        choices=range(1, 10),
        metavar="EFFORT",
        default=DEFAULT_EFFORT,
        help="1 (quick) to 9 (thorough) (default: %(default)s)",
    )

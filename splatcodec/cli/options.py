"""Argument types and outputs that several subcommands share."""

import argparse
import json
import logging
import math
import os
import signal
import sys
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from ..files import STANDARD_STREAM
from ..fitting.schedule import EFFORTS
from ..limits import DEFAULT_MAX_GAUSSIANS, DEFAULT_MAX_PIXELS
from ..options import DEFAULT_EFFORT

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

TERMINATION = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Signals that ask a program to end, of those that the platform has."""


def terminate(number: int, frame: object = None) -> None:
    """Leave as by an exception, so that temporary files are removed."""
    sys.exit(128 + number)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and where to read what would be right."""

    def print_help(self, file: "SupportsWrite[str] | None" = None) -> None:
        if file is not None:
            super().print_help(file)
            return
        # argparse would not say that the help cannot be printed.
        print(self.format_help(), end="", flush=True)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


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


def decibels(text: str) -> float:
    """A number above 0 and up to 100."""
    value = _number(text)
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError(f"expected a number above 0 and up to 100, got {text!r}")
    return value


def color(text: str) -> str:
    """A colour as CSS names or writes it."""
    from PIL import ImageColor

    try:
        ImageColor.getrgb(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a colour such as white or #204080, got {text!r}") from None
    return text


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


def refuse_same_file(
    parser: argparse.ArgumentParser, output: str, *, called: str = "OUT", **inputs: str | None
) -> None:
    """End with a message if an output is one of the inputs; all are given by what the usage calls them."""
    for name, path in inputs.items():
        if path and all(map(os.path.isfile, (path, output))) and os.path.samefile(path, output):
            parser.error(f"{name} and {called} are the same file")


def print_json(values: dict[str, object]) -> None:
    """Print one JSON object; infinite numbers, which JSON lacks, become null."""
    finite = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in values.items()
    }
    print(json.dumps(finite))


def add_common(parser: argparse.ArgumentParser) -> None:
    """The options of every subcommand."""
    parser.add_argument(
        "--threads", type=positive_int, metavar="N", help="threads of the CPU kernels (default: one per core)"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="print what is being done, and when")


def heed_common(arguments: argparse.Namespace) -> None:
    """Do as the options of `add_common` say."""
    if arguments.threads is not None:
        from splatkernels import set_num_threads

        set_num_threads(arguments.threads)
    if arguments.verbose:
        logging.basicConfig(level=logging.WARNING, format="%(relativeCreated)6d ms  %(message)s")
        logging.getLogger("splatcodec").setLevel(logging.INFO)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """What a file may ask for: pixels and Gaussians."""
    parser.add_argument(
        "--max-pixels",
        type=positive_int,
        metavar="PIXELS",
        default=DEFAULT_MAX_PIXELS,
        help="refuse outputs with more (default: %(default)s)",
    )
    add_max_gaussians(parser)


def add_max_gaussians(parser: argparse.ArgumentParser) -> None:
    """How many Gaussians a file may have."""
    parser.add_argument(
        "--max-gaussians",
        type=positive_int,
        metavar="GAUSSIANS",
        default=DEFAULT_MAX_GAUSSIANS,
        help="refuse files with more (default: %(default)s)",
    )


def add_effort(parser: argparse.ArgumentParser) -> None:
    """The option of everything that fits Gaussians."""
    parser.add_argument(
        "-e",
        "--effort",
        type=int,
        choices=EFFORTS,
        metavar="EFFORT",
        default=DEFAULT_EFFORT,
        help="1 (quick) to 9 (thorough) (default: %(default)s)",
    )

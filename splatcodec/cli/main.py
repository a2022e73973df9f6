"""The command line: subcommands, and one line for every error."""

import argparse
import errno
import io
import os
import signal
import sys
import warnings
from collections.abc import Sequence

from ..errors import MissingExtraError
from ..files import naming
from . import bench, compare, decode, encode, evaluate, exporting, importing, info, plot
from .options import TERMINATION, Parser, add_common, describe, heed_common, terminate

_COMMANDS = (encode, decode, info, evaluate, plot, exporting, importing, compare, bench)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code: 0 done, 1 failed, 130 interrupted. Wrong usage exits with 2."""
    parser = Parser(
        prog="splatcodec",
        description="Images as 2D Gaussians: encode a picture, decode it at any size, measure what was lost.",
        epilog="'-' in place of a file means standard input or output, where no extension has to say which format. "
        "Exit codes: 0 done, 1 failed (one line says why), 2 wrong usage, 130 interrupted.",
    )
    parser.add_argument("-V", "--version", action=_Version)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(subparsers)
    for subparser in subparsers.choices.values():
        add_common(subparser)
    warnings.showwarning = lambda message, *_: print(f"splatcodec: {message}", file=sys.stderr)
    # Pillow's remarks on odd metadata are no faults of the picture.
    warnings.filterwarnings("ignore", module="PIL")
    for number in TERMINATION:
        # Under nohup, a hang-up is to be ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, terminate)
    if sys.stderr is None:
        sys.stderr = io.StringIO()
    if sys.stdout is None:
        sys.stdout = _ClosedOutput()
    try:
        arguments = parser.parse_args(argv)
        heed_common(arguments)
        arguments.run(arguments)
        if not sys.stdout.closed:
            with naming("standard output"):
                sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads any more; keep Python from complaining when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError, MissingExtraError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
            # All files are named: what is full is what `print` has written to.
            error.filename = "standard output"
        return _fail(describe(error))
    except MemoryError:
        return _fail("out of memory")
    except KeyboardInterrupt as interrupt:
        print(": ".join(["splatcodec: interrupted", *map(str, interrupt.args)]), file=sys.stderr)
        return 130
    return 0


def _fail(message: str) -> int:
    print(f"splatcodec: {message}", file=sys.stderr)
    return 1


class _ClosedOutput(io.TextIOBase):
    """Stands for a standard output that is closed."""

    closed = True

    def write(self, text: str) -> int:
        raise OSError("standard output is closed")


class _Version(argparse.Action):
    """Look the version up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"splatcodec {version('splatcodec')}")
        parser.exit()

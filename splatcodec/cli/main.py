"""The command line: subcommands, and one line for every error."""

import argparse
import logging
import signal
import sys
import warnings
from collections.abc import Sequence

from ..errors import MissingExtraError
from ..files import STANDARD_STREAM, describe, in_one_line
from . import bench, compare, decode, encode, evaluate, exporting, importing, info, plot, shards, streams, view
from .options import TERMINATION, Parser, add_common, heed_common, terminate

_COMMANDS = (encode, decode, shards, info, evaluate, view, plot, exporting, importing, compare, bench)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code: 0 done, 1 failed, 130 interrupted. Wrong usage exits with 2."""
    streams.attend()
    try:
        _run(argv)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and error.filename == streams.STANDARD_OUTPUT:
            # Whoever stops reading, as `head` does, has seen enough.
            return 1
        return _fail(describe(error))
    except (ValueError, MissingExtraError) as error:
        return _fail(describe(error))
    except MemoryError:
        return _fail("out of memory")
    except KeyboardInterrupt as interrupt:
        print(": ".join(["splatcodec: interrupted", *map(str, interrupt.args)]), file=sys.stderr)
        return 130
    finally:
        streams.leave()
    return 0


def _run(argv: Sequence[str] | None) -> None:
    """Do what the arguments say."""
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
    warnings.showwarning = lambda message, *_: print(f"splatcodec: {in_one_line(str(message))}", file=sys.stderr)
    # Pillow's remarks on odd metadata are no faults of the picture.
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    for number in TERMINATION:
        # Under nohup, a hang-up is to be ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, terminate)
    arguments, more = parser.parse_known_args(argv)
    if more:
        # argparse takes the names of files to one side of an option only.
        if not hasattr(arguments, "inputs") or any(name.startswith("-") and name != STANDARD_STREAM for name in more):
            parser.error(f"unrecognized arguments: {' '.join(more)}")
        arguments.inputs += more
    heed_common(arguments)
    arguments.run(arguments)
    if not sys.stdout.closed:
        sys.stdout.flush()


def _fail(message: str) -> int:
    print(f"splatcodec: {message}", file=sys.stderr)
    return 1


class _Version(argparse.Action):
    """Look the version up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"splatcodec {version('splatcodec')}", flush=True)
        parser.exit()

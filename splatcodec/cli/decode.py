"""`splatcodec decode`: a .gsi file to a picture of any size."""

import argparse
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..container import DEPTHS
from ..files import output, spare_file
from .many import Work, add_many, is_many, run_many, usage_of
from .options import (
    Parser,
    add_limits,
    input_source,
    positive_float,
    positive_int,
    quality,
    refuse_same_file,
)


def add_parser(subparsers: "argparse._SubParsersAction[Parser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "decode",
        help="decode a .gsi file to a picture",
        usage=usage_of("decode"),
        description="Rasterise a .gsi file as OUT, a picture in the format of its extension, or - for PNG; or do so "
        "with many files. Gaussians have no resolution: any size and any region is exact.",
    )
    add_many(parser, ".gsi file")
    parser.add_argument(
        "--format", metavar="EXT", help="extension of pictures in DIR, where OUT would say it (default: png)"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--scale", type=positive_float, metavar="S", help="magnification (default: 1)")
    size.add_argument("--width", type=positive_int, metavar="W", help="output width; the height follows")
    size.add_argument("--height", type=positive_int, metavar="H", help="output height; the width follows")
    parser.add_argument(
        "--region",
        type=_region,
        metavar="X,Y,W,H",
        help="part of the canvas to show, in its pixels (default: all of it); for a negative X write --region=X,Y,W,H",
    )
    parser.add_argument(
        "--depth",
        type=int,
        choices=DEPTHS,
        default=DEPTHS[0],
        help="bits of the samples to write; 16 in PNG and TIFF (default: %(default)s)",
    )
    add_limits(parser)
    parser.add_argument(
        "--output-quality",
        type=quality,
        metavar="Q",
        help="of formats that lose something, such as JPEG, WebP and AVIF: 0 to 100 (default: 95)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT, or a report, if it is there")
    parser.add_argument("--json", action="store_true", help="print a summary of many files as one JSON object")
    parser.add_argument("--quiet", action="store_true", help="print neither progress nor summary of many files")
    parser.set_defaults(run=run, parser=parser)


def _region(text: str) -> tuple[float, float, float, float]:
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        x = y = width = height = math.nan
    if not (all(map(math.isfinite, (x, y, width, height))) and min(width, height) > 0):
        raise argparse.ArgumentTypeError(f"expected four numbers X,Y,W,H, with W and H above 0, got {text!r}")
    return x, y, width, height


def run(arguments: argparse.Namespace) -> None:
    """Decode and save one file, or many."""
    if is_many(arguments):
        _decode_many(arguments)
        return
    if arguments.format is not None:
        arguments.parser.error("--format goes with -o DIR only")
    from ..decoder import decode_to
    from ..image import output_format

    refuse_same_file(arguments.parser, arguments.output, IN=arguments.input)
    if not arguments.overwrite:
        spare_file(arguments.output)
    format_name = output_format(arguments.output)
    with output(arguments.output) as file, _without_blas():
        how = {"quality": arguments.output_quality, "depth": arguments.depth} | _size(arguments)
        file.write(decode_to(input_source(arguments.input), format_name, **how))


def _decode_many(arguments: argparse.Namespace) -> None:
    from ..batch.coders import warm_up_decoder
    from ..batch.journal import Journal
    from ..batch.listing import is_gsi, is_picture
    from ..batch.run import Task
    from ..batch.work import decode_file
    from ..image import output_format
    from ..origin import code_version

    extension = f".{(arguments.format or 'png').removeprefix('.')}"
    how = {"quality": arguments.output_quality, "depth": arguments.depth} | _size(arguments)
    how["format_name"] = output_format(f"*{extension}")

    key = {"decode": how, "version": code_version()}

    def task(source: Path, made: Path, journal: Journal) -> Task:
        return Task(decode_file, source, made, (how, arguments.overwrite, journal))

    run_many(arguments, Work(extension, is_gsi, is_picture, key, task, warm_up_decoder))


def _size(arguments: argparse.Namespace) -> dict[str, Any]:
    """What is to be decoded, as `decode_picture` takes it."""
    names = ("scale", "width", "height", "region", "max_pixels", "max_gaussians")
    return {name: getattr(arguments, name) for name in names}


@contextmanager
def _without_blas() -> Iterator[None]:
    """Keep Numba from importing SciPy's BLAS, which takes a tenth of a second: no kernel multiplies matrices."""
    name = "scipy.linalg.cython_blas"
    loaded = sys.modules.get(name)
    sys.modules[name] = loaded  # type: ignore[assignment]  # None makes an import fail
    try:
        yield
    finally:
        if loaded is None:
            del sys.modules[name]

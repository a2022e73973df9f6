"""`splatcodec plot`: a sheet of figures of a .gsi file."""

import argparse
import os

from ..files import STANDARD_STREAM, extension_of, output, source_name, spare_file
from ..limits import check_pixels
from .options import Parser, add_limits, input_source, positive_float, refuse_same_file

_FORMATS = (".png", ".svg", ".pdf")
_DPI = 120


def add_parser(subparsers: "argparse._SubParsersAction[Parser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "plot",
        help="draw the Gaussians of a .gsi file",
        description="Draw a sheet: the picture, its Gaussians as ellipses, a map of the error, and how scales, "
        "amplitudes and directions are spread.",
    )
    parser.add_argument("file", metavar="FILE", help=".gsi file, or -")
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="sheet to write, .png, .svg or .pdf, or - for PNG"
    )
    parser.add_argument("--reference", metavar="IMG", help="the original picture, or -, for the map of the error")
    parser.add_argument(
        "--by", choices=["energy", "scale"], default="energy", help="what colours show (default: %(default)s)"
    )
    parser.add_argument(
        "--sigmas",
        type=positive_float,
        default=1.0,
        metavar="K",
        help="size of the ellipses in standard deviations (default: 1)",
    )
    add_limits(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it is there")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> None:
    """Draw, and save."""
    is_stream = arguments.output == STANDARD_STREAM
    extension = ".png" if is_stream else extension_of(arguments.output, _FORMATS, "a sheet")
    if arguments.file == arguments.reference == STANDARD_STREAM:
        arguments.parser.error("FILE and IMG cannot both be standard input")
    refuse_same_file(arguments.parser, arguments.output, FILE=arguments.file, IMG=arguments.reference)
    if not arguments.overwrite:
        spare_file(arguments.output)
    from ..decoder import read
    from ..plot import sheet

    # After the line that says what to do where it is missing.
    from matplotlib.figure import Figure  # isort: skip

    source = input_source(arguments.file)
    name = source_name(source)
    with output(arguments.output) as file:
        splats = read(source, max_gaussians=arguments.max_gaussians)
        check_pixels(splats.height, splats.width, name, arguments.max_pixels)
        figure = Figure(layout="constrained")
        sheet(
            splats,
            None if arguments.reference is None else input_source(arguments.reference),
            figure,
            title=os.path.basename(name),
            sigmas=arguments.sigmas,
            by=arguments.by,
        )
        figure.savefig(file, format=extension[1:], dpi=_DPI)

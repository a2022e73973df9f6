"""`splatcodec export`: a .gsi file to the formats of other programs."""

import argparse
import sys

from ..files import spare_file
from .options import Parser, add_max_gaussians, input_source, refuse_same_file


def add_parser(subparsers: "argparse._SubParsersAction[Parser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "export",
        help="write the Gaussians of a .gsi file in another format",
        description="Write the Gaussians of a .gsi file as .json (the layout of a notebook), .npz (NumPy), .csv, .ply "
        "(2D Gaussian splatting) or .svg. The first three are exact; viewers show .ply and .svg approximately.",
    )
    parser.add_argument("input", metavar="FILE", help=".gsi file, or -")
    parser.add_argument("output", metavar="OUT", help="file to write, in the format of its extension")
    add_max_gaussians(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it is there")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> None:
    """Read and write."""
    from ..decoder import read_document
    from ..interchange import save
    from ..interchange.formats import writer

    refuse_same_file(arguments.parser, arguments.output, FILE=arguments.input)
    writer(arguments.output)
    if not arguments.overwrite:
        spare_file(arguments.output)
    content = read_document(input_source(arguments.input), max_gaussians=arguments.max_gaussians)
    save(content.splats, arguments.output)
    if content.alpha is not None:
        print(f"splatcodec: {arguments.output}: holds the colours only, not the opacity", file=sys.stderr)

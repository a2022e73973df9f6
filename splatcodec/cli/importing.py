"""`splatcodec import`: Gaussians in the formats of other programs to a .gsi file."""

import argparse

from ..compress import profiles
from ..container import MAGIC
from ..errors import GsiError
from ..files import output, spare_file
from .options import Parser, quality, refuse_same_file


def add_parser(subparsers: "argparse._SubParsersAction[Parser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "import",
        help="write Gaussians in another format to a .gsi file",
        description="Read Gaussians from .json (the layout of a notebook), .npz (NumPy, GaussianImage or Image-GS), "
        ".csv, .ply (2D Gaussian splatting) or .pt, .pth and .pth.tar (GaussianImage or Image-GS), and write a .gsi "
        "file.",
    )
    parser.add_argument("input", metavar="IN", help="file to read, in the format of its extension")
    parser.add_argument("output", metavar="OUT", help=".gsi file to write, or -")
    parser.add_argument(
        "--size",
        type=_size,
        metavar="WxH",
        help="width and height of the canvas in pixels, for files that do not hold them",
    )
    parser.add_argument(
        "--profile",
        choices=profiles.NAMES,
        default="half",
        help="how attributes are stored: half, as they are, in half precision; adaptive, the smallest; vq, codebooks "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "-q",
        "--quality",
        type=quality,
        metavar="Q",
        help="how finely the profile adaptive stores them at least: 0 to 100 (default: 100)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace OUT even if it is no .gsi file (default: only .gsi files are replaced)",
    )
    parser.set_defaults(run=run, parser=parser)


def _size(text: str) -> tuple[int, int]:
    """Height and width, of a size that is given the other way round."""
    width, separator, height = text.partition("x")
    if not (separator and width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected a width and a height such as 640x427, got {text!r}")
    return int(height), int(width)


def run(arguments: argparse.Namespace) -> None:
    """Read and write."""
    from ..encoding.encode import to_bytes
    from ..interchange import load
    from ..interchange.formats import reader

    refuse_same_file(arguments.parser, arguments.output, IN=arguments.input)
    reader(arguments.input)
    if arguments.quality is not None and not profiles.named(arguments.profile).follows_d:
        arguments.parser.error(f"--profile {arguments.profile} has no quality to choose")
    if not arguments.overwrite:
        spare_file(arguments.output, MAGIC)
    with output(arguments.output) as file:
        splats = load(arguments.input, arguments.size)
        try:
            file.write(to_bytes(splats, arguments.profile, 100 if arguments.quality is None else arguments.quality))
        except GsiError as error:
            raise GsiError(f"{arguments.input}: {error}") from error

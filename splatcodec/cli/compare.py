"""`splatcodec compare`: one picture by several codecs at equal size, side by side."""

import argparse

from ..files import output, spare_file
from .options import Parser, add_effort, input_source, quality, refuse_same_file


def add_parser(subparsers: "argparse._SubParsersAction[Parser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "compare",
        help="show a picture by several codecs at the same size, side by side",
        description="Encode a picture, encode it with other codecs to the same number of bytes, as near as they come, "
        "and draw all beside the original: whole, in magnified crops, and the error six times as bright.",
    )
    parser.add_argument("input", metavar="IN", help="picture, or -")
    parser.add_argument("output", metavar="OUT", help="picture to write, in the format of its extension, or - for PNG")
    parser.add_argument(
        "-q",
        "--quality",
        type=quality,
        metavar="Q",
        default=40,
        help="of our own codec: 0, smallest, to 100, 36 to 41 dB on photographs (default: %(default)s)",
    )
    add_effort(parser)
    parser.add_argument(
        "--codecs",
        metavar="LIST",
        default="avif,jpeg2000,jpeg",
        help="the others, as names joined by commas (default: %(default)s)",
    )
    parser.add_argument(
        "--crop",
        type=_box,
        action="append",
        metavar="X,Y,W,H",
        help="region to magnify, may be given several times (default: two with much detail)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it is there")
    parser.set_defaults(run=run, parser=parser)


def _box(text: str) -> tuple[int, int, int, int]:
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        x = y = width = height = -1
    if min(x, y) < 0 or min(width, height) < 1:
        raise argparse.ArgumentTypeError(f"expected four whole numbers X,Y,W,H, got {text!r}")
    return x, y, width, height


def run(arguments: argparse.Namespace) -> None:
    """Encode, match sizes and draw."""
    from ..image import image_bytes, load_image, load_pixels, output_format
    from ..rd import Gsi, get_codec
    from ..rd.comparison import busiest, compare, sheet

    refuse_same_file(arguments.parser, arguments.output, IN=arguments.input)
    if not arguments.overwrite:
        spare_file(arguments.output)
    format_name = output_format(arguments.output)
    others = [get_codec(name.strip(), effort=arguments.effort) for name in arguments.codecs.split(",")]
    pixels = load_pixels(input_source(arguments.input))
    height, width = pixels.shape[:2]
    crops = arguments.crop or busiest(pixels, 2)
    for x, y, w, h in crops:
        if x + w > width or y + h > height:
            raise ValueError(f"the crop {x},{y},{w},{h} is not within the picture of {width}x{height} pixels")
    with output(arguments.output) as file:
        samples = compare(pixels, Gsi(effort=arguments.effort), arguments.quality, others)
        file.write(image_bytes(load_image(sheet(pixels, samples, crops)), format_name))

"""`splatcodec eval`: how close a file comes to its original."""

import argparse
from dataclasses import asdict

from .options import Parser, add_max_gaussians, input_source, print_json


def add_parser(subparsers: "argparse._SubParsersAction[Parser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "eval",
        help="measure PSNR, SSIM, MS-SSIM, SSIMULACRA 2 and the rate of a file",
        description="Compare a .gsi file, or any picture that Pillow reads, to its original. "
        "SSIM needs 7 pixels a side, MS-SSIM more than 160, SSIMULACRA 2 at least 256.",
    )
    parser.add_argument("reference", metavar="REFERENCE", help="original picture, or -")
    parser.add_argument("file", metavar="FILE", help=".gsi file or picture to judge, or -")
    add_max_gaussians(parser)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object; null is an infinite PSNR or an undefined metric"
    )
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> None:
    """Print the metrics."""
    from ..metrics import evaluate

    if arguments.reference == arguments.file == "-":
        arguments.parser.error("only one of REFERENCE and FILE can be -")
    sources = input_source(arguments.reference), input_source(arguments.file)
    result = evaluate(*sources, max_gaussians=arguments.max_gaussians)
    if arguments.json:
        print_json({"reference": arguments.reference, "file": arguments.file, **asdict(result)})
        return
    print(f"PSNR           {result.psnr:.2f} dB, of luma {result.psnr_y:.2f} dB")
    print(f"SSIM           {_value(result.ssim, '.4f')}")
    print(f"MS-SSIM        {_value(result.ms_ssim, '.4f')}")
    print(f"SSIMULACRA 2   {_value(result.ssimulacra2, '.2f')}")
    print(f"rate           {result.bpp:.3f} bpp, {result.bytes} bytes")


def _value(value: float | None, form: str) -> str:
    return "undefined for so small a picture" if value is None else format(value, form)

"""`splatcodec eval`: how close a file comes to its original."""

import argparse
import os
from dataclasses import asdict
from pathlib import Path

from .many import add_report, check_report, work_through
from .options import Parser, add_max_gaussians, input_source, print_json


def add_parser(subparsers: "argparse._SubParsersAction[Parser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "eval",
        help="measure PSNR, SSIM, MS-SSIM, SSIMULACRA 2 and the rate of a file",
        description="Compare a .gsi file, or any picture that Pillow reads, to its original. "
        "SSIM needs 7 pixels a side, MS-SSIM more than 160, SSIMULACRA 2 at least 256.",
    )
    parser.add_argument("reference", metavar="REFERENCE", help="original picture, or -, or a folder of them")
    parser.add_argument(
        "file", metavar="FILE", help=".gsi file or picture to judge, or -, or a folder of such of the same names"
    )
    many = parser.add_argument_group("folders")
    many.add_argument("-r", "--recursive", action="store_true", help="take folders in folders too")
    add_report(many)
    many.add_argument("--overwrite", action="store_true", help="replace TABLE if it is there")
    add_max_gaussians(parser)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object; null is an infinite PSNR or an undefined metric"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress, and no summary of folders")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> None:
    """Print the metrics."""
    from ..metrics import evaluate

    if os.path.isdir(arguments.reference) and os.path.isdir(arguments.file):
        _evaluate_folders(arguments)
        return
    if arguments.recursive or arguments.jobs or arguments.report:
        arguments.parser.error("-r, -j and --report go with two folders only")
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


def _evaluate_folders(arguments: argparse.Namespace) -> None:
    from ..batch.coders import warm_up_decoder
    from ..batch.listing import Pair, is_gsi, is_picture, partners
    from ..batch.run import Task
    from ..batch.work import evaluate_file

    def is_judged(path: Path) -> bool:
        return is_gsi(path) or is_picture(path)

    faults: list[OSError] = []
    folders = Path(arguments.reference), Path(arguments.file)
    found = partners(*folders, is_picture, is_judged, arguments.recursive, faults)
    check_report(arguments.report, (name for pair in found for name in pair), overwrite=arguments.overwrite)

    def task(pair: Pair) -> Task:
        return Task(evaluate_file, *pair, (arguments.max_gaussians,))

    work_through(arguments, arguments.file, dict.fromkeys(found), task, warm_up_decoder, faults)


def _value(value: float | None, form: str) -> str:
    return "undefined for so small a picture" if value is None else format(value, form)

"""`splatcodec encode`: a picture to a .gsi file."""

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING, get_args

from splatkernels import resolve_device

from ..compress import profiles
from ..container import MAX_GAUSSIANS
from ..encoding.goals import DEFAULT_QUALITY, Kind
from ..errors import TargetError
from ..files import STANDARD_STREAM, output
from ..options import DEFAULT_LOSS, DEFAULT_PROFILE, DEFAULT_TUNE, TUNES, Options
from .fits import interrupts, progress
from .options import (
    Parser,
    add_effort,
    decibels,
    input_source,
    loss_name,
    natural_number,
    positive_float,
    positive_int,
    print_json,
    quality,
    refuse_same_file,
    spare_file,
    spare_other_files,
)
from .records import records

if TYPE_CHECKING:
    from ..fitting.growth import FitState


def add_parser(subparsers: "argparse._SubParsersAction[Parser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "encode",
        help="encode a picture as a .gsi file",
        description="Fit Gaussians to a picture and write them to a .gsi file.",
    )
    parser.add_argument("input", metavar="IN", help="picture in any format that Pillow reads, or -")
    parser.add_argument("output", metavar="OUT", help=".gsi file to write, or -")
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument(
        "-q",
        "--quality",
        type=quality,
        metavar="Q",
        help="0, smallest, to 100, which is 36 dB on the busiest photographs and 41 dB on smooth ones "
        f"(default: {DEFAULT_QUALITY}, or what suits -n)",
    )
    goal.add_argument(
        "--lambda",
        type=positive_float,
        dest="lambda_",
        metavar="L",
        help="squared error, summed over 8-bit samples, that a bit must save, instead of a quality",
    )
    goal.add_argument(
        "--target-bpp", type=positive_float, metavar="BPP", help="bits per pixel, never more and at most 3 %% fewer"
    )
    goal.add_argument(
        "--target-size", type=positive_int, metavar="BYTES", help="bytes, never more and at most 3 %% fewer"
    )
    goal.add_argument("--target-psnr", type=decibels, metavar="DB", help="PSNR, never less and at most 0.1 dB more")
    parser.add_argument(
        "-n",
        "--gaussians",
        type=positive_int,
        metavar="GAUSSIANS",
        help="number of Gaussians at most (default: as many as are worth their bits)",
    )
    add_effort(parser)
    parser.add_argument(
        "--tune",
        choices=TUNES,
        default=DEFAULT_TUNE,
        help="what counts: psnr, the squared error; ssim, the structure that eyes see, which takes about twice as long "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--loss",
        type=loss_name,
        metavar="LOSS",
        default=DEFAULT_LOSS,
        help="what to minimise instead of a tune: l2, l1, or a mix with SSIM at a weight of up to 1, such as "
        "l1+ssim:0.2 (default: %(default)s)",
    )
    parser.add_argument(
        "--weights",
        metavar="MASK",
        help="picture of the same size, or -: how much each pixel counts (default: all the same)",
    )
    parser.add_argument(
        "--max-seconds",
        type=positive_float,
        metavar="S",
        help="seconds for the encode, at a loss of quality if the effort would take longer; the second in which the "
        "program starts does not count (default: no limit)",
    )
    parser.add_argument(
        "--on-interrupt",
        choices=["discard", "keep"],
        default="discard",
        help="at Ctrl-C, write nothing and exit with 130, or write what has been fitted so far (default: %(default)s)",
    )
    parser.add_argument(
        "--profile",
        choices=profiles.NAMES,
        default=DEFAULT_PROFILE,
        help="how attributes are stored: adaptive, the smallest; vq, codebooks; half, half precision "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="where to compute (default: %(default)s)"
    )
    parser.add_argument(
        "--seed",
        type=natural_number,
        default=0,
        metavar="S",
        help="equal seeds give equal files (default: %(default)s)",
    )
    parser.add_argument(
        "--record", metavar="FILM", help="film of the fit to write: .mp4 (extra video), .gif or .png (extra plot)"
    )
    parser.add_argument(
        "--history", metavar="TABLE", help="PSNR, loss and number of Gaussians at every step to write: .csv or .json"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace FILM, TABLE, and OUT even if it is no .gsi file (default: only .gsi files are replaced)",
    )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.add_argument("--quiet", action="store_true", help="print neither progress nor result")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> None:
    """Encode, and report what came of it."""
    if arguments.json and arguments.output == STANDARD_STREAM:
        arguments.parser.error("--json and output to - both need standard output")
    if arguments.tune != DEFAULT_TUNE and arguments.loss != DEFAULT_LOSS:
        arguments.parser.error(f"--tune {arguments.tune} has a loss of its own and goes without --loss")
    if arguments.input == arguments.weights == STANDARD_STREAM:
        arguments.parser.error("IN and MASK cannot both be standard input")
    refuse_same_file(arguments.parser, arguments.output, IN=arguments.input, MASK=arguments.weights)
    beside = [path for path in (arguments.record, arguments.history) if path is not None]
    if STANDARD_STREAM in beside:
        arguments.parser.error("FILM and TABLE cannot be standard output")
    if len({os.path.realpath(path) for path in (arguments.output, *beside)}) <= len(beside):
        arguments.parser.error("OUT, FILM and TABLE must be different files")
    if not arguments.overwrite:
        spare_other_files(arguments.output)
        for path in beside:
            spare_file(path)
    for path in beside:
        refuse_same_file(arguments.parser, path, IN=arguments.input, MASK=arguments.weights)
    start = time.perf_counter()
    device = resolve_device(arguments.device)
    # Loading takes long, and an interrupt meanwhile would end Python in its own way.
    from ..decoder import decode
    from ..encoding.encode import encode_to
    from ..image import to_uint8
    from ..metrics import psnr

    if arguments.gaussians is not None and arguments.gaussians > MAX_GAUSSIANS:
        arguments.parser.error(f"argument -n: {MAX_GAUSSIANS} Gaussians is the most that a file holds")
    with (
        records(arguments.record, arguments.history) as watch,
        output(arguments.output) as file,
        progress(arguments.quiet) as show,
        interrupts(keep=arguments.on_interrupt == "keep") as interrupted,
    ):

        def callback(state: "FitState") -> bool:
            show(state)
            watch(state)
            return interrupted()

        options = Options(
            **{kind: getattr(arguments, kind) for kind in get_args(Kind)},
            n_gaussians=arguments.gaussians,
            effort=arguments.effort,
            tune=arguments.tune,
            loss=arguments.loss,
            weights=None if arguments.weights is None else input_source(arguments.weights),
            max_seconds=arguments.max_seconds,
            profile=arguments.profile,
            seed=arguments.seed,
            device=device,
            callback=callback,
        )
        try:
            outcome = encode_to(input_source(arguments.input), options)
        except TargetError as error:
            raise TargetError(f"{arguments.input}: {error}") from error
        watch.outcome = outcome
        file.write(outcome.encoding.data)
    encoding, picture = outcome.encoding, outcome.picture
    data = encoding.data
    seconds = time.perf_counter() - start
    if interrupted() and not arguments.quiet:
        print("splatcodec: interrupted, kept what had been fitted", file=sys.stderr)
    source_bytes = os.path.getsize(arguments.input) if os.path.isfile(arguments.input) else None
    if arguments.quiet and not arguments.json:
        return
    _, height, width = picture.shape
    result = {
        "input": arguments.input,
        "output": arguments.output,
        "width": width,
        "height": height,
        "n_gaussians": encoding.n_gaussians,
        "pruned": encoding.fitted - encoding.n_gaussians,
        "bytes": len(data),
        "source_bytes": source_bytes,
        "bpp": 8 * len(data) / (width * height),
        "psnr": psnr(to_uint8(picture), decode(data)),
        "seconds": round(seconds, 3),
        "profile": arguments.profile,
        "device": device,
        "interrupted": interrupted(),
    }
    if arguments.json:
        print_json(result)
    else:
        print(
            "{output}: {width}x{height}, {n_gaussians} Gaussians ({pruned} pruned), {bytes} bytes, {bpp:.3f} bpp, "
            "PSNR {psnr:.2f} dB, {seconds:.1f} s".format(**result),
            file=sys.stderr,
        )
    if arguments.target_psnr is not None and result["psnr"] < arguments.target_psnr and not arguments.quiet:
        print(
            f"splatcodec: {arguments.output}: a PSNR of {arguments.target_psnr:g} dB was not reached in this time",
            file=sys.stderr,
        )
    if source_bytes is not None and len(data) > source_bytes and not arguments.quiet:
        print(
            f"splatcodec: {arguments.output} is larger than {arguments.input}, {source_bytes} bytes: "
            "this picture does not suit Gaussians, or not at this quality",
            file=sys.stderr,
        )

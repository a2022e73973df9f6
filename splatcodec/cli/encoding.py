"""What an encoder can be told on the command line, for one picture and for many."""

import argparse
from typing import TYPE_CHECKING, get_args

from ..compress import profiles
from ..container import MAX_GAUSSIANS
from ..encoding.goals import DEFAULT_QUALITY, Kind
from ..metadata import MAX_METADATA
from ..options import DEFAULT_LOSS, DEFAULT_PROFILE, DEFAULT_TUNE, TUNES, Options
from .options import (
    Parser,
    add_effort,
    color,
    decibels,
    loss_name,
    natural_number,
    positive_float,
    positive_int,
    quality,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..fitting.growth import FitState
    from ..image import ImageLike


def add_encoder(parser: Parser) -> None:
    """The options that suit every picture."""
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
        help="what counts: psnr, the squared error; ssim, the structure that eyes see, which takes 2.5 times as long "
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
        "--background",
        type=color,
        metavar="COLOR",
        help="to lay translucent pictures on: a name such as white, or #RRGGBB (default: they stay translucent)",
    )
    parser.add_argument(
        "--frame",
        type=natural_number,
        metavar="K",
        help="which one of an animation, or of several pages, from 0 (default: the first)",
    )
    parser.add_argument("--strip", action="store_true", help="leave out colour profile, EXIF and XMP")
    parser.add_argument(
        "--max-metadata",
        type=natural_number,
        metavar="BYTES",
        default=MAX_METADATA,
        help="that colour profile, EXIF and XMP may take each (default: %(default)s)",
    )
    parser.add_argument(
        "--max-seconds",
        type=positive_float,
        metavar="S",
        help="seconds for the encode, at a loss of quality if the effort would take longer; the second in which the "
        "program starts does not count (default: no limit)",
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


def check_encoder(arguments: argparse.Namespace) -> None:
    """End with a message if options contradict each other that say what to fit."""
    parser = arguments.parser
    if arguments.tune != DEFAULT_TUNE and arguments.loss != DEFAULT_LOSS:
        parser.error(f"--tune {arguments.tune} has a loss of its own and goes without --loss")
    if arguments.gaussians is not None and arguments.gaussians > MAX_GAUSSIANS:
        parser.error(f"argument -n: {MAX_GAUSSIANS} Gaussians is the most that a file holds")


def encoder_options(
    arguments: argparse.Namespace,
    device: str,
    callback: "Callable[[FitState], bool | None] | None" = None,
    weights: "ImageLike | None" = None,
) -> Options:
    """What the arguments of `add_encoder` say, and what suits one picture only."""
    return Options(
        **{kind: getattr(arguments, kind) for kind in get_args(Kind)},
        n_gaussians=arguments.gaussians,
        effort=arguments.effort,
        tune=arguments.tune,
        loss=arguments.loss,
        background=arguments.background,
        frame=arguments.frame,
        strip=arguments.strip,
        max_metadata=arguments.max_metadata,
        weights=weights,
        max_seconds=arguments.max_seconds,
        profile=arguments.profile,
        seed=arguments.seed,
        device=device,
        callback=callback,
    )

"""`splatcodec encode`: a picture to a .gsi file."""

import argparse
import math
import os
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from splatkernels import resolve_device

from ..container import MAGIC
from ..errors import TargetError
from ..files import STANDARD_STREAM, describe, output, spare_file
from .encoding import add_encoder, check_encoder, encoder_options
from .fits import interrupts, progress
from .many import Work, add_many, is_many, run_many, usage_of
from .options import Parser, input_source, print_json, refuse_same_file

if TYPE_CHECKING:
    from ..encoding.encode import Outcome
    from ..fitting.growth import FitState


def add_parser(subparsers: "argparse._SubParsersAction[Parser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "encode",
        help="encode a picture as a .gsi file",
        usage=usage_of("encode"),
        description="Fit Gaussians to a picture and write them to OUT, a .gsi file or -; or do so with many pictures.",
    )
    add_many(parser, "picture in any format that Pillow reads")
    add_encoder(parser)
    parser.add_argument(
        "--weights",
        metavar="MASK",
        help="picture of the same size, or -: how much each pixel counts (default: all the same)",
    )
    parser.add_argument(
        "--on-interrupt",
        choices=["discard", "keep"],
        default="discard",
        help="at Ctrl-C, write nothing and exit with 130, or write what has been fitted so far (default: %(default)s)",
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
        help="replace FILM, tables, and OUT even if it is no .gsi file (default: only .gsi files are replaced)",
    )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.add_argument("--quiet", action="store_true", help="print neither progress nor result")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> None:
    """Encode, report what came of it, and draw the film; or encode many."""
    if is_many(arguments):
        _encode_many(arguments)
        return
    _check(arguments)
    start = time.perf_counter()
    device = resolve_device(arguments.device)
    # Loading takes long, and an interrupt meanwhile would end Python in its own way.
    from ..encoding.encode import encode_to
    from ..history import History
    from ..history import check_path as check_table
    from ..image import to_uint8

    recorder = None
    if arguments.record is not None:
        from ..plot.recorder import Recorder
        from ..plot.recorder import check_path as check_film

        recorder = Recorder()
    history = History() if recorder is None else recorder.history
    note = recorder or history
    with _beside(arguments.record) as film:
        with (
            _beside(arguments.history) as table,
            output(arguments.output) as file,
            progress(arguments.quiet) as show,
            interrupts(keep=arguments.on_interrupt == "keep") as interrupted,
        ):

            def callback(state: "FitState") -> bool:
                show(state)
                note(state)
                return interrupted()

            try:
                weights = None if arguments.weights is None else input_source(arguments.weights)
                options = encoder_options(arguments, device, callback, weights)
                outcome = encode_to(input_source(arguments.input), options)
            except TargetError as error:
                raise TargetError(f"{arguments.input}: {error}") from error
            file.write(outcome.encoding.data)
            if table is not None:
                table.write(history.to_bytes(check_table(arguments.history)))
        _report(arguments, outcome, device, time.perf_counter() - start, interrupted())
        if film is not None and recorder is not None:
            try:
                film.write(recorder.to_bytes(check_film(arguments.record), to_uint8(outcome.picture.over(0))))
            except OSError as error:
                raise OSError(f"{arguments.record}: {describe(error)}") from error
            except KeyboardInterrupt:
                raise KeyboardInterrupt(f"{arguments.record} is not written, {arguments.output} is") from None


def _encode_many(arguments: argparse.Namespace) -> None:
    for name in ("record", "history", "weights"):
        if getattr(arguments, name) is not None:
            arguments.parser.error(f"--{name} goes with one picture only")
    if arguments.on_interrupt == "keep":
        arguments.parser.error("--on-interrupt keep goes with one picture only; --resume goes on with many")
    check_encoder(arguments)
    from ..batch.coders import fingerprint, warm_up_encoder
    from ..batch.journal import Journal
    from ..batch.listing import is_gsi, is_picture
    from ..batch.run import Task
    from ..batch.work import encode_file
    from ..origin import code_version

    options = encoder_options(arguments, resolve_device(arguments.device))
    key = {"encode": fingerprint(options), "version": code_version()}

    def task(source: Path, made: Path, journal: Journal) -> Task:
        return Task(encode_file, source, made, (options, arguments.overwrite, journal))

    run_many(arguments, Work(".gsi", is_picture, is_gsi, key, task, partial(warm_up_encoder, options)))


def _check(arguments: argparse.Namespace) -> None:
    """End with a message if options contradict each other, or if what is to be written would replace something."""
    parser = arguments.parser
    if arguments.json and arguments.output == STANDARD_STREAM:
        parser.error("--json and output to - both need standard output")
    check_encoder(arguments)
    if arguments.input == arguments.weights == STANDARD_STREAM:
        parser.error("IN and MASK cannot both be standard input")
    named = {"OUT": arguments.output, "FILM": arguments.record, "TABLE": arguments.history}
    outputs = {name: path for name, path in named.items() if path is not None}
    if STANDARD_STREAM in (arguments.record, arguments.history):
        parser.error("FILM and TABLE cannot be standard output")
    if len({os.path.realpath(path) for path in outputs.values()}) < len(outputs):
        parser.error("OUT, FILM and TABLE must be different files")
    for name, path in outputs.items():
        refuse_same_file(parser, path, called=name, IN=arguments.input, MASK=arguments.weights)
    if arguments.record is not None:
        from ..plot import recorder

        recorder.check_path(arguments.record)
    if arguments.history is not None:
        from .. import history

        history.check_path(arguments.history)
    if not arguments.overwrite:
        spare_file(arguments.output, MAGIC)
        for path in (arguments.record, arguments.history):
            if path is not None:
                spare_file(path)


def _beside(path: str | None) -> AbstractContextManager[BinaryIO | None]:
    """What is written beside OUT, if it is asked for."""
    return nullcontext() if path is None else output(path)


def _report(arguments: argparse.Namespace, outcome: "Outcome", device: str, seconds: float, interrupted: bool) -> None:
    """Print what has been written, and what is remarkable about it."""
    from ..batch.coders import Figures
    from ..decoder import read_document

    if interrupted and not arguments.quiet:
        print("splatcodec: interrupted, kept what had been fitted", file=sys.stderr)
    if arguments.quiet and not arguments.json:
        return
    encoding, picture = outcome.encoding, outcome.picture
    content = read_document(encoding.data)
    figures = Figures.of(outcome, content)
    noted = (picture.metadata.icc, picture.metadata.exif, picture.metadata.xmp)
    source_bytes = os.path.getsize(arguments.input) if os.path.isfile(arguments.input) else None
    result = {
        "input": arguments.input,
        "output": arguments.output,
        "width": figures.width,
        "height": figures.height,
        "channels": len(picture.planes) + (picture.alpha is not None),
        "depth": picture.depth,
        "n_gaussians": figures.n_gaussians,
        "n_gaussians_alpha": 0 if content.alpha is None else len(content.alpha.splats),
        "pruned": encoding.fitted - encoding.n_gaussians,
        "bytes": figures.bytes,
        "metadata_bytes": sum(len(entry) for entry in noted if entry is not None),
        "source_bytes": source_bytes,
        "bpp": figures.bpp,
        "psnr": figures.psnr,
        "seconds": round(seconds, 3),
        "profile": arguments.profile,
        "device": device,
        "interrupted": interrupted,
    }
    if arguments.json:
        print_json(result)
    else:
        alpha = f" and {result['n_gaussians_alpha']} for opacity" if content.alpha else ""
        metadata = " ({metadata_bytes} of metadata)".format(**result) if result["metadata_bytes"] else ""
        print(
            "{output}: {width}x{height}, {n_gaussians} Gaussians ({pruned} pruned){alpha}, {bytes} bytes{metadata}, "
            "{bpp:.3f} bpp, PSNR {psnr:.2f} dB, {seconds:.1f} s".format(**result, alpha=alpha, metadata=metadata),
            file=sys.stderr,
        )
    if arguments.quiet:
        return
    if arguments.target_psnr is not None and figures.psnr < arguments.target_psnr:
        print(
            f"splatcodec: {arguments.output}: a PSNR of {arguments.target_psnr:g} dB was not reached in this time",
            file=sys.stderr,
        )
    if not figures.n_gaussians and figures.psnr < math.inf:
        print(f"splatcodec: {arguments.output}: holds no Gaussian, so it is black; allow it more", file=sys.stderr)
    if source_bytes is not None and figures.bytes > source_bytes:
        print(
            f"splatcodec: {arguments.output} is larger than {arguments.input}, {source_bytes} bytes: "
            "this picture does not suit Gaussians, or not at this quality",
            file=sys.stderr,
        )

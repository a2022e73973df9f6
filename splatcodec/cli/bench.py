"""`splatcodec bench`: rate-distortion curves of codecs over pictures."""

import argparse
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ImageError, ResultsError
from ..files import describe, replacing
from .options import Parser, add_effort, positive_int

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..rd import Progress

METRICS = ("psnr", "psnr-y", "ssim", "ms-ssim", "ssimulacra2")


def add_parser(subparsers: "argparse._SubParsersAction[Parser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "bench",
        help="measure rate-distortion curves of codecs over pictures",
        description="Encode pictures with several codecs at several qualities, decode every file in another process, "
        "and write a table, results.json, results.csv, one JSON file per codec that CompressAI can plot, plots, a "
        "report.html and the files themselves to a directory.",
        epilog="Settings of a codec follow a colon: LOW..HIGH for five, LOW..HIGH/COUNT, or single ones joined by +; "
        "those of gsi begin with q, for qualities, or n, for numbers of Gaussians. "
        "Example: gsi:q20..80,avif:30..80/7,jpeg:20+50. "
        "Codecs: gsi, gsi-PROFILE, gsi-ssim, jpeg, webp, jpeg2000 (set by bpp), avif, avif-psnr, avif-ssim, and jpegxl "
        "(set by distance; needs the package imagecodecs).",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGES", help="pictures, or directories of pictures")
    parser.add_argument(
        "--codecs",
        metavar="LIST",
        default="gsi,jpeg,webp,jpeg2000,avif",
        help="codecs to compare, see below (default: %(default)s)",
    )
    add_effort(parser)
    parser.add_argument(
        "--metric", choices=METRICS, default="psnr", help="quality that BD-rates compare at (default: %(default)s)"
    )
    parser.add_argument(
        "--bpp",
        type=_range,
        metavar="LOW..HIGH",
        default=(0.0, math.inf),
        help="compare BD-rates only where the anchor's rate lies within (default: everywhere)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("bench"), help="directory to write to (default: %(default)s)"
    )
    parser.add_argument(
        "-j",
        "--jobs",
        type=positive_int,
        metavar="JOBS",
        default=1,
        help="files to make at a time; more disturb the times (default: %(default)s)",
    )
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run in DIR")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(run=run)


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(".."))
    except ValueError:
        low = high = 0
    if not 0 <= low < high:
        raise argparse.ArgumentTypeError(f"expected two rates LOW..HIGH, got {text!r}")
    return low, high


def run(arguments: argparse.Namespace) -> None:
    """Measure, and write everything."""
    from ..rd import parse_codecs, sweep
    from ..rd.report import write_report
    from ..rd.sweep import named
    from ..rd.tables import POINTS, aligned, bd_rates, points

    given = list(_pictures(arguments.images))
    paths = _readable(given)
    chosen = parse_codecs(arguments.codecs, arguments.effort)
    codecs = [codec for codec, _ in chosen]
    with _progress(arguments.quiet) as callback:
        results = sweep(
            paths,
            codecs,
            {codec.name: qualities for codec, qualities in chosen},
            jobs=arguments.jobs,
            directory=arguments.out,
            resume=arguments.resume,
            callback=callback,
        )
    results.to_json(arguments.out / "results.json")
    results.to_csv(arguments.out / "results.csv")
    for codec in results.codecs:
        results.of(codec).to_json(arguments.out / f"{codec}.json")
    figure = results.plot(arguments.metric)
    for extension in ("png", "svg"):
        with replacing(arguments.out / f"curves.{extension}") as file:
            figure.savefig(file, format=extension, dpi=150)
    write_report(
        arguments.out / "report.html",
        results,
        named(paths),
        codecs,
        arguments.out,
        metric=arguments.metric,
        bpp_range=arguments.bpp,
    )
    print(aligned([POINTS, *points(results)]))
    print(f"\nBD-rate by {arguments.metric}, row against column (least overlap):")
    print(aligned(bd_rates(results, arguments.metric, arguments.bpp)))
    for row in results.failures:
        print(f"splatcodec: {row.picture}, {row.codec} {row.quality:g}: {row.error}", file=sys.stderr)
    if len(results.failures) == len(results.rows):
        raise ResultsError("every codec failed on every picture")
    if len(paths) < len(given):
        raise ImageError(f"{len(given) - len(paths)} of {len(given)} pictures could not be read")


def _pictures(arguments: list[str]) -> Iterator[Path]:
    """The files named, and the pictures in the directories named."""
    from PIL import Image

    readable = {extension for extension, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    for argument in arguments:
        path = Path(argument)
        if not path.is_dir():
            yield path
            continue
        found = sorted(
            file for file in path.iterdir() if file.suffix.lower() in readable and not file.name.startswith(".")
        )
        if not found:
            raise ImageError(f"{argument}: no pictures in this directory")
        yield from found


def _readable(paths: list[Path]) -> list[Path]:
    """Those that can be encoded, of which there has to be one; a line says of the others why not."""
    from ..image import load_image

    readable: list[Path] = []
    for path in paths:
        try:
            load_image(path)
        except (ImageError, OSError) as error:
            if path is paths[-1] and not readable:
                raise
            print(f"splatcodec: {describe(error)}", file=sys.stderr)
        else:
            readable.append(path)
    return readable


@contextmanager
def _progress(quiet: bool) -> "Iterator[Callable[[Progress], None]]":
    """Shows a progress bar on a terminal, a line per file elsewhere."""
    if quiet:
        yield lambda progress: None
        return
    if not sys.stderr.isatty():
        yield lambda progress: print(_line(progress), file=sys.stderr)
        return
    from tqdm import tqdm

    with tqdm(leave=False, bar_format="{n_fmt}/{total_fmt}|{bar}|{postfix}") as bar:

        def update(progress: "Progress") -> None:
            bar.total = progress.total
            left = tqdm.format_interval(progress.seconds_left)
            bar.set_postfix_str(f"{left} left, {progress.row.picture} {progress.row.codec}", refresh=False)
            bar.n = progress.done
            bar.refresh()

        yield update


def _line(progress: "Progress") -> str:
    row = progress.row
    outcome = row.error or f"{row.bpp:.3f} bpp, " + ("lossless" if row.psnr is None else f"{row.psnr:.2f} dB")
    return (
        f"{progress.done}/{progress.total} {row.picture} {row.codec} {row.quality:g}: {outcome}, "
        f"{progress.seconds_left:.0f} s left"
    )

"""`splatcodec shards`: tar files of pictures to tar files of .gsi files."""

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splatkernels import resolve_device

from ..errors import ResultsError
from ..files import describe, in_one_line
from .encoding import add_encoder, check_encoder, encoder_options
from .options import Parser, positive_int, print_json
from .progress import counted

if TYPE_CHECKING:
    from ..batch.listing import Pair
    from ..batch.run import Failure
    from ..batch.sidecar import Recipe

_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")
_BAR = "{n_fmt} pictures, {rate_fmt}, {elapsed}"


def add_parser(subparsers: "argparse._SubParsersAction[Parser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "shards",
        help="encode the pictures in tar files",
        usage="splatcodec shards IN.tar... -o DIR [-j JOBS | --ray[=ADDRESS]] [encode options]",
        description="Write tar files as WebDataset reads them, with .gsi files in place of pictures and all else as it "
        "is, and beside each OUT.tar a sidecar OUT.tar.json. What is finished is left alone, so that a run goes on "
        "where another one ended.",
    )
    parser.add_argument("inputs", nargs="+", metavar="IN.tar", help="tar file, or folder of .tar files")
    parser.add_argument("-o", "--output", metavar="DIR", dest="folder", required=True, help="folder to write to")
    parser.add_argument(
        "--pictures",
        type=_extensions,
        metavar="EXT,...",
        help="extensions of the members to encode, such as jpg or left.jpg (default: those of pictures)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "-j", "--jobs", type=positive_int, metavar="JOBS", help="pictures at a time (default: one for each thread)"
    )
    where.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="encode on a Ray cluster, a shard for each core or, with --threads, so many cores (extra ray)",
    )
    add_encoder(parser)
    parser.add_argument(
        "--overwrite", action="store_true", help="replace tar files that were made otherwise, or by something else"
    )
    parser.add_argument("--json", action="store_true", help="print the sums as one JSON object")
    parser.add_argument("--quiet", action="store_true", help="print neither progress nor result")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> None:
    """Encode what is not finished, say how far it is, and sum up.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
        ResultsError: shards or pictures have failed, as lines have said.
        ValueError: no shards are meant, or shards would become the same.
    """
    check_encoder(arguments)
    if arguments.ray is not None and Path(arguments.ray).suffix == ".tar":
        arguments.parser.error(f"--ray takes an address, not {arguments.ray}; name shards before it")
    from ..batch import Failure
    from ..batch.journal import check_folder
    from ..batch.listing import pairs
    from ..batch.sidecar import Recipe, finished, sums
    from ..tars import PICTURES

    begun = time.perf_counter()
    options = encoder_options(arguments, resolve_device(arguments.device))
    recipe = Recipe(options, arguments.pictures or PICTURES)
    faults: list[OSError] = []
    with _telling_of_compressed() as is_meant:
        found = pairs(arguments.inputs, Path(arguments.folder), ".tar", is_meant, faults=faults)
    check_folder(arguments.folder, _is_tar)
    rows: dict[Pair, dict[str, Any] | None] = {}
    for pair in found:
        try:
            rows[pair] = finished(*pair, recipe, overwrite=arguments.overwrite)
        except OSError as error:
            faults.append(error)
    left = [pair for pair, row in rows.items() if row is None]
    before = len(rows) - len(left)
    lost = len(faults)
    count = len(rows) + lost
    with counted("pictures", _BAR, quiet=arguments.quiet) as (step, say):
        for fault in faults:
            say(f"splatcodec: {describe(fault)}")
        for pair, outcome in _encoded(arguments, left, recipe, step):
            if isinstance(outcome, Failure):
                lost += 1
                say(f"splatcodec: {outcome.error}")
                continue
            rows[pair] = outcome
            for failure in outcome["failures"]:
                say(f"splatcodec: {failure['error']}")
            if not arguments.quiet:
                say(in_one_line(f"{pair.output}: {_described(outcome)}"))
    total = sums([row for row in rows.values() if row is not None])
    total |= {"shards": count - lost, "failed_shards": lost, "done_before": before}
    total["seconds"] = round(time.perf_counter() - begun, 3)
    if arguments.json:
        print_json(total)
    elif not arguments.quiet:
        aside = f" ({before} done before)" if before else ""
        line = f"{arguments.folder}: {total['shards']} shards{aside}, {_described(total)}"
        print(in_one_line(line), file=sys.stderr)
    if lost:
        raise ResultsError(f"{lost} of {count} shards failed")
    if total["failed"]:
        raise ResultsError(f"{total['failed']} of {total['failed'] + total['pictures']} pictures failed")


def _encoded(
    arguments: argparse.Namespace, left: "list[Pair]", recipe: "Recipe", step: Callable[[], None]
) -> "Iterable[tuple[Pair, dict[str, Any] | Failure]]":
    """Encode shards here or on a cluster."""
    if arguments.ray is not None:
        from ..batch.cluster import encode_shards_on_ray

        return encode_shards_on_ray(left, recipe, arguments.ray or None, arguments.threads or 1)
    from splatkernels import get_num_threads

    from ..batch.shards import encode_shards

    return encode_shards(left, recipe, arguments.jobs or get_num_threads(), step)


def _is_tar(path: Path) -> bool:
    return path.suffix.lower() == ".tar"


@contextmanager
def _telling_of_compressed() -> Iterator[Callable[[Path], bool]]:
    """Which files of a folder are meant; warns if others are tar files that are compressed."""
    aside: list[Path] = []

    def is_meant(path: Path) -> bool:
        if path.name.lower().endswith(_COMPRESSED):
            aside.append(path)
        return _is_tar(path)

    try:
        yield is_meant
    finally:
        if aside:
            warnings.warn(f"{aside[0]}: is compressed and left out ({len(aside)} in all); unpack them", stacklevel=1)


def _extensions(text: str) -> tuple[str, ...]:
    """Extensions between commas, with or without their first dot."""
    found = tuple(part.strip().removeprefix(".").lower() for part in text.split(","))
    if not all(found):
        raise argparse.ArgumentTypeError(f"expected extensions such as jpg,png, got {text!r}")
    return found


def _described(row: dict[str, Any]) -> str:
    text = f"{row['pictures']} pictures"
    text += f", {row['failed']} failed" if row["failed"] else ""
    text += f", {row['source_bytes']} bytes to {row['gsi_bytes']}"
    text += f", mean {row['mean_bpp']:.3f} bpp" if row["mean_bpp"] is not None else ""
    text += f", mean PSNR {row['mean_psnr']:.2f} dB" if row["mean_psnr"] is not None else ""
    return f"{text}, {row['seconds']:.1f} s"

"""Many files at a time: which ones, where to, how far it is, and what has come of it."""

import argparse
import csv
import io
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ResultsError
from ..files import STANDARD_STREAM, describe, extension_of, in_one_line, output, read_source, spare_file
from .options import Parser, input_source, positive_int, print_json
from .progress import counted

if TYPE_CHECKING:
    from ..batch import Task
    from ..batch.journal import Journal
    from ..batch.listing import Pair

# What reports begin with.
_REPORT = b"source,output,"
_BAR = "{n_fmt}/{total_fmt}|{bar}| {rate_fmt}, {remaining} left"


@dataclass(frozen=True)
class Work:
    """What a subcommand does with many files.

    Attributes:
        extension: of outputs.
        is_input: which files of a folder are meant.
        is_output: what looks like the name of an output.
        key: what says how outputs are made, to know those of another run again; JSON has it.
        task: makes a `splatcodec.batch.Task` of a file, its output and where that is noted.
        warm_up: as of `splatcodec.batch.run`.
    """

    extension: str
    is_input: Callable[[Path], bool]
    is_output: Callable[[Path], bool]
    key: dict[str, Any]
    task: "Callable[[Path, Path, Journal], Task]"
    warm_up: Callable[[], object]


def usage_of(command: str) -> str:
    """How a subcommand is called."""
    begin = f"splatcodec {command}"
    return f"{begin} IN OUT [options]\n       {begin} IN... -o DIR [-r] [-j JOBS] [--resume] [options]"


def add_many(parser: Parser, what: str) -> None:
    """The arguments of a subcommand that takes IN OUT, or many files and a folder."""
    parser.add_argument("inputs", nargs="*", metavar="IN", help=f"{what}, or -; with -o also many, and folders of them")
    many = parser.add_argument_group("many files")
    many.add_argument("-o", "--output", metavar="DIR", dest="folder", help="folder to write to, instead of OUT")
    many.add_argument("-r", "--recursive", action="store_true", help="take folders in folders too, and mirror them")
    many.add_argument(
        "--files-from",
        metavar="LIST",
        help="file, or -, with the names of more files, one in a line or, as find -print0 has them, each before a zero "
        "byte; DIR mirrors the folders of relative names, not those of absolute ones",
    )
    add_report(many)
    many.add_argument(
        "--resume", action="store_true", help="leave out what is done: made alike of the same bytes, and whole"
    )


def is_many(arguments: argparse.Namespace) -> bool:
    """Whether many files are to be worked on; otherwise sets `input` and `output`.

    Ends with a message if neither is the case.
    """
    parser = arguments.parser
    options = {"-r": arguments.recursive, "--files-from": arguments.files_from, "-j": arguments.jobs}
    options |= {"--resume": arguments.resume, "--report": arguments.report}
    if arguments.folder is not None:
        if STANDARD_STREAM in (*arguments.inputs, arguments.folder):
            parser.error("with -o, standard input and output cannot be files")
        return True
    given = [name for name, value in options.items() if value]
    if given:
        parser.error(f"{given[0]} goes with -o DIR only")
    if len(arguments.inputs) != 2:
        parser.error("expected IN OUT, or IN... -o DIR")
    arguments.input, arguments.output = arguments.inputs
    return False


def run_many(arguments: argparse.Namespace, work: Work) -> None:
    """Do what is not done yet, say how far it is, and sum up.

    Raises:
        OSError: a list cannot be read, or the folder not be written.
        ResultsError: some files failed, as lines have said.
        ValueError: no files are meant, or files would become the same, or the report.
    """
    from ..batch.journal import Done, Journal, check_folder
    from ..batch.listing import pairs

    folder = Path(arguments.folder)
    faults: list[OSError] = []
    found = pairs(
        arguments.inputs,
        folder,
        work.extension,
        work.is_input,
        recursive=arguments.recursive,
        listed=listed(arguments.files_from),
        faults=faults,
    )
    read = [arguments.files_from or "", *(pair.source for pair in found)]
    check_report(arguments.report, read, overwrite=arguments.overwrite, resume=arguments.resume)
    check_folder(arguments.folder, work.is_output)
    journal = Journal(folder, work.key)
    done = Done(journal) if arguments.resume else None
    rows = {pair: None if done is None else done.find(*pair) for pair in found}
    work_through(arguments, arguments.folder, rows, lambda pair: work.task(*pair, journal), work.warm_up, faults)


def work_through(
    arguments: argparse.Namespace,
    label: str,
    rows: "dict[Pair, dict[str, Any] | None]",
    task: "Callable[[Pair], Task]",
    warm_up: Callable[[], object],
    faults: Sequence[OSError],
) -> None:
    """Do what has no row yet, say how far it is, write a report and sum up.

    Args:
        arguments: `jobs`, `report`, `json` and `quiet` count.
        label: what to call it all in the summary.
        rows: what is known, by source and output.
        task: makes one of a source and its output.
        warm_up: as of `Work`.
        faults: of folders that could not be read; they count as files that failed.

    Raises:
        OSError: the report cannot be written, or there is no room for more.
        ResultsError: some files failed, as lines have said.
    """
    from splatkernels import get_num_threads

    from ..batch import Failure, run
    from ..batch.listing import Pair

    begun = time.perf_counter()
    left = [pair for pair, row in rows.items() if row is None]
    errors: dict[Pair, str] = {}
    beside = nullcontext() if arguments.report is None else output(arguments.report)
    with beside as report, counted("files", _BAR, len(left), quiet=arguments.quiet) as (step, say):
        for fault in faults:
            say(f"splatcodec: {describe(fault)}")
        for done, outcome in run([task(pair) for pair in left], arguments.jobs or get_num_threads(), warm_up):
            pair = Pair(done.source, done.output)
            if isinstance(outcome, Failure):
                errors[pair] = outcome.error
                say(f"splatcodec: {outcome.error}")
            else:
                for line in outcome["warnings"]:
                    say(f"splatcodec: {line}")
                rows[pair] = outcome
            step()
        if report is not None:
            report.write(_table(rows, errors))
    found = [row for row in rows.values() if row is not None]
    failed = len(errors) + len(faults)
    _sum_up(arguments, label, found, failed, len(rows) - len(left), time.perf_counter() - begun)
    if failed:
        raise ResultsError(f"{failed} of {len(rows) + len(faults)} files failed")


def add_report(parser: "argparse._ActionsContainer") -> None:
    """How many files at a time, and a table of them."""
    parser.add_argument(
        "-j", "--jobs", type=positive_int, metavar="JOBS", help="files at a time (default: one for each thread)"
    )
    parser.add_argument("--report", metavar="TABLE", help="table to write, .csv: a row for each file")


def check_report(
    path: str | None, read: Iterable[str | Path], *, overwrite: bool = False, resume: bool = False
) -> None:
    """Fail before the work if a report cannot be written.

    Args:
        path: of the report, if there is to be one.
        read: what the run reads.
        overwrite: whether it may replace any other file.
        resume: whether it may replace another report.

    Raises:
        FileExistsError: it is there and not to be replaced.
        ValueError: its extension is another, or it would replace what the run reads.
    """
    if path is None:
        return
    extension_of(path, (".csv",), "a report")
    if not os.path.isfile(path):
        return
    for name in map(str, read):
        # Few names of pictures end so: a look at each of a million files would take long.
        if name.lower().endswith(".csv") and os.path.isfile(name) and os.path.samefile(name, path):
            raise ValueError(f"{path}: this run reads it, and would replace it by its report")
    if not overwrite:
        spare_file(path, _REPORT if resume else None, "report")


def listed(path: str | None) -> list[str]:
    """The names in a file of names, one in a line, or each before a zero byte if there is one; none without a file.

    Raises:
        OSError: it cannot be read.
    """
    if path is None:
        return []
    content = read_source(input_source(path))
    if b"\0" in content:
        return [os.fsdecode(name) for name in content.split(b"\0") if name]
    # Names may hold what ends lines of a text, and what is no text.
    lines = content.split(b"\n")
    return [os.fsdecode(name) for line in lines if (name := line.removesuffix(b"\r"))]


def _table(rows: "dict[Pair, dict[str, Any] | None]", errors: "dict[Pair, str]") -> bytes:
    """A row for each file, as CSV."""
    names = list(dict.fromkeys(name for row in rows.values() if row for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, ["source", "output", *names, "error"], lineterminator="\n")
    writer.writeheader()
    for pair, row in rows.items():
        found = row and row | {"warnings": "; ".join(row["warnings"])}
        writer.writerow({**pair._asdict(), "error": errors.get(pair)} | (found or {}))
    return text.getvalue().encode("utf-8", "backslashreplace")


def _sum_up(
    arguments: argparse.Namespace, label: str, rows: list[dict[str, Any]], failed: int, before: int, seconds: float
) -> None:
    """Print how many files there are, and the means of what was found."""
    total: dict[str, Any] = {"files": len(rows), "failed": failed, "done_before": before, "seconds": round(seconds, 3)}
    total["bytes"] = sum(row["bytes"] for row in rows if row.get("bytes"))
    for name in ("bpp", "psnr", "psnr_y", "ssim", "ms_ssim", "ssimulacra2"):
        values = [row[name] for row in rows if row.get(name) is not None and math.isfinite(row[name])]
        if values:
            total[f"mean_{name}"] = sum(values) / len(values)
    if arguments.json:
        print_json(total)
    elif not arguments.quiet:
        text = f"{label}: {len(rows)} files" + (f" ({before} done before)" if before else "")
        text += f", {failed} failed" if failed else ""
        text += f", {total['bytes']} bytes"
        text += f", mean {total['mean_bpp']:.3f} bpp" if "mean_bpp" in total else ""
        text += f", mean PSNR {total['mean_psnr']:.2f} dB" if "mean_psnr" in total else ""
        done = len(rows) + failed - before
        print(in_one_line(f"{text}, {seconds:.1f} s, {done / max(seconds, 1e-9):.1f} files/s"), file=sys.stderr)

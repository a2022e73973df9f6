"""Many files at a time: which ones, where to, how far it is, and what has come of it."""

import argparse
import csv
import io
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ResultsError
from ..files import STANDARD_STREAM, output, spare_file
from .options import Parser, positive_int, print_json

Task = Callable[[Path, Path], Any]


@dataclass(frozen=True)
class Job:
    """What a subcommand does with many files.

    Attributes:
        extension: of outputs.
        is_input: which files of a folder are meant.
        key: what says how outputs are made, to know those of another run again; JSON has it.
        task: makes a `splatcodec.batch.Task` of a file and its output.
    """

    extension: str
    is_input: Callable[[Path], bool]
    key: dict[str, Any]
    task: Task


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
    many.add_argument("--files-from", metavar="LIST", help="file, or -, with the names of more files, one in a line")
    many.add_argument(
        "-j", "--jobs", type=positive_int, metavar="JOBS", help="files at a time (default: one for each thread)"
    )
    many.add_argument(
        "--resume", action="store_true", help="leave out what is done: made alike of the same bytes, and whole"
    )
    many.add_argument("--report", metavar="TABLE", help="table to write, .csv: a row for each file")


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


def run_many(arguments: argparse.Namespace, job: Job) -> None:
    """Do what is not done yet, say how far it is, and sum up.

    Raises:
        OSError: a list or a folder cannot be read or written.
        ResultsError: some files failed, as lines have said.
        ValueError: no files are meant, or two would become the same.
    """
    from splatkernels import get_num_threads

    from ..batch import Failure, run
    from ..batch.journal import Journal, check_folder
    from ..batch.listing import pairs
    from ..batch.work import DIGESTS

    if arguments.report is not None:
        if Path(arguments.report).suffix.lower() != ".csv":
            raise ValueError(f"{arguments.report}: a report is written as .csv")
        if not arguments.resume:
            spare_file(arguments.report)
    folder = Path(arguments.folder)
    listed = _listed(arguments.files_from)
    found = pairs(arguments.inputs, folder, job.extension, job.is_input, recursive=arguments.recursive, listed=listed)
    check_folder(folder)
    begun = time.perf_counter()
    journal = Journal(folder, job.key)
    rows = {pair: journal.find(*pair) if arguments.resume else None for pair in found}
    done_before = sum(row is not None for row in rows.values())
    tasks = [job.task(*pair) for pair, row in rows.items() if row is None]
    errors: dict[Any, str] = {}
    with _progress(len(tasks), arguments.quiet) as (step, say):
        for task, outcome in run(tasks, arguments.jobs or get_num_threads()):
            pair = (task.source, task.output)
            if isinstance(outcome, Failure):
                errors[pair] = outcome.error
                say(outcome.error)
            else:
                source_digest, output_digest = (outcome.pop(name) for name in DIGESTS)
                journal.append(task.output, source_digest, output_digest, outcome)
                rows[pair] = outcome  # type: ignore[index]  # a pair is a tuple
            step()
    _write_report(arguments.report, rows, errors)
    _sum_up(arguments, [row for row in rows.values() if row], len(errors), done_before, time.perf_counter() - begun)
    if errors:
        raise ResultsError(f"{len(errors)} of {len(found)} files failed")


def _listed(path: str | None) -> list[str]:
    if path is None:
        return []
    if path == STANDARD_STREAM:
        if sys.stdin is None:
            raise OSError("standard input is closed")
        lines = sys.stdin.read().splitlines()
    else:
        lines = Path(path).read_text().splitlines()
    return [line for line in lines if line]


@contextmanager
def _progress(total: int, quiet: bool) -> "Iterator[tuple[Callable[[], None], Callable[[str], None]]]":
    """What to call after each file, and to say a fault in a line; on a terminal there is a bar."""

    def say(line: str) -> None:
        print(f"splatcodec: {line}", file=sys.stderr)

    if quiet or not total or not sys.stderr.isatty():
        yield lambda: None, say
        return
    from tqdm import tqdm

    form = "{n_fmt}/{total_fmt}|{bar}| {rate_fmt}, {remaining} left"
    with tqdm(total=total, leave=False, bar_format=form, unit=" files") as bar:
        yield lambda: bar.update(), lambda line: tqdm.write(f"splatcodec: {line}", file=sys.stderr)


def _write_report(path: str | None, rows: "dict[Any, dict[str, Any] | None]", errors: dict[Any, str]) -> None:
    """A table with a row for each file."""
    if path is None:
        return
    names = list(dict.fromkeys(name for row in rows.values() if row for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, ["source", "output", *names, "error"], lineterminator="\n")
    writer.writeheader()
    for (source, made), row in rows.items():
        writer.writerow({"source": source, "output": made, "error": errors.get((source, made))} | (row or {}))
    with output(path) as file:
        file.write(text.getvalue().encode("utf-8", "backslashreplace"))


def _sum_up(
    arguments: argparse.Namespace, rows: list[dict[str, Any]], failed: int, before: int, seconds: float
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
        text = f"{arguments.folder}: {len(rows)} files" + (f" ({before} done before)" if before else "")
        text += f", {failed} failed" if failed else ""
        text += f", {total['bytes']} bytes"
        text += f", mean {total['mean_bpp']:.3f} bpp" if "mean_bpp" in total else ""
        text += f", mean PSNR {total['mean_psnr']:.2f} dB" if "mean_psnr" in total else ""
        done = len(rows) + failed - before
        print(f"{text}, {seconds:.1f} s, {done / max(seconds, 1e-9):.1f} files/s", file=sys.stderr)

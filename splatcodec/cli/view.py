"""`splatcodec view`: .gsi files in a browser, as one page that needs nothing else."""

import argparse
import os
import sys
import tempfile

from ..files import STANDARD_STREAM, extension_of, naming, output, read_source, source_name, spare_file
from .options import Parser, input_source, refuse_same_file

_EXTENSIONS = (".html", ".htm")


def add_parser(subparsers: "argparse._SubParsersAction[Parser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "view",
        help="show .gsi files in a browser",
        description="Make one HTML page that shows .gsi files at any magnification, their Gaussians, and how close "
        "they come to the original. It holds the files and all that it takes to decode them, and needs neither a "
        "server nor a network.",
        epilog="Without OUT, the page is a temporary file, whose name is printed, and a browser opens it. Where there "
        "is no browser, the name is all. docs/web.md tells what the page can do.",
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help=".gsi files, or - (default: none; files can be dropped on the page)"
    )
    parser.add_argument("-o", "--output", metavar="OUT", help="page to write, .html, or -")
    parser.add_argument(
        "--reference", metavar="IMG", help="the original picture, or -, to embed and to compare the files with"
    )
    parser.add_argument("--open", action="store_true", help="open OUT in a browser, too")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it is there")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> None:
    """Verify the files, write the page, and open it."""
    given = [*arguments.files, *([arguments.reference] if arguments.reference is not None else [])]
    if given.count(STANDARD_STREAM) > 1:
        arguments.parser.error("only one of FILE and IMG can be standard input")
    if arguments.reference is not None and not arguments.files:
        arguments.parser.error("--reference needs a FILE to compare with IMG")
    if arguments.output is None:
        page = _page(arguments.files, arguments.reference)
        path = _write_temporary(page)
        print(path)
    else:
        path = arguments.output
        if path == STANDARD_STREAM and arguments.open:
            arguments.parser.error("--open needs a file; OUT is standard output")
        if path != STANDARD_STREAM:
            extension_of(path, _EXTENSIONS, "a page")
        for name in given:
            refuse_same_file(arguments.parser, path, FILE=name)
        if not arguments.overwrite:
            spare_file(path)
        with output(path) as file:
            file.write(_page(arguments.files, arguments.reference))
    if (arguments.output is None or arguments.open) and not _open(path):
        print(f"splatcodec: no browser found to open {path} in", file=sys.stderr)


def _page(paths: list[str], original: str | None) -> bytes:
    """The page of files that are undamaged, and of one canvas if there is an original."""
    from ..diagnosis import diagnose
    from ..web.page import Embedded, page

    pictures, sizes = [], {}
    for path in paths:
        source = input_source(path)
        name = source_name(source)
        found = diagnose(data := read_source(source), name)
        if found.faults:
            raise found.faults[0].error
        pictures.append(Embedded(os.path.basename(name), data))
        sizes[name] = found.header.width, found.header.height
    if original is None:
        return page(pictures)
    from ..web.reference import reference

    (first, size), *others = sizes.items()
    for name, own in others:
        if own != size:
            raise ValueError(f"{name}: the canvas is {own[0]}x{own[1]}, but that of {first} is {size[0]}x{size[1]}")
    return page(pictures, reference(input_source(original), size))


def _write_temporary(page: bytes) -> str:
    """Keep a page in a new file, which stays for the browser."""
    handle, path = tempfile.mkstemp(".html", "splatcodec-")
    try:
        with naming(path), os.fdopen(handle, "wb") as file:
            file.write(page)
    except BaseException:
        os.unlink(path)
        raise
    return path


def _open(path: str) -> bool:
    """Open a page in a browser; whether there is one."""
    import webbrowser
    from pathlib import Path

    is_graphical = os.name == "nt" or sys.platform == "darwin"
    # Others that are found run in the terminal, and run no scripts.
    if not is_graphical and not any(map(os.environ.get, ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))):
        return False
    return webbrowser.open(Path(path).absolute().as_uri())

"""Which files are meant, and where what is made of them goes."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple


class Pair(NamedTuple):
    """A file, and what is to be made of it."""

    source: Path
    output: Path


def pairs(
    inputs: Sequence[str],
    folder: Path,
    extension: str,
    is_input: Callable[[Path], bool],
    *,
    recursive: bool = False,
    listed: Iterable[str] = (),
) -> list[Pair]:
    """What is to be made of files, in a folder that mirrors where they are.

    Args:
        inputs: files, and folders of files.
        folder: of outputs.
        extension: of outputs.
        is_input: which files of a folder are meant.
        recursive: whether folders in folders are meant too.
        listed: more files; of these, the folders of relative paths are mirrored as well.

    Raises:
        OSError: a folder cannot be read.
        ValueError: nothing is meant, an output would be an input, or two files would become the same output.
    """
    found: dict[Path, Path] = {}
    for source, place in _places(inputs, is_input, recursive, listed):
        output = folder / place.with_suffix(extension)
        before = found.setdefault(output, source)
        if before != source:
            raise ValueError(f"{source}: would become {output}, as {before} would")
        if output.exists() and source.exists() and output.samefile(source):
            raise ValueError(f"{source}: would be replaced by what is made of it")
    if not found:
        raise ValueError("no files to work on")
    return [Pair(source, output) for output, source in found.items()]


def _places(
    inputs: Sequence[str], is_input: Callable[[Path], bool], recursive: bool, listed: Iterable[str]
) -> Iterator[tuple[Path, Path]]:
    """Files, and their places under a folder."""
    for argument in inputs:
        path = Path(argument)
        if not path.is_dir():
            yield path, Path(path.name)
            continue
        inside = [own for own in files_in(path, recursive) if is_input(own)]
        if not inside:
            raise ValueError(f"{argument}: no files in this folder that can be read")
        for own in inside:
            yield own, own.relative_to(path)
    for line in listed:
        path = Path(line)
        mirrored = not path.is_absolute() and ".." not in path.parts
        yield path, path if mirrored else Path(path.name)


def partners(
    references: Path,
    folder: Path,
    is_reference: Callable[[Path], bool],
    is_judged: Callable[[Path], bool],
    recursive: bool,
) -> list[Pair]:
    """Files of a folder, each with the one of the same name, but for the extension, in a folder of references.

    Raises:
        OSError: a folder cannot be read.
        ValueError: there are no files, one has no reference, or several.
    """
    by_name: dict[Path, list[Path]] = {}
    for path in files_in(references, recursive):
        if is_reference(path):
            by_name.setdefault(path.relative_to(references).with_suffix(""), []).append(path)
    found = []
    for path in files_in(folder, recursive):
        if is_judged(path):
            own = by_name.get(path.relative_to(folder).with_suffix(""), [])
            if len(own) != 1:
                raise ValueError(f"{path}: has {len(own) or 'no'} references in {references}")
            found.append(Pair(own[0], path))
    if not found:
        raise ValueError(f"{folder}: no files in this folder that can be read")
    missing = sum(map(len, by_name.values())) - len({pair.source for pair in found})
    if missing:
        warnings.warn(f"{folder}: lacks {missing} of the files in {references}", stacklevel=2)
    return found


def files_in(folder: Path, recursive: bool) -> Iterator[Path]:
    """The files of a folder in the order of their names, hidden ones left out."""
    with os.scandir(folder) as entries:
        inside = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in inside:
        if entry.is_file():
            yield Path(entry.path)
        elif recursive and entry.is_dir():
            yield from files_in(Path(entry.path), recursive)


def is_picture(path: Path) -> bool:
    """Whether the extension is that of a format that Pillow reads."""
    from PIL import Image

    return Image.registered_extensions().get(path.suffix.lower()) in Image.OPEN


def is_gsi(path: Path) -> bool:
    """Whether the extension is .gsi."""
    return path.suffix.lower() == ".gsi"

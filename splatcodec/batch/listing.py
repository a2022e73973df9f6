"""Which files are meant, and where what is made of them goes."""

import errno
import os
import warnings
from collections import Counter
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
    faults: list[OSError],
) -> list[Pair]:
    """What is to be made of files, in a folder that mirrors where they are.

    Where two files would become the same output, both keep their extensions: `a.jpg.gsi`, `a.png.gsi`.

    Args:
        inputs: files, and folders of files.
        folder: of outputs.
        extension: of outputs.
        is_input: which files of a folder are meant.
        recursive: whether folders in folders are meant too.
        listed: more files; of these, the folders of relative paths are mirrored as well.
        faults: gains those of folders that cannot be read.

    Raises:
        FileNotFoundError: a name is empty.
        ValueError: nothing is meant, an output would be an input, or files would become the same output.
    """
    places = _places(inputs, is_input, recursive, listed, faults)
    found = _renamed([(source, folder / place) for source, place in places], extension)
    for source, output in found:
        if output.exists() and source.exists() and output.samefile(source):
            raise ValueError(f"{source}: would be replaced by what is made of it")
    if not found and not faults:
        raise ValueError("no files to work on")
    return found


def _renamed(places: Iterable[tuple[Path, Path]], extension: str) -> list[Pair]:
    """Files, by their places in the folder of outputs, and the outputs, no two of them alike.

    Raises:
        ValueError: there are none.
    """
    by_place: dict[Path, list[Path]] = {}
    for source, place in places:
        others = by_place.setdefault(place, [])
        # The same file may be given several times.
        if not others or _identity(source) not in map(_identity, others):
            others.append(source)
    files = [(source, place) for place, sources in by_place.items() for source in sources]
    short = [place.with_suffix(extension) for _, place in files]
    long = [place.with_name(f"{place.name}{extension}") for _, place in files]
    made = short
    while True:
        wanted = Counter(made)
        chosen = [other if wanted[own] > 1 else own for own, other in zip(made, long, strict=True)]
        if chosen == made:
            break
        made = chosen
    clashes: dict[Path, list[str]] = {}
    for (source, _), own, first in zip(files, made, short, strict=True):
        if wanted[own] > 1:
            clashes.setdefault(first, []).append(str(source))
    if clashes:
        raise ValueError("; ".join(f"{' and '.join(names)} would become {own}" for own, names in clashes.items()))
    return [Pair(source, own) for (source, _), own in zip(files, made, strict=True)]


def _places(
    inputs: Sequence[str],
    is_input: Callable[[Path], bool],
    recursive: bool,
    listed: Iterable[str],
    faults: list[OSError],
) -> Iterator[tuple[Path, Path]]:
    """Files, and their places under a folder."""
    for argument in inputs:
        if not argument:
            raise FileNotFoundError(errno.ENOENT, "no such file or directory", "''")
        path = Path(argument)
        if not path.is_dir():
            yield path, Path(path.name)
            continue
        before = len(faults)
        inside = [own for own in files_in(path, recursive, faults) if is_input(own)]
        if not inside and len(faults) == before:
            raise ValueError(f"{argument}: no files in this folder that can be read")
        for own in inside:
            yield own, own.relative_to(path)
    for line in listed:
        path = Path(line)
        if path.is_dir():
            raise ValueError(f"{line}: is a folder; a list names files, and folders are named as IN")
        mirrored = not path.is_absolute() and ".." not in path.parts
        yield path, path if mirrored else Path(path.name)


def partners(
    references: Path,
    folder: Path,
    is_reference: Callable[[Path], bool],
    is_judged: Callable[[Path], bool],
    recursive: bool,
    faults: list[OSError],
) -> list[Pair]:
    """Files of a folder, each with the one of the same name, but for the extension, in a folder of references.

    Where there are several of these, `a.png.gsi` goes with `a.png`.

    Raises:
        ValueError: there are no files, one has no reference, or several.
    """
    by_name: dict[Path, list[Path]] = {}
    by_full_name: dict[Path, Path] = {}
    for path in files_in(references, recursive, faults):
        if is_reference(path):
            place = path.relative_to(references)
            by_full_name[place] = path
            by_name.setdefault(place.with_suffix(""), []).append(path)
    found = []
    for path in files_in(folder, recursive, faults):
        if is_judged(path):
            name = path.relative_to(folder).with_suffix("")
            own = by_name.get(name, [])
            if len(own) != 1 and name in by_full_name:
                own = [by_full_name[name]]
            if len(own) != 1:
                raise ValueError(f"{path}: has {len(own) or 'no'} references in {references}")
            found.append(Pair(own[0], path))
    if not found and not faults:
        raise ValueError(f"{folder}: no files in this folder that can be read")
    missing = sum(map(len, by_name.values())) - len({pair.source for pair in found})
    if missing:
        warnings.warn(f"{folder}: lacks {missing} of the files in {references}", stacklevel=2)
    return found


def files_in(
    folder: Path, recursive: bool, faults: list[OSError], outer: tuple[os.stat_result, ...] = ()
) -> Iterator[Path]:
    """The files of a folder in the order of their names, hidden ones left out.

    Args:
        folder: to look in.
        recursive: whether to look in its folders too.
        faults: gains those of folders that cannot be read.
        outer: the folders that it is in; links may lead back to one of them, which is left out.
    """
    try:
        status = os.stat(folder)
        if any(os.path.samestat(status, own) for own in outer):
            return
        with os.scandir(folder) as entries:
            inside = sorted((own for own in entries if not own.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        faults.append(error)
        return
    for entry in inside:
        if entry.is_file():
            yield Path(entry.path)
        elif recursive and entry.is_dir():
            yield from files_in(Path(entry.path), recursive, faults, (*outer, status))


def _identity(path: Path) -> tuple[str, str]:
    """What is the same for two names of a file, links to it aside: its folder, and its name in that."""
    return os.path.realpath(path.parent), path.name


def is_picture(path: Path) -> bool:
    """Whether the extension is that of a format that Pillow reads."""
    from PIL import Image

    return Image.registered_extensions().get(path.suffix.lower()) in Image.OPEN


def is_gsi(path: Path) -> bool:
    """Whether the extension is .gsi."""
    return path.suffix.lower() == ".gsi"

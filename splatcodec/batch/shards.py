"""Shards: tar files of pictures become tar files of .gsi files, all else in them stays as it is, byte for byte.

Beside each output lies a sidecar, OUT.tar.json, which says how it was made and what came of it. It is what a run that
goes on knows finished shards by.
"""

import errno
import hashlib
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ..files import replacing, spare_file
from ..options import Options
from ..origin import code_version
from ..tars import PICTURES, Member, header, is_of, members, padding, renamed
from .coders import Encoder, fingerprint, in_one_line
from .growing import Growing, growing
from .listing import Pair
from .run import Call, Crew, Failure, Found

_COPIED = 2**20
# Whatever cannot be written for these reasons, the next one cannot either.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_KEY = "splatcodec"

Encoded = Callable[[Iterable[Call]], Iterator[Found | Failure]]
"""Calls `encode_member`, side by side or not, and gives what it returns in order."""


@dataclass(frozen=True)
class Recipe:
    """How shards are made.

    Attributes:
        options: what the encoder is told.
        pictures: extensions of the members to encode.
    """

    options: Options
    pictures: tuple[str, ...] = PICTURES

    @property
    def key(self) -> dict[str, Any]:
        """What tells apart shards that are made in different ways, as JSON has it."""
        return {"version": code_version(), "pictures": list(self.pictures), "options": fingerprint(self.options)}


def encode_shard(source: Path, output: Path, recipe: Recipe, encoded: Encoded | None = None) -> dict[str, Any]:
    """Write a tar file in which .gsi files stand in place of pictures, and its sidecar.

    Pictures that cannot be encoded are left out. A run that is killed leaves no output, and a hidden file, which the
    next one removes.

    Args:
        source: a tar file.
        output: another one.
        recipe: how it is made.
        encoded: encodes the pictures; one after the other, in this process, if None.

    Returns:
        What the sidecar says.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: the source is no tar file, damaged, or has changed meanwhile.
    """
    begun = time.perf_counter()
    with open(source, "rb") as file, growing(output) as out:
        before = _Stamp.of(file)
        source_digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        everything = members(file, str(source))
        is_picture = is_of(recipe.pictures)
        names = renamed([member.name for member in everything], is_picture)
        pictures = [member for member in everything if member.name in names]
        encoder = Encoder(recipe.options)
        calls = (
            (f"{source}/{member.name}", (source, member.name, member.data, member.size, encoder)) for member in pictures
        )
        tally = _Tally()
        position = 0
        for member, outcome in zip(pictures, (encoded or in_turn)(calls), strict=True):
            _copy(file, position, member.begin, out)
            position = member.end
            data = tally.add(member, outcome)
            if data is not None:
                file.seek(member.data - tarfile.BLOCKSIZE + 257)
                out.write(header(member, names[member.name], len(data), file.read(8)))
                out.write(data + padding(len(data)))
        _copy(file, position, before.size, out)
        if _Stamp.of(file) != before:
            raise ValueError(f"{source}: has changed while it was read")
        found = {
            _KEY: recipe.key,
            "source": {"name": source.name, **before._asdict(), "sha256": source_digest},
            "output": {"name": output.name, "size": out.size, "sha256": out.digest},
            **tally.summary(),
            "other_files": len(everything) - len(pictures),
            "seconds": round(time.perf_counter() - begun, 3),
        }
        # Before the tar: one without a sidecar is somebody else's.
        with replacing(sidecar_of(output)) as text:
            text.write(json.dumps(found, indent=1).encode() + b"\n")
    return found


def encode_shards(
    pairs: Sequence[Pair], recipe: Recipe, jobs: int, step: Callable[[], None]
) -> Iterator[tuple[Pair, dict[str, Any] | Failure]]:
    """Encode shards one after the other, the pictures of each side by side.

    Args:
        pairs: tar files, and what becomes of them.
        recipe: how they are made.
        jobs: pictures at a time.
        step: called after each picture.

    Yields:
        Them, with what their sidecars say, or why they cannot be made.

    Raises:
        OSError: there is no room for more.
    """

    def encoded(calls: Iterable[Call]) -> Iterator[Found | Failure]:
        for outcome in crew.in_order(encode_member, calls):
            step()
            yield outcome

    if not pairs:
        return
    with Crew(jobs) as crew:
        for pair in pairs:
            try:
                yield pair, encode_shard(*pair, recipe, encoded)
            except (OSError, ValueError) as error:
                if isinstance(error, OSError) and error.errno in _FULL:
                    raise
                yield pair, Failure(in_one_line(error))


def encode_member(source: Path, name: str, begin: int, size: int, encoder: Encoder) -> Found:
    """Encode a picture of a tar file, where it begins and has so many bytes; returns a row of the encoder.

    Raises:
        OSError: the file cannot be read.
    """
    with open(source, "rb") as file:
        file.seek(begin)
        content = BytesIO(file.read(size))
    content.name = f"{source}/{name}"
    row = encoder({encoder.source: content})
    if row["error"] is not None and not row["error"].startswith(content.name):
        row["error"] = f"{content.name}: {row['error']}"
    return row


def in_turn(calls: Iterable[Call]) -> Iterator[Found | Failure]:
    """Encode one picture after the other."""
    for _, args in calls:
        yield encode_member(*args)


def sidecar_of(output: Path) -> Path:
    """The file that says what an output is."""
    return output.with_name(f"{output.name}.json")


def finished(source: Path, output: Path, recipe: Recipe, *, overwrite: bool = False) -> dict[str, Any] | None:
    """What the sidecar of an output says if it is to be left alone, and None if it is to be made.

    It is left alone if it was made in the same way of the same source. Sources are the same if their sizes and times
    are; at another time, if their digests are.

    Args:
        source, output, recipe: as of `encode_shard`.
        overwrite: whether to make it even if something else is in its place.

    Raises:
        FileExistsError: something else is in its place.
        OSError: a file cannot be read.
    """
    status = source.stat()
    sidecar = sidecar_of(output)
    found = _read(sidecar)
    if not output.exists():
        if found is None and not overwrite:
            spare_file(sidecar)
        return None
    if found is None:
        why = "has no sidecar"
    elif found[_KEY] != recipe.key:
        why = "was made with other options, or by another version"
    elif found["output"]["size"] != output.stat().st_size:
        why = "is not as its sidecar says"
    elif not _is_same(source, _Stamp(status.st_size, status.st_mtime_ns), found["source"]):
        why = f"was made of another {source.name}"
    else:
        return found
    if overwrite:
        return None
    raise FileExistsError(errno.EEXIST, f"exists and {why}; --overwrite replaces it", str(output))


def _read(path: Path) -> dict[str, Any] | None:
    """What a sidecar says; None if there is none."""
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        _ = found[_KEY], found["output"]["size"], found["source"]["sha256"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return found


def _is_same(source: Path, stamp: "_Stamp", known: dict[str, Any]) -> bool:
    if stamp.size != known["size"]:
        return False
    if stamp.mtime_ns == known["mtime_ns"]:
        return True
    with open(source, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == known["sha256"]


class _Stamp(NamedTuple):
    """What changes when a file does."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, file: BinaryIO) -> "_Stamp":
        status = os.fstat(file.fileno())
        return cls(status.st_size, status.st_mtime_ns)


class _Tally:
    """What has come of the pictures of a shard."""

    def __init__(self) -> None:
        self._rows: list[Found] = []
        self._failures: list[dict[str, str]] = []
        self._source_bytes = 0

    def add(self, member: Member, outcome: Found | Failure) -> bytes | None:
        """Count a picture; returns its file, or None if there is none."""
        error = outcome.error if isinstance(outcome, Failure) else outcome["error"]
        if isinstance(outcome, Failure) or error is not None:
            self._failures.append({"key": member.key, "name": member.name, "error": error})
            return None
        data: bytes = outcome.pop("gsi")
        self._rows.append(outcome)
        self._source_bytes += member.size
        return data

    def summary(self) -> dict[str, Any]:
        """Counts, bytes, seconds in processes and means of the pictures that have been encoded, and the other ones."""
        means = {}
        for name in ("bpp", "psnr"):
            values = [row[name] for row in self._rows if isfinite(row[name])]
            means[f"mean_{name}"] = sum(values) / len(values) if values else None
        return {
            "pictures": len(self._rows),
            "failed": len(self._failures),
            "failures": self._failures,
            "pixels": sum(row["width"] * row["height"] for row in self._rows),
            "source_bytes": self._source_bytes,
            "gsi_bytes": sum(row["bytes"] for row in self._rows),
            **means,
            "encode_seconds": round(sum(row["seconds"] for row in self._rows), 3),
        }


def _copy(file: BinaryIO, begin: int, end: int, out: Growing) -> None:
    """Copy bytes from `begin` to before `end`.

    Raises:
        OSError: they cannot be read or written.
        ValueError: the file ends before.
    """
    file.seek(begin)
    while begin < end:
        data = file.read(min(_COPIED, end - begin))
        if not data:
            raise ValueError(f"{file.name}: ends at byte {begin}, expected {end}")
        out.write(data)
        begin += len(data)

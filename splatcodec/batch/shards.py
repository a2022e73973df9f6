"""Shards: tar files of pictures become tar files of .gsi files, all else in them stays as it is, byte for byte."""

import hashlib
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ..files import about, named
from ..tars import Member, header, is_of, members, padding, renamed
from . import sidecar
from .coders import FAULTS_OF_THE_MACHINE, Encoder, UndoneError, fault_of, warm_up_encoder
from .growing import Growing, growing
from .listing import Pair
from .run import Call, Crew, Failure, Found, is_full
from .sidecar import Recipe, Stamp, Tally

_COPIED = 2**20

Outcomes = Generator[Found | Failure, None, None]
Encoded = Callable[[Iterable[Call]], Outcomes]
"""Calls `encode_member`, side by side or not, and gives what it returns in order."""


def encode_shard(source: Path, output: Path, recipe: Recipe, encoded: Encoded | None = None) -> dict[str, Any]:
    """Write a tar file in which .gsi files stand in place of pictures, and its sidecar.

    Pictures that are broken or cannot be encoded are left out. A run that is killed leaves no output, and a hidden
    file, which the next one removes.

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
        FAULTS_OF_THE_MACHINE: a picture cannot be encoded here and now, or the process that did so has died.
    """
    begun = time.perf_counter()
    with open(source, "rb") as file, growing(output) as out:
        before = _identity(os.fstat(file.fileno()))
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        everything = members(file, str(source))
        names = renamed([member.name for member in everything], is_of(recipe.pictures))
        pictures = [member for member in everything if member.name in names]
        tally = Tally()
        position = 0
        with closing((encoded or in_turn)(_calls(source, pictures, recipe))) as outcomes:
            for member, outcome in zip(pictures, outcomes, strict=True):
                if isinstance(outcome, Failure):
                    raise UndoneError(outcome.error) from outcome.cause
                _copy(file, position, member.begin, out)
                position = member.end
                tally.add(member, outcome)
                if outcome["error"] is None:
                    _write(out, member, names[member.name], outcome["gsi"])
        size, mtime_ns, *_ = before
        _copy(file, position, size, out)
        # By its name: that is what pictures are read by.
        if _identity(os.stat(source)) != before:
            raise ValueError(f"{source}: has changed while it was read")
        others = {"other_files": len(everything) - len(pictures), "seconds": round(time.perf_counter() - begun, 3)}
        # Before the tar: one without a sidecar is somebody else's.
        return sidecar.write(
            output,
            recipe,
            (source.name, Stamp(size, mtime_ns, digest)),
            Stamp(out.size, out.mtime_ns, out.digest),
            tally.summary() | others,
        )


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

    def encoded(calls: Iterable[Call]) -> Outcomes:
        with closing(crew.in_order(encode_member, calls)) as outcomes:
            for outcome in outcomes:
                step()
                yield outcome

    if not pairs:
        return
    with Crew(jobs, partial(warm_up_encoder, recipe.options)) as crew:
        for pair in pairs:
            try:
                yield pair, encode_shard(*pair, recipe, encoded)
            except (ValueError, *FAULTS_OF_THE_MACHINE) as error:
                if is_full(error):
                    raise
                yield pair, Failure(fault_of(error), error)


def encode_member(source: Path, name: str, begin: int, size: int, encoder: Encoder) -> Found:
    """Encode a picture of a tar file, where it begins and has so many bytes; returns a row of the encoder.

    Raises:
        FAULTS_OF_THE_MACHINE: it cannot be encoded here and now, or the file not be read.
    """
    with open(source, "rb") as file:
        file.seek(begin)
        content = named(file.read(size), f"{source}/{name}")
    row = encoder.attempt(content)
    if row["error"] is not None:
        row["error"] = about(row["error"], content.name)
    return row


def in_turn(calls: Iterable[Call]) -> Outcomes:
    """Encode one picture after the other."""
    for _, args in calls:
        yield encode_member(*args)


def _calls(source: Path, pictures: Sequence[Member], recipe: Recipe) -> Iterator[Call]:
    """What `encode_member` is called with."""
    encoder = Encoder(recipe.options)
    for member in pictures:
        yield f"{source}/{member.name}", (source, member.name, member.data, member.size, encoder)


def _write(out: Growing, member: Member, name: str, data: bytes) -> None:
    """Write a file in place of a member.

    Raises:
        OSError: it cannot be written.
    """
    out.write(header(member, name, len(data)))
    out.write(data + padding(len(data)))


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """What tells a file and its state from another one: size, time, device and number on that."""
    return status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino


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

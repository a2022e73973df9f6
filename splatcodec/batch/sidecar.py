"""OUT.tar.json beside OUT.tar: how a shard was made and what came of it, by which a run knows what is finished."""

import errno
import hashlib
import json
import os
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from ..files import replacing, spare_file
from ..options import Options
from ..origin import code_version
from ..tars import PICTURES, Member
from .coders import fingerprint
from .run import Found

# What decides the bytes of a shard, beside what decides those of .gsi files.
_LAYOUT = ("tars.py", "batch/shards.py")
_KEY = "splatcodec"
_COUNTS = ("pictures", "other_files", "failed", "lossless", "pixels", "source_bytes", "gsi_bytes")
_MEANS = ("mean_bpp", "mean_psnr")
_SECONDS = ("seconds", "encode_seconds")


@dataclass(frozen=True)
class Recipe:
    """How shards are made.

    Attributes:
        options: what the encoder is told; no functions, and no weights of pixels.
        pictures: extensions of the members to encode, in any order.

    Raises:
        ValueError: the options hold what cannot be noted in a sidecar.
    """

    options: Options
    pictures: tuple[str, ...] = PICTURES

    def __post_init__(self) -> None:
        fingerprint(self.options)

    @property
    def key(self) -> dict[str, Any]:
        """What tells apart shards that are made in different ways, as JSON has it."""
        pictures = sorted({extension.lower() for extension in self.pictures})
        return {"version": code_version(*_LAYOUT), "pictures": pictures, "options": fingerprint(self.options)}


@dataclass(frozen=True)
class Stamp:
    """What changes when a file does: its length in bytes, when it was written to, and SHA-256 of its content."""

    size: int
    mtime_ns: int
    sha256: str

    def is_of(self, path: Path) -> bool:
        """Whether a file is still the same. Where only the time is another, its content decides.

        Raises:
            OSError: it cannot be read.
        """
        status = path.stat()
        if status.st_size != self.size:
            return False
        if status.st_mtime_ns == self.mtime_ns:
            return True
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256


class Tally:
    """What has come of the pictures of a shard."""

    def __init__(self) -> None:
        self._rows: list[Found] = []
        self._failures: list[dict[str, str]] = []
        self._source_bytes = 0

    def add(self, member: Member, row: Found) -> None:
        """Count a picture."""
        if row["error"] is not None:
            self._failures.append({"key": member.key, "name": member.name, "error": row["error"]})
            return
        self._rows.append({name: value for name, value in row.items() if name != "gsi"})
        self._source_bytes += member.size

    def summary(self) -> dict[str, Any]:
        """Counts, bytes, seconds in processes and means of the pictures that have been encoded, and the other ones."""
        psnrs = [row["psnr"] for row in self._rows if isfinite(row["psnr"])]
        return {
            "pictures": len(self._rows),
            "failed": len(self._failures),
            "failures": self._failures,
            "pixels": sum(row["width"] * row["height"] for row in self._rows),
            "source_bytes": self._source_bytes,
            "gsi_bytes": sum(row["bytes"] for row in self._rows),
            "mean_bpp": _mean([row["bpp"] for row in self._rows]),
            "mean_psnr": _mean(psnrs),
            "lossless": len(self._rows) - len(psnrs),
            "encode_seconds": round(sum(row["seconds"] for row in self._rows), 3),
        }


def sums(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What sidecars say together, but for the seconds of their shards: means are those over all pictures."""
    names = ("pictures", "failed", "lossless", "source_bytes", "gsi_bytes", "encode_seconds")
    total: dict[str, Any] = {name: sum(row[name] for row in rows) for name in names}
    for name, aside in zip(_MEANS, (None, "lossless"), strict=True):
        known = [(row[name], row["pictures"] - (row[aside] if aside else 0)) for row in rows if row[name] is not None]
        total[name] = sum(mean * count for mean, count in known) / sum(count for _, count in known) if known else None
    return total


def path_of(output: Path) -> Path:
    """The sidecar of an output."""
    return output.with_name(f"{output.name}.json")


def write(
    output: Path, recipe: Recipe, source: tuple[str, Stamp], made: Stamp, found: dict[str, Any]
) -> dict[str, Any]:
    """Write the sidecar of an output, and return what it says.

    Args:
        output: where it will be.
        recipe: how it is made.
        source: what the source is called, and its stamp.
        made: the stamp of the output.
        found: counts and means.

    Raises:
        OSError: it cannot be written.
    """
    content = {
        _KEY: recipe.key,
        "source": {"name": source[0], **vars(source[1])},
        "output": {"name": output.name, **vars(made)},
        **found,
    }
    with replacing(path_of(output)) as text:
        text.write(json.dumps(content, indent=1).encode() + b"\n")
    return content


def finished(source: Path, output: Path, recipe: Recipe, *, overwrite: bool = False) -> dict[str, Any] | None:
    """What the sidecar of an output says if it is to be left alone, and None if it is to be made.

    It is left alone if it was made in the same way of the same source. Files are the same as a sidecar tells if their
    sizes and times are; at another time, if their digests are.

    Args:
        source, output, recipe: as of `encode_shard`.
        overwrite: whether to make it even if something else is in its place.

    Raises:
        FileExistsError: something else is in its place.
        OSError: a file cannot be read.
    """
    os.stat(source)  # a source that is missing is a fault, even of what is finished
    path = path_of(output)
    found = _read(path)
    if not output.exists():
        if found is None and not overwrite:
            spare_file(path)
        return None
    if found is None:
        why = "has no sidecar"
    elif found[_KEY] != recipe.key:
        why = "was made with other options, or by another version"
    elif not _stamp(found["output"]).is_of(output):
        why = "is not as its sidecar says"
    elif not _stamp(found["source"]).is_of(source):
        why = f"was made of another {source.name}"
    else:
        return found
    if overwrite:
        return None
    raise FileExistsError(errno.EEXIST, f"exists and {why}; --overwrite replaces it", str(output))


def _read(path: Path) -> dict[str, Any] | None:
    """What a sidecar says; None if there is none, or one that lacks something."""
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        _ = found[_KEY], _stamp(found["output"]), _stamp(found["source"])
        is_whole = (
            all(_is_number(found[name]) for name in (*_COUNTS, *_SECONDS))
            and all(found[name] is None or _is_number(found[name]) for name in _MEANS)
            and (found["mean_bpp"] is not None) <= found["pictures"]
            and found["lossless"] + (found["mean_psnr"] is not None) <= found["pictures"]
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return found if is_whole else None


def _stamp(entry: dict[str, Any]) -> Stamp:
    return Stamp(entry["size"], entry["mtime_ns"], entry["sha256"])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and isfinite(value) and value >= 0


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None

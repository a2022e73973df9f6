"""What a run over files has done, so that another one goes on where it ended."""

import errno
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import ResultsError
from ..files import naming, write_all

NAME = ".splatcodec.jsonl"


class Journal:
    """A file in the folder of outputs, with a line for each that is whole. It is small, and travels to processes.

    Args:
        folder: of outputs.
        key: what says how outputs are made; those that were made otherwise do not count.
    """

    def __init__(self, folder: Path, key: dict[str, Any]) -> None:
        self.folder = folder
        self.path = folder / NAME
        self.key = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]

    def append(self, output: Path, source: bytes, content: bytes, found: dict[str, Any]) -> None:
        """Note an output, before it takes its name: a run that is killed leaves none without a line.

        A line does no harm that tells of an output which never came to be, since it counts by the digest only.

        Args:
            output: where it will be.
            source, content: of the file that it is made of, and its own.
            found: what JSON has of what was found.

        Raises:
            OSError: the file cannot be written.
        """
        record = {
            "key": self.key,
            "output": self.name_of(output),
            "source_digest": _digest(source),
            "output_digest": _digest(content),
            "found": found,
        }
        # The line before may have been cut short by a kill. Processes write at the same time, each line at once.
        line = b"\n" + json.dumps(record).encode() + b"\n"
        with naming(str(self.path)), open(self.path, "ab", buffering=0) as file:
            write_all(file, line)

    def name_of(self, output: Path) -> str:
        """What an output is called in the file."""
        return os.fsencode(output.relative_to(self.folder)).decode("utf-8", "backslashreplace")


class Done:
    """What a journal holds at present. Damaged lines count for nothing.

    Args:
        journal: to read.

    Raises:
        OSError: it cannot be read.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._records: dict[str, dict[str, Any]] = {}
        if not journal.path.exists():
            return
        for line in journal.path.read_bytes().splitlines():
            try:
                record = json.loads(line)
                if record["key"] == journal.key:
                    self._records[record["output"]] = record
            except (ValueError, KeyError, TypeError):
                continue

    def find(self, source: Path, output: Path) -> dict[str, Any] | None:
        """What was found when an output was made, if it is still whole and the source still the same."""
        record = self._records.get(self._journal.name_of(output))
        if record is None:
            return None
        try:
            same = _digest(output.read_bytes()) == record["output_digest"]
            same = same and _digest(source.read_bytes()) == record["source_digest"]
        except (OSError, KeyError):
            return None
        found: dict[str, Any] | None = record.get("found")
        return found if same else None


def _digest(content: bytes) -> str:
    """What stands for the content of a file."""
    return hashlib.sha256(content).hexdigest()


def check_folder(name: str, is_output: Callable[[Path], bool]) -> None:
    """Make the folder of outputs unless it is there.

    Args:
        name: of the folder.
        is_output: what looks like the name of one output; a new folder is not called so.

    Raises:
        OSError: it cannot be made.
        ResultsError: it is no folder.
    """
    folder = Path(name)
    if not name:
        raise FileNotFoundError(errno.ENOENT, "no such file or directory", "''")
    if folder.exists() and not folder.is_dir():
        raise ResultsError(f"{folder}: is no folder; -o names the folder of outputs")
    if not folder.exists() and is_output(folder):
        raise ResultsError(
            f"{folder}: -o names a folder, and there is none of this name; one file is written as IN OUT"
        )
    folder.mkdir(parents=True, exist_ok=True)

"""What a run over files has done, so that another one goes on where it ended."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from ..errors import ResultsError

NAME = ".splatcodec.jsonl"


class Journal:
    """A file in the folder of outputs, with a line for each that is whole. Damaged lines count for nothing.

    Args:
        folder: of outputs.
        key: what says how outputs are made; those that were made otherwise do not count.

    Raises:
        OSError: it cannot be read.
    """

    def __init__(self, folder: Path, key: dict[str, Any]) -> None:
        self._folder = folder
        self._path = folder / NAME
        self._key = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
        self._records: dict[str, dict[str, Any]] = {}
        if not self._path.exists():
            return
        for line in self._path.read_bytes().splitlines():
            try:
                record = json.loads(line)
                if record["key"] == self._key:
                    self._records[record["output"]] = record
            except (ValueError, KeyError, TypeError):
                continue

    def find(self, source: Path, output: Path) -> dict[str, Any] | None:
        """What was found when an output was made, if it is still whole and the source still the same."""
        record = self._records.get(self._name(output))
        if record is None:
            return None
        try:
            same = _digest(output) == record["output_digest"] and _digest(source) == record["source_digest"]
        except (OSError, KeyError):
            return None
        found: dict[str, Any] | None = record.get("found")
        return found if same else None

    def append(self, output: Path, source_digest: str, output_digest: str, found: dict[str, Any]) -> None:
        """Note an output.

        Raises:
            OSError: the file cannot be written.
        """
        record = {
            "key": self._key,
            "output": self._name(output),
            "source_digest": source_digest,
            "output_digest": output_digest,
            "found": found,
        }
        begun = self._path.exists()
        with open(self._path, "ab") as file:
            # The line before may have been cut short by a kill.
            file.write((b"\n" if begun else b"") + json.dumps(record).encode() + b"\n")

    def _name(self, output: Path) -> str:
        return os.fsencode(output.relative_to(self._folder)).decode("utf-8", "backslashreplace")


def digest_of(data: bytes) -> str:
    """What stands for the content of a file."""
    return hashlib.sha256(data).hexdigest()


def _digest(path: Path) -> str:
    return digest_of(path.read_bytes())


def check_folder(folder: Path) -> None:
    """Make the folder of outputs unless it is there.

    Raises:
        OSError: it cannot be made.
        ResultsError: it is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise ResultsError(f"{folder}: is no folder; -o names the folder of outputs")
    folder.mkdir(parents=True, exist_ok=True)

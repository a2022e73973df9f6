"""The rows of a run as they are measured, so that what a killed run has done is not lost."""

import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path

from ..errors import ResultsError
from ..files import replacing
from .row import Row

NAME = "rows.jsonl"


class Journal:
    """A file with one line for every row and every run, for one run at a time.

    Lines that are damaged are dropped with a warning.

    Args:
        directory: where the file is, or is to be.
        resume: whether there may be one already.

    Raises:
        ResultsError: there is one already and it is not to be resumed.
        OSError: it cannot be read.
    """

    def __init__(self, directory: Path, resume: bool) -> None:
        self.runs: list[dict[str, str]] = []
        self._path = directory / NAME
        self._rows: dict[tuple[object, ...], Row] = {}
        if not self._path.exists():
            return
        if not resume:
            raise ResultsError(f"{directory}: holds results already; resume them or take another directory")
        content = self._path.read_bytes()
        kept = []
        for number, line in enumerate(content.splitlines(), 1):
            try:
                self._read(line)
                kept.append(line + b"\n")
            except (ValueError, RecursionError):
                warnings.warn(f"{self._path}: line {number} is damaged, what it held is measured again", stacklevel=3)
        if b"".join(kept) != content:
            with replacing(self._path) as file:
                file.writelines(kept)

    def _read(self, line: bytes) -> None:
        record = json.loads(line)
        if isinstance(record, dict) and isinstance(record.get("run"), dict):
            self.runs.append(record["run"])
        else:
            row = Row.from_record(record)
            self._rows[row.key] = row

    def find(self, row: Row) -> Row | None:
        """What has been measured of a row, if anything."""
        return self._rows.get(row.key)

    def start(self, run: dict[str, str]) -> None:
        """Note a run, unless it is like the last one."""
        if self.runs[-1:] != [run]:
            self.runs.append(run)
            self._write({"run": run})

    def append(self, row: Row) -> None:
        """Note a row."""
        self._write(row.to_record())

    def _write(self, record: Mapping[str, object]) -> None:
        with open(self._path, "a") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())

"""The course of a fit: what its steps reached, and when."""

import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, NamedTuple, SupportsFloat

from .files import extension_of, replacing
from .fitting.loss import decibels

if TYPE_CHECKING:
    from .fitting.growth import FitState

FORMATS = (".csv", ".json")
"""Extensions of the files that a history can be written to."""


@dataclass(frozen=True)
class Step:
    """One step of a fit. An encode may fit several times."""

    fit: int
    """Number of the fit, from 1."""
    step: int
    """Number of the step in its fit, from 1."""
    progress: float
    """Share of the fit that is done, from 0 to 1."""
    seconds: float
    """Since the fit began."""
    n_gaussians: int
    """How many there were."""
    loss: float
    """Before the step, a mean in units of the squared error."""
    squared_error: float
    """Mean before the step, full scale 1."""

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio before the step in dB, of float samples."""
        return decibels(self.squared_error)


class _Noted(NamedTuple):
    """A step whose errors may have to be waited for."""

    fit: int
    step: int
    progress: float
    seconds: float
    n_gaussians: int
    loss: SupportsFloat
    squared_error: SupportsFloat


class History:
    """Callback of a fit that takes note of every step; it holds one `Step` each, in order.

    history = History()
    splatcodec.encode("photo.png", callback=history)
    history.save("photo.csv")
    """

    def __init__(self) -> None:
        self._noted: list[_Noted] = []

    def __call__(self, state: "FitState") -> None:
        begins = not self._noted or state.step <= self._noted[-1].step
        self._noted.append(
            _Noted(
                self.n_fits + begins,
                state.step,
                state.progress,
                state.seconds,
                state.n_gaussians,
                state.loss,
                state.squared_error,
            )
        )

    @property
    def n_fits(self) -> int:
        """How many fits have begun."""
        return self._noted[-1].fit if self._noted else 0

    def __len__(self) -> int:
        return len(self._noted)

    def __iter__(self) -> Iterator[Step]:
        # Errors of a GPU are waited for here, not after every step.
        for noted in self._noted:
            yield Step(*noted[:5], loss=float(noted.loss), squared_error=float(noted.squared_error))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a table: .csv with a row for each step, or .json with a list of objects.

        Raises:
            OSError: the file cannot be written.
            ValueError: the extension is another.
        """
        extension = check_path(path)
        with replacing(path) as file:
            file.write(self.to_bytes(extension))

    def to_bytes(self, extension: str) -> bytes:
        """What `save` writes to a path of that extension."""
        steps = [asdict(step) | {"psnr": step.psnr} for step in self]
        if extension == ".json":
            return (json.dumps(steps, indent=0) + "\n").encode()
        text = io.StringIO()
        writer = csv.DictWriter(text, [*(field.name for field in fields(Step)), "psnr"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(steps)
        return text.getvalue().encode()


def check_path(path: str | os.PathLike[str]) -> str:
    """The extension of a path that a history can be written to.

    Raises:
        ValueError: it is not one of `FORMATS`.
    """
    return extension_of(path, FORMATS, "a history")

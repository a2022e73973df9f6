"""The course of a fit: what its steps reached, and when."""

import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .fitting.growth import FitState

FORMATS = (".csv", ".json")
"""Extensions of the files a history can be written to."""


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
    psnr: float
    """In dB before the step, of float samples."""


class History:
    """Callback of a fit that takes note of every step; it holds one `Step` each, in order.

    history = History()
    splatcodec.encode("photo.png", callback=history)
    """

    def __init__(self) -> None:
        self._states: list[FitState] = []
        self._fits: list[int] = []

    def __call__(self, state: "FitState") -> None:
        begins = not self._states or state.step <= self._states[-1].step
        self._fits.append(self.n_fits + begins)
        self._states.append(state)

    @property
    def n_fits(self) -> int:
        """How many fits have begun."""
        return self._fits[-1] if self._fits else 0

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[Step]:
        # Errors of a GPU are waited for here, not after every step.
        for fit, state in zip(self._fits, self._states, strict=True):
            yield Step(
                fit,
                state.step,
                state.progress,
                state.seconds,
                state.n_gaussians,
                float(state.loss),
                float(state.squared_error),
                state.psnr,
            )

    def to_bytes(self, path: str | os.PathLike[str]) -> bytes:
        """The history as a file in the format of a path's extension: a table in CSV, or a list of objects in JSON.

        Raises:
            ValueError: the extension is not one of `FORMATS`.
        """
        steps = [asdict(step) for step in self]
        if check_path(path) == ".json":
            return (json.dumps(steps, indent=0) + "\n").encode()
        text = io.StringIO()
        writer = csv.DictWriter(text, [field.name for field in fields(Step)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(steps)
        return text.getvalue().encode()


def check_path(path: str | os.PathLike[str]) -> str:
    """The extension of a path that a history can be written to.

    Raises:
        ValueError: it is not one of `FORMATS`.
    """
    extension = os.path.splitext(os.fspath(path))[1].lower()
    if extension not in FORMATS:
        raise ValueError(f"{os.fspath(path)}: a history is written as {' or '.join(FORMATS)}")
    return extension

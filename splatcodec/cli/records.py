"""What an encode leaves beside its file: a film of the fit, and its history."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ..files import output

if TYPE_CHECKING:
    from ..encoding.encode import Outcome
    from ..fitting.growth import FitState


class Records:
    """Watches a fit on behalf of files to write."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[FitState], object]] = []
        self.outcome: Outcome | None = None
        """What the encode has led to; nothing is written without it."""

    def __call__(self, state: "FitState") -> None:
        for callback in self.callbacks:
            callback(state)


@contextmanager
def records(film: str | None, history: str | None) -> Iterator[Records]:
    """Callback of an encode that films it and takes down its history, to files that appear when the block ends.

    Raises:
        MissingExtraError: a film takes a package that is missing.
        OSError: a file cannot be written.
        ValueError: a file has another extension than those of films and histories.
    """
    watched = Records()
    with ExitStack() as stack:
        if film is not None:
            from ..image import to_uint8
            from ..plot import recorder

            recorder.check_path(film)
            film_file, filmed = stack.enter_context(output(film)), recorder.Recorder()
            watched.callbacks.append(filmed)
        if history is not None:
            from ..history import History, check_path

            check_path(history)
            history_file, noted = stack.enter_context(output(history)), History()
            watched.callbacks.append(noted)
        yield watched
        if history is not None:
            history_file.write(noted.to_bytes(history))
        if film is not None:
            assert watched.outcome is not None
            film_file.write(filmed.to_bytes(film, to_uint8(watched.outcome.picture)))

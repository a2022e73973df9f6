"""The errors that splatcodec raises on bad input."""

from collections.abc import Iterator
from contextlib import contextmanager


class GsiError(ValueError):
    """A .gsi file or the Gaussians for one are not valid; the message names the file, the field and the byte."""


class ImageError(ValueError):
    """A picture cannot be read, written or encoded; the message names it and the fault."""


class InterchangeError(ValueError):
    """A file of Gaussians in another format cannot be read or written; the message names it, the key and the row."""


class ResultsError(ValueError):
    """A file of benchmark results is damaged or contradicts another; the message names the file and the row."""


class MissingExtraError(ImportError):
    """A package that comes with an extra is missing; the message says which command installs it."""

    def __init__(self, package: str, extra: str) -> None:
        # The rest of that package takes NumPy, which errors alone do not need.
        from splatkernels.devices import missing

        super().__init__(missing(package, extra), name=package)


@contextmanager
def requires(package: str, extra: str) -> Iterator[None]:
    """Say which command installs a package, if it is the one that an import in the block misses.

    Raises:
        MissingExtraError: it is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise MissingExtraError(package, extra) from error


class TargetError(ValueError):
    """A picture cannot be encoded to a size or a PSNR; the message says what can be had."""

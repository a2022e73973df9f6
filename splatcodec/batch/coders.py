"""Encoder and Decoder: callables that are told once what to do, and then take one picture after the other.

They can be pickled, so that Ray, joblib or `multiprocessing` send them to processes; there each loads its kernels once.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from io import IOBase, TextIOBase
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from splatkernels import resolve_device

from ..compress import profiles
from ..files import describe
from ..limits import DEFAULT_MAX_GAUSSIANS, DEFAULT_MAX_PIXELS
from ..options import Options, options_of
from ..processes import DiedError

if TYPE_CHECKING:
    from ..document import Document
    from ..encoding.encode import Outcome
    from ..splats import Region

FAULTS_OF_THE_MACHINE = (OSError, MemoryError, RuntimeError, ImportError)
"""Raised for want of memory, files, devices or packages, whatever the picture is: the next attempt may do better."""

_KINDS = "an image file or its bytes, or an array of pixels"


class Figures(NamedTuple):
    """What is remarkable about a file that has been encoded: its size, and PSNR in dB, infinite if nothing is lost."""

    width: int
    height: int
    bytes: int
    bpp: float
    psnr: float
    n_gaussians: int

    @classmethod
    def of(cls, outcome: "Outcome", document: "Document") -> "Figures":
        """Of an outcome of `encode_to`, and what is read from its bytes."""
        from ..metrics import picture_psnr

        picture, size = outcome.picture, len(outcome.encoding.data)
        pixels = picture.width * picture.height
        psnr = picture_psnr(picture, document.render())
        return cls(picture.width, picture.height, size, 8 * size / pixels, psnr, outcome.encoding.n_gaussians)


class UndoneError(RuntimeError):
    """Something has not been done, though the next attempt may do it; the message says why in one line."""


class Encoder:
    """Encodes one picture after the other, all in the same way.

    Args:
        options: what the encoder is told.
        source: the key of a row that holds a picture: the bytes of an image file, such a file opened for reading, or an
            array as of `load_image`.
        fields: the fields of `Options` one by one, instead.

    Raises:
        TypeError, ValueError: as of `Options`.
    """

    def __init__(self, options: Options | None = None, *, source: str = "image", **fields: Any) -> None:
        self.options = options_of(options, fields)
        self.source = source

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Encode the picture of a row.

        Args:
            row: values by key; what is not the picture is handed on.

        Returns:
            The row without the picture, and `gsi`, the bytes of a file, `width`, `height`, `bytes`, `bpp`, `psnr` in
            dB (infinite if nothing is lost), `n_gaussians`, `seconds` and `error`: None, or in one line what is wrong,
            and all else is None.
        """
        return _timed(row, self.source, self._encode, ("gsi", *Figures._fields))

    def attempt(self, picture: Any) -> dict[str, Any]:
        """What a row gains by its picture, unless the machine is at fault, which the next attempt need not be.

        Raises:
            FAULTS_OF_THE_MACHINE: it cannot be encoded here and now.
        """
        return _timed(
            {self.source: picture}, self.source, self._encode, ("gsi", *Figures._fields), FAULTS_OF_THE_MACHINE
        )

    def _encode(self, source: Any) -> dict[str, Any]:
        from ..decoder import read_document
        from ..encoding.encode import encode_to

        outcome = encode_to(_readable(source), self.options)
        data = outcome.encoding.data
        return {"gsi": data} | Figures.of(outcome, read_document(data))._asdict()


class Decoder:
    """Decodes one file after the other, all to the same size, or each to its own.

    Args:
        source: the key of a row that holds a .gsi file: its bytes, or such a file opened for reading.
        scale, width, height, region, depth, max_pixels, max_gaussians: as of `decode`.
    """

    def __init__(
        self,
        *,
        source: str = "gsi",
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        region: "Region | None" = None,
        depth: int = 8,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        max_gaussians: int = DEFAULT_MAX_GAUSSIANS,
    ) -> None:
        self.source = source
        self._how: dict[str, Any] = {
            "scale": scale,
            "width": width,
            "height": height,
            "region": region,
            "depth": depth,
            "max_pixels": max_pixels,
            "max_gaussians": max_gaussians,
        }

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Decode the file of a row.

        Args:
            row: values by key; what is not the file is handed on.

        Returns:
            The row without the file, and `image`, an array as of `decode`, `seconds` and `error`, as of `Encoder`.
        """
        return _timed(row, self.source, self._decode, ("image",))

    def _decode(self, source: Any) -> dict[str, Any]:
        from ..decoder import decode

        if not isinstance(source, bytes | bytearray | memoryview) and not _is_file(source):
            raise ValueError(f"expected the bytes of a .gsi file, or such a file, got {type(source).__name__}")
        return {"image": decode(source, **self._how)}


def _timed(
    row: Mapping[str, Any],
    source: str,
    function: Callable[[Any], dict[str, Any]],
    names: tuple[str, ...],
    raised: tuple[type[Exception], ...] = (),
) -> dict[str, Any]:
    """The rest of a row, what a function finds, and its seconds; or why it does not, unless that is raised."""
    rest = {name: value for name, value in row.items() if name != source}
    begun = time.perf_counter()
    try:
        if source not in row:
            raise ValueError(f"the row has no {source!r}")
        found = function(row[source]) | {"error": None}
    except raised:
        raise
    except Exception as error:  # one picture of a million must not end what goes on with the others
        found = dict.fromkeys(names) | {"error": fault_of(error)}
    return rest | found | {"seconds": time.perf_counter() - begun}


def _is_file(source: object) -> TypeGuard[BinaryIO]:
    """Whether bytes are read from it."""
    return isinstance(source, IOBase) and not isinstance(source, TextIOBase)


def _readable(source: Any) -> "bytes | BinaryIO | NDArray[Any]":
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, np.ndarray) or _is_file(source):
        return source
    raise ValueError(f"expected {_KINDS}, got {type(source).__name__}")


def warm_up_encoder(options: Options) -> None:
    """Load the kernels that these options take, and compile those that have not been compiled on this machine."""
    from ..encoding.encode import encode

    own = {name: getattr(options, name) for name in ("profile", "effort", "tune", "loss", "device")}
    noise = np.random.default_rng(0).random((16, 16, 4))
    encode(noise, n_gaussians=2, **own)


def warm_up_decoder() -> None:
    """The same of decoding, for which nothing is fitted."""
    from ..decoder import decode
    from ..encoding.encode import to_bytes
    from ..splats import Splats

    one = np.ones((1, 3), np.float32)
    splats = Splats(8 * one[:, :2], 4 * one[:, :2], one[:, 0], one, 16, 16)
    for profile in profiles.NAMES:
        decode(to_bytes(splats, profile))


def fault_of(error: Exception) -> str:
    """What is wrong; of errors that nobody foresees, which kind it is as well."""
    text = describe(error)
    return (
        text
        if isinstance(error, DiedError | OSError | UndoneError | ValueError) and text
        else f"{type(error).__name__}: {text}".rstrip(": ")
    )


def fingerprint(options: Options) -> dict[str, Any]:
    """The options that change what is written, as JSON has them.

    Raises:
        ValueError: JSON has none of them: a function as loss or callback, or weights of pixels.
    """
    functions = {"a function as loss": not isinstance(options.loss, str), "a callback": options.callback is not None}
    for what, is_given in (functions | {"weights": options.weights is not None}).items():
        if is_given:
            raise ValueError(f"{what} cannot be told apart from another one when a run goes on")
    aside = ("threads", "callback", "weights")
    found = {field.name: getattr(options, field.name) for field in fields(options) if field.name not in aside}
    return found | {"device": resolve_device(options.device)}

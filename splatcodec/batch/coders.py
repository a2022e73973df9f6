"""Encoder and Decoder: callables that are told once what to do, and then take one picture after the other.

They can be pickled, so that Ray, joblib or `multiprocessing` send them to processes; there each loads its kernels once.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from io import IOBase
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from splatkernels import resolve_device

from ..files import describe
from ..options import Options, options_of
from ..processes import DiedError

_KINDS = "an image file or its bytes, or an array of pixels"


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
        return _timed(row, self.source, self._encode, _ENCODED)

    def _encode(self, source: Any) -> dict[str, Any]:
        from ..encoding.encode import encode_to

        outcome = encode_to(_readable(source), self.options)
        return {"gsi": outcome.encoding.data} | described(outcome)


class Decoder:
    """Decodes one file after the other, all to the same size, or each to its own.

    Args:
        source: the key of a row that holds the bytes of a .gsi file.
        size: `scale`, `width`, `height`, `region`, `depth`, `max_pixels` and `max_gaussians` as of `decode`.
    """

    def __init__(self, *, source: str = "gsi", **size: Any) -> None:
        self.source = source
        self.size = size

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

        return {"image": decode(bytes(source), **self.size)}


_ENCODED = ("gsi", "width", "height", "bytes", "bpp", "psnr", "n_gaussians")


def described(outcome: Any) -> dict[str, Any]:
    """What is remarkable about an outcome of `encode_to`, but for its bytes."""
    from ..decoder import read_document
    from ..metrics import picture_psnr

    picture, data = outcome.picture, outcome.encoding.data
    return {
        "width": picture.width,
        "height": picture.height,
        "bytes": len(data),
        "bpp": 8 * len(data) / (picture.width * picture.height),
        "psnr": picture_psnr(picture, read_document(data).render()),
        "n_gaussians": outcome.encoding.n_gaussians,
    }


def _timed(
    row: Mapping[str, Any], source: str, function: Callable[[Any], dict[str, Any]], names: tuple[str, ...]
) -> dict[str, Any]:
    """The rest of a row, what a function finds, and its seconds; or why it does not."""
    rest = {name: value for name, value in row.items() if name != source}
    begun = time.perf_counter()
    try:
        if source not in row:
            raise ValueError(f"the row has no {source!r}")
        found = function(row[source]) | {"error": None}
    except Exception as error:  # one picture of a million must not end what goes on with the others
        found = dict.fromkeys(names) | {"error": in_one_line(error)}
    return rest | found | {"seconds": time.perf_counter() - begun}


def _readable(source: Any) -> "bytes | BinaryIO | NDArray[Any]":
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, np.ndarray | IOBase):
        return source  # type: ignore[return-value]  # bytes are read from it, which IOBase does not say
    raise ValueError(f"expected {_KINDS}, got {type(source).__name__}")


def warm_up() -> None:
    """Load the kernels, and compile those that have not been compiled on this machine."""
    from ..encoding.encode import encode

    noise = np.random.default_rng(0).random((16, 16, 4))
    encode(noise, n_gaussians=2, effort=1)


def in_one_line(error: Exception) -> str:
    """What is wrong; of errors that nobody foresees, which kind it is as well."""
    text = describe(error)
    return (
        text
        if isinstance(error, DiedError | OSError | ValueError) and text
        else f"{type(error).__name__}: {text}".rstrip(": ")
    )


def fingerprint(options: Options) -> dict[str, Any]:
    """The options that change what is written, as JSON has them."""
    aside = ("threads", "callback", "weights")
    found = {field.name: getattr(options, field.name) for field in fields(options) if field.name not in aside}
    return found | {"device": resolve_device(options.device)}

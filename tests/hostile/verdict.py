"""What may come of a hostile file: a picture of finite samples, or an error of one line."""

import re
from random import Random
from typing import Any

import numpy as np

import splatcodec
from splatcodec import GsiError
from splatcodec.container import read_header
from splatcodec.decoder import read_document
from splatcodec.diagnosis import diagnose

NAME = "file"
MOST_PIXELS = 4096


def judged(data: bytes, rng: Random, *, drawn: bool = False) -> str:
    """What comes of a file: "read", "drawn" or "refused".

    Args:
        data: the file.
        rng: chooses what of it to draw.
        drawn: whether to decode what can be read.

    Raises:
        AssertionError: the outcome is none that a reader may rely on.
        Exception: any other than those that are allowed.
    """
    try:
        header = read_header(data, NAME)
        diagnosis = diagnose(data, NAME)
        for fault in diagnosis.faults:
            check_message(fault.error)
    except GsiError as error:
        check_message(error)
        header = diagnosis = None
    try:
        content = read_document(data)
    except GsiError as error:
        check_message(error)
        return "refused"
    assert header is not None, "the file was read, but not its header"
    assert diagnosis is not None, "the file was read, but cannot be looked at"
    assert not diagnosis.faults, "the file was read, but something is said to be wrong with it"
    splats = content.splats
    assert len(splats) == header.n_gaussians
    for layer in (splats, content.alpha.splats if content.alpha else splats):
        assert (layer.width, layer.height) == (header.width, header.height)
        assert all(np.isfinite(part).all() for part in layer.gaussians)
        assert (layer.scales > 0).all()
    if not drawn:
        return "read"
    view = _view(rng, splats)
    depth = rng.choice((8, 16))
    try:
        pixels = splatcodec.decode(data, depth=depth, **view, max_pixels=MOST_PIXELS)
    except GsiError:
        raise
    except ValueError as error:
        check_message(error)
        return "read"
    assert pixels.dtype == (np.uint8 if depth == 8 else np.uint16)
    assert pixels.shape == (*splats.output_size(**view), *[header.channels] * (header.channels > 1))
    assert np.isfinite(splats.render(**view)).all()
    return "drawn"


def check_message(error: Exception) -> None:
    """It is one line, of an error that says which file is wrong, and at which byte or by which limit."""
    message = str(error)
    assert message.isprintable(), repr(message)
    assert 10 < len(message) < 300, repr(message)
    assert message.startswith((f"{NAME}: ", "<bytes>: ")), repr(message)
    assert re.search(r"byte \d+|limit|empty", message), repr(message)


def _view(rng: Random, splats: splatcodec.Splats) -> dict[str, Any]:
    view: dict[str, Any] = {}
    if rng.random() < 0.5:
        far = rng.choice((0.0, 1.0, 1e5, -1e5, 1e12))
        side = rng.choice((1e-3, 1.0, 30.0, 1e5))
        view["region"] = (far + rng.uniform(-9, 200), far / 2 + rng.uniform(-9, 200), side, side * rng.uniform(0.1, 3))
    kind = rng.randrange(4)
    if kind == 0:
        view["scale"] = rng.choice((1e-6, 0.01, 1.0, 3.0, 1e6))
    elif kind == 1:
        view["width"] = rng.choice((1, 17, 64, 5000))
    elif kind == 2:
        view |= {"width": rng.randrange(1, 64), "height": rng.randrange(1, 64)}
    return view

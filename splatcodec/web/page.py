"""One HTML page that shows .gsi files: they, the decoder and the viewer are all within it."""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template

import numpy as np

_FOLDER = files(__package__)
_SCRIPTS = (
    "gsi.js",
    "render.js",
    "viewer/tables.js",
    "viewer/camera.js",
    "viewer/gestures.js",
    "viewer/marks.js",
    "viewer/comparison.js",
    "viewer/facts.js",
    "viewer/files.js",
    "viewer/drawing.js",
    "viewer/keys.js",
    "viewer/view.js",
)
_CHANGED = {ord(letter): ord(letter) + 128 for letter in "\0\r<"}


@dataclass(frozen=True)
class Embedded:
    """A file that a page carries: what to call it, and its content."""

    name: str
    data: bytes


def page(pictures: Sequence[Embedded], reference: Embedded | None = None) -> bytes:
    """The page as it is written to a file.

    Args:
        pictures: .gsi files; with none of them, the page waits for some to be dropped on it.
        reference: the original, in a format that browsers show.
    """
    start, style, script = _source("viewer/start.js"), _source("viewer/view.css"), "\n".join(map(_source, _SCRIPTS))
    viewer = "\0".join([style, _source("viewer/view.html"), script]).encode()
    carried = [*pictures, *([reference] if reference else [])]
    content = {"names": [_shown(file.name) for file in carried], "compares": reference is not None}
    tables = _FOLDER.joinpath("viewer/tables.bin").read_bytes()
    contents = [tables, zlib.compress(viewer, 9), *(file.data for file in carried)]
    text = Template(_read("viewer/page.html")).substitute(
        scripts=f"{_hash(start)} {_hash(script)}",
        style=_hash(style),
        content=script_safe(json.dumps(content)),
        bytes="\n".join(f'<script type="text/plain">{as_letters(data)}</script>' for data in contents),
        start=start,
    )
    return text.encode()


def script_safe(json_text: str) -> str:
    """JSON that can stand in a script element, since no text within it ends that."""
    return json_text.replace("<", r"\u003c")


def as_letters(data: bytes) -> str:
    """Bytes as text for a script element, seven bits to a letter, the highest first: a sixth more instead of a third.

    Letters that HTML changes, or that could end the element, are those of the same seven bits from 128 on.
    """
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    sevens = np.pad(bits, (0, -len(bits) % 7)).reshape(-1, 7)
    return (np.packbits(sevens, axis=1) >> 1).tobytes().decode("ascii").translate(_CHANGED)


def condensed(source: str) -> str:
    """CSS, HTML or JavaScript without indentation, and without comments that begin a line."""
    source = re.sub(r"^\s*/\*(?:(?!\*/).)*\*/\s*$", "", source, flags=re.MULTILINE | re.DOTALL)
    lines = (line.strip() for line in source.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def _shown(name: str) -> str:
    """A name of a file, which may hold what is no text."""
    return name.encode("utf-8", "replace").decode()


def _read(name: str) -> str:
    return _FOLDER.joinpath(name).read_text("utf-8")


def _source(name: str) -> str:
    return condensed(_read(name))


def _hash(text: str) -> str:
    """What a content security policy calls a script or a style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

"""What can be said of a file by its header and its checksums, also where it is damaged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .compress import profiles
from .container import (
    ALPHA,
    EXIF,
    HEADER_SIZE,
    ICC,
    XMP,
    Chunk,
    Header,
    Layer,
    check_tags,
    read_header,
    scan_chunks,
)
from .document import layers, read_alpha, read_metadata
from .errors import GsiError

METADATA = {"icc": ICC, "exif": EXIF, "xmp": XMP}
"""Tags of the chunks that hold them."""


class Found(NamedTuple):
    """A chunk as it stands in a file."""

    chunk: Chunk
    is_intact: bool
    """Whether it is all there, and its checksum is right."""


class Fault(NamedTuple):
    """Something that is wrong with a file."""

    chunk: str | None
    """Tag of the chunk that is damaged, as it stands there; None if it is no chunk."""
    byte: int
    """Where the payload of the chunk begins, or where a chunk should be."""
    error: GsiError
    """What a reader says."""


@dataclass(frozen=True)
class Diagnosis:
    """What a file holds, as far as it can be told.

    Attributes:
        name: what errors call the file.
        header: of the file.
        profile: its name.
        found: the chunks in the order of the file.
        faults: what is wrong; nothing if the file is as readers expect it.
    """

    name: str
    header: Header
    profile: str
    found: list[Found]
    faults: list[Fault]

    @property
    def chunks(self) -> list[Chunk]:
        """Those that are undamaged."""
        return [chunk for chunk, is_intact in self.found if is_intact]

    def is_known(self, chunk: Chunk) -> bool:
        """Whether a chunk means something to this program."""
        return chunk.tag in (*_expected(self.header, self.profile), *METADATA.values())

    def payload(self, tag: str) -> bytes | None:
        """What the first undamaged chunk with a tag holds, if there is one."""
        return next((chunk.payload for chunk in self.chunks if chunk.tag == tag), None)

    @property
    def alpha(self) -> tuple[Layer, bool] | None:
        """The layer of the opacity and whether it is the transparency, if the chunk that says so can be read."""
        try:
            return next(read_alpha(self.header, chunk, self.name) for chunk in self.chunks if chunk.tag == ALPHA)
        except (StopIteration, GsiError):
            return None

    @property
    def readable(self) -> list[str]:
        """Those of colors, alpha, icc, exif and xmp that are there and undamaged."""
        return list(self._readable())

    def _readable(self) -> Iterator[str]:
        expected, layer = _expected(self.header, self.profile), len(profiles.TAGS[self.profile])
        critical = [found for found in self.found if found.chunk.is_critical]
        if _holds(critical[:layer], expected[:layer]):
            yield "colors"
        if self.header.has_alpha and _holds(critical[layer:], expected[layer:]):
            yield "alpha"
        yield from (name for name, tag in METADATA.items() if self.payload(tag) is not None)


def diagnose(data: bytes, name: str) -> Diagnosis:
    """Look at all of a file, without decoding it.

    Args:
        data: the file.
        name: what to call it in errors.

    Raises:
        GsiError: the header is damaged, truncated, of no .gsi file or of one of a later version or profile.
    """
    header = read_header(data, name)
    diagnosis = Diagnosis(name, header, profiles.name_of(header.profile, name), [], [])
    end = HEADER_SIZE
    try:
        for chunk, error in scan_chunks(data, name):
            diagnosis.found.append(Found(chunk, error is None))
            if error is not None:
                diagnosis.faults.append(Fault(chunk.tag, chunk.offset, error))
            end = chunk.end
        if not diagnosis.faults:
            end = HEADER_SIZE
            _check_structure(diagnosis)
    except GsiError as error:
        diagnosis.faults.append(Fault(None, end, error))
    return diagnosis


def _check_structure(diagnosis: Diagnosis) -> None:
    """Fail unless the chunks are those of such a file."""
    header, chunks, name = diagnosis.header, diagnosis.chunks, diagnosis.name
    colors, alpha = layers(header, chunks, name)
    for coded in (colors, alpha.coded) if alpha else (colors,):
        check_tags(coded.chunks, profiles.TAGS[diagnosis.profile], name)
    read_metadata(header, chunks, name)


def _expected(header: Header, profile: str) -> Sequence[str]:
    """Tags of the critical chunks of such a file."""
    layer = profiles.TAGS[profile]
    return (*layer, ALPHA, *layer) if header.has_alpha else layer


def _holds(found: Sequence[Found], tags: Sequence[str]) -> bool:
    return [chunk.tag for chunk, _ in found] == list(tags) and all(is_intact for _, is_intact in found)

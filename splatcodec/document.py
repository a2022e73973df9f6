"""Document: all that a .gsi file holds, as Gaussians and what they mean."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Unpack

import numpy as np
from numpy.typing import NDArray

from . import container
from .compress import profiles
from .container import ALPHA, EXIF, ICC, XMP, Chunk, Header, Layer, Reader, varint
from .errors import GsiError
from .image import Picture
from .limits import DEFAULT_MAX_GAUSSIANS
from .metadata import ColorSpace, Metadata
from .splats import Splats, View


@dataclass(frozen=True, eq=False)
class Alpha:
    """How opaque a picture is, as Gaussians of their own."""

    splats: Splats
    """Of one channel, on the canvas of the picture."""
    is_transparency: bool
    """Whether their sum is how transparent the picture is, instead of how opaque: most pictures are opaque mostly."""


@dataclass(frozen=True, eq=False)
class Document:
    """All that a .gsi file holds.

    Attributes:
        splats: the Gaussians that make the colours.
        alpha: those that make the opacity; None where all is opaque.
        depth: bits of the samples that were encoded, 8 or 16.
        metadata: colour space, EXIF and XMP.
    """

    splats: Splats
    alpha: Alpha | None = None
    depth: int = 8
    metadata: Metadata = field(default_factory=Metadata)

    def render(self, **view: Unpack[View]) -> Picture:
        """The picture, or a region of it, at any size; errors as of `Splats.render`."""
        planes = self.splats.render(**view)
        opacity = self.alpha.splats.render(**view) if self.alpha else None
        return self._picture(planes, opacity)

    def pixels(self, *, depth: int = 8, **view: Unpack[View]) -> NDArray[Any]:
        """The samples of `render` as integers, as of `Picture.pixels`; never are all of them in memory as floats."""
        rows, columns = self.splats.output_size(**view)
        channels = self.splats.channels + (self.alpha is not None)
        shape = (rows, columns) if channels == 1 else (rows, columns, channels)
        pixels = np.empty(shape, np.uint16 if depth == 16 else np.uint8)
        top = 0
        for band in self._bands(**view):
            pixels[top : top + band.height] = band.pixels(depth)
            top += band.height
        return pixels

    def _bands(self, **view: Unpack[View]) -> Iterator[Picture]:
        """What `render` returns, from the top down."""
        opacities = self.alpha.splats.bands(**view) if self.alpha else None
        for planes in self.splats.bands(**view):
            yield self._picture(planes, next(opacities) if opacities else None)

    def _picture(self, planes: NDArray[np.float32], opacity: NDArray[np.float32] | None) -> Picture:
        """What sums of Gaussians [C, H, W] and [1, H, W] mean; they are overwritten."""
        np.clip(planes, 0, 1, out=planes)
        if self.alpha is None or opacity is None:
            return Picture(planes, None, self.depth, self.metadata)
        opacity = np.clip(opacity[0], 0, 1, out=opacity[0])
        if self.alpha.is_transparency:
            np.subtract(1, opacity, out=opacity)
        return Picture(planes, opacity, self.depth, self.metadata)


class Coded(NamedTuple):
    """A layer of Gaussians as a profile has coded it."""

    layer: Layer
    chunks: list[Chunk]


class CodedAlpha(NamedTuple):
    """An opacity as a profile has coded it."""

    coded: Coded
    is_transparency: bool


def to_bytes(
    profile: int, colors: Coded, alpha: CodedAlpha | None, depth: int = 8, metadata: Metadata | None = None
) -> bytes:
    """A file of coded layers.

    Args:
        profile: number of the profile that has coded them.
        colors, alpha, depth, metadata: as of `Document`.

    Raises:
        GsiError: they do not fit the format.
    """
    metadata = metadata or Metadata()
    layer, chunks = colors
    if layer.channels not in (1, 3):
        raise GsiError(f"{layer.channels} colour channels cannot be stored: 1 or 3 can")
    if alpha is not None:
        kind = bytes([alpha.is_transparency]) + varint(alpha.coded.layer.n_gaussians)
        chunks = [*chunks, Chunk(ALPHA, kind), *alpha.coded.chunks]
    for tag, payload in ((ICC, metadata.icc), (EXIF, metadata.exif), (XMP, metadata.xmp)):
        if payload is not None:
            chunks = [*chunks, Chunk(tag, payload)]
    channels = layer.channels + (alpha is not None)
    header = Header(
        profile, channels, layer.width, layer.height, layer.n_gaussians, depth, ColorSpace(metadata.color_space)
    )
    return container.pack(header, chunks)


def from_bytes(data: bytes, name: str, max_gaussians: int = DEFAULT_MAX_GAUSSIANS) -> Document:
    """What a .gsi file holds.

    Args:
        data: the file.
        name: what to call it in errors.
        max_gaussians: refuse layers with more.

    Raises:
        GsiError: the file is damaged, truncated or no .gsi file, or has more Gaussians.
    """
    header, chunks = container.unpack(data, name)
    return read_chunks(header, chunks, name, max_gaussians)


def read_chunks(
    header: Header, chunks: Sequence[Chunk], name: str, max_gaussians: int = DEFAULT_MAX_GAUSSIANS
) -> Document:
    """What a file holds that has been taken apart; as `from_bytes`."""
    profile = profiles.named(profiles.name_of(header.profile, name))
    colors, alpha = layers(header, chunks, name)
    for coded in (colors, alpha.coded if alpha else colors):
        if coded.layer.n_gaussians > max_gaussians:
            raise GsiError(
                f"{name}: {coded.layer.n_gaussians} Gaussians are over the limit of {max_gaussians} (max_gaussians)"
            )
    return Document(
        profile.read(*colors, name),
        alpha and Alpha(profile.read(*alpha.coded, name), alpha.is_transparency),
        header.depth,
        read_metadata(header, chunks, name),
    )


def layers(header: Header, chunks: Sequence[Chunk], name: str) -> tuple[Coded, CodedAlpha | None]:
    """The coded layers of a file.

    Raises:
        GsiError: that of the opacity is not as the header says.
    """
    critical = [chunk for chunk in chunks if chunk.is_critical]
    if not header.has_alpha:
        return Coded(header.colors, critical), None
    at = next((number for number, chunk in enumerate(critical) if chunk.tag == ALPHA), None)
    if at is None:
        raise GsiError(f"{name}: chunks: {ALPHA} is missing, but byte 7 tells of an opacity")
    layer, is_transparency = read_alpha(header, critical[at], name)
    return Coded(header.colors, critical[:at]), CodedAlpha(Coded(layer, critical[at + 1 :]), is_transparency)


def read_alpha(header: Header, chunk: Chunk, name: str) -> tuple[Layer, bool]:
    """The layer of the opacity that a chunk announces, and whether it is the transparency instead.

    Raises:
        GsiError: the chunk holds something else.
    """
    reader = Reader(chunk.payload, name, chunk.offset)
    kind = reader.byte(ALPHA)
    if kind > 1:
        raise reader.error(ALPHA, "value out of range", 0)
    count = reader.varint(ALPHA)
    reader.end(ALPHA)
    if count > container.MAX_GAUSSIANS:
        raise reader.error(ALPHA, "value out of range", 1)
    return Layer(1, header.width, header.height, count), kind == 1


def read_metadata(header: Header, chunks: Sequence[Chunk], name: str) -> Metadata:
    """What a file carries beside its Gaussians.

    Raises:
        GsiError: it carries something twice.
    """
    found: dict[str, bytes] = {}
    for chunk in chunks:
        if chunk.tag in (ICC, EXIF, XMP):
            if chunk.tag in found:
                raise GsiError(f"{name}: chunk {chunk.tag}: there are several, at byte {chunk.offset} as well")
            found[chunk.tag] = chunk.payload
    space, icc = header.color_space, found.get(ICC)
    if space == ColorSpace.ICC and icc is None:
        space = ColorSpace.UNSPECIFIED
    return Metadata(space, icc if space == ColorSpace.ICC else None, found.get(EXIF), found.get(XMP))

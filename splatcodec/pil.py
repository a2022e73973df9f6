"""Pillow plugin: `Image.open` reads .gsi files and `Image.save` writes them, once this module is imported.

`docs/plugins.md` shows how. `python -m splatcodec.pil --install-mime` tells the desktop about .gsi files.
"""

import math
import operator
from dataclasses import fields, replace
from typing import IO

from PIL import Image, ImageFile

from .compress import profiles
from .container import HEADER_SIZE, MAGIC, MAJOR, read_header, unpack
from .errors import GsiError, ImageError
from .files import source_name, write_all
from .metadata import Metadata

FORMAT = "GSI"
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""What Pillow calls a number of channels."""


class GsiImageFile(ImageFile.ImageFile):
    """A .gsi file: its header is read when it is opened, its Gaussians when pixels are asked for.

    Until then `size` may be set to any width and height in pixels, and the picture is rendered at that size.
    `info` holds `n_gaussians`, and `profile` as in `Options`; once there are pixels also `icc_profile`, `exif` and
    `xmp`, where the file has them.

    Raises:
        SyntaxError: the file is no .gsi file, or its header is damaged, truncated or of a later version.
        OSError: the file cannot be read; when pixels are asked for, also that it is damaged or truncated.
    """

    format = FORMAT
    format_description = "2D Gaussian splats"
    n_frames = 1
    is_animated = False

    def _open(self) -> None:
        assert self.fp is not None
        name = source_name(self.fp)
        start = self.fp.tell()
        try:
            header = read_header(self.fp.read(HEADER_SIZE), name)
            profile = profiles.name_of(header.profile, name)
        except GsiError as error:
            raise SyntaxError(str(error)) from error
        self._mode = MODES[header.channels]
        self._size = (header.width, header.height)
        self.info = {"n_gaussians": header.n_gaussians, "profile": profile}
        # Without extents a tile is all of the picture, whichever size that has by then.
        self.tile = [ImageFile._Tile("gsi", None, start, (name, self.info))]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; any can be set before pixels are asked for.

        Raises:
            ValueError: a side is not positive, or the picture has its pixels already.
            PIL.Image.DecompressionBombError: the size is over Pillow's limit, which also warns of large ones.
        """
        return self._size

    @size.setter
    def size(self, size: tuple[int, int]) -> None:
        width, height = map(operator.index, size)
        if not self.tile:
            raise ValueError("the picture has its pixels already; resize it")
        if min(width, height) < 1:
            raise ValueError(f"width and height must be positive, got {width}x{height}")
        Image._decompression_bomb_check((width, height))
        self._size = (width, height)

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> tuple[str, tuple[int, int, float, float]] | None:
        """Choose the least size that covers another, before pixels are asked for.

        Args:
            mode: has no effect; `convert` changes it.
            size: width and height in pixels; the picture becomes no smaller than that, and is never enlarged.

        Returns:
            The mode, and the box of the new size that the picture takes; None if nothing changes.
        """
        if not self.tile or size is None:
            return None
        full_width, full_height = self.size
        width = min(full_width, max(1, math.ceil(size[0]), math.ceil(full_width * size[1] / full_height)))
        if width == full_width:
            return None
        # Rendering keeps the aspect ratio: a part of the last row may lie beyond the picture.
        exact_height = full_height * width / full_width
        self._size = (width, math.ceil(exact_height))
        return self.mode, (0, 0, width, exact_height)

    def thumbnail(
        self,
        size: tuple[float, float],
        resample: Image.Resampling = Image.Resampling.BICUBIC,
        reducing_gap: float | None = 2.0,
    ) -> None:
        """Make this a thumbnail, as Pillow does; before pixels are asked for it is rendered, not resampled."""
        if not self.tile:
            super().thumbnail(size, resample, reducing_gap)
            return
        scale = min(math.floor(size[0]) / self.width, math.floor(size[1]) / self.height)
        if scale < 1:
            self.size = (max(1, round(self.width * scale)), max(1, round(self.height * scale)))
            self.load()

    def verify(self) -> None:
        """Verify all checksums, and close the file.

        Raises:
            OSError: the file is damaged or truncated.
            RuntimeError: the picture has its pixels already.
        """
        if self.fp is None or not self.tile:
            raise RuntimeError("verify must be called directly after open")
        (_, _, start, arguments) = self.tile[0]
        assert isinstance(arguments, tuple)
        self.fp.seek(start)
        try:
            unpack(self.fp.read(), arguments[0])
        except GsiError as error:
            raise OSError(str(error)) from error
        finally:
            super().verify()

    def load_seek(self, pos: int) -> None:
        """Go to where the file begins; that there is such a method tells `ImageFile.Parser` to wait for all of it."""
        assert self.fp is not None
        self.fp.seek(pos)


class GsiDecoder(ImageFile.PyDecoder):
    """Renders a file at the size of the picture that Pillow wants it in."""

    _pulls_fd = True

    def decode(self, buffer: "Image.DecoderInput") -> tuple[int, int]:
        """Read the whole file and fill the picture; `buffer` holds nothing."""
        # What follows is slow to import, and opening a file needs none of it.
        from .document import from_bytes

        assert self.fd is not None
        name, info = self.args
        try:
            content = from_bytes(self.fd.read(), name)
        except GsiError as error:
            raise OSError(str(error)) from error
        info |= _noted(content.metadata, content.splats.channels)
        self.set_as_raw(content.pixels(height=self.state.ysize, width=self.state.xsize).tobytes())
        return -1, 0


def _noted(metadata: Metadata, channels: int) -> dict[str, bytes]:
    """What Pillow calls the parts of metadata, of a picture of 1 or 3 channels without its opacity."""
    from .image.profiles import profile_bytes

    exif = metadata.exif and b"Exif\0\0" + metadata.exif
    named = {"icc_profile": profile_bytes(metadata, channels), "exif": exif, "xmp": metadata.xmp}
    return {name: value for name, value in named.items() if value}


def _accept(prefix: bytes) -> bool | str:
    """Whether a file that begins so is to be opened; a text is a reason against, of which Pillow warns."""
    if not prefix.startswith(MAGIC):
        return False
    version = prefix[len(MAGIC) :][:1]
    if version not in (b"", bytes([MAJOR])):
        return f"a .gsi file of version {version[0]} is not supported, only version {MAJOR}"
    return True


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    """Write a picture; of the options that `save` was given, the fields of `Options` count, and `exif` and `xmp`.

    Raises:
        OSError: the picture cannot be encoded.
        ValueError: an option is out of range, or a target cannot be met.
    """
    from .encoding.encode import encode
    from .image import load_image
    from .options import Options

    given = image.encoderinfo
    known = {field.name for field in fields(Options)}
    # The current frame is what is saved.
    options = {name: value for name, value in given.items() if name in known - {"frame"}}
    # As for every format of Pillow, pixels are written as they lie in memory: EXIF does not turn them, and is kept
    # where `save` is given it.
    frame = image.copy()
    frame.info = {name: image.info[name] for name in ("transparency", "icc_profile") if name in image.info}
    if "icc_profile" in given:
        frame.info["icc_profile"] = given["icc_profile"]
    exif = given.get("exif")
    if isinstance(exif, Image.Exif):
        exif = exif.tobytes()
    try:
        strip = bool(options.get("strip"))
        picture = load_image(frame, f"cannot write mode {image.mode} as {FORMAT}", strip=strip)
        if not strip:
            exif = exif and exif.removeprefix(b"Exif\0\0")
            picture = replace(picture, metadata=replace(picture.metadata, exif=exif, xmp=given.get("xmp") or None))
        data = encode(picture, **options)
    except ImageError as error:
        raise OSError(str(error)) from error
    write_all(file, data)


Image.register_decoder("gsi", GsiDecoder)
Image.register_open(FORMAT, GsiImageFile, _accept)
Image.register_save(FORMAT, _save)
Image.register_extension(FORMAT, ".gsi")
Image.register_mime(FORMAT, "image/x-gsi")

if __name__ == "__main__":
    import sys

    from .mime import main

    sys.exit(main())

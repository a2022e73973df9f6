"""imageio plugin: `imageio.v3` reads and writes .gsi files once this module is imported.

`docs/plugins.md` shows how.
"""

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

try:
    from imageio.config import FileExtension, PluginConfig, extension_list, known_extensions, known_plugins
    from imageio.core import Request
    from imageio.core.request import URI_BYTES, URI_FILENAME, InitializationError, IOMode
    from imageio.core.v3_plugin_api import ImageProperties, PluginV3
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "imageio":
        raise
    raise ImportError("imageio is missing: pip install imageio", name="imageio") from error

from .compress import profiles
from .container import HEADER_SIZE, MAGIC, Header, read_header
from .decoder import decode
from .files import replacing, source_name, write_all
from .splats import Region

NAME = "splatcodec"
"""What imageio calls the plugin."""
EXTENSION = ".gsi"


class GsiPlugin(PluginV3):
    """Reads or writes one .gsi file, which holds one picture."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        if request.mode.io_mode == IOMode.read:
            # Other plugins may have read from a stream before.
            file = request.get_file()
            file.seek(0)
            self._head = file.read(HEADER_SIZE)
            if not self._head.startswith(MAGIC):
                raise InitializationError(f"{source_name(request.raw_uri)}: not a .gsi file (wrong magic at byte 0)")
        elif request.extension != EXTENSION:
            raise InitializationError(f"{source_name(request.raw_uri)}: the extension is not {EXTENSION}")

    def read(
        self,
        *,
        index: Any = None,
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        region: Region | None = None,
    ) -> NDArray[Any]:
        """Decode the picture, at the size of its canvas or any other.

        Args:
            index: 0 or None for the picture; `...` for a batch of it alone.
            scale, width, height, region: as in `splatcodec.decode`.

        Returns:
            Pixels as of `splatcodec.decode`; a batch has one dimension more in front.

        Raises:
            GsiError: the file is damaged or truncated.
            OSError: the file cannot be read.
            ValueError: the index, the size or the region is out of range.
        """
        is_batch = _is_batch(index)
        file = self.request.get_file()
        file.seek(0)
        pixels = decode(file, scale=scale, width=width, height=height, region=region)
        return pixels[None] if is_batch else pixels

    def iter(self, **size: Any) -> Iterator[NDArray[Any]]:
        """Yield the picture; `size` is what `read` takes beside an index."""
        yield self.read(**size)

    def properties(self, index: Any = None) -> ImageProperties:
        """Shape and type of what `read` returns, from the header alone; raises as `read`."""
        is_batch = _is_batch(index)
        header = self._header()
        shape = (header.height, header.width, header.channels)[: 2 if header.channels == 1 else 3]
        return ImageProperties(
            shape=(1, *shape) if is_batch else shape,
            dtype=np.dtype(np.uint8),
            n_images=1 if is_batch else None,
            is_batch=is_batch,
        )

    def metadata(self, index: Any = None, exclude_applied: bool = True) -> dict[str, Any]:
        """`n_gaussians`, and `profile` as in `Options`, from the header alone; raises as `read`."""
        _is_batch(index)
        header = self._header()
        return {
            "n_gaussians": header.n_gaussians,
            "profile": profiles.name_of(header.profile, source_name(self.request.raw_uri)),
        }

    def write(self, ndimage: ArrayLike | list[ArrayLike], **options: Any) -> bytes | None:
        """Encode a picture; a file that is named appears whole or not at all.

        Args:
            ndimage: [H, W] or [H, W, C], or a list of one such array, as in `splatcodec.encode`.
            options: the fields of `Options`.

        Returns:
            The file if it was to be written to "<bytes>".

        Raises:
            ImageError: the array is of an unsupported kind.
            OSError: the file cannot be written.
            TypeError: there is no such field.
            ValueError: there are several pictures, an option is out of range, or a target cannot be met.
        """
        from .encoding.encode import encode

        pictures = ndimage if isinstance(ndimage, list) else [ndimage]
        if len(pictures) != 1:
            raise ValueError(f"{source_name(self.request.raw_uri)}: a .gsi file holds one picture, got {len(pictures)}")
        picture = np.asarray(pictures[0])
        if self.request._uri_type == URI_FILENAME:
            with replacing(self.request.filename) as file:
                file.write(encode(picture, **options))
            return None
        data = encode(picture, **options)
        write_all(self.request.get_file(), data)
        return data if self.request._uri_type == URI_BYTES else None

    def _header(self) -> Header:
        return read_header(self._head, source_name(self.request.raw_uri))


def _is_batch(index: Any) -> bool:
    """Whether an index asks for a batch.

    Raises:
        ValueError: it asks for a picture that is not there.
    """
    if index is ...:
        return True
    if index is not None and operator.index(index) != 0:
        raise ValueError(f"index {index!r} is out of range: a .gsi file holds one picture")
    return False


def _register() -> None:
    known_plugins[NAME] = PluginConfig(name=NAME, class_name=GsiPlugin.__name__, module_name=__name__)
    extension = FileExtension(name="2D Gaussian splats", extension=EXTENSION, priority=[NAME])
    known_extensions[EXTENSION] = [extension]
    extension_list.append(extension)


_register()

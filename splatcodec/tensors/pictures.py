"""Pictures of .gsi files as torch tensors for training: at any size, whole or in part, rendered when asked for."""

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

from splatkernels.threads import limited

from ..decoder import read_document
from ..document import Document
from ..errors import requires
from ..files import Source, named, names_of, source_name
from ..limits import DEFAULT_MAX_GAUSSIANS, DEFAULT_MAX_PIXELS, check_pixels
from ..splats import Region
from ..tars import is_of, members

with requires("torch", "torch"):
    import torch
    from torch import Tensor
    from torch.utils.data import Dataset

# As in torchvision: after so many parts that do not fit, the largest in the middle.
_TRIES = 10

Crop = Callable[[int, int], Region]
"""Chooses a region of a canvas by its height and width."""


class RandomResizedCrop:
    """Chooses random parts, as torchvision's transform of this name, but with sides of any length.

    Args:
        scale: least and largest share of the picture's area.
        ratio: least and largest width divided by height.
    """

    def __init__(self, scale: tuple[float, float] = (0.08, 1.0), ratio: tuple[float, float] = (3 / 4, 4 / 3)) -> None:
        self.scale = scale
        self.ratio = ratio

    def __call__(self, height: int, width: int) -> Region:
        """A region of a picture, by torch's random numbers."""
        least, most = map(math.log, self.ratio)
        for _ in range(_TRIES):
            share, shape, x, y = torch.rand(4).tolist()
            area = height * width * (self.scale[0] + share * (self.scale[1] - self.scale[0]))
            ratio = math.exp(least + shape * (most - least))
            across, down = math.sqrt(area * ratio), math.sqrt(area / ratio)
            if across <= width and down <= height:
                return x * (width - across), y * (height - down), across, down
        across = min(width, height * self.ratio[1])
        down = min(height, width / self.ratio[0])
        return (width - across) / 2, (height - down) / 2, across, down


class PictureDecoder:
    """Renders .gsi files as tensors [C, height, width] of floats from 0 to 1. It can be pickled.

    Only what is asked for is rendered: a part is never decoded whole, and Gaussians elsewhere cost next to nothing.

    Args:
        height, width: of the tensors in pixels; one alone keeps the shape of the part, neither its size.
        crop: chooses the part to show, such as `RandomResizedCrop()`; all of it if None.
        rgb: whether C is always 3: grey is repeated, and what is translucent lies on black. Otherwise C is 1 to 4, as
            in the file.
        threads: that render a picture; a loader has its workers side by side.
        max_pixels, max_gaussians: refuse outputs with more pixels, and files with more Gaussians.
    """

    def __init__(
        self,
        height: int | None = None,
        width: int | None = None,
        *,
        crop: Crop | None = None,
        rgb: bool = True,
        threads: int = 1,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        max_gaussians: int = DEFAULT_MAX_GAUSSIANS,
    ) -> None:
        self.height = height
        self.width = width
        self.crop = crop
        self.rgb = rgb
        self.threads = threads
        self.max_pixels = max_pixels
        self.max_gaussians = max_gaussians

    def __call__(self, file: Source) -> Tensor:
        """The tensor of a file: a path, its bytes, or a file opened for reading bytes.

        Raises:
            GsiError: the file is damaged, truncated or no .gsi file, or has too many Gaussians.
            OSError: the file cannot be read.
            ValueError: the size or the region is out of range.
        """
        return self.render(read_document(file, max_gaussians=self.max_gaussians), source_name(file))

    def handler(self, key: str, data: bytes) -> Tensor | None:
        """For `webdataset.WebDataset(...).decode(decoder.handler)`: the tensor of a .gsi member, None for others."""
        return self(data) if key.lower().endswith(".gsi") else None

    def render(self, document: Document, name: str = "picture") -> Tensor:
        """The tensor of what a file holds, which errors call by a name.

        Raises:
            ValueError: the size or the region is out of range.
        """
        splats = document.splats
        region = None if self.crop is None else self.crop(splats.height, splats.width)
        try:
            rows, columns = splats.output_size(self.height, self.width, region=region)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        check_pixels(rows, columns, name, self.max_pixels)
        with limited(self.threads):
            picture = document.render(height=rows, width=columns, region=region)
        if self.rgb:
            return torch.from_numpy(picture.over(0)).expand(3, -1, -1).contiguous()
        planes = torch.from_numpy(picture.planes)
        return planes if picture.alpha is None else torch.cat([planes, torch.from_numpy(picture.alpha)[None]])


class PictureDataset(Dataset[Tensor]):
    """A torch data set of .gsi files and of the .gsi members of tar files, as tensors [C, height, width].

    Files are read when they are asked for. Of tar files, all headers are read in the beginning: where there are
    millions of pictures, WebDataset reads them in turn.

    Args:
        paths: .gsi files, and .tar files.
        decoder: what tensors are made by.
        keep: how many pictures to keep as Gaussians, once they have been read, in each process: they need no decoding
            the next time, and some ten times the memory of their files. A loader keeps them from epoch to epoch only
            with `persistent_workers=True`, or without workers: otherwise it starts new ones for each.

    Attributes:
        names: of the pictures: the path of the file, or that of the tar file and the name of the member.

    Raises:
        OSError: a tar file cannot be read.
        TypeError: `paths` is one path.
        ValueError: it is damaged, compressed or no tar file.
    """

    def __init__(
        self, paths: Sequence[str | os.PathLike[str]], decoder: PictureDecoder | None = None, *, keep: int = 0
    ) -> None:
        self.decoder = decoder or PictureDecoder()
        self.keep = keep
        self.names: list[str] = []
        self._places: list[tuple[str, int, int]] = []
        self._kept: dict[int, Document] = {}
        for path in names_of(paths):
            if not path.lower().endswith(".tar"):
                self._add(path, path, 0, -1)
                continue
            with open(path, "rb") as file:
                for member in members(file, path):
                    if _is_gsi(member.name):
                        self._add(f"{path}/{member.name}", path, member.data, member.size)

    def _add(self, name: str, path: str, begin: int, size: int) -> None:
        self.names.append(name)
        self._places.append((path, begin, size))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Tensor:
        document = self._kept.get(index)
        if document is None:
            document = self._read(index)
            if len(self._kept) < self.keep:
                self._kept[index] = document
        return self.decoder.render(document, self.names[index])

    def _read(self, index: int) -> Document:
        path, begin, size = self._places[index]
        with open(path, "rb") as file:
            file.seek(begin)
            content = named(file.read(size), self.names[index])
        return read_document(content, max_gaussians=self.decoder.max_gaussians)

    def __getstate__(self) -> dict[str, Any]:
        """Without what is kept, which each process has its own of."""
        return self.__dict__ | {"_kept": {}}


_is_gsi = is_of(["gsi"])

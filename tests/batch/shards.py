"""Tar files of small pictures, for tests."""

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

QUICK = ("-e", "1", "-n", "6")


def write_shard(path: Path, picture: np.ndarray, count: int, damaged: int | None = None) -> Path:
    """Write a tar file of so many parts of a picture, one of them damaged, each with a label."""
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for number in range(count):
            content = io.BytesIO()
            Image.fromarray(picture[number : number + 20, :24]).save(content, "PNG")
            data = content.getvalue() if number != damaged else content.getvalue()[: len(content.getvalue()) // 2]
            for name, part in ((f"{number:04}.png", data), (f"{number:04}.cls", str(number).encode())):
                info = tarfile.TarInfo(name)
                info.size, info.mtime = len(part), 10**9 + number
                tar.addfile(info, io.BytesIO(part))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Of the tar files in a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.tar"))}


def read_tar(data: bytes) -> dict[str, bytes]:
    """The members of a tar file."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}

"""All functions that write files, under a full disk and into files that take a part at a time."""

import errno
import io
import os
from unittest.mock import patch

import imageio.v3 as iio
import pytest
from PIL import Image

import splatcodec
import splatcodec.imageio
import splatcodec.pil
from splatcodec import History, interchange
from splatcodec.rd.results import Results

from .faults import OLD, Sluggish

QUICK = {"n_gaussians": 60, "effort": 1, "profile": "half"}


@pytest.fixture(scope="module")
def splats(encoded):
    return splatcodec.read(encoded)


TO_PATHS = {
    "write": (".gsi", lambda splats, picture, path: splatcodec.write(splats, path)),
    "interchange": (".ply", lambda splats, picture, path: interchange.save(splats, path)),
    "imageio": (".gsi", lambda splats, picture, path: iio.imwrite(path, picture, **QUICK)),
    "history": (".csv", lambda splats, picture, path: History().save(path)),
    "results as JSON": (".json", lambda splats, picture, path: Results(()).to_json(path)),
    "results as CSV": (".csv", lambda splats, picture, path: Results(()).to_csv(path)),
}
TO_FILES = {
    "write": lambda splats, picture, file: splatcodec.write(splats, file),
    "interchange": lambda splats, picture, file: interchange.save(splats, file, extension=".json"),
    "imageio": lambda splats, picture, file: iio.imwrite(file, picture, extension=".gsi", **QUICK),
    "Pillow": lambda splats, picture, file: Image.fromarray(picture).save(file, "GSI", **QUICK),
}


@pytest.mark.parametrize("name", TO_PATHS)
def test_a_full_disk_costs_nothing(name, splats, picture, tmp_path):
    extension, write = TO_PATHS[name]
    path = tmp_path / f"out{extension}"
    write(splats, picture, path)
    written = path.read_bytes()
    path.write_bytes(OLD)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with patch.object(os, "fsync", side_effect=full), pytest.raises(OSError, match="No space left") as caught:
        write(splats, picture, path)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [path]
    write(splats, picture, path)
    assert path.read_bytes() == written


@pytest.mark.parametrize("name", TO_FILES)
def test_files_that_take_a_part_at_a_time_get_all(name, splats, picture):
    write = TO_FILES[name]
    whole, slow = io.BytesIO(), Sluggish(10**6)
    write(splats, picture, whole)
    write(splats, picture, slow)
    assert slow.taken == whole.getvalue()
    with pytest.raises(BlockingIOError):
        write(splats, picture, Sluggish(100))

"""What a header says costs no more than the header, however large the file is."""

import io
import time

import pytest
from PIL import Image

import splatcodec.pil  # noqa: F401
from splatcodec.container import HEADER_SIZE, Chunk, Header, pack, read_header
from splatcodec.files import read_source

SIZE = 2**30
LIMIT = 0.005
"""Seconds."""


@pytest.fixture
def large(tmp_path):
    """A file that is a gigabyte long, of which the disk keeps the beginning."""
    path = tmp_path / "large.gsi"
    with open(path, "wb") as file:
        file.write(pack(Header(0, 3, 56, 40, 1), [Chunk("CELL", b"\1")]))
        file.truncate(SIZE)
    return path


class Watched(io.FileIO):
    """A file that knows how far it has been read."""

    furthest = 0

    def readinto(self, buffer):
        count = super().readinto(buffer)
        self.furthest = max(self.furthest, self.tell())
        return count

    def read(self, count=-1):
        data = super().read(count)
        self.furthest = max(self.furthest, self.tell())
        return data


def seconds(action) -> float:
    """The least of several times."""
    times = []
    for _ in range(10):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def test_pillow_reads_nothing_behind_the_header(large):
    with Watched(large) as file, Image.open(file) as image:
        assert image.size == (56, 40)
        assert file.furthest <= HEADER_SIZE


def test_pillow_opens_within_milliseconds(large):
    def open_and_close():
        with Image.open(large) as image:
            assert image.size == (56, 40)

    assert seconds(open_and_close) < LIMIT


def test_a_header_is_read_within_milliseconds(large):
    assert len(read_source(large, HEADER_SIZE)) == HEADER_SIZE
    assert seconds(lambda: read_header(read_source(large, HEADER_SIZE), "file")) < LIMIT

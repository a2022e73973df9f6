"""The Pillow plugin as a user of Pillow meets it: open, choose a size, load."""

import contextlib
import io
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageSequence, UnidentifiedImageError

import splatcodec
from splatcodec.container import Chunk, Header, pack, unpack
from splatcodec.image import to_uint8
from splatcodec.pil import GsiImageFile

DATA = Path(__file__).parents[1] / "data" / "v1"
NAMES = (
    "half-rgb-100x80",
    "half-grey-17x33",
    "adaptive-rgb-160x120",
    "adaptive-grey-100x80",
    "vq-rgb-17x33",
    "vq-grey-100x80",
)


@pytest.fixture
def path(tmp_path, encoded) -> Path:
    path = tmp_path / "picture.gsi"
    path.write_bytes(encoded)
    return path


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_picture_opens_with_the_facts_of_its_header(path, encoded):
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == ("GSI", "RGB", (56, 40))
        assert image.info == {"n_gaussians": len(splatcodec.read(encoded)), "profile": "half"}
        assert image.get_format_mimetype() == "image/x-gsi"


@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_those_of_decode(name):
    with Image.open(DATA / f"{name}.gsi") as image:
        assert image.mode == ("RGB" if "rgb" in name else "L")
        np.testing.assert_array_equal(np.asarray(image), splatcodec.decode(DATA / f"{name}.gsi"))


def test_paths_buffers_and_pipes_open(path, encoded):
    reader, writer = os.pipe()
    os.write(writer, encoded)
    os.close(writer)
    with open(reader, "rb") as pipe:
        for source in (str(path), os.fsencode(path), io.BytesIO(encoded), pipe):
            with Image.open(source) as image:
                np.testing.assert_array_equal(np.asarray(image), splatcodec.decode(encoded))


def test_a_stream_opens_where_it_stands(encoded):
    file = io.BytesIO(b"before" + encoded)
    file.seek(6)
    np.testing.assert_array_equal(np.asarray(GsiImageFile(file)), splatcodec.decode(encoded))


def test_opening_reads_the_header_only(tmp_path, encoded):
    class Counting(io.BytesIO):
        total = 0

        def read(self, size=-1):
            data = super().read(size)
            self.total += len(data)
            return data

    file = Counting(encoded)
    with Image.open(file) as image:
        # Pillow itself looks at 16 bytes.
        assert file.total <= 16 + 27
        image.load()
    assert file.total > len(encoded)


def test_files_are_closed_once_pixels_are_there(path):
    image = Image.open(path)
    file = image.fp
    assert not file.closed
    image.load()
    assert file.closed
    with Image.open(path) as image:
        file = image.fp
    assert file.closed


def test_a_file_that_the_caller_has_opened_stays_open(path):
    with path.open("rb") as file:
        for _ in range(2):
            with Image.open(file) as image:
                image.load()
        assert not file.closed


def test_damaged_chunks_are_noticed_when_pixels_are_asked_for(path, encoded):
    path.write_bytes(encoded[:-1])
    with Image.open(path) as image:
        assert image.size == (56, 40)
        with pytest.raises(OSError, match=r"picture\.gsi: chunk COLR: the file ends too early at byte"):
            image.load()
    with pytest.raises(OSError, match="<BytesIO>: chunk COLR: the file ends too early at byte"):
        opened(encoded[:-1]).thumbnail((9, 9))


def test_the_header_of_20_megapixels_opens_in_20_milliseconds(tmp_path):
    rng = np.random.default_rng(0)
    splats = splatcodec.Splats(
        rng.uniform(0, 1, (50000, 2)) * (5472, 3648),
        rng.uniform(1, 30, (50000, 2)),
        np.zeros(50000),
        rng.uniform(0, 0.1, (50000, 3)),
        3648,
        5472,
    )
    splatcodec.write(splats, tmp_path / "large.gsi")
    times = []
    for _ in range(5):
        began = time.perf_counter()
        with Image.open(tmp_path / "large.gsi") as image:
            assert image.size == (5472, 3648)
        times.append(time.perf_counter() - began)
    assert min(times) <= 0.02


def test_opening_imports_nothing_slow(path):
    script = f"import sys, splatcodec.pil; from PIL import Image; Image.open({str(path)!r}); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout.decode().split()
    assert "splatcodec.pil" in modules
    assert {"numba", "numpy", "scipy", "torch"}.isdisjoint(modules)


@pytest.mark.parametrize("data", [b"", b"\x89", b"\x89PNG\r\n\x1a\n" + bytes(40), b"GSI" + bytes(40), bytes(40)])
def test_other_files_are_not_opened(data):
    with pytest.raises(SyntaxError):
        GsiImageFile(io.BytesIO(data))
    with pytest.raises(UnidentifiedImageError):
        opened(data)


def test_a_later_version_is_named_in_a_warning(encoded):
    later = encoded[:4] + b"\x02" + encoded[5:]
    with (
        pytest.warns(UserWarning, match=r"\.gsi file of version 2 is not supported"),
        pytest.raises(UnidentifiedImageError),
    ):
        opened(later)


def test_an_unknown_profile_is_not_opened():
    with pytest.raises(SyntaxError, match="profile: value out of range"):
        GsiImageFile(io.BytesIO(pack(Header(200, 3, 8, 8, 0), [])))


@pytest.mark.parametrize("name", ["half-rgb-100x80", "adaptive-grey-100x80", "vq-grey-100x80"])
def test_every_truncation_is_an_os_error(name):
    data = (DATA / f"{name}.gsi").read_bytes()
    for length in range(len(data)):
        with pytest.raises(OSError, match=r"cannot identify|ends too early"):
            opened(data[:length]).load()


@pytest.mark.filterwarnings("ignore:a .gsi file of version")
def test_every_flipped_byte_is_an_os_error(encoded):
    for position in range(len(encoded)):
        damaged = bytearray(encoded)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(OSError, match=r"cannot identify|\bat byte"):
            opened(bytes(damaged)).load()


@pytest.mark.parametrize("seed", range(100))
def test_mutations_are_os_errors(seed):
    rng = np.random.default_rng(seed)
    data = (DATA / f"{NAMES[seed % len(NAMES)]}.gsi").read_bytes()
    start, end = np.sort(rng.integers(5, len(data), 2))
    filling = rng.bytes(int(rng.integers(0, 9)))
    mutated = data[:start] + filling + data[end:]
    assert mutated != data
    with pytest.raises(OSError, match=r"cannot identify|\bat byte"):
        opened(mutated).load()


@pytest.mark.parametrize("seed", range(60))
def test_mutations_under_valid_checksums_load_or_are_os_errors(seed):
    rng = np.random.default_rng(seed)
    header, chunks = unpack((DATA / f"{NAMES[seed % len(NAMES)]}.gsi").read_bytes(), "file")
    chosen = int(rng.integers(len(chunks)))
    payload = bytearray(chunks[chosen].payload)
    for position in rng.integers(0, len(payload), 3):
        payload[position] = rng.integers(256)
    chunks[chosen] = Chunk(chunks[chosen].tag, bytes(payload))
    image = opened(pack(header, chunks))
    with contextlib.suppress(OSError):
        image.load()


def test_any_size_can_be_set_before_pixels_are_asked_for(encoded):
    for size in ((112, 80), (10, 30), (1, 1)):
        image = opened(encoded)
        image.size = size
        assert (image.size, image.width, image.height) == (size, *size)
        np.testing.assert_array_equal(np.asarray(image), splatcodec.decode(encoded, width=size[0], height=size[1]))


def test_impossible_sizes_are_refused(encoded):
    image = opened(encoded)
    for size in ((0, 5), (5, -1)):
        with pytest.raises(ValueError, match="must be positive"):
            image.size = size
    with pytest.raises(TypeError):
        image.size = (5.5, 5)
    image.load()
    with pytest.raises(ValueError, match="has its pixels already"):
        image.size = (5, 5)
    assert image.size == (56, 40)


@pytest.mark.parametrize(
    ("asked", "size", "box"),
    [
        ((28, 20), (28, 20), (0, 0, 28, 20)),
        ((28, 1), (28, 20), (0, 0, 28, 20)),
        ((1, 20), (28, 20), (0, 0, 28, 20)),
        ((10, 5), (10, 8), (0, 0, 10, 10 * 40 / 56)),
        ((0, 0), (1, 1), (0, 0, 1, 40 / 56)),
    ],
)
def test_a_draft_covers_the_size_asked_for(encoded, asked, size, box):
    image = opened(encoded)
    assert image.draft("L", asked) == ("RGB", box)
    assert image.size == size
    np.testing.assert_array_equal(np.asarray(image), splatcodec.decode(encoded, width=size[0], height=size[1]))


def test_a_draft_never_enlarges(encoded):
    image = opened(encoded)
    assert image.draft(None, (57, 5)) is None
    assert image.draft("RGB", None) is None
    assert image.size == (56, 40)
    image.load()
    assert image.draft(None, (5, 5)) is None


@pytest.mark.parametrize("box", [(20, 20), (20, 9), (1000, 7), (55.9, 100), (2, 1)])
def test_thumbnails_are_rendered_at_their_size(encoded, box):
    image = opened(encoded)
    image.thumbnail(box)
    usual = Image.new("L", (56, 40))
    usual.thumbnail(box)
    assert image.size == usual.size
    rendered = splatcodec.read(encoded).render(image.height, image.width)
    np.testing.assert_array_equal(np.asarray(image), to_uint8(rendered))


def test_thumbnails_never_enlarge(encoded):
    image = opened(encoded)
    image.thumbnail((100, 41))
    assert image.size == (56, 40)


def test_thumbnails_of_loaded_pictures_are_resampled(encoded):
    image = opened(encoded)
    image.load()
    image.thumbnail((28, 20), Image.Resampling.NEAREST)
    usual = Image.fromarray(splatcodec.decode(encoded))
    usual.thumbnail((28, 20), Image.Resampling.NEAREST)
    assert image.tobytes() == usual.tobytes()


def test_limits_on_pixels_are_those_of_pillow(encoded, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 56 * 40)
    image = opened(encoded)
    with pytest.warns(Image.DecompressionBombWarning):
        image.size = (57, 40)
    with pytest.raises(Image.DecompressionBombError):
        image.size = (113, 40)
    assert image.size == (57, 40)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 56 * 40 - 1)
    with pytest.warns(Image.DecompressionBombWarning):
        opened(encoded)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 56 * 20 - 1)
    with pytest.raises(Image.DecompressionBombError):
        opened(encoded)


def test_pictures_copy_convert_crop_and_pickle(encoded):
    pixels = splatcodec.decode(encoded)
    np.testing.assert_array_equal(np.asarray(opened(encoded).copy()), pixels)
    np.testing.assert_array_equal(np.asarray(opened(encoded).crop((3, 5, 20, 10))), pixels[5:10, 3:20])
    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    np.testing.assert_array_equal(np.asarray(opened(encoded).convert("L")), grey)
    restored = pickle.loads(pickle.dumps(opened(encoded)))
    np.testing.assert_array_equal(np.asarray(restored), pixels)
    assert restored.info == opened(encoded).info


def test_a_picture_can_be_drawn_on(encoded):
    image = opened(encoded)
    image.putpixel((3, 4), (1, 2, 3))
    assert image.getpixel((3, 4)) == (1, 2, 3)


def test_there_is_one_frame(encoded):
    image = opened(encoded)
    assert (image.tell(), image.n_frames, image.is_animated) == (0, 1, False)
    assert len(list(ImageSequence.Iterator(image))) == 1
    image.seek(0)
    with pytest.raises(EOFError):
        image.seek(1)


def test_files_that_arrive_in_pieces_are_parsed(encoded):
    parser = ImageFile.Parser()
    for start in range(0, len(encoded), 100):
        parser.feed(encoded[start : start + 100])
    np.testing.assert_array_equal(np.asarray(parser.close()), splatcodec.decode(encoded))


def test_verify_notices_damage_and_closes_the_file(path, encoded):
    image = Image.open(path)
    file = image.fp
    image.verify()
    assert file.closed
    path.write_bytes(encoded[:-1] + bytes([encoded[-1] ^ 1]))
    image = Image.open(path)
    file = image.fp
    with pytest.raises(OSError, match=r"picture\.gsi: chunk COLR: checksum mismatch"):
        image.verify()
    assert file.closed
    loaded = opened(encoded)
    loaded.load()
    with pytest.raises(RuntimeError, match="directly after open"):
        loaded.verify()

"""The imageio plugin: every function of `imageio.v3`, on files, bytes and streams."""

import io
import subprocess
import sys
import zipfile

import imageio.v3 as iio
import numpy as np
import pytest

import splatcodec
import splatcodec.imageio

QUICK = {"effort": 1, "n_gaussians": 5}


@pytest.fixture
def path(tmp_path, encoded):
    path = tmp_path / "picture.gsi"
    path.write_bytes(encoded)
    return path


def test_files_bytes_and_streams_read(path, encoded):
    expected = splatcodec.decode(encoded)
    for source in (path, str(path), encoded, memoryview(encoded), io.BytesIO(encoded)):
        np.testing.assert_array_equal(iio.imread(source), expected)
        np.testing.assert_array_equal(iio.imread(source, extension=".gsi"), expected)
        np.testing.assert_array_equal(iio.imread(source, plugin="splatcodec"), expected)


def test_a_member_of_an_archive_reads(tmp_path, encoded):
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        archive.writestr("picture.gsi", encoded)
    np.testing.assert_array_equal(iio.imread(tmp_path / "pictures.zip" / "picture.gsi"), splatcodec.decode(encoded))


@pytest.mark.parametrize("size", [{"scale": 2}, {"width": 9}, {"height": 9}, {"region": (3, 4, 20, 10), "width": 60}])
def test_sizes_and_regions_are_those_of_decode(path, encoded, size):
    np.testing.assert_array_equal(iio.imread(path, **size), splatcodec.decode(encoded, **size))
    (iterated,) = iio.imiter(path, **size)
    np.testing.assert_array_equal(iterated, splatcodec.decode(encoded, **size))


def test_an_open_file_reads_again(path, encoded):
    with iio.imopen(path, "r") as file:
        first = file.read()
        np.testing.assert_array_equal(file.read(), first)
        assert file.properties().shape == first.shape
        assert file.read(scale=0.5).shape == (20, 28, 3)


def test_a_file_holds_one_picture(path, encoded):
    assert iio.imread(path, index=0).shape == (40, 56, 3)
    assert iio.imread(path, index=...).shape == (1, 40, 56, 3)
    for function in (iio.imread, iio.improps, iio.immeta):
        for index in (1, -1):
            with pytest.raises(ValueError, match=f"index {index} is out of range"):
                function(path, index=index)


def test_properties_and_metadata_come_from_the_header(path, encoded):
    path.write_bytes(encoded[:40])
    properties = iio.improps(path)
    assert (properties.shape, properties.dtype, properties.is_batch) == ((40, 56, 3), np.uint8, False)
    batch = iio.improps(path, index=...)
    assert (batch.shape, batch.n_images, batch.is_batch) == ((1, 40, 56, 3), 1, True)
    assert iio.immeta(path) == {"n_gaussians": len(splatcodec.read(encoded)), "profile": "half"}


def test_grey_has_two_dimensions(tmp_path, picture):
    iio.imwrite(tmp_path / "grey.gsi", picture[:, :, 0], **QUICK)
    assert iio.imread(tmp_path / "grey.gsi").shape == (40, 56)
    assert iio.improps(tmp_path / "grey.gsi").shape == (40, 56)


def test_files_are_those_of_encode(tmp_path, picture):
    expected = splatcodec.encode(picture, quality=30, effort=1)
    assert iio.imwrite(tmp_path / "out.gsi", picture, quality=30, effort=1) is None
    assert (tmp_path / "out.gsi").read_bytes() == expected
    assert iio.imwrite("<bytes>", picture, extension=".gsi", quality=30, effort=1) == expected
    file = io.BytesIO()
    assert iio.imwrite(file, [picture], extension=".gsi", quality=30, effort=1) is None
    assert file.getvalue() == expected


@pytest.mark.parametrize(
    ("change", "error", "fault"),
    [
        ({"quality": 101}, ValueError, "quality must lie between 0 and 100"),
        ({"qualty": 50}, TypeError, "qualty"),
    ],
)
def test_a_failure_keeps_the_file_that_was_there(path, picture, encoded, change, error, fault):
    with pytest.raises(error, match=fault):
        iio.imwrite(path, picture, **change)
    assert path.read_bytes() == encoded


def test_what_cannot_be_held_is_refused(path, picture, encoded):
    for array, fault in (
        (picture.astype(np.int32), "must be uint8, uint16 or float"),
        (np.stack([picture, picture]), "must have shape"),
        ([picture, picture], r"picture\.gsi: a \.gsi file holds one picture, got 2"),
    ):
        with pytest.raises(ValueError, match=fault):
            iio.imwrite(path, array)
    assert path.read_bytes() == encoded


def test_other_files_are_left_to_other_plugins(tmp_path, picture):
    iio.imwrite(tmp_path / "picture.png", picture)
    np.testing.assert_array_equal(iio.imread(tmp_path / "picture.png"), picture)
    (tmp_path / "picture.png").rename(tmp_path / "picture.gsi")
    np.testing.assert_array_equal(iio.imread(tmp_path / "picture.gsi"), picture)
    with pytest.raises(OSError, match="can not handle"):
        iio.imread(tmp_path / "picture.gsi", plugin="splatcodec")
    with pytest.raises(OSError, match="can not handle"):
        iio.imwrite(tmp_path / "picture.png", picture, plugin="splatcodec")


def test_damage_is_named(path, encoded):
    for length in range(4, len(encoded)):
        path.write_bytes(encoded[:length])
        with pytest.raises(splatcodec.GsiError, match=r"picture\.gsi: .* the file ends too early at byte"):
            iio.imread(path)
    path.write_bytes(encoded[:8])
    with pytest.raises(splatcodec.GsiError, match=r"picture\.gsi: header: the file ends too early at byte 8"):
        iio.improps(path)


def test_a_missing_imageio_is_said_in_one_line():
    script = "import sys; sys.modules['imageio'] = None; import splatcodec.imageio"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.stderr.splitlines()[-1] == "ImportError: imageio is missing: pip install imageio"


def test_importing_compiles_nothing():
    script = "import sys, splatcodec.imageio; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout.decode().split()
    assert {"numba", "scipy", "torch"}.isdisjoint(modules)

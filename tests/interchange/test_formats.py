import io

import pytest

from splatcodec.errors import InterchangeError
from splatcodec.interchange import load, save

from .pictures import assert_same, random_splats

EXACT = [".json", ".npz", ".csv"]


@pytest.mark.parametrize("extension", EXACT)
def test_paths_bytes_and_files_are_the_same(extension, tmp_path):
    splats = random_splats(0, 9)
    path = tmp_path / f"OUT{extension.upper()}"
    save(splats, path)
    file = io.BytesIO()
    save(splats, file, extension=extension)
    assert file.getvalue() == path.read_bytes()
    with open(path, "rb") as opened:
        for source in (path, str(path), opened):
            assert_same(load(source), splats)
    assert_same(load(file.getvalue(), extension=extension), splats)


@pytest.mark.parametrize("extension", [*EXACT, ".ply"])
def test_the_size_of_a_file_stands(extension):
    file = io.BytesIO()
    save(random_splats(1, 3), file, extension=extension)
    assert load(file.getvalue(), (40, 56), extension=extension).width == 56
    with pytest.raises(InterchangeError, match=r"^<bytes>: its canvas is 56x40, not 40x56"):
        load(file.getvalue(), (56, 40), extension=extension)


@pytest.mark.parametrize("name", ["a.xyz", "json", "", "a.json.gz"])
def test_unknown_extensions_are_explained(name):
    with pytest.raises(InterchangeError, match=r"expected one of \.json, \.npz, \.csv, \.svg, \.ply$"):
        save(random_splats(2, 1), name)
    with pytest.raises(
        InterchangeError, match=r"expected one of \.json, \.npz, \.csv, \.ply, \.pt, \.pth, \.pth\.tar$"
    ):
        load(name)


def test_pictures_are_grey_or_rgb(tmp_path):
    with pytest.raises(InterchangeError, match=r"out\.json: 2 colour channels cannot be written: 1 or 3 can"):
        save(random_splats(3, 1, channels=2), tmp_path / "out.json")


def test_checkpoints_are_not_written(tmp_path):
    with pytest.raises(InterchangeError, match=r"out\.pth\.tar: files of this kind can be read only"):
        save(random_splats(3, 1), tmp_path / "out.pth.tar")
    assert not list(tmp_path.iterdir())


def test_a_failed_export_leaves_what_was_there(tmp_path, monkeypatch):
    def fail(*_):
        raise MemoryError

    (tmp_path / "out.csv").write_bytes(b"precious")
    monkeypatch.setattr("numpy.column_stack", fail)
    with pytest.raises(MemoryError):
        save(random_splats(4, 1), tmp_path / "out.csv")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"precious"]

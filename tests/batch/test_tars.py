"""Tar files of all kinds: what is no picture comes out as it went in, and pictures keep all but name and content."""

import io
import tarfile

import numpy as np
import pytest

from splatcodec.batch import Recipe, encode_shard
from splatcodec.options import Options
from splatcodec.tars import PICTURES, header, is_of, members, padding, renamed

RECIPE = Recipe(Options(n_gaussians=4, effort=1))
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


def a_name(rng: np.random.Generator, number: int, ustar: bool) -> str:
    """A name with or without folders, dots, letters of any script, spaces and lengths above 100."""
    stem = f"{number // 3:04}"
    kinds = ["", "plain ", "./", "a.folder/", "x" * 60 + "/"]
    if not ustar:
        kinds += ["süß/日本/", "long/" * 40, "\udcff", "new\nline"]
    extensions = ["jpg", "PNG", "left.webp", "cls", "json", "txt", "jpg.txt", "", "gsi", "npy.gz"]
    extension = str(rng.choice(extensions))
    return str(rng.choice(kinds)) + stem + (f".{extension}" if extension else "")


def a_tar(seed: int) -> bytes:
    """Files, folders, links, and names that come twice, in one of three formats."""
    rng = np.random.default_rng(seed)
    kind = FORMATS[seed % 3]
    content = io.BytesIO()
    headers = {"comment": "a shard"} if kind == tarfile.PAX_FORMAT and rng.random() < 0.5 else None
    with tarfile.open(fileobj=content, mode="w", format=kind, pax_headers=headers, errors="surrogateescape") as tar:
        names: list[str] = []
        for number in range(int(rng.integers(0, 25))):
            repeated = names and rng.random() < 0.1
            info = tarfile.TarInfo(
                str(rng.choice(names)) if repeated else a_name(rng, number, kind == tarfile.USTAR_FORMAT)
            )
            names.append(info.name)
            info.mtime = float(rng.integers(0, 2**31)) + (0.5 if kind == tarfile.PAX_FORMAT else 0)
            info.mode, info.uid, info.gid = 0o640, int(rng.integers(0, 2**20)), 7
            info.uname, info.gname = "somebody", "Bücher" if kind == tarfile.PAX_FORMAT else "books"
            if rng.random() < 0.1:
                info.type = tarfile.DIRTYPE
            elif rng.random() < 0.1:
                info.type, info.linkname = tarfile.SYMTYPE, "elsewhere.jpg"
            data = rng.bytes(int(rng.choice([0, 1, 511, 512, 513, 3000])))
            info.size = len(data) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(data))
    return content.getvalue()


def entries(data: bytes) -> list[tuple]:
    """All that a reader sees of a tar file."""
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as tar:
        return [
            (
                info.name,
                info.get_info() | {"chksum": 0, "size": 0},
                tar.extractfile(info).read() if info.isreg() else b"",
            )
            for info in tar
        ]


@pytest.mark.parametrize("seed", range(60))
def test_tar_files_come_out_as_they_went_in_but_for_pictures(tmp_path, seed):
    source, output = tmp_path / "in.tar", tmp_path / "out.tar"
    source.write_bytes(a_tar(seed))
    before = entries(source.read_bytes())

    def encoded(calls):
        """Stands for the encoder: each third picture fails."""
        for number, (_, (_, name, begin, size, _)) in enumerate(calls):
            content = source.read_bytes()[begin : begin + size]
            data = b"gsi of " + content[:100]
            row = {"gsi": data, "bpp": 1.0, "psnr": 30.0, "width": 1, "height": 1, "bytes": len(data), "seconds": 0.0}
            yield row | {"error": f"{name}: broken" if number % 3 == 2 else None}

    found = encode_shard(source, output, RECIPE, encoded)
    after = entries(output.read_bytes())
    is_picture = is_of(PICTURES)
    regular = [name for name, info, _ in before if info["type"] == tarfile.REGTYPE]
    new_names = renamed(regular, is_picture)
    assert len(set(new_names.values()) | (set(regular) - set(new_names))) == len(set(regular))
    expected, number = [], 0
    for name, info, content in before:
        if info["type"] == tarfile.REGTYPE and name in new_names:
            if number % 3 != 2:
                expected.append((new_names[name], info | {"name": new_names[name]}, b"gsi of " + content[:100]))
            number += 1
        else:
            expected.append((name, info, content))
    assert after == expected
    assert (found["pictures"], found["failed"]) == (number - number // 3, number // 3)
    if not number:
        assert output.read_bytes() == source.read_bytes()


def test_names_of_pictures():
    names = ["a/0.jpg", "a/1.left.PNG", "a/1.seg.png", "2.jpg", "2.png", "3.jpg", "3.gsi", ".4.jpg", "a.b/5", "6.txt"]
    assert renamed(names, is_of(PICTURES)) == {
        "a/0.jpg": "a/0.gsi",
        "a/1.left.PNG": "a/1.left.gsi",
        "a/1.seg.png": "a/1.seg.gsi",
        "2.jpg": "2.jpg.gsi",
        "2.png": "2.png.gsi",
        "3.jpg": "3.gsi.gsi",
    }
    assert list(renamed(names, is_of(["left.png", "jpg"]))) == ["a/0.jpg", "a/1.left.PNG", "2.jpg", "3.jpg"]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_header_of_the_same_name_and_size_is_that_of_the_member(kind):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=kind) as tar:
        info = tarfile.TarInfo("x" * (150 if kind != tarfile.USTAR_FORMAT else 50))
        info.size, info.mtime, info.uname = 600, 10**9, "somebody"
        tar.addfile(info, io.BytesIO(bytes(600)))
    data = content.getvalue()
    (member,) = members(io.BytesIO(data), "x.tar")
    made = header(member, member.name, 600)
    assert made == data[member.begin : member.data]
    assert len(padding(600)) == member.end - member.data - 600


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda data: data[:1700], "unexpected end of data"),
        (lambda data: b"", "empty file"),
        (lambda data: b"no tar file" * 100, "no tar file, or damaged"),
        (lambda data: data[:1024] + b"x" + data[1025:], "damaged header at byte 1024"),
    ],
)
def test_damaged_files_are_named(tmp_path, damage, fault):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name in ("0.cls", "1.cls"):
            info = tarfile.TarInfo(name)
            info.size = 400
            tar.addfile(info, io.BytesIO(bytes(400)))
    source = tmp_path / "in.tar"
    source.write_bytes(damage(content.getvalue()[:2048]))
    with pytest.raises(ValueError, match=f"in.tar: .*{fault}"):
        encode_shard(source, tmp_path / "out.tar", RECIPE)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("size", ["-512", "-1", "9" * 18, "9" * 30])
def test_damaged_sizes_are_told_of_the_source(tmp_path, size):
    source = tmp_path / "in.tar"
    with tarfile.open(source, "w", format=tarfile.PAX_FORMAT) as tar:
        for number in range(2):
            info = tarfile.TarInfo(f"{number}.png")
            info.pax_headers = {"size": size} if number else {}
            tar.addfile(info)
    with pytest.raises(ValueError, match=r"in\.tar: .*damaged"):
        encode_shard(source, tmp_path / "out.tar", RECIPE, lambda calls: iter(()))
    assert list(tmp_path.iterdir()) == [source]

"""`splatcodec info` of files that are whole, damaged, cut, or known by their header only."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import splatcodec
from splatcodec.container import HEADER_SIZE, Chunk, pack, unpack

from .command import assert_fails, run

FILES = {path.stem: path for path in sorted((Path(__file__).parents[1] / "data" / "v1").glob("*.gsi"))}
LAYERED = "half-rgb-alpha-metadata"
"""Colours, an opacity, and metadata of every kind."""


@pytest.fixture
def layered() -> bytes:
    return FILES[LAYERED].read_bytes()


def facts(*arguments, **settings) -> dict:
    result = run("info", *arguments, "--json", **settings)
    assert (result.returncode, result.stderr) == (0, b"")
    return json.loads(result.stdout)


def test_everything_that_a_file_holds(layered):
    found = facts(FILES[LAYERED])
    header, chunks = unpack(layered, "file")
    sizes = {chunk.tag: len(chunk.payload) for chunk in chunks}
    assert found | {"chunks": None} == {
        "file": str(FILES[LAYERED]),
        "version": "1.0",
        "profile": "half",
        "width": 33,
        "height": 17,
        "channels": 4,
        "depth": 16,
        "color_space": "icc",
        "n_gaussians": header.n_gaussians,
        "alpha": {"kind": "transparency", "n_gaussians": 17, "bits_per_gaussian": {}},
        "bytes": len(layered),
        "bpp": 8 * len(layered) / (33 * 17),
        "metadata": {
            "icc": sizes["iccp"],
            "icc_description": "sRGB built-in",
            "exif": sizes["exif"],
            "xmp": sizes["xmpp"],
        },
        "chunks": None,
        "bits_per_gaussian": {},
        "overlap": None,
        "readable": ["colors", "alpha", "icc", "exif", "xmp"],
        "damage": [],
    }
    assert [(chunk["tag"], chunk["offset"], chunk["bytes"], chunk["critical"]) for chunk in found["chunks"]] == [
        (chunk.tag, chunk.offset, len(chunk.payload), chunk.is_critical) for chunk in chunks
    ]
    assert all(chunk["known"] and chunk["intact"] for chunk in found["chunks"])


def test_all_objects_have_the_same_keys(layered, tmp_path):
    """Whatever the file and the options, and the document names each key."""
    (tmp_path / "cut.gsi").write_bytes(layered[:-1])
    objects = [facts(path) for path in FILES.values()]
    objects += [facts(FILES[LAYERED], "--header"), facts(FILES[LAYERED], "--attributes")]
    objects.append(json.loads(run("info", tmp_path / "cut.gsi", "--json").stdout))
    assert len({tuple(found) for found in objects}) == 1
    assert len({tuple(found["metadata"]) for found in objects}) == 1
    assert len({tuple(found["alpha"]) for found in objects if found["alpha"]}) == 1
    assert len({tuple(chunk) for found in objects for chunk in found["chunks"] or ()}) == 1
    text = (Path(splatcodec.__file__).parents[1] / "docs" / "reliability.md").read_text()
    found = objects[-1]
    for key in (*found, *found["metadata"], *found["alpha"], *found["chunks"][0], *found["damage"][0]):
        assert f"`{key}`" in text


def test_people_read_the_same(layered):
    text = run("info", FILES[LAYERED]).stdout.decode().splitlines()
    assert text[:6] == [
        f"{FILES[LAYERED]}: .gsi version 1.0, profile half",
        "canvas     33 x 17, RGB and alpha, 16 bits a sample",
        "colours    ICC profile",
        "Gaussians  12, and 17 for the transparency",
        'metadata   ICC profile "sRGB built-in", 588 bytes; EXIF, 68 bytes; XMP, 114 bytes',
        f"size       {len(layered)} bytes, {8 * len(layered) / (33 * 17):.3f} bpp",
    ]
    assert len(text) == 6 + len(unpack(layered, "file")[1])


def test_attributes_of_both_layers():
    found = facts(FILES["adaptive-rgb-alpha-100x80"], "--attributes")
    assert set(found["bits_per_gaussian"]) == set(found["alpha"]["bits_per_gaussian"]) > {"means", "colors"}
    assert found["overlap"]["peak"] > 0
    for layer, (tag, size) in zip(
        (found, found["alpha"]), [(chunk["tag"], chunk["bytes"]) for chunk in found["chunks"][::2]], strict=True
    ):
        assert tag == "ADAP"
        assert 8 * size - 40 < sum(layer["bits_per_gaussian"].values()) * layer["n_gaussians"] <= 8 * size


@pytest.mark.parametrize(
    ("tag", "lost", "said"),
    [("COLR", "colors", "colours"), ("ALPH", "alpha", "alpha"), ("iccp", "icc", "ICC profile"), ("xmpp", "xmp", "XMP")],
)
def test_damage_is_told_with_what_is_still_readable(layered, tmp_path, tag, lost, said):
    chunk = next(chunk for chunk in unpack(layered, "file")[1] if chunk.tag == tag)
    place = chunk.offset + len(chunk.payload) // 2
    path = tmp_path / "damaged.gsi"
    path.write_bytes(layered[:place] + bytes([layered[place] ^ 1]) + layered[place + 1 :])
    fault = f"chunk {tag}: checksum mismatch, the file is damaged at byte {chunk.offset + len(chunk.payload)}"
    result = run("info", path, "--json")
    assert (result.returncode, result.stderr.decode()) == (1, f"splatcodec: {path}: {fault}\n")
    found = json.loads(result.stdout)
    assert found["damage"] == [{"chunk": tag, "byte": chunk.offset, "error": f"{path}: {fault}"}]
    assert [other["tag"] for other in found["chunks"] if not other["intact"]] == [tag]
    assert set(found["readable"]) == {"colors", "alpha", "icc", "exif", "xmp"} - {lost}
    text = run("info", path).stdout.decode()
    assert f"  {tag}     {len(chunk.payload)} bytes at {chunk.offset}, damaged\n" in text
    assert f"\ndamage     {fault}\n" in text
    (readable,) = (line for line in text.splitlines() if line.startswith("readable   "))
    assert said not in readable.split("   ")[1].split(", ")


def test_cut_files(layered):
    """From the header on, everything that is there is told; the data may come from a pipe."""
    for length in range(0, len(layered), 50):
        result = run("info", "-", "--json", stdin=layered[:length])
        assert result.returncode == 1
        assert result.stderr.count(b"\n") == 1
        if length < HEADER_SIZE:
            assert result.stdout == b""
        else:
            found = json.loads(result.stdout)
            assert found["bytes"] == length
            assert len(found["damage"]) == 1
    assert run("info", "-", stdin=layered[:HEADER_SIZE]).stdout.decode().endswith("readable   the header alone\n")


def test_the_header_alone(layered, tmp_path):
    (tmp_path / "cut.gsi").write_bytes(layered[:HEADER_SIZE])
    known = facts(FILES[LAYERED])
    for found in (facts(tmp_path / "cut.gsi", "--header"), facts("-", "--header", stdin=layered)):
        for key in ("version", "profile", "width", "height", "channels", "depth", "color_space", "n_gaussians"):
            assert found[key] == known[key]
        assert found["alpha"] == {"kind": None, "n_gaussians": None, "bits_per_gaussian": {}}
        assert found["chunks"] is found["bytes"] is found["readable"] is None
    assert run("info", FILES[LAYERED], "--header").stdout.count(b"\n") == 4
    (tmp_path / "cut.gsi").write_bytes(layered[: HEADER_SIZE - 1])
    assert_fails(run("info", tmp_path / "cut.gsi", "--header"), "cut.gsi: header: the file ends too early at byte 22")
    assert run("info", tmp_path / "cut.gsi", "--header", "--attributes").returncode == 2


def test_the_header_alone_is_all_that_is_read(layered):
    """Of a pipe that goes on for ever, too."""
    command = [sys.executable, "-m", "splatcodec", "info", "-", "--header"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(layered[:HEADER_SIZE])
        process.stdin.flush()
        assert process.stdout.readline().endswith(b"profile half\n")


def test_chunks_of_others(layered, tmp_path):
    header, chunks = unpack(layered, "file")
    path = tmp_path / "more.gsi"
    path.write_bytes(pack(header, [*chunks, Chunk("note", b"anything")]))
    (found,) = (chunk for chunk in facts(path)["chunks"] if not chunk["known"])
    assert (found["tag"], found["critical"], found["bytes"]) == ("note", False, 8)
    assert b"8 bytes at 1325, not known\n" in run("info", path).stdout
    path.write_bytes(pack(header, [*chunks, Chunk("Note", b"anything")]))
    result = run("info", path)
    assert b"8 bytes at 1325, not known, and critical\n" in result.stdout
    assert (result.returncode, result.stderr.count(b"\n")) == (1, 1)
    assert b"more.gsi: chunk Note is critical, and not known for this profile at byte 1325" in result.stderr


def test_an_icc_profile_that_is_none(layered, tmp_path):
    header, chunks = unpack(layered, "file")
    chunks = [Chunk("iccp", b"nonsense") if chunk.tag == "iccp" else chunk for chunk in chunks]
    (tmp_path / "odd.gsi").write_bytes(pack(header, chunks))
    assert facts(tmp_path / "odd.gsi")["metadata"]["icc_description"] is None


def test_what_decoding_finds_wrong_is_told_with_the_rest(layered, tmp_path):
    header, chunks = unpack(layered, "file")
    chunks = [Chunk("ROTA", b"") if chunk.tag == "ROTA" else chunk for chunk in chunks]
    (tmp_path / "odd.gsi").write_bytes(pack(header, chunks))
    assert facts(tmp_path / "odd.gsi")["damage"] == []
    result = run("info", tmp_path / "odd.gsi", "--attributes", "--json")
    assert (result.returncode, result.stderr.count(b"\n")) == (1, 1)
    assert "ROTA: 0 bytes" in json.loads(result.stdout)["damage"][0]["error"]


def test_names_that_are_no_text(layered, tmp_path):
    path = tmp_path / "na\udcffme.gsi"
    try:
        path.write_bytes(layered)
    except (OSError, UnicodeEncodeError):
        pytest.skip("the file system takes no such name")
    result = run("info", path)
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"na\\udcffme.gsi: .gsi version 1.0" in result.stdout

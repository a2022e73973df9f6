"""Sidecars: what tells a finished shard from one that is to be made, and sums over many."""

import json
import math
import os
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from splatcodec import Options
from splatcodec.batch import Failure, Recipe, encode_shard
from splatcodec.batch.shards import in_turn
from splatcodec.batch.sidecar import Tally, finished, path_of, sums
from splatcodec.origin import code_version
from splatcodec.tars import Member

from .shards import write_shard

RECIPE = Recipe(Options(n_gaussians=6, effort=1))


@pytest.fixture
def source(tmp_path, picture) -> Path:
    return write_shard(tmp_path / "in" / "a.tar", picture, 3)


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "a.tar"


@pytest.mark.parametrize("how", ["in a crew", "here"])
def test_a_picture_that_the_machine_fails_at_is_not_left_out(source, output, how):
    def encoded(calls):
        for number, outcome in enumerate(in_turn(calls)):
            if number < 2:
                yield outcome
            elif how == "here":
                raise MemoryError("too bad")
            else:
                yield Failure("a.tar/0002.png: too bad")

    with pytest.raises((MemoryError, RuntimeError), match="too bad"):
        encode_shard(source, output, RECIPE, encoded)
    assert finished(source, output, RECIPE) is None
    assert not output.exists()
    assert encode_shard(source, output, RECIPE)["pictures"] == 3


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_sidecar_whose_shard_has_not_come_does_not_stand_for_the_one_before(source, output, step):
    encode_shard(source, output, RECIPE)
    before, other = output.read_bytes(), Recipe(Options(n_gaussians=8, effort=1))
    real, left = getattr(os, step), 1

    def cut(*args: object) -> None:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1  # that of the sidecar
        real(*args)

    with patch.object(os, step, cut), pytest.raises(KeyboardInterrupt):
        encode_shard(source, output, other)
    assert output.read_bytes() == before
    sidecar = json.loads(path_of(output).read_text())
    assert sidecar["output"]["size"] == len(before)
    for recipe in (RECIPE, other):
        with pytest.raises(FileExistsError):
            finished(source, output, recipe)
        assert finished(source, output, recipe, overwrite=True) is None


def test_shards_are_known_again_by_times_or_by_content(source, output):
    found = encode_shard(source, output, RECIPE)
    with patch("hashlib.file_digest", side_effect=AssertionError("is not read")):
        assert finished(source, output, RECIPE) == found
    for path in (source, output):
        os.utime(path, (1, 1))
        assert finished(source, output, RECIPE) == found
    data = bytearray(output.read_bytes())
    data[700] ^= 1
    output.write_bytes(data)
    with pytest.raises(FileExistsError, match="not as its sidecar says"):
        finished(source, output, RECIPE)


@pytest.mark.parametrize("change", ["another file", "the same bytes", "longer", "gone"])
def test_a_source_that_changes_while_it_is_read_makes_no_shard(source, output, picture, tmp_path, change):
    content = source.read_bytes()

    def encoded(calls):
        for number, outcome in enumerate(in_turn(calls)):
            if number == 2:
                if change == "another file":
                    os.replace(write_shard(tmp_path / "in" / "b.tar", 255 - picture, 3), source)
                elif change == "the same bytes":
                    source.unlink()
                    source.write_bytes(content)
                elif change == "longer":
                    source.write_bytes(content + bytes(512))
                else:
                    source.unlink()
            yield outcome

    with pytest.raises((ValueError, FileNotFoundError), match=r"in/a\.tar"):
        encode_shard(source, output, RECIPE, encoded)
    assert not output.exists()


@pytest.mark.parametrize(
    "options", [{"loss": lambda image, target: (0.0, image)}, {"weights": np.ones((2, 2))}, {"callback": print}]
)
def test_options_that_cannot_be_noted_are_refused(options):
    with pytest.raises(ValueError, match="cannot be told apart"):
        Recipe(Options(**options))


def test_a_recipe_is_what_decides_the_bytes(monkeypatch):
    key = Recipe(Options(), ("jpg", "png")).key
    assert key == Recipe(Options(threads=3), ("png", "JPG", "png")).key
    for other in (Recipe(Options(), ("jpg",)), Recipe(Options(seed=1), ("jpg", "png"))):
        assert key != other.key
    real = Path.read_bytes
    for name, counts in (("tars.py", True), ("batch/shards.py", True), ("container.py", True), ("cli/main.py", False)):
        # Of a state of the code in which this module is another one.
        monkeypatch.setattr(
            Path, "read_bytes", lambda path, own=name: real(path) + b"#" * path.match(f"splatcodec/{own}")
        )
        code_version.cache_clear()
        assert (Recipe(Options(), ("jpg", "png")).key != key) is counts
    monkeypatch.undo()
    code_version.cache_clear()


def test_what_lacks_a_value_is_no_sidecar(source, output):
    found = encode_shard(source, output, RECIPE)
    places = [[name, entry] for name in ("source", "output") for entry in ("size", "mtime_ns", "sha256")]
    places += [[name] for name in found if name not in ("failures", "source", "output")]
    for *folders, key in places:
        for value in (None,) if folders else (None, -1, "words"):
            changed = json.loads(json.dumps(found))
            holder = changed[folders[0]] if folders else changed
            del holder[key]
            if value is not None:
                holder[key] = value
            path_of(output).write_text(json.dumps(changed))
            with pytest.raises(FileExistsError, match="exists and"):
                finished(source, output, RECIPE)


@pytest.mark.parametrize("seed", range(20))
def test_sums_over_shards_are_those_over_all_pictures(seed):
    rng = np.random.default_rng(seed)
    whole, parts = Tally(), [Tally() for _ in range(int(rng.integers(0, 5)))]
    for part in parts:
        for _ in range(int(rng.integers(0, 6))):
            psnr = math.inf if rng.random() < 0.4 else float(rng.uniform(20, 60))
            row = {"psnr": psnr, "bpp": float(rng.uniform(0, 8)), "width": 3, "height": 2, "bytes": 9, "seconds": 0.5}
            row |= {"gsi": b"", "error": "broken" if rng.random() < 0.2 else None}
            for tally in (whole, part):
                tally.add(Member("0.png", 0, 512, 7, None), dict(row))
    total, expected = sums([part.summary() for part in parts]), whole.summary()
    for name in total:
        assert total[name] == pytest.approx(expected[name])

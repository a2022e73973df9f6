"""Shards and coders on a local Ray cluster of two processes, one of which is killed."""

import os
import signal
import threading
import time

import pytest

ray = pytest.importorskip("ray", reason="needs the extra ray, half a gigabyte that dev leaves out")
psutil = pytest.importorskip("psutil")

import numpy as np  # noqa: E402

import splatcodec  # noqa: E402
from splatcodec.batch import Encoder, Recipe, encode_shard  # noqa: E402
from splatcodec.batch.cluster import encode_shards_on_ray  # noqa: E402
from splatcodec.batch.listing import Pair  # noqa: E402
from splatcodec.options import Options  # noqa: E402

from .shards import contents, write_shard  # noqa: E402


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=2, logging_level="WARNING", log_to_driver=False, include_dashboard=False)
    yield
    ray.shutdown()


def working() -> list["psutil.Process"]:
    """Processes of the cluster that encode."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "_encode" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def test_a_process_that_is_killed_changes_no_byte(cluster, tmp_path, picture):
    recipe = Recipe(Options(n_gaussians=6, effort=1))
    sources = [
        write_shard(tmp_path / "in" / f"{name}.tar", picture[5 * number :], 8) for number, name in enumerate("ab")
    ]
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    for source in sources:
        encode_shard(source, tmp_path / "whole" / source.name, recipe)
    pairs = [Pair(source, tmp_path / "killed" / source.name) for source in sources]
    killed = []

    def kill() -> None:
        while not list((tmp_path / "killed").glob(".splatcodec-*")):
            time.sleep(0.01)
        victim = working()[0]
        killed.append(victim.pid)
        os.kill(victim.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    outcomes = dict(encode_shards_on_ray(pairs, recipe))
    thread.join()
    assert killed
    assert {pair: outcome["pictures"] for pair, outcome in outcomes.items()} == dict.fromkeys(pairs, 8)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert not list((tmp_path / "killed").glob(".splatcodec-*"))


def test_shards_that_nobody_waits_for_are_left(cluster, tmp_path, picture):
    pairs = [
        Pair(write_shard(tmp_path / "in" / f"{number}.tar", picture, 20), tmp_path / f"{number}.tar")
        for number in range(10)
    ]
    outcomes = encode_shards_on_ray(pairs, Recipe(Options(n_gaussians=6, effort=1)))
    next(outcomes)
    outcomes.close()
    for _ in range(600):
        if not working():
            break
        time.sleep(0.1)
    assert not working()
    assert len(list(tmp_path.glob("*.tar"))) < 10


def test_a_pool_of_actors_encodes_rows(cluster, picture):
    rows = ray.data.from_items([{"image": picture[number : number + 20], "name": str(number)} for number in range(4)])
    how = {"n_gaussians": 6, "effort": 1, "threads": 1}
    encoded = rows.map(Encoder, fn_constructor_kwargs=how, compute=ray.data.ActorPoolStrategy(size=2)).take_all()
    for row in encoded:
        number = int(row["name"])
        expected = splatcodec.encode(np.ascontiguousarray(picture[number : number + 20]), n_gaussians=6, effort=1)
        assert (row["error"], row["gsi"]) == (None, expected)

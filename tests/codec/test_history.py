"""A history holds every step of every fit, and its files say the same."""

import csv
import gc
import json
import weakref

import pytest

import splatcodec


@pytest.fixture(scope="module")
def history(picture) -> splatcodec.History:
    history = splatcodec.History()
    splatcodec.fit(picture, n_gaussians=30, effort=1, callback=history)
    return history


def test_every_step_is_there(history):
    steps = list(history)
    assert [step.step for step in steps] == list(range(1, len(steps) + 1))
    assert {step.fit for step in steps} == {1}
    assert steps[-1].progress == 1
    assert steps[-1].psnr > steps[0].psnr + 3


def test_fits_are_counted(picture):
    history = splatcodec.History()
    for _ in range(2):
        splatcodec.fit(picture, n_gaussians=5, effort=1, callback=history)
    fits = [step.fit for step in history]
    assert fits == sorted(fits)
    assert fits.count(1) == fits.count(2) == len(history) / 2
    assert history.n_fits == 2


def test_files_hold_the_same_numbers(history):
    rows = list(csv.DictReader(history.to_bytes(".csv").decode().splitlines()))
    objects = json.loads(history.to_bytes(".json"))
    assert len(rows) == len(objects) == len(history)
    for row, values, step in zip(rows, objects, history, strict=True):
        assert {name: float(value) for name, value in row.items()} == values
        assert values["psnr"] == step.psnr


def test_an_empty_history_is_an_empty_table():
    assert splatcodec.History().n_fits == 0
    assert json.loads(splatcodec.History().to_bytes(".json")) == []


def test_it_is_saved_in_the_format_of_the_extension(history, tmp_path):
    history.save(tmp_path / "fit.JSON")
    assert (tmp_path / "fit.JSON").read_bytes() == history.to_bytes(".json")
    with pytest.raises(ValueError, match=r"a\.txt: a history is written as \.csv or \.json"):
        history.save("a.txt")


def test_it_keeps_no_optimizer_alive(picture):
    alive = []
    history = splatcodec.History()

    def callback(state):
        history(state)
        alive.append(weakref.ref(state.take.__closure__[0].cell_contents))

    splatcodec.fit(picture, n_gaussians=5, effort=1, callback=callback)
    gc.collect()
    assert alive[-1]() is None

"""The notebook's formula, evaluated directly, against what is decoded."""

import json

import numpy as np
import pytest

from splatcodec import decode, read
from splatcodec.encoding.encode import to_bytes
from splatcodec.errors import InterchangeError
from splatcodec.interchange import load, save

from .pictures import SHAPES, assert_same, evaluate, random_splats, rotated, shown


def notebook_picture(values: dict) -> np.ndarray:
    """What the notebook shows of its own layout, [H, W, C]."""
    x = np.linspace(*values["x_dim"], values["res_x"])
    y = np.linspace(*values["y_dim"], values["res_y"])
    covariances = rotated(values["sigmas"], values["thetas"])
    return evaluate(x, y, values["centers"], covariances, values["alphas"])[::-1]


def notebook_values(seed: int, n: int, dims: int, height: int, width: int, **others) -> dict:
    rng = np.random.default_rng(seed)
    return {
        "x_dim": [-5, 5],
        "y_dim": [-5, 5],
        "res_x": width,
        "res_y": height,
        "N": n,
        "dims": dims,
        "alphas": rng.normal(0, 0.2, (n, dims)).tolist(),
        "centers": rng.uniform(-5.5, 5.5, (n, 2)).tolist(),
        "sigmas": np.exp(rng.uniform(np.log(0.1), np.log(2), (n, 2))).tolist(),
        "thetas": rng.uniform(-7, 7, n).tolist(),
    } | others


def parsed(values: dict):
    return load(json.dumps(values).encode(), extension=".json")


def written(splats, path) -> dict:
    save(splats, path)
    return json.loads(path.read_text())


def quantised(picture: np.ndarray) -> np.ndarray:
    return np.rint(255 * picture.clip(0, 1)).squeeze()


@pytest.mark.parametrize(("height", "width"), [(100, 100), (427, 640)])
def test_an_imported_picture_is_decoded_as_the_notebook_shows_it(height, width):
    values = notebook_values(0, 500, 3, height, width)
    decoded = decode(to_bytes(parsed(values))).astype(float)
    assert np.abs(decoded - quantised(notebook_picture(values))).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(100, 100), (427, 640)])
def test_the_notebook_shows_an_exported_picture_as_it_is_decoded(height, width, tmp_path):
    data = to_bytes(random_splats(1, 500, 3, height, width))
    expected = notebook_picture(written(read(data), tmp_path / "out.json"))
    assert np.abs(decode(data).astype(float) - quantised(expected)).max() <= 1


@pytest.mark.parametrize(("height", "width"), SHAPES)
@pytest.mark.parametrize("dims", [1, 3])
def test_single_precision_is_all_that_is_lost(height, width, dims, tmp_path):
    """Sides of one pixel among others, whose sample lies at the beginning of their range."""
    values = notebook_values(2, 30, dims, height, width)
    splats = parsed(values)
    np.testing.assert_allclose(shown(splats), notebook_picture(values), atol=2e-4)
    np.testing.assert_allclose(shown(splats), notebook_picture(written(splats, tmp_path / "a.json")), atol=2e-4)


@pytest.mark.parametrize(
    ("x_dim", "y_dim"), [([-5, 5], [-3.3, 3.3]), ([0, 1], [100, 400]), ([2, -7], [-1, 1]), ([-1, 1], [8, -1])]
)
def test_any_plane_can_be_read(x_dim, y_dim):
    rng = np.random.default_rng(3)
    values = notebook_values(3, 60, 3, 30, 50, x_dim=x_dim, y_dim=y_dim)
    extent = np.abs([np.subtract(*x_dim), np.subtract(*y_dim)])
    values["centers"] = ([min(x_dim), min(y_dim)] + rng.uniform(0, 1, (60, 2)) * extent).tolist()
    values["sigmas"] = (rng.uniform(0.05, 0.3, (60, 2)) * extent.min()).tolist()
    np.testing.assert_allclose(shown(parsed(values)), notebook_picture(values), atol=2e-4)


def test_needles_stay_thin_on_a_plane_of_other_pixels():
    values = notebook_values(4, 1, 1, 200, 50, alphas=[[1]], centers=[[0.1, 0.2]], sigmas=[[30, 0.02]], thetas=[0.7])
    splats = parsed(values)
    # The area that sigmas span, in pixels.
    assert splats.scales.prod() == pytest.approx(0.6 * 4.9 * 19.9, rel=1e-5)


@pytest.mark.parametrize(("height", "width"), SHAPES)
@pytest.mark.parametrize(("n", "channels"), [(0, 3), (1, 1), (50, 1), (50, 3)])
def test_what_was_written_reads_back_exactly(height, width, n, channels, tmp_path):
    splats = random_splats(5, n, channels, height, width)
    save(splats, tmp_path / "out.json")
    assert_same(load(tmp_path / "out.json"), splats)


def test_the_plane_is_ten_wide_and_its_pixels_square(tmp_path):
    values = written(random_splats(6, 3, 3, 427, 640), tmp_path / "out.json")
    assert values["x_dim"] == [-5, 5]
    top = 5 * 426 / 639
    assert values["y_dim"] == pytest.approx([-top, top])
    assert (values["res_x"], values["res_y"], values["N"], values["dims"]) == (640, 427, 3, 3)


def test_a_plane_that_is_not_given_is_the_usual_one():
    values = notebook_values(7, 20, 3, 30, 50)
    usual = {key: value for key, value in values.items() if not key.endswith("_dim")}
    assert_same(parsed(usual), parsed(values))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sigmas": [[1, 2], [1, -2], [1, 2]]}, 'key "sigmas", row 1: expected 2 numbers above 0, got [1.0, -2.0]'),
        ({"sigmas": [[1, 2], [1, 2, 3], [1, 2]]}, 'key "sigmas", row 1: expected 2 numbers above 0, got [1, 2, 3]'),
        ({"sigmas": [[1, 2]]}, 'key "sigmas": expected 3 rows, got 1'),
        ({"sigmas": "wide"}, "key \"sigmas\": expected a list of rows, got 'wide'"),
        ({"centers": [[0, 0], [0, 0], [float("nan"), 0]]}, 'key "centers", row 2: expected 2 numbers, got [nan, 0.0]'),
        ({"centers": [[0, 0], [0, 10**400], [0, 0]]}, 'key "centers", row 1: expected 2 numbers, got'),
        ({"alphas": [[1, 1, 1], [1, 1, 1], ["1", 1, 1]]}, "key \"alphas\", row 2: expected 3 numbers, got ['1', 1, 1]"),
        ({"alphas": [[1, 1, 1], [1, True, 1], [1, 1, 1]]}, 'key "alphas", row 1: expected 3 numbers'),
        ({"alphas": [1, 2, 3]}, 'key "alphas", row 0: expected 3 numbers, got 1'),
        (
            {"alphas": [[1e39, 0, 0], [1, 1, 1], [1, 1, 1]]},
            'key "alphas", row 0: expected 3 numbers in single precision, got [1e+39, 0.0, 0.0]',
        ),
        ({"thetas": [0, [1], 2]}, 'key "thetas", row 1: expected a number, got [1]'),
        ({"thetas": None}, 'key "thetas": expected a list of rows, got None'),
        ({"N": 4}, 'key "alphas": expected 4 rows, got 3'),
        ({"N": -1}, 'key "N": expected a whole number from 0'),
        ({"dims": 2}, 'key "dims": expected 1 or 3, got 2'),
        ({"dims": 3.0}, 'key "dims": expected a whole number from 1 to 3, got 3.0'),
        ({"res_x": 0}, 'key "res_x": expected a whole number from 1 to 65535, got 0'),
        ({"res_y": 10**9}, 'key "res_y": expected a whole number from 1 to 65535, got 1000000000'),
        ({"x_dim": [1, 1]}, 'key "x_dim": expected two different numbers'),
        ({"y_dim": [1]}, 'key "y_dim": expected 2 rows, got 1'),
        ({"x_dim": [-1e308, 1e308]}, 'key "x_dim", row 0: expected a number in single precision, got -1e+308'),
        ({"x_dim": [0, 1e-40]}, "means[0] is not finite"),
        ({"sigmas": [[1e-60, 1], [1, 1], [1, 1]]}, "row 0: expected 2 numbers above 0 in single precision, got [1e-60"),
    ],
)
def test_bad_values_are_named_in_one_line(change, message):
    with pytest.raises(InterchangeError) as raised:
        parsed(notebook_values(8, 3, 3, 20, 30) | change)
    assert str(raised.value).startswith("<bytes>: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("key", ["res_x", "res_y", "N", "dims", "alphas", "centers", "sigmas", "thetas"])
def test_a_missing_key_is_named(key):
    values = notebook_values(9, 3, 3, 20, 30)
    del values[key]
    with pytest.raises(InterchangeError, match=f'key "{key}" is missing'):
        parsed(values)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe{", b"[1, 2]", b"7", b"[" * 100_000, b"1" * 10_000])
def test_what_is_no_such_file_is_refused(data):
    with pytest.raises(InterchangeError, match=r"^<bytes>: (not a JSON file|expected an object)"):
        load(data, extension=".json")

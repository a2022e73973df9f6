"""Other programs' formulas, evaluated directly as their rasterisers define them, against what is imported."""

import io
import pickle
import sys
import zipfile

import numpy as np
import pytest

from splatcodec.errors import InterchangeError, MissingExtraError
from splatcodec.interchange import load

from .pictures import evaluate, shown

torch = pytest.importorskip("torch")

SIZE = 30, 47


def cholesky_state(n: int = 40) -> dict:
    """What GaussianImage with Cholesky factors stores."""
    rng = np.random.default_rng(0)
    return {
        "_xyz": np.arctanh(rng.uniform(-0.98, 0.98, (n, 2))),
        "_cholesky": rng.uniform([-4, -3, 0.2], [4, 3, 4], (n, 3)),
        "_opacity": np.ones((n, 1)),
        "_features_dc": rng.normal(0, 0.3, (n, 3)),
    }


def scaling_state(n: int = 40) -> dict:
    """What GaussianImage with scales and rotations stores."""
    rng = np.random.default_rng(1)
    others = {key: value for key, value in cholesky_state(n).items() if key != "_cholesky"}
    return {"_scaling": rng.uniform(-4, 4, (n, 2)), "_rotation": rng.normal(0, 2, (n, 1))} | others


def image_gs_state(n: int = 40, channels: int = 3) -> dict:
    """What Image-GS stores."""
    rng = np.random.default_rng(2)
    return {
        "xy": rng.uniform(0, 1, (n, 2)),
        "scale": 1 / rng.uniform(0.7, 6, (n, 2)),
        "rot": rng.normal(0, 3, (n, 1)),
        "feat": rng.normal(0, 0.3, (n, channels)),
        "vis_feat": rng.uniform(0, 1, (n, channels)),
    }


def turned(scales, angles) -> np.ndarray:
    """Covariances [N, 2, 2] as both programs make them: M M^T of M = [[s1 cos, s2 sin], [-s1 sin, s2 cos]]."""
    (s1, s2), cos, sin = np.transpose(scales), np.cos(angles), np.sin(angles)
    m = np.array([[s1 * cos, s2 * sin], [-s1 * sin, s2 * cos]]).transpose(2, 0, 1)
    return m @ m.transpose(0, 2, 1)


def picture(centers, covariances, colors) -> np.ndarray:
    """Samples at whole numbers, as both programs take them."""
    return evaluate(np.arange(SIZE[1]), np.arange(SIZE[0]), centers, covariances, colors)


def checkpoint(state: dict, **others) -> bytes:
    file = io.BytesIO()
    tensors = {key: torch.tensor(value, dtype=torch.float32) for key, value in state.items()}
    torch.save({"state_dict": tensors, **others} if others else tensors, file)
    return file.getvalue()


def archive(state: dict) -> bytes:
    file = io.BytesIO()
    np.savez(file, **state)
    return file.getvalue()


def read_both_ways(state: dict) -> list:
    return [load(checkpoint(state), SIZE, extension=".pth.tar"), load(archive(state), SIZE, extension=".npz")]


def test_cholesky_factors_of_gaussian_image():
    state = cholesky_state()
    l11, l21, l22 = (state["_cholesky"] + [0.5, 0, 0.5]).T
    lower = np.array([[l11, 0 * l11], [l21, l22]]).transpose(2, 0, 1)
    centers = 0.5 * (np.tanh(state["_xyz"]) + 1) * [SIZE[1], SIZE[0]]
    expected = picture(centers, lower @ lower.transpose(0, 2, 1), state["_features_dc"])
    for splats in read_both_ways(state):
        assert (splats.height, splats.width) == SIZE
        np.testing.assert_allclose(shown(splats), expected, atol=3e-4)


def test_scales_and_rotations_of_gaussian_image():
    state = scaling_state()
    angles = 2 * np.pi / (1 + np.exp(-state["_rotation"][:, 0]))
    centers = 0.5 * (np.tanh(state["_xyz"]) + 1) * [SIZE[1], SIZE[0]]
    expected = picture(centers, turned(state["_scaling"] + 0.5, angles), state["_features_dc"])
    for splats in read_both_ways(state):
        np.testing.assert_allclose(shown(splats), expected, atol=3e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_image_gs_without_normalisation(channels):
    state = image_gs_state(channels=channels)
    covariances = turned(1 / state["scale"], state["rot"][:, 0])
    expected = picture(state["xy"] * [SIZE[1], SIZE[0]], covariances, state["feat"])
    for splats in read_both_ways(state):
        np.testing.assert_allclose(shown(splats), expected, atol=3e-4)


def test_a_checkpoint_may_hold_more():
    data = checkpoint(image_gs_state(), step=5, psnr=31.5)
    assert len(load(data, SIZE, extension=".pt")) == 40


def test_opacities_count():
    state = cholesky_state()
    half = load(archive(state | {"_opacity": np.full((40, 1), 0.5)}), SIZE, extension=".npz")
    np.testing.assert_allclose(half.colors, 0.5 * state["_features_dc"], rtol=1e-6)


def test_half_precision_is_read():
    file = io.BytesIO()
    torch.save({key: torch.tensor(value).bfloat16() for key, value in cholesky_state().items()}, file)
    assert len(load(file.getvalue(), SIZE, extension=".pth")) == 40


@pytest.mark.parametrize(
    ("state", "key", "value", "message"),
    [
        (cholesky_state, "_cholesky", [-0.5, 0, 1], 'key "_cholesky", row 3: a scale is 0'),
        (cholesky_state, "_xyz", [np.nan, 1], 'key "_xyz", row 3: expected 2 numbers, got [nan, 1.0]'),
        (scaling_state, "_scaling", [1, -0.5], 'key "_scaling", row 3: a scale is 0'),
        (image_gs_state, "scale", [0, 1], 'key "scale", row 3: a scale is 0'),
        (image_gs_state, "feat", [1, np.inf, 1], 'key "feat", row 3: expected 3 numbers, got [1.0, inf, 1.0]'),
    ],
)
def test_bad_values_are_named(state, key, value, message):
    arrays = state()
    arrays[key][3] = value
    for data, extension in ((checkpoint(arrays), ".pth.tar"), (archive(arrays), ".npz")):
        with pytest.raises(InterchangeError) as raised:
            load(data, SIZE, extension=extension)
        assert str(raised.value) == f"<bytes>: {message}"


@pytest.mark.parametrize(("state", "key"), [(cholesky_state, "_features_dc"), (cholesky_state, "_cholesky")])
def test_missing_arrays_are_named(state, key):
    arrays = state()
    del arrays[key]
    with pytest.raises(InterchangeError, match=f'key "{key.replace("_cholesky", "_scaling")}" is missing'):
        load(checkpoint(arrays), SIZE, extension=".pth.tar")


def test_a_texture_stack_is_no_picture():
    with pytest.raises(InterchangeError, match=r'key "feat": expected the shape \[N, 3\], got \[40, 9\]'):
        load(checkpoint(image_gs_state(channels=9)), SIZE, extension=".pt")


def test_the_size_is_asked_for():
    with pytest.raises(InterchangeError, match="does not hold the size of its canvas, which must be given as size"):
        load(checkpoint(cholesky_state()), extension=".pth.tar")


def test_unknown_arrays_are_refused():
    for data, extension in ((checkpoint({"weight": [1, 2]}), ".pt"), (archive({"weight": [1, 2]}), ".npz")):
        with pytest.raises(InterchangeError, match="holds no Gaussians: expected one of the keys means, _xyz, xy"):
            load(data, SIZE, extension=extension)


class Trap:
    def __reduce__(self):
        return print, ("unpickled",)


@pytest.mark.parametrize("use_zip", [True, False])
def test_nothing_is_run(use_zip, capsys):
    file = io.BytesIO()
    torch.save({"_xyz": Trap()}, file, _use_new_zipfile_serialization=use_zip)
    for data in (file.getvalue(), pickle.dumps(Trap())):
        with pytest.raises(InterchangeError, match=r"^<bytes>: holds other objects than tensors") as raised:
            load(data, SIZE, extension=".pt")
        assert "\n" not in str(raised.value)
    assert capsys.readouterr().out == ""


def test_a_tensor_that_repeats_itself_endlessly_is_refused():
    file = io.BytesIO()
    torch.save({"_xyz": torch.zeros(1, 2, dtype=torch.float16).expand(10**9, 2)}, file)
    with pytest.raises(InterchangeError, match="a tensor of 2000000000 values is too large"):
        load(file.getvalue(), SIZE, extension=".pt")


def test_a_bomb_is_not_unpacked():
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(checkpoint({"_xyz": np.zeros((5000, 2))}))) as source,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for info in source.infolist():
            packed.writestr(info.filename, source.read(info))
    with pytest.raises(InterchangeError, match="is compressed, as no checkpoint of PyTorch is"):
        load(file.getvalue(), SIZE, extension=".pt")


def test_damaged_checkpoints_are_refused():
    data = checkpoint(cholesky_state(5))
    for end in range(0, len(data) - 100, 211):
        with pytest.raises(InterchangeError, match=r"^<bytes>: "):
            load(data[:end], SIZE, extension=".pt")
    file = io.BytesIO()
    torch.save([1, 2], file)
    with pytest.raises(InterchangeError, match="expected tensors by name, got a list"):
        load(file.getvalue(), SIZE, extension=".pt")


def test_the_extra_is_named(monkeypatch):
    data = checkpoint(cholesky_state(5))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"splatcodec\[torch\]"):
        load(data, SIZE, extension=".pt")


@pytest.mark.parametrize("data", [b"", b"hello", b"PK", b"\x80", b"\x80\x02}q\x00."])
def test_what_is_no_checkpoint_is_said_in_our_words(data):
    with pytest.raises(InterchangeError) as raised:
        load(data, SIZE, extension=".pt")
    assert str(raised.value).startswith("<bytes>: ")
    assert "weights_only" not in str(raised.value)
    assert "\x1b" not in str(raised.value)

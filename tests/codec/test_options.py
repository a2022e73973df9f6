"""Options: checked where they are said, the same from everywhere."""

import pickle
from dataclasses import fields, replace

import numpy as np
import pytest

import splatcodec
from splatcodec import Options, Splats
from splatcodec.compress import profiles
from splatcodec.encoding.encode import to_bytes
from splatcodec.metrics import psnr
from splatkernels import get_num_threads


def test_options_can_be_given_whole_or_one_by_one(picture):
    options = Options(quality=30, effort=1, seed=3)
    assert splatcodec.encode(picture, options) == splatcodec.encode(picture, quality=30, effort=1, seed=3)
    assert splatcodec.encode(picture, replace(options, seed=4)) != splatcodec.encode(picture, options)


def test_options_are_pickled():
    options = Options(target_size=900, tune="ssim", threads=2)
    assert pickle.loads(pickle.dumps(options)) == options


def test_options_are_not_given_twice(picture):
    with pytest.raises(TypeError, match="quality cannot be given beside options"):
        splatcodec.encode(picture, Options(), quality=3)


def test_unknown_options_are_refused(picture):
    with pytest.raises(TypeError, match="qualty"):
        splatcodec.encode(picture, qualty=3)


def test_each_option_is_described():
    for field in fields(Options):
        assert f"        {field.name}: " in Options.__doc__


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "threads must be a whole number of at least 1"),
        ({"loss": 3}, "loss must be a name or a function"),
        ({"loss": "l3"}, "loss must be l2 or l1"),
        ({"quality": 3, "target_bpp": 1}, "only one of quality and target_bpp"),
        ({"tune": "ssim", "loss": "l1"}, "goes without"),
        ({"profile": "best"}, "unknown profile 'best'"),
    ],
)
def test_what_is_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Options(**options)


def test_a_fit_has_no_target(picture):
    with pytest.raises(ValueError, match="a fit has no target_size"):
        splatcodec.fit(picture, target_size=300)


def test_threads_are_those_of_the_call(picture):
    before, seen = get_num_threads(), []
    one, three = (
        splatcodec.encode(
            picture, effort=1, n_gaussians=20, threads=threads, callback=lambda state: seen.append(get_num_threads())
        )
        for threads in (1, 3)
    )
    assert one == three
    assert set(seen) == {1, 3}
    assert get_num_threads() == before


def squared_error(image, target):
    residual = image - target
    return float((residual**2).mean()), 2 * residual / residual.size


def absolute_error(image, target):
    residual = image - target
    return float(np.abs(residual).mean()), np.sign(residual) / residual.size


def test_a_loss_can_be_a_function(picture):
    """The squared error written by a user is about as good as our own."""
    own, theirs = (splatcodec.encode(picture, loss=loss, n_gaussians=60, effort=2) for loss in ("l2", squared_error))
    assert psnr(picture, splatcodec.decode(theirs)) == pytest.approx(psnr(picture, splatcodec.decode(own)), abs=1.5)
    assert len(theirs) == pytest.approx(len(own), rel=0.1)


def test_targets_are_met_with_a_function(picture):
    data = splatcodec.encode(picture, loss=absolute_error, target_psnr=27, effort=1)
    assert 27 <= psnr(picture, splatcodec.decode(data)) < 28.5


@pytest.mark.parametrize("profile", profiles.NAMES)
def test_gaussians_that_come_from_no_picture_can_be_written(tmp_path, profile):
    rng = np.random.default_rng(0)
    splats = Splats(
        rng.uniform(0, 1, (80, 2)) * (90, 70),
        np.exp(rng.uniform(0.5, 2.5, (80, 2))),
        rng.uniform(0, 3, 80),
        rng.normal(0, 0.3, (80, 3)),
        70,
        90,
    )
    splatcodec.write(splats, tmp_path / "out.gsi", profile=profile)
    found = splatcodec.read(tmp_path / "out.gsi")
    assert psnr(255 * splats.render(), 255 * found.render()) > (24 if profile == "vq" else 38)


def test_a_function_sees_the_picture_as_it_is(picture):
    """Neither noise of another size, nor turned, nor reduced: it may have weights of its own."""
    pixels = picture[:32, :40]
    weights = np.linspace(0.5, 1, pixels[..., 0].size, dtype=np.float32).reshape(pixels.shape[:2])
    seen = []

    def weighted(image, target):
        seen.append(target.copy())
        residual = (image - target) * weights
        return float((residual**2).mean()), 2 * residual * weights / residual.size

    splatcodec.encode(pixels, loss=weighted, effort=1, max_seconds=0.3)
    splatcodec.encode(pixels, loss=weighted, effort=1)
    for target in seen:
        np.testing.assert_array_equal(target, seen[0])
    np.testing.assert_allclose(255 * seen[0].transpose(1, 2, 0), pixels, atol=1e-3)


def splats_of(count: int, scale: float, color: float, side: int = 64) -> Splats:
    means = np.random.default_rng(0).uniform(0, side, (count, 2))
    return Splats(means, np.full((count, 2), scale), np.zeros(count), np.full((count, 3), color), side, side)


@pytest.mark.parametrize(("count", "color"), [(4000, 0.02), (1500, 0.0007)])
def test_files_of_many_faint_gaussians_are_read_back(count, color):
    splats = splats_of(count, 2, color)
    given, found = splats.render(), splatcodec.read(to_bytes(splats, "adaptive")).render()
    assert np.abs(found - given).mean() < max(0.1 * given.mean(), 2 / 255)


@pytest.mark.parametrize("profile", profiles.NAMES)
def test_strong_gaussians_are_written_as_they_are(profile):
    splats = splats_of(3, 4, 3.0)
    found = splatcodec.read(to_bytes(splats, profile))
    assert np.abs(found.render() - splats.render()).max() < 0.1


@pytest.mark.parametrize("profile", ["adaptive", "half"])
def test_what_is_too_strong_is_refused(profile):
    with pytest.raises(splatcodec.GsiError, match="COLR"):
        to_bytes(splats_of(1, 200, 1e5), profile)


def test_half_precision_draws_nothing():
    splats = Splats([[5, 5]], [[3, 3]], [0], [[1]], 50_000, 60_000)
    assert splatcodec.read(to_bytes(splats)).width == 60_000
    with pytest.raises(splatcodec.GsiError, match="over the limit"):
        to_bytes(splats, "adaptive")


@pytest.mark.parametrize("options", [{"quality": "50"}, {"max_seconds": "2"}, {"n_gaussians": 2.5}, {"effort": True}])
def test_wrong_types_are_named(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be a"):
        Options(**options)


def test_options_with_arrays_can_be_compared():
    assert Options(weights=np.ones((3, 3))) == Options(weights=np.ones((3, 3)))
    assert hash(Options(weights=np.ones((3, 3)))) == hash(Options())

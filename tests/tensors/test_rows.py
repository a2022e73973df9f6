"""Rows of Gaussians: they hold everything, come in one order, and are read from files as a torch data set."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import splatcodec
from splatcodec import Splats
from splatcodec.tensors import SplatDataset, Statistics, from_rows, from_tensor, to_rows, to_tensor
from splatcodec.tensors.rows import COLORS, PRESENCE, X, Y
from splatkernels.geometry import covariances


def random_splats(seed: int, n: int | None = None, channels: int | None = None) -> Splats:
    """Gaussians of all kinds: needles and circles, any rotation and sign, means beyond a canvas of any shape."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 40)) if n is None else n
    channels = int(rng.choice([1, 3])) if channels is None else channels
    height, width = (int(side) for side in rng.integers(1, 300, 2))
    scales = np.exp(rng.uniform(-2, 5, (n, 2)))
    scales[::5, 1] = scales[::5, 0]
    means = rng.uniform(-2.5, 3.5, (n, 2)) * (width, height)
    return Splats(means, scales, rng.uniform(-20, 20, n), rng.normal(0, 1, (n, channels)), height, width)


def log_covariances(splats: Splats) -> np.ndarray:
    """[N, 2, 2] float64, by eigenvectors instead of angles."""
    xx, xy, yy = covariances(splats.scales, splats.rotations)
    variances, axes = np.linalg.eigh(np.stack([xx, xy, xy, yy], axis=1).reshape(-1, 2, 2))
    return (axes * np.log(variances)[:, None]) @ axes.transpose(0, 2, 1)


def sorted_by_color(splats: Splats) -> Splats:
    return splats.take(np.lexsort(splats.colors.T))


@pytest.mark.parametrize("seed", range(40))
def test_a_round_trip_keeps_every_gaussian(seed):
    splats = random_splats(seed, n={0: 0, 1: 1}.get(seed))
    rows = to_rows(splats)
    assert rows.shape == (len(splats), 6 + splats.channels)
    assert rows.dtype == np.float32
    back = from_rows(rows, splats.height, splats.width)
    old, new = sorted_by_color(splats), sorted_by_color(back)
    np.testing.assert_array_equal(new.colors, old.colors)
    np.testing.assert_allclose(new.means, old.means, rtol=3e-7, atol=3e-7 * max(old.height, old.width))
    np.testing.assert_allclose(np.sort(new.scales)[:, ::-1], new.scales)
    np.testing.assert_allclose(new.scales, np.sort(old.scales)[:, ::-1], rtol=3e-6)
    np.testing.assert_allclose(log_covariances(new), log_covariances(old), rtol=0, atol=2e-5)
    np.testing.assert_allclose(back.render(), splats.render(), atol=2e-4 * (1 + abs(splats.render()).max()))


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_the_log_covariance_are_its_entries(seed):
    splats = random_splats(seed, n=1)
    expected = log_covariances(splats)[0] - np.log(splats.height * splats.width) * np.eye(2)
    _, _, size, plus, cross = to_rows(splats)[0, :5]
    np.testing.assert_allclose(2 * np.array([[size + plus, cross], [cross, size - plus]]), expected, atol=2e-5)


@pytest.mark.parametrize("seed", range(5))
def test_names_of_axes_do_not_matter(seed):
    splats = random_splats(seed, n=20)
    turned = replace(splats, scales=splats.scales[:, ::-1], rotations=splats.rotations + np.float32(np.pi / 2))
    np.testing.assert_allclose(to_rows(turned), to_rows(splats), atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_does_not_depend_on_that_of_the_gaussians(seed):
    splats = random_splats(seed, n=30)
    # Some in the same place, and some the same altogether.
    splats = replace(splats, means=np.concatenate([splats.means[:15], splats.means[:15]]))
    splats = splats.take(np.r_[np.arange(30), :4])
    shuffled = splats.take(np.random.default_rng(seed).permutation(34))
    np.testing.assert_array_equal(to_rows(shuffled), to_rows(splats))


@pytest.mark.parametrize(("corner", "side"), [(0, 1), (-1, 4)])
def test_neighbours_in_the_order_are_neighbours_on_the_canvas(corner, side):
    """On a grid on the canvas, or on all that the curve covers, it goes from each point to one beside it."""
    x, y = (part.ravel() for part in np.mgrid[:16, :16])
    means = corner + side * (np.stack([x, y], axis=1) + 0.5) / 16
    rows = to_rows(Splats(means, np.ones((256, 2)), np.zeros(256), np.ones((256, 1)), 1, 1))
    jumps = np.abs(np.diff(rows[:, [X, Y]], axis=0)).sum(axis=1) * 16 / side
    np.testing.assert_allclose(jumps, 1, atol=1e-4)


def test_a_magnified_picture_has_the_same_rows():
    splats = random_splats(3, n=20)
    large = splats.magnified(4, 4 * splats.height, 4 * splats.width)
    np.testing.assert_allclose(to_rows(large), to_rows(splats), rtol=1e-5, atol=1e-5)


def test_few_gaussians_are_followed_by_absent_rows():
    splats = random_splats(1, n=5, channels=3)
    rows = to_rows(splats, n=8)
    np.testing.assert_array_equal(rows[:5], to_rows(splats))
    np.testing.assert_array_equal(rows[5:], 0)
    assert len(from_rows(rows, splats.height, splats.width)) == 5


def test_many_gaussians_are_reduced_to_those_that_the_picture_would_miss():
    truth = splatcodec.synthetic(6, 64, 64)
    faint = replace(splatcodec.synthetic(20, 64, 64, seed=1), colors=np.full((20, 3), 1e-4))
    both = Splats(*map(np.concatenate, zip(faint.gaussians, truth.gaussians, strict=True)), height=64, width=64)
    np.testing.assert_array_equal(to_rows(both, n=6), to_rows(truth))
    assert len(to_rows(both, n=0)) == 0


def test_unusable_rows_are_refused():
    with pytest.raises(ValueError, match="n must be at least 0"):
        to_rows(random_splats(0), n=-1)
    with pytest.raises(ValueError, match=r"shape \[N, 6 \+ C\], got \[4, 6\]"):
        from_rows(np.zeros((4, 6)), 8, 8)
    rows = to_rows(random_splats(0, n=4))
    rows[2, 3] = np.nan
    with pytest.raises(ValueError, match=r"rows\[2\] is not finite"):
        from_rows(rows, 8, 8)


def test_normal_rows_have_mean_0_and_deviation_1():
    tables = [to_rows(random_splats(seed, n=n, channels=3), n=30) for seed, n in ((0, 30), (1, 12), (2, 0))]
    statistics = Statistics.of(tables)
    normal = statistics.normalise(np.stack(tables))
    assert normal.dtype == np.float32
    present = np.stack(tables)[..., PRESENCE] == 1
    others = [column for column in range(COLORS + 3) if column != PRESENCE]
    for values in (normal[present][:, others], normal[..., [PRESENCE]].reshape(-1, 1)):
        np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(values.std(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(normal[~present][:, others], 0)
    np.testing.assert_allclose(statistics.denormalise(normal), np.stack(tables), rtol=1e-5, atol=1e-5)


def test_a_column_that_does_not_vary_becomes_0():
    rows = to_rows(random_splats(0, n=9, channels=1))
    rows[:, COLORS] = 0.7
    statistics = Statistics.of([rows])
    assert statistics.deviation[COLORS] == statistics.deviation[PRESENCE] == 1
    np.testing.assert_allclose(statistics.normalise(rows)[:, [PRESENCE, COLORS]], 0, atol=1e-6)


def test_statistics_survive_json():
    statistics = Statistics.of([to_rows(random_splats(0, n=9))])
    assert Statistics.from_dict(json.loads(json.dumps(statistics.to_dict()))) == statistics


def test_statistics_without_gaussians_are_refused():
    with pytest.raises(ValueError, match="need a Gaussian"):
        Statistics.of([np.zeros((3, 7), np.float32)])
    with pytest.raises(ValueError, match="deviations positive"):
        Statistics((0.0,) * 7, (0.0,) * 7)
    with pytest.raises(ValueError, match="as many deviations"):
        Statistics((0.0,) * 7, (1.0,) * 9)


def test_tensors_go_there_and_back():
    splats = random_splats(5, n=20)
    statistics = Statistics.of([to_rows(random_splats(6, n=30, channels=splats.channels))])
    tensor = to_tensor(splats, n=32, statistics=statistics)
    assert tensor.shape == (32, 6 + splats.channels)
    assert tensor.dtype == torch.float32
    back = from_tensor(tensor.requires_grad_(), splats.height, splats.width, statistics)
    np.testing.assert_allclose(to_rows(back), to_rows(splats), rtol=1e-4, atol=1e-4)
    assert torch.equal(to_tensor(splats), torch.from_numpy(to_rows(splats)))


@pytest.fixture
def paths(tmp_path):
    """Three files of 4, 12 and 9 Gaussians."""
    for number, n in enumerate((4, 12, 9)):
        splatcodec.write(splatcodec.synthetic(n, 40, 30 + number, seed=number), tmp_path / f"{number}.gsi")
    return sorted(tmp_path.glob("*.gsi"))


def test_a_data_set_feeds_a_loader(paths):
    dataset = SplatDataset(paths, n=10)
    assert isinstance(dataset, Dataset)
    assert len(dataset) == 3
    (batch,) = DataLoader(dataset, batch_size=3)
    assert batch.shape == (3, 10, 9)
    presence = dataset.statistics.denormalise(batch.numpy())[..., PRESENCE]
    np.testing.assert_allclose(presence.sum(axis=1), [4, 10, 9], atol=1e-5)
    np.testing.assert_allclose(presence.mean(), dataset.statistics.mean[PRESENCE], rtol=1e-5)
    back = from_tensor(batch[2], 40, 32, dataset.statistics)
    np.testing.assert_allclose(back.render(), splatcodec.read(paths[2]).render(), atol=1e-3)


def test_a_data_set_takes_the_statistics_of_another(paths):
    training = SplatDataset(paths[:2], n=10)
    held_out = SplatDataset(paths[2:], n=10, statistics=training.statistics)
    assert held_out.statistics == training.statistics
    assert torch.equal(held_out[0], to_tensor(splatcodec.read(paths[2]), 10, training.statistics))


def test_files_of_other_channels_are_named(paths, tmp_path):
    grey = tmp_path / "grey.gsi"
    splatcodec.write(random_splats(0, n=3, channels=1), grey)
    with pytest.raises(splatcodec.GsiError, match=r"grey.gsi: 1 colour channels, where the data set has 3"):
        SplatDataset([*paths, grey], n=10)
    with pytest.raises(splatcodec.GsiError, match=r"grey.gsi: 1 colour channels"):
        _ = SplatDataset([grey], n=10, statistics=SplatDataset(paths, n=10).statistics)[0]


def test_rows_and_statistics_do_without_torch():
    code = """
import sys
sys.modules["torch"] = None
import splatcodec
from splatcodec.tensors import Statistics, to_rows
Statistics.of([to_rows(splatcodec.synthetic(3))])
try:
    from splatcodec.tensors import SplatDataset
except splatcodec.errors.MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"torch is missing: {sys.executable} -m pip install 'splatcodec[torch]'\n"

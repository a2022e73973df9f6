"""The diffusion example, reduced: it ends, it learns, and what it draws are pictures."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from splatcodec.tensors import to_rows
from splatcodec.tensors.rows import X, Y


@pytest.fixture(scope="module")
def diffusion():
    path = Path(__file__).parent.parent.parent / "examples" / "diffusion.py"
    specification = importlib.util.spec_from_file_location("diffusion", path)
    module = importlib.util.module_from_spec(specification)
    sys.modules["diffusion"] = module
    specification.loader.exec_module(module)
    yield module
    del sys.modules["diffusion"]


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_it_learns_and_draws(diffusion, tmp_path):
    outcome = diffusion.run(n_digits=60, steps=50, per_class=1, seed=0)
    assert np.mean(outcome.losses[-10:]) < 0.75 * np.mean(outcome.losses[:10])
    assert outcome.samples.shape == (10, 256, 256)
    assert np.isfinite(outcome.samples).all()
    assert outcome.samples.max() > 0.2
    assert outcome.readings["held-out digits"].right > 0.5
    diffusion.draw(outcome, tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").size == (2560, 512)


def test_a_fit_resembles_its_digit(diffusion):
    image = load_digits().images[3]
    splats = diffusion.fit_digit(image.astype(np.uint8))
    assert len(splats) == diffusion.N
    blocks = splats.render()[0].reshape(8, 4, 8, 4).mean(axis=(1, 3))
    assert np.corrcoef(blocks.ravel(), image.ravel())[0, 1] > 0.95


def test_fits_stay_in_order(diffusion):
    """Rows of different digits are of Gaussians in much the same place."""
    tables = [to_rows(diffusion.fit_digit(image.astype(np.uint8))) for image in load_digits().images[:20]]
    assert np.std([table[:, [X, Y]] for table in tables], axis=0).mean() < 0.1


def test_shuffled_attributes_are_those_of_the_same_rows(diffusion):
    splats = torch.randn(30, 4, 7)
    mixed = diffusion.shuffled(splats)
    assert not torch.equal(mixed, splats)
    assert torch.equal(mixed.sort(dim=0).values, splats.sort(dim=0).values)


@pytest.mark.usefixtures("one_thread")
def test_a_flow_finds_where_a_single_digit_is(diffusion):
    torch.manual_seed(0)
    digit = torch.randn(1, diffusion.N, 7).repeat(16, 1, 1)
    flow, _ = diffusion.train(digit, torch.zeros(16, dtype=torch.long), steps=150)
    found = diffusion.sample(flow, torch.zeros(4, dtype=torch.long), 7, guidance=1.0)
    assert (found - digit[:4]).pow(2).mean() < 0.15


@pytest.mark.parametrize(("guidance", "distance"), [(1.0, 2.0), (2.0, 3.0)])
def test_sampling_follows_a_flow_from_0_to_1(diffusion, guidance, distance):
    """A flow that is 3 t^2 for any digit, which goes a distance of 1, and twice as fast for one."""

    def flow(splats, times, classes):
        rates = torch.where(classes == diffusion.ANY, 1.0, 2.0) * 3 * times**2
        return rates[:, None, None].expand(splats.shape)

    ends = []
    for some in (flow, lambda splats, times, classes: torch.zeros_like(splats)):
        torch.manual_seed(0)
        ends.append(diffusion.sample(some, torch.arange(3), 7, guidance))
    np.testing.assert_allclose(ends[0] - ends[1], distance, rtol=1e-2)


def test_a_reader_tells_digits_from_noise(diffusion):
    data = load_digits()
    pictures = np.float32(data.images / 16).repeat(2, axis=1).repeat(2, axis=2)
    labels = torch.from_numpy(data.target)
    reader = diffusion.Reader(pictures[:300], labels[:300])
    real = reader.read(pictures[300:400], labels[300:400])
    assert real.right > 0.9
    assert real.sure_and_right <= min(real.right, real.sure)
    assert np.isclose(real.shares.sum(), 1)
    noise = np.random.default_rng(0).random((50, 16, 16), np.float32)
    assert reader.read(noise, labels[:50]).confidence < 0.5 < real.confidence
    assert reader.read(pictures[:50], labels[:50]).distance == 0

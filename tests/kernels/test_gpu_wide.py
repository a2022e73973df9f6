"""A Gaussian as wide as the picture, of which every fit has one, must not keep a program busy when others are done."""

from unittest import mock

import pytest
import torch

from splatkernels.geometry import Output

from .devices import DEVICE, accesses, gpu_code, needs_interpreter

pytest.importorskip("triton")

from splatkernels import gpu, triton_backward

__all__ = ["accesses"]

pytestmark = [*gpu_code, needs_interpreter]


def widest(height: int, width: int) -> tuple[gpu.Projection, Output]:
    """A projected Gaussian that meets all tiles of an output."""
    output = Output(height, width)
    rows = [[width / 2, height / 2]], [[width, height]], [0.3], [[1.0, 0.5, 0.2]]
    projection = gpu.project(*(torch.tensor(row, device=DEVICE) for row in rows), output)
    assert int(projection.offsets[-1]) == gpu.tile_count(output)
    return projection, output


@pytest.mark.parametrize(("height", "width", "trips"), [(512, 768, 3), (4096, 4096, 128)])
def test_its_pairs_are_emitted_in_few_trips(height, width, trips, accesses):
    projection, output = widest(height, width)
    accesses.clear()
    gpu.emit_pairs(projection, gpu.tile_count(output), output)
    # Each trip stores tiles and owners. Before, the Gaussian is loaded, twice if there are others in the block.
    assert max(accesses) <= 30 + 2 * trips


@pytest.mark.parametrize(("height", "width", "trips"), [(512, 768, 2), (4096, 4096, 65)])
def test_its_sums_are_gathered_in_few_trips(height, width, trips, accesses, monkeypatch):
    projection, output = widest(height, width)
    pairs = gpu.emit_pairs(projection, gpu.tile_count(output), output)
    monkeypatch.setattr(triton_backward, "differentiate", mock.MagicMock())
    accesses.clear()
    gpu.backward(projection, pairs, torch.empty(0), output)
    assert max(accesses) <= 4 + trips


def test_programs_share_its_pairs(accesses):
    projection, output = widest(140, 140)
    pairs = gpu.emit_pairs(projection, gpu.tile_count(output), output)
    gradient = gpu.cut_into_tiles(torch.ones(3, 140, 140))
    accesses.clear()
    gpu.backward(projection, pairs, gradient, output)
    # Of each pair the next tile and three channels; before, the Gaussian is loaded, and afterwards its sums are stored.
    assert max(accesses) <= 4 * gpu.PART + 40
    assert len(pairs.owners) > 4 * gpu.PART

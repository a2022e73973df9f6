"""Pictures for training loops: the same as `decode` gives, at any size and of any part, in any process."""

import pickle
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import splatcodec
from splatcodec import Options
from splatcodec.batch import Recipe, encode_shard
from splatcodec.tensors import PictureDataset, PictureDecoder, RandomResizedCrop, SplatDataset, pictures

from ..batch.shards import write_shard


@pytest.fixture
def paths(tmp_path, picture, encoded) -> list:
    """A tar file of three .gsi files and their labels, and a .gsi file."""
    write_shard(tmp_path / "in" / "a.tar", picture, 3)
    encode_shard(tmp_path / "in" / "a.tar", tmp_path / "a.tar", Recipe(Options(n_gaussians=6, effort=1)))
    (tmp_path / "photo.gsi").write_bytes(encoded)
    return [tmp_path / "a.tar", tmp_path / "photo.gsi"]


class Corner:
    """A crop that is always the same."""

    def __call__(self, height: int, width: int) -> tuple[float, float, float, float]:
        return 2.5, 1.25, width / 2, height / 3


@pytest.mark.parametrize("size", [{}, {"height": 30}, {"height": 33, "width": 17}])
@pytest.mark.parametrize("crop", [None, Corner()])
def test_tensors_are_what_decode_gives(encoded, size, crop):
    tensor = PictureDecoder(**size, crop=crop)(encoded)
    region = None if crop is None else crop(40, 56)
    expected = splatcodec.decode(encoded, **size, region=region)
    assert tensor.dtype == torch.float32
    np.testing.assert_array_equal(np.rint(tensor.numpy() * 255).astype(np.uint8), expected.transpose(2, 0, 1))


def test_grey_and_translucent_pictures_have_three_channels_or_their_own(picture):
    alpha = np.where(np.arange(56) < 28, 0, 255).astype(np.uint8) * np.ones((40, 1), np.uint8)
    for pixels, channels in (
        (picture[..., 0], 1),
        (np.stack([picture[..., 0], alpha], axis=2), 2),
        (np.dstack([picture, alpha]), 4),
    ):
        data = splatcodec.encode(pixels, n_gaussians=10, effort=1)
        own, rgb = PictureDecoder(rgb=False)(data), PictureDecoder()(data)
        assert own.shape == (channels, 40, 56)
        assert rgb.shape == (3, 40, 56)
        expected = own[:-1] * own[-1] if channels in (2, 4) else own
        assert torch.equal(rgb, expected.expand(3, -1, -1))


def test_crops_are_within_the_picture_and_of_the_areas_and_shapes_asked_for():
    crop = RandomResizedCrop((0.2, 0.5), (0.5, 2.0))
    torch.manual_seed(0)
    for height, width in ((40, 56), (300, 200)):
        regions = np.array([crop(height, width) for _ in range(500)])
        x, y, across, down = regions.T
        assert min(x.min(), y.min()) >= 0
        assert (x + across).max() <= width
        assert (y + down).max() <= height
        shares, ratios = across * down / (height * width), across / down
        np.testing.assert_allclose([shares.min(), shares.max()], [0.2, 0.5], atol=0.01)
        np.testing.assert_allclose([ratios.min(), ratios.max()], [0.5, 2.0], rtol=0.05)
    torch.manual_seed(0)
    assert crop(40, 56) != crop(40, 56)
    torch.manual_seed(0)
    again = np.array([crop(40, 56) for _ in range(500)])
    torch.manual_seed(0)
    np.testing.assert_array_equal(again, [crop(40, 56) for _ in range(500)])
    # Of a strip, no part has such a shape: the largest in the middle.
    assert crop(10, 1000) == (490, 0, 20, 10)


@pytest.mark.parametrize(("keep", "reads"), [(0, 10), (2, 6), (4, 4)])
def test_members_and_files_are_one_data_set(paths, monkeypatch, keep, reads):
    decoder = PictureDecoder(16, 16)
    dataset = PictureDataset(paths, decoder, keep=keep)
    with monkeypatch.context() as patched:
        counted = Mock(side_effect=pictures.read_document)
        patched.setattr(pictures, "read_document", counted)
        assert dataset.names == [*(f"{paths[0]}/{number:04}.gsi" for number in range(3)), str(paths[1])]
        found = [[dataset[index] for index in (3, 0, 1, 2, 3)] for _ in range(2)]
    assert counted.call_count == reads
    for own in found:
        assert torch.equal(own[0], decoder(paths[1]))
        assert torch.equal(own[0], own[4])
        assert len({tuple(tensor.flatten().tolist()) for tensor in own}) == 4


@pytest.mark.parametrize("one", ["photo.gsi", Path("photo.gsi"), b"photo.gsi"])
def test_one_path_is_no_list_of_them(one):
    for build in (lambda: PictureDataset(one), lambda: SplatDataset(one, 8)):
        with pytest.raises(TypeError, match=r"expected a list of paths, got one: b?'photo\.gsi'"):
            build()


def test_damaged_members_are_named(paths):
    data = bytearray(paths[0].read_bytes())
    at = data.index(b"\x89GSI") + 30
    data[at] ^= 1
    paths[0].write_bytes(data)
    with pytest.raises(splatcodec.GsiError, match=r"a\.tar/0000\.gsi: "):
        _ = PictureDataset(paths)[0]


def test_faults_of_the_output_name_the_picture(paths):
    for decoder in (PictureDecoder(max_pixels=10), PictureDecoder(crop=lambda height, width: (0, 0, 0, 0))):
        for index, name in ((1, r"a\.tar/0001\.gsi: "), (3, r"photo\.gsi: ")):
            with pytest.raises(ValueError, match=name):
                _ = PictureDataset(paths, decoder)[index]
        with pytest.raises(ValueError, match=r"photo\.gsi: "):
            decoder(paths[1])


def test_workers_choose_parts_by_seeds_of_their_own(paths):
    dataset = PictureDataset([paths[1]] * 4, PictureDecoder(16, 16, crop=RandomResizedCrop()))
    loader = DataLoader(dataset, batch_size=1, num_workers=2, multiprocessing_context="fork")
    runs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        runs.append(torch.cat(list(loader)))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert len({tuple(tensor.flatten().tolist()) for tensor in runs[0]}) == 4


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_of_a_loader_give_what_one_process_gives(paths, start):
    dataset = PictureDataset(paths, PictureDecoder(16, 16, crop=Corner()), keep=4)
    expected = torch.stack([dataset[index] for index in range(4)])
    loader = DataLoader(dataset, batch_size=2, num_workers=1, multiprocessing_context=start)
    assert torch.equal(torch.cat(list(loader)), expected)
    assert len(pickle.dumps(dataset)) < 2000


def test_webdataset_decodes_members(paths):
    webdataset = pytest.importorskip("webdataset")
    decoder = PictureDecoder(16, 16)
    samples = list(webdataset.WebDataset(str(paths[0]), shardshuffle=False).decode(decoder.handler))
    assert [sample["__key__"] for sample in samples] == ["0000", "0001", "0002"]
    dataset = PictureDataset(paths, decoder)
    for number, sample in enumerate(samples):
        assert torch.equal(sample["gsi"], dataset[number])
        assert sample["cls"] in (number, str(number).encode())

"""The GPU rasteriser against its float64 definition, on a CUDA device or under Triton's interpreter."""

import numpy as np
import pytest
import torch

from splatkernels import Viewport, rasterize
from splatkernels.geometry import Output

from .devices import DEVICE, INTERPRETED, gpu_code, needs_device, needs_interpreter, poisoned_buffers, shuffled_programs
from .scenes import SCENES, Scene, random_scene
from .test_rasterizer import WIDE, reference, upstream_of

pytest.importorskip("triton")

from splatkernels import gpu

__all__ = ["poisoned_buffers", "shuffled_programs"]

pytestmark = [*gpu_code, pytest.mark.usefixtures("poisoned_buffers")]


def tensors_of(scene: Scene) -> list[torch.Tensor]:
    return [torch.tensor(array, device=DEVICE) for array in scene.gaussians]


def output_of(scene: Scene, cutoff: float = WIDE) -> Output:
    return Output(scene.height, scene.width, scene.viewport or Viewport(), cutoff)


def test_buffers_are_poisoned():
    assert torch.ones(1, device=DEVICE).new_empty(3).isnan().all()


@pytest.mark.parametrize("name", SCENES)
def test_image_and_gradients_match_the_definition(name):
    scene = SCENES[name]
    if INTERPRETED:  # The interpreter takes milliseconds per pair.
        fewer = [array[:120] for array in scene.gaussians]
        scene = Scene(*fewer, scene.height, scene.width, scene.viewport)
    upstream = upstream_of(scene)
    exact_image, exact = reference(scene, torch.float64, upstream)
    _, single = reference(scene, torch.float32, upstream)
    image = gpu.rasterize(*tensors_of(scene), output_of(scene))
    gradients = gpu.rasterize_backward(*tensors_of(scene), torch.tensor(upstream, device=DEVICE), output_of(scene))
    np.testing.assert_allclose(image.cpu(), exact_image, atol=1e-5)
    for what, ours, double, float32 in zip(
        ("means", "scales", "rotations", "colors"), gradients, exact, single, strict=True
    ):
        allowed = 2 * np.abs(float32 - double).max(initial=0) + 2e-6 * np.abs(double).max(initial=0)
        assert np.abs(ours.cpu().numpy() - double).max(initial=0) <= allowed, what


def test_results_repeat_bit_by_bit():
    scene = random_scene(10, 20, 35)
    upstream = torch.tensor(upstream_of(scene), device=DEVICE)
    results = [
        (
            gpu.rasterize(*tensors_of(scene), output_of(scene)),
            *gpu.rasterize_backward(*tensors_of(scene), upstream, output_of(scene)),
        )
        for _ in range(2)
    ]
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


@needs_interpreter
def test_results_do_not_depend_on_the_order_of_programs(request, monkeypatch):
    scene = random_scene(12, 35, 50, channels=5, scales=(0.5, 40))
    # Several rows of sums per Gaussian, added up in several trips.
    monkeypatch.setattr(gpu, "PART", 2)
    monkeypatch.setitem(gpu.GATHER, "ROWS", 2)
    upstream = torch.tensor(upstream_of(scene))

    def results() -> list[torch.Tensor]:
        image = gpu.rasterize(*tensors_of(scene), output_of(scene))
        return [image, *gpu.rasterize_backward(*tensors_of(scene), upstream, output_of(scene))]

    ordered = results()
    request.getfixturevalue("shuffled_programs")
    for first, second in zip(ordered, results(), strict=True):
        assert torch.equal(first, second)


def any_scene(seed: int) -> Scene:
    """Gaussians of every kind: narrower than a pixel, wider than the canvas, needles, far outside, at tiles' edges."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 700, 2)
    scene = random_scene(40, int(height), int(width), channels=1, scales=(0.01, 2000), seed=seed)
    scene.scales[::4, 1] = scene.scales[::4, 0] / 1000
    scene.rotations[::3] = rng.integers(-4, 5, len(scene.rotations[::3])) * (np.pi / 4)
    scene.means[::5] = np.round(scene.means[::5] / gpu.TILE) * gpu.TILE + rng.choice([0, 0.5, -0.5], 2)
    scene.means[::7] *= 1000
    scene.means[1] = width / 2, height / 2
    scene.scales[1] = width, height
    return scene


@pytest.mark.parametrize("seed", range(6))
def test_every_pair_that_was_counted_is_emitted_once(seed):
    scene = any_scene(seed)
    output = output_of(scene, cutoff=3.5)
    projection = gpu.project(*tensors_of(scene), output)
    counts = projection.offsets.diff().cpu()
    tiles = gpu.tile_count(output)
    assert int(counts[1]) == tiles
    pairs = gpu.emit_pairs(projection, int(counts.sum()) + 5, output)
    owners = pairs.owners[:-5].cpu().long()
    assert torch.equal(owners, torch.repeat_interleave(torch.arange(len(counts)), counts))
    listed = owners * tiles + pairs.tiles[:-5].cpu()
    assert 0 <= int(pairs.tiles[:-5].min()) <= int(pairs.tiles[:-5].max()) < tiles
    assert len(listed.unique()) == len(listed)
    assert (pairs.tiles[-5:] == tiles).all()


@pytest.mark.parametrize("name", ["odd", "several tiles", "needles", "canvas-sized", "sub-pixel", "zoomed out"])
def test_pairs_are_the_tiles_within_the_cutoff(name):
    """Each tile with a pixel centre inside the cutoff ellipse is listed once, and few others are."""
    scene = SCENES[name]
    output = output_of(scene, cutoff=3.0)
    projection = gpu.project(*tensors_of(scene), output)
    pairs = gpu.emit_pairs(projection, int(projection.offsets[-1]), output)
    tiles = gpu.sort_into_tiles(projection, pairs, output)
    across = -(-scene.width // gpu.TILE)
    listed = np.zeros((len(scene.means), gpu.tile_count(output)), int)
    starts, owners = tiles.starts.tolist(), tiles.owners.cpu().numpy()
    order = tiles.order.cpu().numpy()
    for tile in range(gpu.tile_count(output)):
        np.add.at(listed[:, tile], owners[order[starts[tile] : starts[tile + 1]]], 1)

    x, y, u_x, u_y, v_x, v_y, *_ = projection.frames.double().cpu().numpy()[:, :, None, None].transpose(1, 0, 2, 3)
    fine = 4  # points along a pixel's edge
    dx = (np.arange(scene.width * fine) + 0.5) / fine - x
    dy = (np.arange(scene.height * fine)[:, None] + 0.5) / fine - y
    distance = np.hypot(u_x * dx + u_y * dy, v_x * dx + v_y * dy) / np.sqrt(np.log2(np.e) / 2)  # [N, H, W]
    needed = np.zeros_like(listed)
    touched = np.zeros_like(listed)
    for tile in range(gpu.tile_count(output)):
        top, left = tile // across * gpu.TILE, tile % across * gpu.TILE
        block = distance[:, top * fine : (top + gpu.TILE) * fine, left * fine : (left + gpu.TILE) * fine]
        touched[:, tile] = block.min(axis=(1, 2)) < 3.0
        centres = np.hypot(
            u_x * (np.arange(left, min(left + gpu.TILE, scene.width)) + 0.5 - x)
            + u_y * (np.arange(top, min(top + gpu.TILE, scene.height))[:, None] + 0.5 - y),
            v_x * (np.arange(left, min(left + gpu.TILE, scene.width)) + 0.5 - x)
            + v_y * (np.arange(top, min(top + gpu.TILE, scene.height))[:, None] + 0.5 - y),
        ) / np.sqrt(np.log2(np.e) / 2)
        needed[:, tile] = centres.min(axis=(1, 2)) < 3.0 - 1e-4
    assert (listed >= needed).all()
    assert listed.max() <= 1
    assert (listed > touched).sum() <= 0.02 * touched.sum() + 1


def test_outputs_of_many_tiles_are_sorted_by_wider_keys():
    output = Output(16 * 200, 16 * 200)
    gaussians = [torch.tensor(rows, device=DEVICE) for rows in ([[3190.0, 3190.0]], [[1.0, 1.0]], [0.0], [[1.0]])]
    projection = gpu.project(*gaussians, output)
    tiles = gpu.sort_into_tiles(projection, gpu.emit_pairs(projection, 7, output), output)
    assert int(projection.offsets[-1]) == 1
    assert tiles.starts[-2:].tolist() == [0, 1]
    assert tiles.starts.diff().sum() == 1


@pytest.mark.parametrize("turns", [-1000, 3, 16000])
def test_angles_of_many_turns_are_exact(turns):
    scene = random_scene(3, 20, 20, scales=(1, 5))
    scene.rotations[:] = np.float32(0.7 + 2 * np.pi * turns)
    exact, _ = reference(scene, torch.float64, upstream_of(scene))
    image = gpu.rasterize(*tensors_of(scene), output_of(scene))
    np.testing.assert_allclose(image.cpu(), exact, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_extreme_scales_stay_finite(scale):
    rows = [[4.5, 4.5], [4, 4]], [[scale, scale]] * 2, [0.3, 0.3], [[1.0], [1.0]]
    gaussians = [torch.tensor(values, device=DEVICE) for values in rows]
    for zoom in (1.0, 0.5):
        output = Output(9, 9, Viewport(scale=zoom))
        assert gpu.rasterize(*gaussians, output).isfinite().all()
        for gradient in gpu.rasterize_backward(*gaussians, torch.ones(1, 9, 9, device=DEVICE), output):
            assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("name", "row", "column", "value", "message"),
    [
        ("means", 3, 1, np.nan, r"means\[3\] is not finite"),
        ("scales", 2, 0, np.inf, r"scales\[2\] is not finite"),
        ("rotations", 1, 0, -np.inf, r"rotations\[1\] is not finite"),
        ("colors", 0, 2, np.nan, r"colors\[0\] is not finite"),
        ("scales", 4, 0, 0, r"scales\[4\] is not positive"),
        ("scales", 4, 1, -1, r"scales\[4\] is not positive"),
    ],
)
def test_bad_values_are_named(name, row, column, value, message):
    scene = random_scene(5, 8, 8)
    getattr(scene, name).reshape(5, -1)[row, column] = value
    with pytest.raises(ValueError, match=message):
        gpu.rasterize(*tensors_of(scene), output_of(scene))


def test_bad_shapes_are_named():
    means, scales, rotations, colors = tensors_of(random_scene(5, 8, 8))
    with pytest.raises(ValueError, match=r"scales must have shape \[5, 2\]"):
        gpu.rasterize(means, scales[:4], rotations, colors, Output(8, 8))
    with pytest.raises(ValueError, match="output size"):
        gpu.rasterize(means, scales, rotations, colors, Output(0, 8))


@needs_device
def test_cuda_tensors_are_rendered_there():
    scene = SCENES["zoomed out"]
    upstream = torch.tensor(upstream_of(scene), device=DEVICE)
    tensors = [tensor.requires_grad_() for tensor in tensors_of(scene)]
    image = rasterize(*tensors, scene.height, scene.width, scene.viewport, WIDE)
    image.backward(upstream)
    assert image.device == tensors[0].device
    assert torch.equal(image, gpu.rasterize(*tensors_of(scene), output_of(scene)))
    expected = gpu.rasterize_backward(*tensors_of(scene), upstream, output_of(scene))
    for tensor, gradient in zip(tensors, expected, strict=True):
        assert torch.equal(tensor.grad, gradient)


@needs_device
def test_tensors_on_several_devices_are_named():
    means, scales, rotations, colors = tensors_of(random_scene(5, 8, 8))
    with pytest.raises(ValueError, match="scales must be on the device of means"):
        rasterize(means, scales.cpu(), rotations, colors, 8, 8)


@needs_device
def test_op_passes_opcheck_on_cuda():
    tensors = [tensor.requires_grad_() for tensor in tensors_of(random_scene(6, 9, 11))]
    torch.library.opcheck(torch.ops.splatkernels.rasterize.default, (*tensors, 9, 11, 0.0, 0.0, 1.0, 4.5))

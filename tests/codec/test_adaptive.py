"""The adaptive profile: files hold what was quantised, steps follow amplitudes, and tables are the same everywhere."""

from dataclasses import replace

import numpy as np
import pytest

import splatcodec
from splatcodec import GsiError, Splats
from splatcodec.compress import adaptive, contexts, ladder, lattice, quantizer
from splatcodec.compress.adaptive import Canvas, Quantized
from splatcodec.compress.lattice import Symbols
from splatcodec.compress.quantizer import quantize
from splatcodec.container import Chunk, Header, pack, unpack, varint
from splatcodec.encoding.encode import encode_to
from splatcodec.encoding.goals import Goal
from splatcodec.fitting.loss import Loss
from splatcodec.fitting.objective import make_objective
from splatcodec.fitting.refinement import PictureRefiner
from splatcodec.image import load_image
from splatcodec.metrics import psnr
from splatkernels import Gradients


class Idle:
    """Refines nothing, and knows of no error."""

    in_time = True

    def refine(self, gaussians, *free):
        return gaussians

    def gradients(self, gaussians):
        return Gradients(*(np.zeros_like(part) for part in gaussians))

    def curvatures(self, gaussians):
        return np.ones(gaussians.n_gaussians)


def random_splats(count: int, channels: int, seed: int = 0, width: int = 300, height: int = 200) -> Splats:
    rng = np.random.default_rng(seed)
    return Splats(
        rng.uniform(-0.2, 1.2, (count, 2)) * (width, height),
        np.exp(rng.uniform(np.log(0.4), np.log(150), (count, 2))),
        rng.uniform(-7, 7, count),
        rng.normal(0, 0.3, (count, channels)),
        height,
        width,
    )


def file_of(quantized: Quantized) -> bytes:
    header = Header(adaptive.PROFILE.number, quantized.canvas.channels, *quantized.canvas[:2], len(quantized.symbols))
    return pack(header, adaptive.encode(quantized))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("d", [4.0, 0.5, 0.1, 0.01, 0.0001])
@pytest.mark.parametrize("count", [1, 2, 700])
def test_files_hold_what_was_quantised(channels, d, count):
    splats = random_splats(count, channels)
    quantized = quantize(splats, ladder.nearest(d), Idle())
    expected, found = quantized.splats(), splatcodec.read(file_of(quantized))
    for name in ("means", "scales", "rotations", "colors"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_finer_steps_are_closer():
    splats = random_splats(40, 3)
    image = splats.render()
    errors = []
    for d in (0.3, 0.1, 0.03, 0.01, 0.003):
        quantized = quantize(splats, ladder.nearest(d), Idle())
        errors.append(np.sqrt(((quantized.splats().render() - image) ** 2).sum()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.05 * errors[0]


def test_every_attribute_costs_about_the_same_error():
    """One step of any attribute, alone, adds about D^2."""
    d = 0.05
    splats = Splats([[100, 100]], [[12, 4]], [0.5], [[0.4, 0.3, 0.2]], 200, 200)
    symbols = quantize(splats, ladder.nearest(d), Idle()).symbols
    units = lattice.scale_units(symbols.scales, symbols.classes)
    octaves = lattice.scale_steps()[symbols.classes] / lattice.OCTAVE
    steps = {
        "scales": splats.scales * np.exp2(octaves * [[1, 0]]),
        "rotations": splats.rotations + np.pi / lattice.rotation_counts(units, symbols.classes),
        "colors": splats.colors + lattice.from_basis(lattice.color_steps(splats.scales, d) * np.eye(3)[:1]),
        "means": splats.means + 64 / lattice.mean_counts(symbols, np.array([[6, 6]]))[:, :1] * [1, 0],
    }
    for name, values in steps.items():
        moved = Splats(**{k: getattr(splats, k) for k in steps} | {name: values}, height=200, width=200)
        error = ((moved.render() - splats.render()) ** 2).sum()
        assert 0.4 < error / d**2 < 2.5, name


def test_half_a_turn_and_swapped_axes_are_the_same_gaussian():
    splats = random_splats(50, 3)
    turned = Splats(splats.means, splats.scales[:, ::-1], splats.rotations + 1.5 * np.pi, splats.colors, 200, 300)
    files = [file_of(quantize(s, ladder.nearest(0.05), Idle())) for s in (splats, turned)]
    assert files[0] == files[1]


def test_integer_tables_do_not_hang_on_the_last_digit():
    """Two machines whose logarithms differ in the last digits have the same tables."""
    margin = 1e-7
    ratios = 2.0 ** ((np.arange(128) + 0.5) / 8)
    amplitudes = 2.0 ** (np.arange(lattice.CLASSES) / 2)
    angles = (np.arange(lattice.ANGLES) + 0.5) * np.pi / lattice.ANGLES
    rounded_up = np.pi * amplitudes[:, None] * (ratios - 1 / ratios) / lattice._STEP_ROTATION
    assert np.abs(rounded_up - np.rint(rounded_up))[rounded_up < 2 * lattice.MOST_ROTATIONS].min() > margin
    octaves = lattice._STEP_SCALE / np.log(2) / amplitudes
    for rounded, table in (
        (4 * np.log2(np.cos(angles) ** 2 + np.sin(angles) ** 2 * ratios[:, None] ** 2), lattice._conditional()),
        (2.0 ** (np.arange(161) / 8), lattice._counts()),
        (np.minimum(octaves, 1) * lattice.OCTAVE, lattice.scale_steps()),
        (2.0**30 / amplitudes, contexts.inverses()),
        (16 * 2.0 ** (np.arange(13) / 4), contexts.strengths()),
        (64 * np.cos(2 * np.pi * np.arange(lattice.ANGLES) / lattice.ANGLES), contexts.turns()[:, 0]),
    ):
        assert np.abs(rounded - np.floor(rounded) - 0.5).min() > margin
        np.testing.assert_array_equal(np.maximum(np.rint(rounded), table.min()), table)


def test_flips_lower_distortion_and_rate(picture, monkeypatch):
    target = load_image(picture).planes
    splats = splatcodec.fit(picture, n_gaussians=80, effort=1)
    step = ladder.nearest(0.3)
    costs = []
    for rounds in (0, 30):
        monkeypatch.setattr(quantizer, "_FLIP_ROUNDS", rounds)
        quantized = quantize(splats, step, PictureRefiner(make_objective(Loss(), target, None, "cpu"), 20))
        distortion = ((quantized.splats().render() - target) ** 2).sum() / ladder.value(step) ** 2
        costs.append(distortion + ladder.SLOPE * sum(adaptive.measure(quantized).values()))
        assert quantized.symbols.colors.any(axis=1).all()
        np.testing.assert_array_equal(splatcodec.read(file_of(quantized)).means, quantized.splats().means)
    assert costs[1] < 0.99 * costs[0]


def test_classes_follow_the_amplitude():
    colors = np.array([[1, 0, 0], [1, 1, 0], [2, 0, 0], [0, 0, -3], [100, 7, 3]])
    assert lattice.classes_of(colors).tolist() == [0, 1, 2, 3, 13]


def test_bits_add_up_to_the_file():
    quantized = quantize(random_splats(500, 3), ladder.nearest(0.05), Idle())
    bits = adaptive.measure(quantized)
    assert set(bits) == {"means", "classes", "colors", "scales", "rotations"}
    assert sum(bits.values()) == pytest.approx(8 * len(adaptive.encode(quantized)[0].payload), abs=64)


def test_a_file_is_not_much_more_than_its_gaussians():
    splats = random_splats(20, 3, width=64, height=64)
    quantized = quantize(splats, ladder.nearest(0.2), Idle())
    assert len(file_of(quantized)) - sum(adaptive.measure(quantized).values()) / 8 <= 60


def test_no_gaussians_make_a_black_picture():
    data = splatcodec.encode(np.zeros((30, 40, 3), np.uint8), effort=1)
    assert len(data) < 40
    assert not splatcodec.decode(data).any()


def test_more_quality_is_more_bytes_and_more_psnr(picture):
    files = [splatcodec.encode(picture, quality=q, effort=2) for q in (0, 25, 50, 75, 100)]
    sizes, scores = [len(f) for f in files], [splatcodec.evaluate(picture, f).psnr for f in files]
    assert sizes == sorted(set(sizes))
    assert scores == sorted(scores)
    assert scores[-1] > 38


def test_the_number_of_gaussians_can_be_given(picture):
    encoding = encode_to(picture, splatcodec.Options(n_gaussians=50, effort=2)).encoding
    assert encoding.fitted == 50
    assert 40 <= encoding.n_gaussians <= 50
    assert splatcodec.evaluate(picture, encoding.data).psnr > 25


def test_a_large_lambda_makes_small_files(picture):
    small, large = (splatcodec.encode(picture, lambda_=value, effort=2) for value in (2000, 200))
    assert len(small) < len(large)
    picture = np.zeros((3, 40, 40), np.float32)
    assert Goal("lambda_", 1000).notch(picture) < Goal("lambda_", 100).notch(picture)


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((48, 64, 3), (250, 3, 128), np.uint8),
        np.tile(np.arange(256, dtype=np.uint8), (64, 1)),
    ],
    ids=["flat", "gradient"],
)
def test_simple_pictures_cost_next_to_nothing(pixels):
    data = splatcodec.encode(pixels, effort=3)
    assert len(data) < 150
    assert psnr(pixels, splatcodec.decode(data)) > 40


@pytest.mark.parametrize("size", [(1, 1, 3), (3, 200), (64, 64, 3)])
def test_noise_does_not_break(size):
    pixels = np.random.default_rng(0).integers(0, 256, size).astype(np.uint8)
    assert splatcodec.decode(splatcodec.encode(pixels, effort=1)).shape == size


def damaged(data: bytes, payload: bytes, count: int | None = None) -> bytes:
    """The file with another payload and count, and right checksums."""
    header, _ = unpack(data, "file")
    count = header.n_gaussians if count is None else count
    return pack(replace(header, n_gaussians=count), [Chunk("ADAP", payload)])


def test_damage_behind_right_checksums_never_breaks():
    data = file_of(quantize(random_splats(60, 3), ladder.nearest(0.1), Idle()))
    payload = unpack(data, "file")[1][0].payload
    rng = np.random.default_rng(0)
    for _ in range(100):
        changed = bytearray(payload[: rng.integers(2, len(payload) + 1)])
        changed[rng.integers(2, len(changed)) if len(changed) > 2 else 1] ^= 1 << rng.integers(0, 7)
        try:
            splats = splatcodec.read(damaged(data, bytes(changed)))
        except GsiError:
            continue
        assert len(splats) == 60


def test_forged_headers_are_refused():
    data = file_of(quantize(random_splats(60, 3), ladder.nearest(0.1), Idle()))
    payload = unpack(data, "file")[1][0].payload
    with pytest.raises(GsiError, match="2147483647 Gaussians in"):
        splatcodec.read(damaged(data, payload, 2**31 - 1), max_gaussians=2**31 - 1)
    with pytest.raises(GsiError, match="ADAP step: value out of range"):
        splatcodec.read(damaged(data, varint(ladder.LAST + 1) + payload[2:]))


@pytest.mark.parametrize("channels", [1, 3])
def test_random_symbols_are_refused_or_harmless(channels):
    rng = np.random.default_rng(channels)
    for _ in range(200):
        count = int(rng.integers(1, 40))
        payload = varint(100) + rng.bytes(count * int(rng.integers(1, 9))).rstrip(b"\0")
        header = Header(adaptive.PROFILE.number, channels, 100, 80, count)
        try:
            splats = splatcodec.read(pack(header, [Chunk("ADAP", payload)]))
        except GsiError:
            continue
        assert np.isfinite(splats.render()).all()


def test_the_default_is_quality_60(picture):
    assert splatcodec.encode(picture, effort=1) == splatcodec.encode(picture, quality=60, effort=1)


def test_symbols_can_be_taken():
    symbols = Symbols(np.arange(4), np.ones((4, 3), np.int64), np.ones((4, 2), np.int64), np.arange(4))
    assert symbols.take(np.array([2, 0])).rotations.tolist() == [2, 0]
    canvas = Canvas(10, 10, 3)
    assert len(Quantized(0, symbols, np.zeros((4, 2)), canvas).symbols) == 4

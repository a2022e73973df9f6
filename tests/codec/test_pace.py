"""Limits on time, with a clock that steps of the optimizer alone move."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher
from PIL import Image
from skimage import data

import splatcodec
from splatcodec.encoding import prepare
from splatcodec.fitting import growth, pace, refinement, task
from splatcodec.fitting.pace import affordable, reduce
from splatcodec.fitting.schedule import EFFORTS
from splatcodec.image import load_image
from splatcodec.metrics import psnr
from splatkernels.adam import FrameAdam

# Seconds of a step for each pixel, fifty times what it takes: fewer steps to wait for.
PACE = 1e-6
# A step that evaluates windows of pixels besides.
STRUCTURE = 3


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """Its `now` is what the encoder takes for the time in seconds; `slowness` multiplies what steps take."""
    clock = SimpleNamespace(now=0.0, slowness=1.0, longest=0.0)

    def timed(function, factor):
        def step(self, *arguments):
            seconds = clock.slowness * factor * PACE * self.target[0].size
            clock.now += seconds
            clock.longest = max(clock.longest, seconds)
            return function(self, *arguments)

        return step

    for module in (prepare, growth, pace, refinement):
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(FrameAdam, "step", timed(FrameAdam.step, 1))
    monkeypatch.setattr(FrameAdam, "step_along", timed(FrameAdam.step_along, STRUCTURE))
    monkeypatch.setattr(prepare, "_compile", lambda *_: None)
    return clock


def photograph(side: int) -> np.ndarray:
    """uint8 [side, side, 3]."""
    y, x = np.mgrid[:side, :side] / side
    waves = [np.sin(9 * x + 5 * y), np.cos(14 * x * y), np.hypot(x - 0.4, y - 0.6) < 0.3]
    return np.uint8(np.stack([127 + 100 * wave for wave in waves], axis=2).clip(0, 255))


OPTIONS = [
    {},
    {"n_gaussians": 60},
    {"tune": "ssim"},
    {"profile": "vq"},
    {"target_size": 900},
    {"target_psnr": 24},
]


def name(options: dict) -> str:
    """Of a test case."""
    return "-".join(f"{key}-{value}" for key, value in options.items()) or "plain"


@pytest.mark.parametrize("options", OPTIONS, ids=name)
@pytest.mark.parametrize(("side", "seconds"), [(40, 1.0), (150, 2.0), (400, 2.0)])
def test_an_encode_ends_in_time(clock, side, seconds, options):
    pixels = photograph(side)
    encoded = splatcodec.encode(pixels, max_seconds=seconds, effort=9, **options)
    assert clock.now <= 1.1 * seconds + clock.longest
    assert psnr(pixels, splatcodec.decode(encoded)) > 14


@pytest.mark.parametrize("options", OPTIONS, ids=name)
def test_time_that_is_not_needed_is_not_spent(clock, options):
    pixels = photograph(70)
    free = splatcodec.encode(pixels, effort=1, **options)
    needed, clock.now = clock.now, 0.0
    assert splatcodec.encode(pixels, effort=1, max_seconds=100 * needed, **options) == free
    # What measures the machine comes on top.
    assert clock.now < needed + 0.3


def test_no_fit_begins_when_the_time_is_up(clock, monkeypatch):
    """Of small pictures, which take several fits."""
    begun = []

    def grow(self, *arguments, **options):
        begun.append(clock.now)
        return original(self, *arguments, **options)

    original = task.Task.grow
    monkeypatch.setattr(task.Task, "grow", grow)
    splatcodec.encode(photograph(40), max_seconds=0.3, effort=9)
    assert len(begun) == 1


@pytest.mark.parametrize("options", [{}, {"weights": np.linspace(0.1, 1, 600).reshape(20, 30)}, {"tune": "ssim"}])
@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3), (20, 30, 4)])
def test_kernels_are_compiled_before_the_time_begins(monkeypatch, shape, options):
    """So that no kernel has another signature after an encode of limited time than after what prepares it."""
    pixels = np.random.default_rng(0).random(shape, np.float32)
    prepare._compile(splatcodec.Options(**options), load_image(pixels))
    before = signatures()
    splatcodec.encode(pixels, max_seconds=20, effort=1, n_gaussians=30, **options)
    assert signatures() == before


def signatures() -> int:
    """Of all compiled kernels."""
    found = 0
    for module in [module for name, module in sys.modules.items() if name.startswith(("splatcodec.", "splatkernels."))]:
        found += sum(len(value.signatures) for value in vars(module).values() if isinstance(value, Dispatcher))
    return found


def test_a_fit_in_limited_time_has_all_its_gaussians(clock):
    states = []
    splats = splatcodec.fit(photograph(60), n_gaussians=100, effort=9, max_seconds=1, callback=states.append)
    assert states[-1].step < EFFORTS[9].steps
    assert states[-1].progress == 1
    assert 95 <= len(splats) <= 100


@pytest.mark.parametrize("slowness", [2.0, 4.0, 10.0])
@pytest.mark.parametrize("when", [0, 20, 60])
def test_a_machine_that_turns_slow_is_noticed(clock, slowness, when):
    """It ends in time, and with no more Gaussians than a free fit: those that have not settled ask for many."""

    def callback(state):
        if state.step == when:
            clock.slowness = slowness

    pixels = photograph(150)
    free = splatcodec.read(splatcodec.encode(pixels, effort=1))
    clock.now = 0.0
    encoded = splatcodec.encode(pixels, max_seconds=5, effort=9, callback=callback)
    assert clock.now <= 5.5 + clock.longest
    assert len(splatcodec.read(encoded)) < 1.5 * len(free)
    assert psnr(pixels, splatcodec.decode(encoded)) > 22


@pytest.mark.parametrize("slowness", [3.0, 25.0])
def test_a_machine_that_is_slower_than_it_seemed_does_not_make_a_fit_run_away(clock, monkeypatch, slowness):
    """After a few steps, the error would be worth ever more Gaussians."""

    def measured(*arguments, **options):
        found = affordable(*arguments, **options)
        clock.slowness = slowness
        return found

    monkeypatch.setattr(prepare, "affordable", measured)
    pixels = np.asarray(Image.fromarray(data.astronaut()).resize((160, 160)))
    free = splatcodec.encode(pixels, effort=1)
    clock.now, clock.slowness = 0.0, 1.0
    hasty = splatcodec.encode(pixels, max_seconds=12, effort=5)
    assert len(splatcodec.read(hasty)) < 1.75 * len(splatcodec.read(free))


def test_more_time_is_worth_something(clock):
    pixels = photograph(150)
    errors = []
    for seconds in (0.3, 1, 4, 20):
        clock.now = 0.0
        errors.append(psnr(pixels, splatcodec.decode(splatcodec.encode(pixels, max_seconds=seconds, quality=70))))
    assert errors == sorted(errors)
    assert errors[-1] > errors[0] + 3


@pytest.mark.parametrize("structure", [False, True])
@pytest.mark.parametrize("roundings", [0, 1, 3])
@pytest.mark.parametrize("pixels", [1, 10_000, 12_000_000])
def test_what_is_affordable_grows_with_time(monkeypatch, pixels, roundings, structure):
    monkeypatch.setattr(pace, "_seconds_of_step", lambda device: (1e-4, 2e-8))
    before = None
    for seconds in (0, 0.01, 0.1, 1, 10, 100, 1e4, 1e9):
        schedule, reduction = affordable(EFFORTS[9], pixels, seconds, "cpu", structure=structure, roundings=roundings)
        assert 1 <= schedule.steps <= EFFORTS[9].steps
        assert 1 <= reduction**2 <= 4 * pixels
        if before is not None:
            assert reduction <= before[1]
            assert reduction < before[1] or schedule.steps >= before[0].steps
        before = schedule, reduction
    assert before == (EFFORTS[9], 1)


@pytest.mark.parametrize("shape", [(3, 12, 8), (1, 7, 5), (3, 1, 9)])
@pytest.mark.parametrize("factor", [1, 2, 3, 20])
def test_reduced_pictures_are_averages(shape, factor):
    planes = np.random.default_rng(0).random(shape, np.float32)
    reduced = reduce(planes, factor)
    height, width = (-(-side // factor) for side in shape[1:])
    assert reduced.shape == (shape[0], height, width)
    for y in range(height):
        for x in range(width):
            block = planes[:, y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
            np.testing.assert_allclose(reduced[:, y, x], block.mean(axis=(1, 2)), rtol=1e-5)

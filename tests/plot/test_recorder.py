"""Films play, show the fit from its beginning to its end, and take little time."""

import shutil
from io import BytesIO

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

import splatcodec
from splatcodec import plot
from splatcodec.plot import recorder as module


@pytest.fixture(scope="module")
def recorded(photo) -> plot.Recorder:
    recorder = plot.Recorder()
    splatcodec.fit(photo, n_gaussians=150, effort=2, callback=recorder)
    return recorder


def panels(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Target, picture and outlines of a frame: each 384 x 288 pixels."""
    left = [12 + column * (384 + 12) for column in range(3)]
    return tuple(frame[30 : 30 + 288, x : x + 384].astype(float) for x in left)


def error(frame: np.ndarray) -> float:
    target, picture, _ = panels(frame)
    return float(np.mean((target - picture) ** 2))


@pytest.mark.parametrize("extension", [".mp4", ".gif", ".png"])
def test_a_film_shows_the_fit(recorded, photo, tmp_path, extension):
    path = tmp_path / f"fit{extension}"
    recorded.save(path, photo)
    frames = iio.imread(path)
    assert frames.ndim == 4
    assert len(frames) >= 8
    assert error(frames[-1]) < 0.5 * error(frames[0])
    change = np.abs(panels(frames[0])[0] - panels(frames[-1])[0])
    assert change.mean() < 5
    # The palette of a GIF may miss a rare colour by any amount, in each frame another one.
    assert extension == ".gif" or change.max() <= 40


def test_the_last_frame_shows_the_outcome(photo, monkeypatch):
    monkeypatch.setattr(module, "_MOMENTS", 12)
    recorder = plot.Recorder()
    outcome = splatcodec.fit(photo, n_gaussians=50, effort=1, callback=recorder)
    frames = iio.imread(recorder.to_bytes(".png", photo, every=True), extension=".png")
    assert len(frames) == 13
    expected = 255 * outcome.render(288, 384).clip(0, 1).transpose(1, 2, 0)
    assert panels(frames[-1])[1] == pytest.approx(expected, abs=1)


def test_frames_are_even_in_progress(recorded):
    steps = list(recorded.history)
    progress = [steps[moment.number].progress for moment in recorded._moments]
    assert np.diff(progress).max() < 2.5 / 120


def test_all_fits_are_filmed(photo):
    recorder = plot.Recorder()
    for _ in range(2):
        splatcodec.fit(photo, n_gaussians=10, effort=1, callback=recorder)
    steps = list(recorder.history)
    fits = [steps[moment.number].fit for moment in recorder._moments]
    assert fits.count(1) == fits.count(2) > 50


def test_memory_is_bounded(photo, monkeypatch):
    monkeypatch.setattr(module, "_MOST_GAUSSIANS", 400)
    recorder = plot.Recorder()
    splatcodec.fit(photo, n_gaussians=20, effort=2, callback=recorder)
    assert sum(len(moment.splats) for moment in recorder._moments) <= 400
    assert len(recorder._moments) >= 8
    progress = [list(recorder.history)[moment.number].progress for moment in recorder._moments]
    assert np.diff(progress).max() < 0.2


def test_a_fit_that_is_ended_is_filmed_to_its_end(photo):
    recorder = plot.Recorder()

    def callback(state):
        recorder(state)
        return state.step == 101

    outcome = splatcodec.fit(photo, n_gaussians=50, effort=9, callback=callback)
    frames = iio.imread(recorder.to_bytes(".png", photo), extension=".png")
    expected = 255 * outcome.render(288, 384).clip(0, 1).transpose(1, 2, 0)
    assert panels(frames[-1])[1] == pytest.approx(expected, abs=1)


def test_what_lies_beyond_the_canvas_is_not_drawn(photo):
    """Not in the first row or column either, where numbers from -1 to 0 would end if they were cut off."""
    splats = splatcodec.Splats([[-0.3, 20], [20, -0.3]], [[0.1, 0.1]] * 2, [0, 0], [[1.0]] * 2, 40, 40)
    step = splatcodec.history.Step(1, 1, 1.0, 1.0, 2, 0.1, 0.1)
    painter = module.Painter(np.zeros((40, 40), np.uint8), [step], splats)
    outlines = np.asarray(painter.draw(module.Moment(0, splats)))[30 : 30 + 384, 12 + 2 * 396 : 12 + 2 * 396 + 384]
    assert (outlines == outlines[200, 200]).all()


def test_a_coder_that_fails_is_said(recorded, photo, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_coder", lambda: shutil.which("false"))
    with pytest.raises(OSError, match="ffmpeg cannot code the film"):
        recorded.save(tmp_path / "fit.mp4", photo)
    assert not list(tmp_path.iterdir())


def test_a_drawing_that_fails_leaves_no_coder_behind(recorded, photo, monkeypatch):
    monkeypatch.setattr(module.Painter, "draw", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        recorded.to_bytes(".mp4", photo, every=True)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3, 3), (41, 37, 3)])
def test_any_picture_can_be_filmed(shape, tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    recorder = plot.Recorder()
    splatcodec.fit(picture, n_gaussians=3, effort=1, callback=recorder)
    recorder.save(tmp_path / "fit.mp4", picture)
    frames = iio.imread(tmp_path / "fit.mp4")
    assert frames.shape[1] % 2 == frames.shape[2] % 2 == 0
    with Image.open(BytesIO(recorder.to_bytes(".gif", picture))) as film:
        assert film.n_frames >= 2


def test_there_are_as_many_frames_as_time_allows(recorded, photo, monkeypatch):
    steps = list(recorded.history)
    moments = recorded._moments
    painter = module.Painter(photo, steps, moments[-1].splats)
    few, many = (module._affordable(painter, moments, ".gif", seconds) for seconds in (0.001, 1e6))
    assert len(few) == 8
    assert many == recorded._moments
    assert few[0] is many[0]
    assert few[-1] is many[-1]


def test_what_cannot_be_written_is_said(recorded, photo, tmp_path):
    with pytest.raises(ValueError, match=r"fit\.avi: a film is written as \.mp4, \.gif or \.png"):
        recorded.save(tmp_path / "fit.avi", photo)
    with pytest.raises(ValueError, match="nothing has been recorded"):
        plot.Recorder().save(tmp_path / "fit.gif", photo)
    assert not list(tmp_path.iterdir())

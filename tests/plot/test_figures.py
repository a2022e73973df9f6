"""Figures show what they say, at the right place, and fast."""

import time
from io import BytesIO

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import splatcodec
from splatcodec import plot
from splatcodec.image import to_uint8


@pytest.fixture
def ax():
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure.subplots()


def drawn(ax) -> np.ndarray:
    """The canvas of axes that fill a figure of 10 pixels per unit, uint8 [H, W, 3]."""
    ax.set_axis_off()
    ax.set_position((0, 0, 1, 1))
    width, height = ax.get_xlim()[1], ax.get_ylim()[0]
    ax.figure.set_size_inches(width / 10, height / 10)
    ax.figure.set_dpi(100)
    ax.figure.canvas.draw()
    return np.asarray(ax.figure.canvas.buffer_rgba())[:, :, :3]


def needle(rotation: float) -> splatcodec.Splats:
    """A thin Gaussian at (20, 10), 8 by 1 pixels, on a canvas of 40 x 20."""
    return splatcodec.Splats([[20, 10]], [[8, 1]], [rotation], [[0.5, 0.5, 0.5]], 20, 40)


@pytest.mark.parametrize("rotation", [0.0, 0.6, -0.6])
def test_an_outline_lies_on_its_ellipse(ax, rotation):
    splats = needle(rotation)
    plot.outlines(splats, ax, centers=False)
    ax.figure.set_facecolor("black")
    pixels = drawn(ax)
    y, x = np.nonzero(pixels.max(axis=2) > 100)
    assert len(x)
    offsets = np.stack([x + 0.5, y + 0.5]) / 10 - splats.means.T
    cos, sin = np.cos(rotation), np.sin(rotation)
    u, v = (cos * offsets[0] + sin * offsets[1]) / 8, (cos * offsets[1] - sin * offsets[0]) / 1
    assert np.abs(np.hypot(u, v) - 1).max() < 0.25
    assert u.max() > 0.95
    assert u.min() < -0.95


def test_a_picture_and_its_outlines_meet(ax):
    truth = splatcodec.Splats([[7, 13]], [[1, 1]], [0.0], [[1.0, 1.0, 1.0]], 20, 40)
    plot.picture(truth, ax)
    pixels = drawn(ax).astype(float).mean(axis=2)
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]] / 10
    assert (pixels * x).sum() / pixels.sum() == pytest.approx(7, abs=0.1)
    assert (pixels * y).sum() / pixels.sum() == pytest.approx(13, abs=0.1)


def test_the_strongest_are_on_top(ax):
    splats = splatcodec.synthetic(50, 40, 60)
    plot.outlines(splats, ax)
    values = ax.collections[-1].get_array()
    assert (np.diff(values) >= 0).all()
    assert len(values) == 50


def test_size_and_colour_can_be_chosen(ax):
    splats = splatcodec.synthetic(5, 40, 60)
    plot.outlines(splats, ax, sigmas=3, by="scale", centers=False)
    (ellipses,) = ax.collections
    assert np.allclose(np.sort(ellipses.get_widths()), np.sort(6 * splats.scales[:, 0]))
    assert np.allclose(ellipses.get_array(), np.sort(np.sqrt(splats.scales.prod(axis=1))))


@pytest.mark.parametrize("options", [{"sigmas": 0}, {"sigmas": float("nan")}, {"by": "area"}])
def test_other_options_are_refused(ax, options):
    with pytest.raises(ValueError, match=r"sigmas must be positive|coloured by energy or scale"):
        plot.outlines(splatcodec.synthetic(3), ax, **options)


def test_twenty_thousand_outlines_take_a_moment(ax):
    splats = splatcodec.synthetic(20_000, 400, 600)
    start = time.process_time()
    plot.outlines(splats, ax)
    ax.figure.canvas.draw()
    assert time.process_time() - start < 5


@pytest.mark.parametrize(("channels", "count"), [(1, 40), (3, 0), (3, 1)])
def test_a_sheet_has_all_its_parts(channels, count):
    truth = splatcodec.synthetic(count, 30, 50)
    splats = splatcodec.Splats(truth.means, truth.scales, truth.rotations, truth.colors[:, :channels], 30, 50)
    reference = np.zeros((30, 50, 3), np.uint8)
    axes = plot.sheet(splats, reference, Figure(layout="constrained"), title="$name$.gsi")
    figure = axes["picture"].figure
    figure.savefig(BytesIO(), dpi=30)
    assert list(axes) == ["picture", "outlines", "error", "scales", "amplitudes", "directions"]
    assert figure.get_suptitle().startswith(f"$name$.gsi: 50x30, {count} Gaussians, PSNR ")
    assert axes["error"].images[0].get_array().max() == pytest.approx(
        to_uint8(splats.render()).reshape(30, 50, -1).mean(axis=2).max()
    )


def test_without_a_reference_there_is_no_error():
    axes = plot.sheet(splatcodec.synthetic(5), figure=Figure())
    assert "error" not in axes
    assert "PSNR" not in axes["picture"].figure.get_suptitle()


def test_a_reference_of_another_size_is_refused():
    with pytest.raises(splatcodec.ImageError, match="is 4x3 pixels, but the splats' canvas is 128x128"):
        plot.sheet(splatcodec.synthetic(5), np.zeros((3, 4), np.uint8), Figure())


def test_a_learning_curve_holds_all_steps(ax, picture):
    history = splatcodec.History()
    for count in (5, 9):
        splatcodec.fit(picture, n_gaussians=count, effort=1, callback=history)
    plot.learning_curve(history, ax)
    curve, border = ax.lines
    assert np.allclose(curve.get_ydata(), [step.psnr for step in history])
    assert border.get_xdata()[0] == [step.fit for step in history].count(1) + 0.5
    with pytest.raises(ValueError, match="the history is empty"):
        plot.learning_curve(splatcodec.History(), ax)

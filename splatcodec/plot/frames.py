"""Frames of a film of fits, drawn without matplotlib's figures, which take a tenth of a second each."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..history import Step
from ..image import as_color, to_uint8
from ..splats import Splats
from .outlines import COLORMAP, GROUND, limits, measure

_SIDE = 384
_GAP = 12
_CURVES = 110
_TEXT = 18
# Pixels between points of an outline, and the most of them.
_SPACING, _MOST = 1.0, 2048
_INK = "#e8e8ee"
_PSNR, _LOSS = "#6cb6ff", "#ffa657"
# The first steps, so large a share of them, do not scale the curves: they would flatten the rest.
_STEEP = 0.02


class Moment(NamedTuple):
    """What there was after a step."""

    number: int
    """Of the step, counted over all fits, from 0."""
    splats: Splats


class Painter:
    """Draws the target, the picture and its outlines side by side, above the learning curve.

    Args:
        target: [H, W] or [H, W, 3], what is fitted.
        steps: of the whole history.
        last: the Gaussians in the end, which say what colours stand for.
    """

    def __init__(self, target: NDArray[np.uint8], steps: Sequence[Step], last: Splats) -> None:
        height, width = target.shape[:2]
        zoom = _SIDE / max(height, width)
        self._rows, self._columns = max(2, round(zoom * height)), max(2, round(zoom * width))
        sampling = Image.Resampling.NEAREST if zoom > 1 else Image.Resampling.LANCZOS
        self._target = Image.fromarray(as_color(target)).resize((self._columns, self._rows), sampling)
        self._steps = steps
        self._limits = limits(measure(last, "energy"))
        colors = matplotlib.colormaps[COLORMAP](np.linspace(0, 1, 256))[:, :3]
        self._colors: NDArray[np.uint8] = (255 * colors).astype(np.uint8)
        self._font = ImageFont.load_default(_TEXT - 5)
        losses = [float(np.log(max(step.loss, 1e-20))) for step in steps]
        self._curves = [_Curve([step.psnr for step in steps]), _Curve(losses)]
        # Coders of video want even sides.
        width, height = 3 * self._columns + 4 * _GAP, self._rows + _CURVES + 2 * _TEXT + 4 * _GAP
        self.width, self.height = width + width % 2, height + height % 2
        """Of the frames, in pixels."""

    def draw(self, moment: Moment) -> Image.Image:
        """The frame of a moment."""
        frame = Image.new("RGB", (self.width, self.height), GROUND)
        draw = ImageDraw.Draw(frame)
        pixels = as_color(to_uint8(moment.splats.render(self._rows, self._columns)))
        panels = (self._target, Image.fromarray(pixels), Image.fromarray(self._outlines(moment.splats)))
        for column, (name, panel) in enumerate(zip(("target", "picture", "Gaussians"), panels, strict=True)):
            x = _GAP + column * (self._columns + _GAP)
            draw.text((x, _GAP // 2), name, _INK, self._font)
            frame.paste(panel, (x, _GAP + _TEXT))
        step = self._steps[moment.number]
        y = 2 * _GAP + _TEXT + self._rows
        text = f"step {step.step}   {len(moment.splats)} Gaussians   {step.psnr:.2f} dB   loss {step.loss:.3g}"
        draw.text((_GAP, y - _GAP // 2), text, _INK, self._font)
        box = _GAP, y + _TEXT, self.width - _GAP, y + _TEXT + _CURVES
        draw.rectangle(box, outline="#3a3a48")
        for curve, color in zip(self._curves, (_PSNR, _LOSS), strict=True):
            draw.line(curve.points(moment.number, box), color, 2)
        draw.text((box[0] + 6, box[1] + 4), "PSNR", _PSNR, self._font)
        draw.text((box[0] + 56, box[1] + 4), "loss, logarithmic", _LOSS, self._font)
        return frame

    def _outlines(self, splats: Splats) -> NDArray[np.uint8]:
        """Ellipses of one standard deviation [H, W, 3], the strongest on top."""
        height, width = self._rows, self._columns
        values = measure(splats, "energy")
        order = np.argsort(values)
        low, high = np.log(self._limits)
        shades = (np.log(np.maximum(values[order], self._limits[0])) - low) / (high - low)
        means, scales, rotations, _ = splats.gaussians.take(order)
        zoom = np.array([width / splats.width, height / splats.height], np.float32)
        counts = np.clip(2 * np.pi * scales.max(axis=1) * zoom.max() / _SPACING, 8, _MOST).astype(np.int64)
        owners = np.repeat(np.arange(len(splats)), counts)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        angles = ((2 * np.pi / counts)[owners] * (np.arange(len(owners)) - first)).astype(np.float32)
        along, across = scales[owners, 0] * np.cos(angles), scales[owners, 1] * np.sin(angles)
        cos, sin = np.cos(rotations)[owners], np.sin(rotations)[owners]
        x = np.floor((means[owners, 0] + cos * along - sin * across) * zoom[0])
        y = np.floor((means[owners, 1] + sin * along + cos * across) * zoom[1])
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        colors: NDArray[np.uint8] = self._colors[(255 * shades.clip(0, 1)).astype(np.int64)]
        panel = np.array(Image.new("RGB", (width, height), GROUND))
        panel[y[inside].astype(np.int64), x[inside].astype(np.int64)] = colors[owners[inside]]
        return panel


class _Curve:
    """Values of all steps, as a line that grows."""

    def __init__(self, values: Sequence[float]) -> None:
        self._values = np.array(values)
        settled = self._values[int(_STEEP * len(values)) :]
        self._low, self._high = float(settled.min()), float(settled.max())

    def points(self, number: int, box: tuple[int, int, int, int]) -> list[tuple[float, float]]:
        """The line up to a step, within a box of left, top, right and bottom."""
        left, top, right, bottom = box
        numbers = np.unique(np.linspace(0, number, min(number + 1, right - left)).astype(int))
        shares = (self._values[numbers] - self._low) / max(self._high - self._low, 1e-9)
        x = left + (right - left) * numbers / max(len(self._values) - 1, 1)
        y = bottom - 3 - (bottom - top - 6) * shares.clip(0, 1)
        return list(zip(x.tolist(), y.tolist(), strict=True))

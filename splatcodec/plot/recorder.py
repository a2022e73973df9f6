"""Films of fits: MP4, GIF or animated PNG."""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..errors import MissingExtraError
from ..files import replacing
from ..history import History, Step
from ..image import load_pixels
from .frames import Moment, Painter

if TYPE_CHECKING:
    from ..fitting.growth import FitState
    from ..image import ImageLike

FORMATS = (".mp4", ".gif", ".png")
"""Extensions of films."""

# Moments kept of each fit, evenly over its progress, and Gaussians that they may hold in all.
_MOMENTS = 120
_MOST_GAUSSIANS = 2**23
# Of the time of the fits, to have room within a fifth for what is not foreseen; but a few frames in any case.
_SHARE = 0.15
_FEWEST_FRAMES = 8
# Starting the coder of video takes so many seconds.
_START = 0.15
# What a film lasts, and frames a second.
_SECONDS, _SECONDS_AT_END = 6.0, 1.5
_SLOWEST, _FASTEST = 2.0, 25.0
# Colours of a frame in GIF.
_PALETTE = 128


class Recorder:
    """Callback of a fit that films it: the target, the picture as it comes to be, its outlines and learning curve.

    recorder = Recorder()
    splatcodec.encode("photo.png", callback=recorder)
    recorder.save("fit.mp4", "photo.png")
    """

    def __init__(self) -> None:
        self.history = History()
        """Every step of the fit."""
        self._moments: list[Moment] = []
        self._interval = 1 / _MOMENTS
        self._latest = 0, -1

    def __call__(self, state: "FitState") -> None:
        self.history(state)
        latest = self.history.n_fits, int(state.progress / self._interval)
        if latest == self._latest:
            return
        self._latest = latest
        self._moments.append(Moment(len(self.history) - 1, state.take()))
        if sum(len(moment.splats) for moment in self._moments) > _MOST_GAUSSIANS:
            self._moments = self._moments[::2]
            self._interval *= 2

    def save(self, path: str | os.PathLike[str], target: "ImageLike", *, every: bool = False) -> None:
        """Write the film, in the format of the path's extension: `.mp4`, `.gif` or `.png`.

        Args:
            path: of the film.
            target: the picture that has been fitted, anything `splatcodec.image.load_image` reads.
            every: draw all moments there are, up to 120 of a fit, however long that takes; otherwise as many, evenly,
                as take less than a fifth of the time of the fits.

        Raises:
            ImageError: the target cannot be read.
            MissingExtraError: `.mp4` takes the extra `video`.
            OSError: the target cannot be read, or the film cannot be written.
            ValueError: the extension is another, or nothing has been fitted.
        """
        check_path(path)
        with replacing(path) as file:
            file.write(self.to_bytes(path, target, every=every))

    def to_bytes(self, path: str | os.PathLike[str], target: "ImageLike", *, every: bool = False) -> bytes:
        """What `save` writes."""
        extension = check_path(path)
        if not self._moments:
            raise ValueError("nothing has been recorded: give the recorder to a fit as its callback")
        steps = list(self.history)
        painter = Painter(load_pixels(target), steps, self._moments[-1].splats)
        moments = self._moments if every else self._affordable(painter, extension, _seconds_of_fits(steps))
        frames = (painter.draw(moment) for moment in moments)
        rate = min(max(len(moments) / _SECONDS, _SLOWEST), _FASTEST)
        if extension == ".mp4":
            return _video(frames, painter.size, rate)
        return _animation(frames, extension, rate)

    def _affordable(self, painter: Painter, extension: str, seconds: float) -> list[Moment]:
        """As many moments, evenly, as can be drawn in a share of the seconds of the fits."""
        start = time.perf_counter()
        frame = painter.draw(self._moments[-1])
        budget = _SHARE * seconds
        if extension == ".mp4":
            # Its coder works beside, in a process of its own.
            budget -= _START
        else:
            _animation(iter([frame]), extension, 1.0)
        taken = time.perf_counter() - start
        count = min(max(int(budget / taken) - 1, _FEWEST_FRAMES), len(self._moments))
        chosen = np.linspace(0, len(self._moments) - 1, count).round().astype(int)
        return [self._moments[number] for number in chosen]


def check_path(path: str | os.PathLike[str]) -> str:
    """The extension of a path that a film can be written to.

    Raises:
        MissingExtraError: it takes a package that is missing.
        ValueError: it is not one of `FORMATS`.
    """
    extension = os.path.splitext(os.fspath(path))[1].lower()
    if extension not in FORMATS:
        raise ValueError(f"{os.fspath(path)}: a film is written as {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    if extension == ".mp4":
        try:
            import imageio_ffmpeg  # noqa: F401
        except ModuleNotFoundError as error:
            raise MissingExtraError("imageio-ffmpeg", "video") from error
    return extension


def _seconds_of_fits(steps: Sequence[Step]) -> float:
    """The time that all fits took together."""
    return sum({step.fit: step.seconds for step in steps}.values())


def _video(frames: Iterator[Image.Image], size: tuple[int, int], rate: float) -> bytes:
    """MP4 with H.264, which any browser plays; the last frame stays for a while."""
    from imageio_ffmpeg import write_frames

    with tempfile.TemporaryDirectory(prefix="splatcodec-") as directory:
        path = Path(directory, "film.mp4")
        options = ["-preset", "veryfast", "-crf", "20", "-movflags", "+faststart"]
        writer = write_frames(
            str(path), size, fps=rate, macro_block_size=2, quality=None, output_params=options, ffmpeg_log_level="error"
        )
        writer.send(None)
        for frame in frames:
            writer.send(frame.tobytes())
        for _ in range(round(rate * _SECONDS_AT_END)):
            writer.send(frame.tobytes())
        writer.close()
        return path.read_bytes()


def _animation(frames: Iterator[Image.Image], extension: str, rate: float) -> bytes:
    """GIF or animated PNG that repeats; the last frame stays for a while."""
    shown = list(frames)
    durations = [round(1000 / rate)] * (len(shown) - 1) + [round(1000 * _SECONDS_AT_END)]
    options: dict[str, Any] = {"compress_level": 3}
    if extension == ".gif":
        shown = [frame.quantize(_PALETTE, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE) for frame in shown]
        options = {"optimize": False}
    file = BytesIO()
    shown[0].save(file, extension[1:], save_all=True, append_images=shown[1:], duration=durations, loop=0, **options)
    return file.getvalue()

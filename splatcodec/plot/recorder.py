"""Films of fits: MP4, GIF or animated PNG."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..errors import requires
from ..files import extension_of, replacing
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
# Drawing may take a fifth of the time of the fits. It is planned to take less, as not everything can be foreseen.
_SHARE = 0.12
_FEWEST_FRAMES = 8
# Seconds that the coder of video takes to start and to end.
_START = 0.2
# How long a film lasts in seconds, and its frames a second.
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
        self._state: FitState | None = None

    def __call__(self, state: "FitState") -> None:
        self.history(state)
        self._state = state
        latest = self.history.n_fits, int(state.progress / self._interval)
        if latest == self._latest:
            return
        self._latest = latest
        self._moments.append(Moment(len(self.history) - 1, state.take()))
        if sum(len(moment.splats) for moment in self._moments) > _MOST_GAUSSIANS:
            self._moments = self._moments[::-2][::-1]
            self._interval *= 2

    def save(self, path: str | os.PathLike[str], target: "ImageLike", *, every: bool = False) -> None:
        """Write the film, in the format of the path's extension: `.mp4`, `.gif` or `.png`.

        Args:
            path: of the film.
            target: the picture that has been fitted, anything `splatcodec.image.load_image` reads.
            every: draw all moments there are, up to 120 of a fit, however long that takes; otherwise as many, evenly,
                as take less than a fifth of the time of the fits, but at least eight.

        Raises:
            ImageError: the target cannot be read.
            MissingExtraError: `.mp4` takes the extra `video`.
            OSError: the target cannot be read, or the film cannot be written.
            ValueError: the extension is another, or nothing has been fitted.
        """
        extension = check_path(path)
        with replacing(path) as file:
            file.write(self.to_bytes(extension, target, every=every))

    def to_bytes(self, extension: str, target: "ImageLike", *, every: bool = False) -> bytes:
        """What `save` writes to a path of that extension."""
        if self._state is None:
            raise ValueError("nothing has been recorded: give the recorder to a fit as its callback")
        # Where a fit ends is seen only now.
        moments = [*self._moments[:-1], Moment(len(self.history) - 1, self._state.take())]
        steps = list(self.history)
        painter = Painter(load_pixels(target), steps, moments[-1].splats)
        if not every:
            moments = _affordable(painter, moments, extension, _seconds_of_fits(steps))
        frames = (painter.draw(moment) for moment in moments)
        rate = min(max(len(moments) / _SECONDS, _SLOWEST), _FASTEST)
        if extension == ".mp4":
            return _video(frames, painter.width, painter.height, rate)
        return _animation(list(frames), extension, rate)


def check_path(path: str | os.PathLike[str]) -> str:
    """The extension of a path that a film can be written to.

    Raises:
        MissingExtraError: it takes a package that is missing.
        OSError: it takes a program that is missing.
        ValueError: it is not one of `FORMATS`.
    """
    extension = extension_of(path, FORMATS, "a film")
    if extension == ".mp4":
        _coder()
    return extension


def _affordable(painter: Painter, moments: list[Moment], extension: str, seconds: float) -> list[Moment]:
    """As many moments, evenly, as can be drawn in a share of the seconds of the fits."""
    start = time.perf_counter()
    frame = painter.draw(moments[-1])
    budget = _SHARE * seconds
    if extension == ".mp4":
        # Its coder works beside, in a process of its own.
        budget -= _START
    else:
        _animation([frame], extension, 1.0)
    taken = time.perf_counter() - start
    count = min(max(int(budget / taken) - 1, _FEWEST_FRAMES), len(moments))
    return [moments[number] for number in np.linspace(0, len(moments) - 1, count).round().astype(int)]


def _seconds_of_fits(steps: Sequence[Step]) -> float:
    """The time that all fits took together."""
    return sum({step.fit: step.seconds for step in steps}.values())


@cache
def _coder() -> str:
    """The program that codes video."""
    with requires("imageio_ffmpeg", "video"):
        from imageio_ffmpeg import get_ffmpeg_exe
    try:
        return str(get_ffmpeg_exe())
    except RuntimeError as error:
        raise OSError(f"ffmpeg, which codes films, is not found: {error}") from error


def _video(frames: Iterator[Image.Image], width: int, height: int, rate: float) -> bytes:
    """MP4 with H.264, which any browser plays; the last frame stays for a while."""
    with tempfile.TemporaryDirectory(prefix="splatcodec-") as directory:
        path = Path(directory, "film.mp4")
        source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{rate:g}", "-i", "-"]
        coding = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p"]
        command = [_coder(), "-v", "error", *source, *coding, "-movflags", "+faststart", str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdin is not None
            try:
                for frame in frames:
                    process.stdin.write(frame.tobytes())
                for _ in range(round(rate * _SECONDS_AT_END)):
                    process.stdin.write(frame.tobytes())
            except BrokenPipeError:
                # It says why below.
                pass
            except BaseException:
                process.kill()
                raise
            _, message = process.communicate()
        if process.returncode:
            reason = message.decode(errors="replace").strip().rpartition("\n")[2]
            raise OSError(f"ffmpeg cannot code the film: {reason or f'it ended with {process.returncode}'}")
        return path.read_bytes()


def _animation(frames: list[Image.Image], extension: str, rate: float) -> bytes:
    """GIF or animated PNG that repeats; the last frame stays for a while."""
    durations = [round(1000 / rate)] * (len(frames) - 1) + [round(1000 * _SECONDS_AT_END)]
    options: dict[str, Any] = {"compress_level": 3}
    if extension == ".gif":
        frames = [frame.quantize(_PALETTE, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE) for frame in frames]
        options = {"optimize": False}
    file = BytesIO()
    frames[0].save(file, extension[1:], save_all=True, append_images=frames[1:], duration=durations, loop=0, **options)
    return file.getvalue()

"""The codecs to compare: each turns a picture into bytes at a given quality, and the bytes back into a picture."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.metadata import version
from io import BytesIO
from typing import Any, Literal, Unpack

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, features

from ..container import PROFILES
from ..decoder import decode
from ..encoder import DEFAULT_EFFORT, DEFAULT_PROFILE, FitOptions, encode

Pixels = NDArray[np.uint8]
"""[H, W] of a grey picture, [H, W, 3] of a colour picture."""


class Codec(ABC):
    """A codec with a knob between size and fidelity. To add one, name it and write `encode` and `decode`."""

    name: str
    """What tables, plots and files call it; letters, digits, `-`, `_` and `.`."""
    qualities: Sequence[float] = ()
    """Settings of the knob to measure unless others are asked for, from small files to large ones."""
    bounds: tuple[float, float]
    """Settings of the smallest and the largest files, for `encode_to_size`."""
    extension: str = "bin"
    """What its files end in."""

    @property
    def version(self) -> str:
        """Version of the implementation, and every option that changes its output."""
        return ""

    def prepare(self) -> None:
        """Do what only the first call in a process has to; it is not timed."""
        return

    @abstractmethod
    def encode(self, image: Pixels, quality: float) -> bytes:
        """The whole file of a picture."""

    @abstractmethod
    def decode(self, data: bytes) -> Pixels:
        """The picture of a file that `encode` made; a grey one may come back in colour."""

    def between(self, low: float, high: float, count: int) -> list[float]:
        """`count` settings from `low` to `high`, spread evenly over the curve."""
        return np.linspace(low, high, count).round().tolist()


class Gsi(Codec):
    """splatcodec itself.

    Args:
        profile: of the files.
        knob: what `quality` sets: "n_gaussians", the number of Gaussians, or "quality", where `encode` has it.
        options: any other options of `splatcodec.encode`, such as effort.
    """

    bounds = (20, 100_000)
    extension = "gsi"

    def __init__(
        self,
        profile: str = DEFAULT_PROFILE,
        knob: Literal["n_gaussians", "quality"] = "n_gaussians",
        **options: Unpack[FitOptions],
    ) -> None:
        if profile not in PROFILES.values():
            raise ValueError(f"unknown profile {profile!r}, expected one of {', '.join(PROFILES.values())}")
        if knob not in FitOptions.__annotations__:
            raise ValueError(f"this version of splatcodec cannot encode by {knob}")
        self.name = f"gsi-{profile}"
        self.qualities = (250, 500, 1000, 2000, 4000)
        self._profile = profile
        self._knob = knob
        self._options: dict[str, Any] = {"effort": DEFAULT_EFFORT, **options}

    @property
    def version(self) -> str:
        options = ", ".join(f"{name} {value}" for name, value in self._options.items())
        return f"splatcodec {version('splatcodec')}, {options}"

    def prepare(self) -> None:
        decode(encode(np.zeros((8, 8, 3), np.uint8), n_gaussians=2, effort=1))

    def encode(self, image: Pixels, quality: float) -> bytes:
        settings: dict[str, Any] = {self._knob: round(quality), **self._options}
        return encode(image, profile=self._profile, **settings)

    def decode(self, data: bytes) -> Pixels:
        return decode(data)

    def between(self, low: float, high: float, count: int) -> list[float]:
        return np.geomspace(low, high, count).round().tolist()


class _PillowCodec(Codec):
    """A format that Pillow writes and reads."""

    format: str
    feature: str
    library: str

    def __init__(self) -> None:
        if not features.check(self.feature):
            raise ValueError(f"{self.name}: this build of Pillow lacks {self.library}")

    @property
    def version(self) -> str:
        return f"{self.library} {features.version(self.feature)}, Pillow {PIL.__version__}"

    def encode(self, image: Pixels, quality: float) -> bytes:
        file = BytesIO()
        Image.fromarray(image).save(file, self.format, **self.options(image, quality))
        return file.getvalue()

    def decode(self, data: bytes) -> Pixels:
        with Image.open(BytesIO(data), formats=[self.format]) as image:
            # WebP and AVIF know colour pictures only.
            return np.asarray(image.convert("L" if image.mode == "L" else "RGB"))

    @abstractmethod
    def options(self, image: Pixels, quality: float) -> dict[str, object]:
        """Pillow's options for a setting."""


class Jpeg(_PillowCodec):
    """JPEG, progressive with optimised tables, 4:2:0; the setting is libjpeg's quality."""

    name = "jpeg"
    qualities = (5, 10, 20, 30, 45, 60, 75, 90)
    bounds = (1, 100)
    extension = "jpg"
    format = "JPEG"
    feature = "jpg"
    library = "libjpeg"

    @property
    def version(self) -> str:
        turbo = features.version("libjpeg_turbo")
        return f"libjpeg-turbo {turbo}, Pillow {PIL.__version__}" if turbo else super().version

    def options(self, image: Pixels, quality: float) -> dict[str, object]:
        return {"quality": round(quality), "progressive": True, "optimize": True}


class WebP(_PillowCodec):
    """WebP, lossy, at its slowest method, 4:2:0; the setting is libwebp's quality."""

    name = "webp"
    qualities = (0, 5, 15, 30, 50, 70, 80, 90)
    bounds = (0, 100)
    extension = "webp"
    format = "WEBP"
    feature = "webp"
    library = "libwebp"

    def options(self, image: Pixels, quality: float) -> dict[str, object]:
        return {"quality": round(quality), "method": 6}


class Jpeg2000(_PillowCodec):
    """JPEG 2000, irreversible with colour transform, the bare codestream; the setting is the rate in bpp."""

    name = "jpeg2000"
    qualities = (0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.5)
    bounds = (0.005, 24)
    extension = "j2k"
    format = "JPEG2000"
    feature = "jpg_2000"
    library = "OpenJPEG"

    def options(self, image: Pixels, quality: float) -> dict[str, object]:
        channels = image.shape[2] if image.ndim == 3 else 1
        return {
            "irreversible": True,
            "mct": int(channels == 3),
            "quality_mode": "rates",
            "quality_layers": [8 * channels / quality],
            "no_jp2": True,
        }

    def between(self, low: float, high: float, count: int) -> list[float]:
        return np.geomspace(low, high, count).round(4).tolist()


class Avif(_PillowCodec):
    """AVIF, libaom at speed 4, 4:2:0; the setting is Pillow's quality."""

    name = "avif"
    qualities = (5, 15, 25, 35, 45, 55, 70, 85)
    bounds = (0, 100)
    extension = "avif"
    format = "AVIF"
    feature = "avif"
    library = "libavif"

    def options(self, image: Pixels, quality: float) -> dict[str, object]:
        return {"quality": round(quality), "speed": 4}


class JpegXl(Codec):
    """JPEG XL at effort 7, by the imagecodecs package; the setting is Butteraugli distance, 0.1 to 25."""

    name = "jpegxl"
    qualities = (20, 12, 8, 5, 3, 2, 1, 0.5)
    bounds = (25, 0.1)
    extension = "jxl"

    def __init__(self) -> None:
        try:
            import imagecodecs
        except ImportError:
            raise ValueError("jpegxl needs the imagecodecs package: pip install imagecodecs") from None
        if not imagecodecs.JPEGXL.available:
            raise ValueError("jpegxl: this build of imagecodecs lacks libjxl")

    @property
    def version(self) -> str:
        import imagecodecs

        return f"{imagecodecs.jpegxl_version()}, imagecodecs {imagecodecs.__version__}"

    def encode(self, image: Pixels, quality: float) -> bytes:
        import imagecodecs

        return bytes(imagecodecs.jpegxl_encode(image, distance=quality, effort=7))

    def decode(self, data: bytes) -> Pixels:
        import imagecodecs

        return imagecodecs.jpegxl_decode(data)

    def between(self, low: float, high: float, count: int) -> list[float]:
        return np.geomspace(low, high, count).round(3).tolist()


BUILT_IN = ("gsi", *(f"gsi-{profile}" for profile in PROFILES.values()), "jpeg", "webp", "jpeg2000", "avif", "jpegxl")
"""Names that `get_codec` takes; "gsi" is the default profile."""

_POINTS = 5


def get_codec(
    name: str, *, knob: Literal["n_gaussians", "quality"] = "n_gaussians", **options: Unpack[FitOptions]
) -> Codec:
    """A codec of `BUILT_IN`, by name.

    Args:
        name: one of `BUILT_IN`.
        knob, options: as in `Gsi`, for our own codec only.

    Raises:
        ValueError: there is no such codec, or the library it needs is missing.
    """
    if name == "gsi":
        return Gsi(knob=knob, **options)
    if name.removeprefix("gsi-") in PROFILES.values() and name.startswith("gsi-"):
        return Gsi(name.removeprefix("gsi-"), knob, **options)
    for kind in (Jpeg, WebP, Jpeg2000, Avif, JpegXl):
        if name == kind.name:
            return kind()
    raise ValueError(f"unknown codec {name!r}, expected one of {', '.join(BUILT_IN)}")


def parse_codecs(text: str, **options: Unpack[FitOptions]) -> list[tuple[Codec, list[float]]]:
    """Codecs and their settings from a list such as "gsi:n500..8000,avif:30..80/7,jpeg:20+50,jpeg2000".

    Commas separate codecs, named as in `BUILT_IN`. After a colon stand the settings: a range LOW..HIGH, of five or of
    /COUNT settings, or single ones joined by +. Our own codec's begin with n for numbers of Gaussians or q for
    qualities. Without them a codec has its own.

    Args:
        text: the list.
        options: of `splatcodec.encode`, such as effort, for our own codec.

    Raises:
        ValueError: the list makes no sense, or names a codec that is missing.
    """
    chosen = []
    for item in text.split(","):
        name, colon, settings = item.strip().partition(":")
        knob: Literal["n_gaussians", "quality"] = "n_gaussians"
        if name.startswith("gsi") and colon:
            if settings[:1] not in ("n", "q"):
                raise ValueError(f"{item!r}: settings of {name} begin with n, for Gaussians, or q, for qualities")
            knob = "quality" if settings[0] == "q" else "n_gaussians"
            settings = settings[1:]
        codec = get_codec(name, knob=knob, **options)
        chosen.append((codec, _settings(codec, settings, item) if colon else list(codec.qualities)))
    names = [codec.name for codec, _ in chosen]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is listed twice; join its settings with +")
    return chosen


def _settings(codec: Codec, text: str, item: str) -> list[float]:
    """The settings of a range or of a list."""
    try:
        if ".." not in text:
            return [_number(value) for value in text.split("+")]
        low, _, high = text.partition("..")
        high, slash, count = high.partition("/")
        points = int(count) if slash else _POINTS
        if points < 2:
            raise ValueError
        return codec.between(_number(low), _number(high), points)
    except ValueError:
        raise ValueError(f"{item!r}: settings are LOW..HIGH, LOW..HIGH/COUNT or single ones joined by +") from None


def _number(text: str) -> float:
    value = float(text)
    if not np.isfinite(value):
        raise ValueError
    return value

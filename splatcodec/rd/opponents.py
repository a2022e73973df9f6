"""Codecs of others, to compare with."""

from abc import abstractmethod
from io import BytesIO

import numpy as np
import PIL
from PIL import Image, features

from .codecs import Codec, Pixels


class PillowCodec(Codec):
    """A format that Pillow writes and reads.

    Raises:
        ValueError: Pillow was built without it.
    """

    format: str
    feature: str
    library: str
    choices: str
    """The options besides the quality, in words, but for the tune."""
    tune = ""
    """What the encoder aims at, if it has a choice."""

    def __init__(self) -> None:
        if not features.check(self.feature):
            raise ValueError(f"{self.name}: this build of Pillow lacks {self.library}")

    @property
    def version(self) -> str:
        options = [f"Pillow {PIL.__version__}", self.choices] + [f"tune {self.tune}"] * bool(self.tune)
        return f"{self.library} {features.version(self.feature)}, {', '.join(options)}"

    def encode(self, image: Pixels, quality: float) -> bytes:
        file = BytesIO()
        Image.fromarray(image).save(file, self.format, **self.options(image, quality))
        return file.getvalue()

    def decode(self, data: bytes) -> Pixels:
        with Image.open(BytesIO(data), formats=[self.format]) as image:
            return np.asarray(image.convert("L" if image.mode == "L" else "RGB"))

    @abstractmethod
    def options(self, image: Pixels, quality: float) -> dict[str, object]:
        """Pillow's options for a setting."""


class Jpeg(PillowCodec):
    """JPEG; the setting is libjpeg's quality."""

    name = "jpeg"
    qualities = (5, 10, 20, 30, 45, 60, 75, 90)
    bounds = (1, 100)
    extension = "jpg"
    format = "JPEG"
    feature = "jpg"
    library = "libjpeg"
    choices = "progressive, optimised tables, 4:2:0"

    def options(self, image: Pixels, quality: float) -> dict[str, object]:
        return {"quality": round(quality), "progressive": True, "optimize": True, "subsampling": "4:2:0"}


class WebP(PillowCodec):
    """WebP, lossy; the setting is libwebp's quality."""

    name = "webp"
    qualities = (0, 5, 15, 30, 50, 70, 80, 90)
    bounds = (0, 100)
    extension = "webp"
    format = "WEBP"
    feature = "webp"
    library = "libwebp"
    choices = "method 6, 4:2:0"

    def options(self, image: Pixels, quality: float) -> dict[str, object]:
        return {"quality": round(quality), "method": 6}


class Jpeg2000(PillowCodec):
    """JPEG 2000; the setting is the rate in bpp."""

    name = "jpeg2000"
    qualities = (0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.5)
    bounds = (0.005, 24)
    extension = "j2k"
    format = "JPEG2000"
    feature = "jpg_2000"
    library = "OpenJPEG"
    choices = "irreversible, colour transform, bare codestream"

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


class Avif(PillowCodec):
    """AVIF, as libavif tunes it unless told otherwise; the setting is Pillow's quality.

    Since libavif 1.3 that is `iq`, for what eyes see.
    """

    name = "avif"
    tune = "default"
    qualities = (5, 15, 25, 35, 45, 55, 70, 85)
    bounds = (0, 100)
    extension = "avif"
    format = "AVIF"
    feature = "avif"
    library = "libavif"
    choices = "libaom, speed 4, 4:2:0"

    def options(self, image: Pixels, quality: float) -> dict[str, object]:
        return {
            "quality": round(quality),
            "speed": 4,
            "subsampling": "4:2:0",
            "codec": "aom",
            "advanced": None if self.tune == Avif.tune else {"tune": self.tune},
        }


class AvifPsnr(Avif):
    """AVIF, tuned for PSNR."""

    name = "avif-psnr"
    tune = "psnr"


class AvifSsim(Avif):
    """AVIF, tuned for SSIM."""

    name = "avif-ssim"
    tune = "ssim"


class JpegXl(Codec):
    """JPEG XL, by the imagecodecs package; the setting is Butteraugli distance.

    Raises:
        ValueError: the package is not installed, or was built without libjxl.
    """

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

        return f"{imagecodecs.jpegxl_version()}, imagecodecs {imagecodecs.__version__}, effort 7"

    def encode(self, image: Pixels, quality: float) -> bytes:
        import imagecodecs

        return bytes(imagecodecs.jpegxl_encode(image, distance=quality, effort=7))

    def decode(self, data: bytes) -> Pixels:
        import imagecodecs

        return imagecodecs.jpegxl_decode(data)

    def between(self, low: float, high: float, count: int) -> list[float]:
        return np.geomspace(low, high, count).round(3).tolist()

"""Codecs by name, and lists of them as the command line takes them."""

import math

import numpy as np

from ..compress import profiles
from ..options import DEFAULT_EFFORT, DEFAULT_PROFILE, DEFAULT_TUNE, TUNES
from .codecs import Codec, Gsi, Knob
from .opponents import Avif, AvifPsnr, AvifSsim, Jpeg, Jpeg2000, JpegXl, WebP

_OPPONENTS: dict[str, type[Codec]] = {
    kind.name: kind for kind in (Jpeg, WebP, Jpeg2000, Avif, AvifPsnr, AvifSsim, JpegXl)
}
_OWN: dict[str, tuple[str, str]] = {
    "gsi": (DEFAULT_PROFILE, DEFAULT_TUNE),
    **{f"gsi-{profile}": (profile, DEFAULT_TUNE) for profile in profiles.NAMES},
    **{f"gsi-{tune}": (DEFAULT_PROFILE, tune) for tune in TUNES if tune != DEFAULT_TUNE},
}
"""Profile and tune of each of our own."""
BUILT_IN = (*_OWN, *_OPPONENTS)
"""Names that `get_codec` takes; "gsi" is the default profile, "gsi-ssim" the same with that tune."""

_SETTINGS_IN_RANGE = 5


def get_codec(name: str, *, knob: Knob = "quality", effort: int = DEFAULT_EFFORT) -> Codec:
    """A codec of `BUILT_IN`, by name.

    Args:
        name: one of `BUILT_IN`.
        knob, effort: as in `Gsi`, for our own codec only.

    Raises:
        ValueError: there is no such codec, or the library it needs is missing.
    """
    if name in _OWN:
        profile, tune = _OWN[name]
        return Gsi(profile, knob, effort, tune=tune)
    if name in _OPPONENTS:
        return _OPPONENTS[name]()
    raise ValueError(f"unknown codec {name!r}, expected one of {', '.join(BUILT_IN)}")


def parse_codecs(text: str, effort: int = DEFAULT_EFFORT) -> list[tuple[Codec, list[float]]]:
    """Codecs and their settings from a list such as "gsi:q20..80,avif:30..80/7,jpeg:20+50,jpeg2000".

    Commas separate codecs, named as in `BUILT_IN`. After a colon stand the settings: a range LOW..HIGH, of five or of
    /COUNT settings, or single ones joined by +. Our own codec's begin with n for numbers of Gaussians or q for
    qualities. Without them a codec has its own.

    Args:
        text: the list.
        effort: of our own codec.

    Raises:
        ValueError: the list makes no sense, or names a codec that is missing.
    """
    chosen: dict[str, tuple[Codec, list[float]]] = {}
    for item in text.split(","):
        name, colon, settings = (part.strip() for part in item.partition(":"))
        knob: Knob = "quality"
        if name in _OWN and colon:
            if settings[:1] not in ("n", "q"):
                raise ValueError(f"{item!r}: settings of {name} begin with n, for Gaussians, or q, for qualities")
            knob = "n_gaussians" if settings[0] == "n" else "quality"
            settings = settings[1:]
        codec = get_codec(name, knob=knob, effort=effort)
        if codec.name in chosen:
            raise ValueError(f"{codec.name} is listed twice; join its settings with +")
        chosen[codec.name] = codec, _settings(codec, settings, item) if colon else list(codec.qualities)
    return list(chosen.values())


def _settings(codec: Codec, text: str, item: str) -> list[float]:
    """The settings of a range or of a list."""
    try:
        if ".." not in text:
            return [_number(value) for value in text.split("+")]
        low, _, high = text.partition("..")
        high, slash, count = high.partition("/")
        with np.errstate(invalid="raise", divide="raise"):
            settings = codec.between(_number(low), _number(high), int(count) if slash else _SETTINGS_IN_RANGE)
        if len(settings) < 2:
            raise ValueError
        return settings
    except (ValueError, FloatingPointError):
        raise ValueError(f"{item!r}: settings are LOW..HIGH, LOW..HIGH/COUNT or single ones joined by +") from None


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value

import numpy as np
import pytest

from splatcodec import rd
from splatcodec.metrics import psnr
from splatcodec.rd import BUILT_IN


def codec_or_skip(name: str) -> rd.Codec:
    if name == "jpegxl":
        pytest.importorskip("imagecodecs")
    return rd.get_codec(name, effort=1)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_picture_comes_back(name, picture):
    codec = codec_or_skip(name)
    decoded = codec.decode(codec.encode(picture, codec.qualities[-1]))
    assert decoded.dtype == np.uint8
    assert psnr(picture, decoded) > 22


@pytest.mark.parametrize("name", BUILT_IN)
def test_so_does_a_grey_one(name, picture):
    codec = codec_or_skip(name)
    grey = picture[:, :, 1].copy()
    decoded = codec.decode(codec.encode(grey, codec.qualities[-1]))
    for plane in np.atleast_3d(decoded).transpose(2, 0, 1):
        assert psnr(grey, plane) > 22


def test_names_are_those_of_the_codecs():
    for name in BUILT_IN:
        codec = codec_or_skip(name)
        assert rd.get_codec(codec.name, effort=1).version == codec.version


def test_tunes_make_different_files(picture):
    for names in (("avif", "avif-psnr", "avif-ssim"), ("gsi", "gsi-ssim")):
        codecs = [codec_or_skip(name) for name in names]
        assert len({codec.encode(picture, 50) for codec in codecs}) == len(names)
        assert len({codec.version for codec in codecs}) == len(names)


@pytest.mark.parametrize("name", BUILT_IN)
def test_more_quality_is_more_bytes(name, picture):
    codec = codec_or_skip(name)
    sizes = [len(codec.encode(picture, quality)) for quality in (codec.qualities[0], codec.qualities[-1])]
    ends = [len(codec.encode(picture, quality)) for quality in codec.bounds] if "gsi" not in name else [0, 1e9]
    assert ends[0] <= sizes[0] < sizes[1] <= ends[1]


def test_jpeg2000_has_its_colour_transform(picture):
    # Without it, equal bytes are worth several dB less.
    codec = rd.get_codec("jpeg2000")
    data = codec.encode(picture, 2.0)
    assert len(data) <= 1.1 * 2 * picture.size / 3 / 8
    # The COD marker's multiple component transformation.
    assert data[data.index(b"\xff\x52") + 8] == 1


def test_versions_name_the_library_and_the_options():
    assert "effort 7" in rd.get_codec("gsi", effort=7).version
    assert rd.get_codec("gsi", effort=7).version != rd.get_codec("gsi").version
    for name, option in {
        "avif": "speed 4",
        "jpeg": "progressive",
        "webp": "method 6",
        "jpeg2000": "irreversible",
    }.items():
        assert option in rd.get_codec(name).version
        assert "Pillow" in rd.get_codec(name).version


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jpeg", {"jpeg": list(rd.get_codec("jpeg").qualities)}),
        ("jpeg:20..80", {"jpeg": [20, 35, 50, 65, 80]}),
        ("jpeg:20..80/3, webp:7", {"jpeg": [20, 50, 80], "webp": [7]}),
        ("jpeg2000:0.1..0.4/3", {"jpeg2000": [0.1, 0.2, 0.4]}),
        ("gsi:n500..8000", {"gsi-adaptive": [500, 1000, 2000, 4000, 8000]}),
        ("gsi:q20..80/4", {"gsi-adaptive": [20, 40, 60, 80]}),
        ("gsi-half:n10+30", {"gsi-half": [10, 30]}),
        (" jpeg : 20 ,webp: 30", {"jpeg": [20], "webp": [30]}),
    ],
)
def test_lists_of_codecs(text, expected):
    assert {codec.name: settings for codec, settings in rd.parse_codecs(text)} == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mpeg", "unknown codec 'mpeg'"),
        ("", "unknown codec ''"),
        ("gsi-zip", "unknown codec 'gsi-zip'"),
        ("jpeg,jpeg:5", "jpeg is listed twice"),
        ("gsi,gsi-adaptive", "gsi-adaptive is listed twice"),
        ("gsi:20..80", "begin with n"),
        *[
            (f"jpeg:{settings}", "LOW..HIGH")
            for settings in ("", "a", "1..", "1..2/1", "1..2/x", "1+", "nan", "1..inf")
        ],
    ],
)
def test_senseless_lists_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        rd.parse_codecs(text)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    with pytest.raises(ValueError, match="pip install"):
        rd.get_codec("jpegxl")

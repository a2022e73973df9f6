import math
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from splatcodec import rd
from splatcodec.rd.comparison import Sample, busiest, compare, encode_to_size, sheet
from splatcodec.rd.report import MOST_PICTURES, matched, write_report
from splatcodec.rd.tables import aligned, bd_rates, points

from .conftest import Rounding


@pytest.fixture(scope="module")
def report(pictures, tmp_path_factory):
    """A report of two codecs, one of which fails once."""
    directory = tmp_path_factory.mktemp("report")
    codecs = [Rounding({6: "raise"}), rd.get_codec("jpeg")]
    results = rd.sweep(pictures, codecs, {"jpeg": [10, 40, 80]}, directory=directory)
    write_report(directory / "report.html", results, pictures, codecs, directory)
    return directory / "report.html"


def test_a_report_needs_nothing_else(report):
    text = report.read_text()
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text)
    assert "RuntimeError: no memory for this" in text
    assert text.count("<svg") == 3
    assert text.count('<section class="picture">') == 2
    assert "libjpeg" in text


def test_names_and_errors_are_escaped(tmp_path, pictures):
    name = "<b>$a$&'.png"
    codecs = [Rounding({2: "raise"})]
    results = rd.sweep({name: pictures["one"]}, codecs, directory=tmp_path)
    results = rd.Results(tuple(replace(row, error=row.error and "<i>") for row in results.rows), results.runs)
    results.plot(picture=name).savefig(tmp_path / "curves.png")
    write_report(tmp_path / "report.html", results, {name: pictures["one"]}, codecs, tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "<b>" not in text
    assert "<i>" not in text
    assert "&lt;b&gt;$a$&amp;" in text


def test_the_middle_of_large_pictures_is_shown(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr("splatcodec.rd.report._MOST_COLUMNS", 20)
    codecs = [Rounding()]
    results = rd.sweep({"one": pictures["one"]}, codecs, directory=tmp_path)
    write_report(
        tmp_path / "report.html", results, {"one": pictures["one"]}, codecs, tmp_path, bpp_range=(0.1, math.inf)
    )
    text = (tmp_path / "report.html").read_text()
    assert "48 &times; 40, the middle of it" in text
    assert "aspect-ratio: 20 / 40" in text
    assert "where the anchor takes 0.1 to inf bpp" in text


def test_a_report_shows_at_most_so_many_pictures(tmp_path, pictures):
    many = {f"picture {number}": pictures["one"] for number in range(MOST_PICTURES + 1)}
    codecs = [Rounding()]
    results = rd.sweep(many, codecs, {"rounding": [4]}, directory=tmp_path, jobs=2)
    write_report(tmp_path / "report.html", results, many, codecs, tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert text.count('<section class="picture">') == MOST_PICTURES
    assert f"first {MOST_PICTURES} of {MOST_PICTURES + 1}" in text


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_the_slider_and_the_choice_work_in_a_browser(report, tmp_path):
    probe = """<script>
      const section = document.querySelector(".picture");
      const place = section.querySelector("input"), choice = section.querySelector("select");
      place.value = 25; place.dispatchEvent(new Event("input"));
      choice.selectedIndex = 1; choice.dispatchEvent(new Event("change"));
      const images = [...section.querySelectorAll("img")];
      Promise.all(images.map(image => image.decode())).then(() => document.title = JSON.stringify({
        clip: getComputedStyle(images[2]).clipPath, hidden: images.map(image => image.hidden),
        width: images[0].getBoundingClientRect().width}));
    </script>"""
    page = tmp_path / "probe.html"
    page.write_text(report.read_text().replace("</html>", probe + "</html>"))
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += [
        "--disable-background-networking",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=5000",
    ]
    shown = subprocess.run([*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120).stdout
    title = re.search(r"<title>(.*?)</title>", shown)[1]
    assert title == '{"clip":"inset(0px 0px 0px 25%)","hidden":[false,true,false],"width":48}'


def test_sizes_are_matched_to_the_first_codec():
    def row(codec, quality, size):
        return rd.Row("one", "00", 8, 8, codec, "1", quality, bytes=size, bpp=size / 8, psnr=30.0)

    rows = [row("a", 1, 100), row("a", 2, 210), row("b", 1, 200), row("b", 2, 400), row("c", 1, 220)]
    failed = rd.Row("one", "00", 8, 8, "d", "1", 1.0, error="encode: no")
    assert [row.bytes for row in matched(rd.Results((*rows, failed)), "one")] == [210, 200, 220]
    assert matched(rd.Results((failed,)), "one") == []


def test_tables(results):
    table = points(results)
    assert len(table) == 6
    assert table[0][:2] == ["rounding", "2"]
    # MS-SSIM is not defined for so small pictures.
    assert table[0][6] == "-"
    rates = bd_rates(results)
    assert rates[0] == ["", "rounding", "jpeg"]
    assert rates[1][1] == ""
    assert re.fullmatch(r"[+-]\d+\.\d % \([01]\.\d\d(, 1 of 2)?\)|none", rates[1][2])
    assert len({len(line) for line in aligned(rates).splitlines()}) == 1


@pytest.mark.parametrize("name", ["jpeg", "jpeg2000", "webp", "avif"])
def test_files_of_a_given_size(name):
    rng = np.random.default_rng(0)
    image = np.asarray(Image.fromarray(rng.integers(0, 256, (32, 48, 3)).astype(np.uint8)).resize((384, 256)))
    assert len(encode_to_size(rd.get_codec(name), image, 9000)) == pytest.approx(9000, rel=0.03)


def test_a_comparison_has_equal_sizes(picture):
    # JPEG has no file as small as ours at less quality.
    samples = compare(picture, rd.Gsi(effort=1), 100, [rd.get_codec("jpeg")])
    assert [sample.name for sample in samples] == ["gsi-adaptive", "jpeg"]
    assert len(samples[1].data) == pytest.approx(len(samples[0].data), rel=0.05)


def test_a_sheet_shows_every_sample_at_every_crop(picture):
    worse = picture // 2
    image = np.asarray(sheet(picture, [Sample("worse", b"1234", worse)], [(4, 6, 10, 8)]))
    height, width = picture.shape[:2]
    # Columns of small pictures are as wide as their titles.
    assert image.shape[1] == 2 * 180 + 8
    columns = image[:, :width], image[:, 188 : 188 + width]
    for column, pixels in zip(columns, (picture, worse), strict=True):
        # From the end: the map of the error, a gap, the magnified crop, a gap, the whole.
        error = (np.abs(pixels.astype(float) - picture) * 6).clip(0, 255)
        np.testing.assert_allclose(column[-height:], error, atol=1)
        crop = column[-height - 8 - 5 * 8 : -height - 8, : 5 * 10]
        np.testing.assert_array_equal(crop[::5, ::5], pixels[6:14, 4:14])
        np.testing.assert_array_equal(column[-2 * height - 16 - 5 * 8 : -height - 16 - 5 * 8], pixels)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (60, 40, 3)])
def test_crops_lie_within_the_picture(shape):
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    for x, y, width, height in busiest(image, 2):
        assert 0 <= x <= x + width <= shape[1]
        assert 0 <= y <= y + height <= shape[0]
        assert min(width, height) >= 1


def test_the_busiest_crop_is_found():
    image = np.zeros((100, 150), np.uint8)
    image[60:80, 100:120] = np.random.default_rng(0).integers(0, 256, (20, 20))
    ((x, y, *size),) = busiest(image, 1)
    assert size == [20, 20]
    assert (x, y) == pytest.approx((100, 60), abs=2)

import csv
import json
import math
from dataclasses import fields, replace

import numpy as np
import pytest

from splatcodec.errors import ResultsError
from splatcodec.rd import Results, Row


def row(picture="one", codec="a", quality=1.0, bpp=0.1, psnr=30.0, **others) -> Row:
    values = {"version": "1", "bytes": 100, "bpp": bpp, "psnr": psnr, "psnr_y": psnr, "ssim": 0.9, "ms_ssim": 0.9}
    return Row(picture, "00", 8, 8, codec, quality=quality, **(values | others))


def test_rows_survive_a_file(results, tmp_path):
    path = tmp_path / "results.json"
    results.to_json(path)
    assert Results.from_json(path) == results


@pytest.mark.parametrize("field", [field.name for field in fields(Row)])
def test_a_changed_row_is_detected(results, tmp_path, field):
    path = tmp_path / "results.json"
    results.to_json(path)
    content = json.loads(path.read_text())
    content["rows"][3][field] = 7 if content["rows"][3][field] != 7 else 8
    path.write_text(json.dumps(content))
    with pytest.raises(ResultsError, match=r"results.json: row 4 .*checksum"):
        Results.from_json(path)


@pytest.mark.parametrize(
    "content", ["", "[]", '{"format": "x"}', '{"format": "splatcodec.rd", "rows": [], "version": 9}']
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(ResultsError, match=r"results\.json"):
        Results.from_json(path)


def test_compressai_reads_the_file_of_one_codec(results, tmp_path):
    path = tmp_path / "jpeg.json"
    results.of("jpeg").to_json(path)
    content = json.loads(path.read_text())
    # What compressai.utils.plot takes from a file.
    assert content["name"] == "jpeg"
    assert len(content["results"]["bpp"]) == len(content["results"]["psnr"]) == 3
    np.testing.assert_allclose(content["results"]["psnr"], results.mean_curve("jpeg").values["psnr"])


def test_compressai_gets_rising_rates_and_finite_values(tmp_path):
    rows = [row(quality=3.0, bpp=0.9, psnr=None), row(quality=2.0, bpp=0.4), row(quality=1.0, bpp=0.2, ms_ssim=None)]
    Results(tuple(rows)).to_json(tmp_path / "a.json")
    found = json.loads((tmp_path / "a.json").read_text())["results"]
    assert found["bpp"] == [0.2, 0.4]
    assert found["psnr"] == [30, 30]
    assert "ms-ssim" not in found


def test_csv_holds_every_row(results, tmp_path):
    results.to_csv(tmp_path / "results.csv")
    with open(tmp_path / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["psnr"]) for row in rows] == [row.psnr for row in results.rows]


def test_means_are_over_all_pictures():
    rows = [row("one", bpp=0.1, psnr=30.0), row("two", bpp=0.3, psnr=34.0)]
    curve = Results(tuple(rows)).mean_curve("a")
    assert curve.bpp == pytest.approx([0.2])
    assert curve.values["psnr"] == pytest.approx([32])
    assert curve.values["ssim"] == pytest.approx([10])


def test_a_failure_takes_its_quality_out_of_the_mean():
    rows = [row(name, quality=quality) for name in ("one", "two") for quality in (1.0, 2.0)]
    rows[3] = Row("two", "00", 8, 8, "a", "1", 2.0, error="encode: no")
    results = Results(tuple(rows))
    assert len(results.mean_curve("a").bpp) == 1
    assert len(results.curve("a", "one").bpp) == 2
    assert results.failures == [rows[3]]


def test_undefined_metrics_leave_the_others_alone():
    curve = Results((row(ms_ssim=None),)).mean_curve("a")
    assert math.isnan(curve.values["ms-ssim"][0])
    assert curve.values["psnr"] == pytest.approx([30])


def test_bd_rate_is_the_mean_over_pictures():
    rows = []
    for picture, factor in (("one", 0.5), ("two", 2.0)):
        for quality, (bpp, psnr) in enumerate([(0.1, 25.0), (0.2, 28.0), (0.4, 31.0)]):
            rows += [row(picture, "a", quality, bpp, psnr), row(picture, "b", quality, bpp * factor, psnr)]
    found = Results(tuple(rows)).bd_rate("a")["b"]
    assert found.percent == pytest.approx((-50 + 100) / 2)
    assert found.overlap == pytest.approx(1)
    assert found.pictures["two"].percent == pytest.approx(100)


def test_pictures_without_overlap_are_left_out_and_shown():
    rows = [row("one", codec, q, 0.1 * q, 20 + q) for codec in "ab" for q in (1.0, 2.0)]
    rows += [row("two", codec, q, 0.1 * q, 20 + q + 10 * (codec == "b")) for codec in "ab" for q in (1.0, 2.0)]
    found = Results(tuple(rows)).bd_rate("a")["b"]
    assert found.percent == pytest.approx(0)
    assert found.pictures["two"].overlap == 0
    assert str(found) == "+0.0 % (1.00, 1 of 2)"


def test_unknown_names_are_refused(results):
    with pytest.raises(ValueError, match="no results of 'mpeg'"):
        results.bd_rate("mpeg")
    with pytest.raises(ValueError, match="unknown metric"):
        results.bd_rate("jpeg", "vmaf")
    with pytest.raises(ValueError, match="unknown metric"):
        results.plot("vmaf")
    with pytest.raises(ValueError, match="no results of 'three'"):
        results.plot(picture="three")


def test_merging_joins_codecs_and_keeps_what_succeeded():
    failed = Row("one", "00", 8, 8, "b", "1", 1.0, error="encode: no")
    left, right = Results((row(), failed), ({"date": "1"},)), Results((row(codec="b"),), ({"date": "2"},))
    for merged in (left.merge(right), right.merge(left)):
        assert merged.failures == []
        assert set(merged.codecs) == {"a", "b"}
        assert len(merged.runs) == 2
    assert left.merge(left) == left


def test_versions_are_not_mixed():
    old, new = Results((row(),)), Results((row(version="2"),))
    with pytest.raises(ResultsError, match="two versions: 1 and 2"):
        old.merge(new)
    assert old.renamed("a", "old").merge(new).codecs == ["old", "a"]


def test_pictures_are_not_mixed():
    with pytest.raises(ResultsError, match="two different pictures are called one"):
        Results((row(),)).merge(Results((replace(row(codec="b"), digest="11"),)))


def test_a_plot_shows_every_codec(results):
    axes = results.plot("psnr").axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["rounding", "jpeg"]
    np.testing.assert_allclose(axes.lines[1].get_ydata(), results.mean_curve("jpeg").values["psnr"])
    assert results.plot("ssim", "two").axes[0].get_title() == "two"

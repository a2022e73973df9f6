import pytest

from splatcodec.errors import InterchangeError
from splatcodec.interchange import load, save

from .pictures import SHAPES, assert_same, random_splats

SIZE = "# splatcodec 9x9"
GREY = "mean_x,mean_y,scale_1,scale_2,rotation,color_1"


def parsed(text: str, size=None):
    return load(text.encode(), size, extension=".csv")


@pytest.mark.parametrize(("height", "width"), SHAPES)
@pytest.mark.parametrize(("n", "channels"), [(0, 3), (1, 1), (50, 1), (50, 3)])
def test_what_was_written_reads_back_exactly(height, width, n, channels, tmp_path):
    splats = random_splats(0, n, channels, height, width)
    save(splats, tmp_path / "out.csv")
    assert_same(load(tmp_path / "out.csv"), splats)


def test_a_table_says_its_size_and_names_its_columns(tmp_path):
    save(random_splats(1, 2, 1, 427, 640), tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[:2] == ["# splatcodec 640x427", GREY]
    assert len(lines) == 4


def test_tables_of_spreadsheets_are_read():
    splats = parsed(f'\ufeff{GREY}\r\n"1.5", 2,3,4,0.5,1e-1\r\n\r\n', (40, 56))
    assert (splats.height, splats.width, len(splats)) == (40, 56, 1)
    assert splats.scales.tolist() == [[3, 4]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the columns mean_x,mean_y"),
        (f"{SIZE}\nmean_x,mean_y\n", "expected the columns mean_x,mean_y"),
        (f"{GREY}\n1,2,3,4,5,6\n", "does not hold the size of its canvas"),
        (f"# splatcodec 0x9\n{GREY}\n", "a canvas of 0x9 is not between 1x1 and 65535x65535"),
        (f"# splatcodec 99999x9\n{GREY}\n", "a canvas of 99999x9 is not between"),
        (f"{SIZE}\n{GREY}\n1,2,3,4,5,6\n1,2,3\n", "row 1: expected 6 values, got 3"),
        (f"{SIZE}\n{GREY}\n1,2,3,4,5,6\n1,2,3,x,5,6\n", "key \"scale_2\", row 1: expected a number above 0, got 'x'"),
        (f"{SIZE}\n{GREY}\n1,2,3,4,5,6\n1,2,-3,4,5,6\n", 'key "scale_1", row 1: expected a number above 0, got -3'),
        (f"{SIZE}\n{GREY}\n1,nan,3,4,5,6\n", 'key "mean_y", row 0: expected a number, got nan'),
        (f"{SIZE}\n{GREY}\n1,2,3,4,5,\n", "key \"color_1\", row 0: expected a number, got ''"),
        (f"{SIZE}\n{GREY}\n{'1' * 200_000},2,3,4,5,6\n", "not a table of values"),
    ],
)
def test_bad_values_are_named(text, message):
    with pytest.raises(InterchangeError) as raised:
        parsed(text)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_no_text_is_refused():
    with pytest.raises(InterchangeError, match="not a text file"):
        load(b"\xff\xfe\x00", extension=".csv")

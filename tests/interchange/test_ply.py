import io

import numpy as np
import pytest

from splatcodec.errors import InterchangeError
from splatcodec.interchange import load, save
from splatcodec.splats import Splats

from .pictures import SHAPES, random_splats, shown

PROPERTIES = [
    *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "rot_0", "rot_1", "rot_2", "rot_3"),
]


def written(splats) -> bytes:
    file = io.BytesIO()
    save(splats, file, extension=".ply")
    return file.getvalue()


def parsed(data: bytes, size=None) -> Splats:
    return load(data, size, extension=".ply")


def vertices(data: bytes) -> np.ndarray:
    """The table of a file, as anybody reads it."""
    _, _, body = data.partition(b"end_header\n")
    return np.frombuffer(body, [(name, "<f4") for name in PROPERTIES])


@pytest.mark.parametrize(("height", "width"), SHAPES)
@pytest.mark.parametrize(("n", "channels"), [(0, 3), (1, 1), (50, 1), (50, 3)])
def test_what_was_written_reads_back_as_well_as_logarithms_hold_it(height, width, n, channels):
    splats = random_splats(0, n, channels, height, width)
    found = parsed(written(splats))
    assert (found.height, found.width, found.channels) == (height, width, channels)
    np.testing.assert_array_equal(found.means, splats.means)
    np.testing.assert_allclose(found.scales, splats.scales, rtol=1e-6)
    np.testing.assert_allclose(np.sin(found.rotations), np.sin(splats.rotations), atol=2e-6)
    np.testing.assert_allclose(np.cos(found.rotations), np.cos(splats.rotations), atol=2e-6)
    largest = np.abs(splats.colors).max(axis=1, keepdims=True)
    assert (np.abs(found.colors - splats.colors) <= 5e-7 * largest).all()


def test_amplitudes_of_any_size_come_back():
    splats = random_splats(1, 6)
    colors = np.array([[0, 0, 0], [1e-6, 0, -1e-7], [1, 1, 1], [-3, 0.5, 2], [0.999, 1, -1], [50, 1, 0]])
    splats = Splats(splats.means, splats.scales, splats.rotations, colors, 40, 56)
    np.testing.assert_allclose(parsed(written(splats)).colors, colors, rtol=1e-5, atol=1e-7)


def test_the_layout_is_that_of_2d_gaussian_splatting():
    splats = random_splats(2, 7)
    data = written(splats)
    header = data.partition(b"end_header\n")[0].decode().splitlines()
    assert header[:2] == ["ply", "format binary_little_endian 1.0"]
    assert [line for line in header if line.startswith("element")] == ["element vertex 7"]
    assert [line.split()[1:] for line in header if line.startswith("property")] == [["float", p] for p in PROPERTIES]
    assert any("blend" in line for line in header if line.startswith("comment"))
    table = vertices(data)
    assert not table["z"].any()
    np.testing.assert_allclose(np.exp(table["scale_1"]), splats.scales[:, 1], rtol=1e-6)
    opacities = 1 / (1 + np.exp(-table["opacity"]))
    assert ((opacities > 0) & (opacities < 1)).all()
    # As 3D Gaussian splatting turns f_dc into colours.
    green = 0.5 + 0.28209479177387814 * table["f_dc_1"]
    np.testing.assert_allclose(opacities * green, splats.colors[:, 1], atol=1e-6)
    np.testing.assert_allclose(table["rot_0"] ** 2 + table["rot_3"] ** 2, 1, atol=1e-6)


def test_files_of_others_are_read_in_any_order_of_any_types():
    names = [*reversed(PROPERTIES), "scale_2", "label"]
    types = [(name, "u1" if name == "label" else "<f8") for name in names]
    splats = random_splats(3, 4)
    table = np.zeros(4, types)
    for name in PROPERTIES:
        table[name] = vertices(written(splats))[name]
    for part in ("rot_0", "rot_3"):
        table[part] *= 3
    lines = ["ply", "format binary_little_endian 1.0", "element vertex 4"]
    lines += [f"property {'uchar' if name == 'label' else 'double'} {name}" for name in names]
    data = "\r\n".join([*lines, "element face 0", "property list uchar int a", "end_header\r\n"]).encode()
    found = parsed(data + table.tobytes() + b"more", (40, 56))
    np.testing.assert_allclose(shown(found), shown(splats), atol=1e-5)


def test_grey_that_was_coloured_is_colour():
    splats = random_splats(4, 3, 1)
    data = bytearray(written(splats))
    assert parsed(bytes(data)).channels == 1
    data[-16 * 4 + 6 * 4 : -16 * 4 + 7 * 4] = np.float32(1).tobytes()
    assert parsed(bytes(data)).channels == 3


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("x", np.nan, 'key "x", row 2: expected a number, got nan'),
        ("f_dc_1", np.inf, 'key "f_dc_1", row 2: expected a number, got inf'),
        ("rot_1", 0.5, 'key "rot_1", row 2: expected a rotation about z, got 0.5'),
        ("scale_0", 1000, "scales[2] is not finite"),
        ("scale_0", -1000, "scales[2] is not positive"),
    ],
)
def test_bad_values_are_named(name, value, message):
    data = written(random_splats(5, 4))
    table = vertices(data).copy()
    table[name][2] = value
    with pytest.raises(InterchangeError) as raised:
        parsed(data[: -table.nbytes] + table.tobytes())
    assert str(raised.value).startswith(f"<bytes>: {message}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"ply\n", b"pl\n", "not a PLY file"),
        (b"end_header", b"end_of", "the header has no end"),
        (b"binary_little_endian", b"ascii", "only the format binary_little_endian 1.0 is read"),
        (b"vertex 4", b"face 4", "expected its first element to be the vertices, got element face 4"),
        (b"vertex 4", b"vertex -4", "expected its first element"),
        (b"vertex 4", b"vertex 5", "before the last of 5 Gaussians"),
        (b"vertex 4", b"vertex 999999999999", "before the last of 999999999999 Gaussians"),
        (b"float opacity", b"float alpha", 'key "opacity" is missing'),
        (b"float opacity", b"half opacity", 'cannot read the header line "property half opacity"'),
        (b"float rot_3", b"float rot_2", 'cannot read the header line "property float rot_2"'),
        (b"comment splatcodec", b"comment other", "does not hold the size of its canvas"),
        (b"splatcodec 56x40", b"splatcodec 0x40", "a canvas of 0x40 is not between"),
    ],
)
def test_bad_headers_are_explained(old, new, message):
    with pytest.raises(InterchangeError) as raised:
        parsed(written(random_splats(6, 4)).replace(old, new))
    assert message in str(raised.value)


def test_truncated_files_are_refused():
    data = written(random_splats(7, 4))
    for end in range(0, len(data), 13):
        with pytest.raises(InterchangeError, match=r"^<bytes>: "):
            parsed(data[:end])

"""The PLY layout of 2D Gaussian splatting (Huang et al., SIGGRAPH 2024), which viewers of 3D Gaussians open.

Names and meanings are those of hbb1/2d-gaussian-splatting, `scene/gaussian_model.py`, and of its parent 3D Gaussian
splatting: log-scales, of which `scale_2` is absent; an opacity before the sigmoid; colours as 0.5 plus a spherical
harmonic of degree 0; and a quaternion, the real part first. The picture lies in the plane z = 0, one unit a pixel, x to
the right and y down, as a camera of COLMAP at a negative z sees it; viewers with y up turn such files over.

Viewers blend from back to front instead of adding up, and know no negative colours: they show something else.
"""

import re
from math import pi, sqrt

import numpy as np

from ..errors import InterchangeError
from ..splats import Splats
from .fields import Fields, Size, canvas, sigmoid
from .formats import Format

_NAMES = [
    *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "rot_0", "rot_1", "rot_2", "rot_3"),
]
_TYPES = {
    **{"char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2"},
    **{"uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4"},
    **{"float": "f4", "float32": "f4", "double": "f8", "float64": "f8"},
}
_END = re.compile(rb"(?:^|\n)end_header\r?\n")
_LONGEST_HEADER = 2**16
_COMMENT = re.compile(r"comment splatcodec (\d{1,9})x(\d{1,9}) (grey|RGB)")
_GREY = "grey"

_Y00 = 1 / sqrt(4 * pi)
"""The spherical harmonic of degree 0, of which `f_dc` is a multiple."""
# Opacities are sigmoids, which are never 0 or 1; a colour makes up for what is cut off.
_OPACITIES = (2**-10, 1 - 2**-10)
# Of a rotation about z, the share that may be about something else.
_TILT = 1e-4


def write(splats: Splats) -> bytes:
    """The file of some Gaussians; opacity times colour is the amplitude."""
    colors = np.broadcast_to(splats.colors, (len(splats), 3)).astype(np.float64)
    opacities = np.clip(np.abs(colors).max(axis=1), *_OPACITIES)
    table = np.zeros(len(splats), [(name, "<f4") for name in _NAMES])
    table["x"], table["y"] = splats.means.T
    table["scale_0"], table["scale_1"] = np.log(splats.scales, dtype=np.float64).T
    table["rot_0"], table["rot_3"] = np.cos(0.5 * splats.rotations), np.sin(0.5 * splats.rotations)
    table["opacity"] = np.log(opacities / (1 - opacities))
    for channel in range(3):
        table[f"f_dc_{channel}"] = (colors[:, channel] / opacities - 0.5) / _Y00
    kind = _GREY if splats.channels == 1 else "RGB"
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment splatcodec {splats.width}x{splats.height} {kind}",
        "comment The picture is the sum of opacity times colour times Gaussian. Viewers of 3D Gaussians blend them in",
        "comment an order instead, and do not subtract what is negative, so that they show something different.",
        f"element vertex {len(splats)}",
        *(f"property float {name}" for name in _NAMES),
        "end_header\n",
    ]
    return "\n".join(header).encode() + table.tobytes()


def read(data: bytes, name: str, size: Size | None) -> Splats:
    """The Gaussians of a file, whose z is ignored.

    Raises:
        InterchangeError: it is no such file, a Gaussian is not parallel to z = 0, or the size is missing or another
            one.
    """
    lines, start = _header(data, name)
    count, types = _vertices(lines, name)
    dtype = np.dtype(types)
    if len(data) - start < count * dtype.itemsize:
        raise InterchangeError(f"{name}: ends at byte {len(data)}, before the last of {count} Gaussians")
    table = np.frombuffer(data, dtype, count, start)
    fields = Fields({key: table[key] for key, _ in types}, name)
    values = {key: fields.array(key, count, None) for key in _NAMES if key not in ("z", "nx", "ny", "nz")}
    with np.errstate(all="ignore"):
        lengths = np.sqrt(sum(values[f"rot_{part}"] ** 2 for part in range(4)))
        for key in ("rot_1", "rot_2"):
            tilted = ~(np.abs(values[key]) <= _TILT * lengths) | (lengths == 0)
            if tilted.any():
                row = int(tilted.argmax())
                raise fields.error(key, f"expected a rotation about z, got {values[key][row]:g}", row)
        opacities = sigmoid(values["opacity"])
        colors = np.stack([opacities * (0.5 + _Y00 * values[f"f_dc_{channel}"]) for channel in range(3)], axis=1)
        comment = next(filter(None, map(_COMMENT.fullmatch, lines)), None)
        if comment and comment[3] == _GREY and (colors == colors[:, :1]).all():
            colors = colors[:, :1]
        return fields.splats(
            np.column_stack([values["x"], values["y"]]),
            np.exp(np.column_stack([values["scale_0"], values["scale_1"]])),
            2 * np.arctan2(values["rot_3"], values["rot_0"]),
            colors,
            canvas(name, (int(comment[2]), int(comment[1])) if comment else None, size),
        )


def _header(data: bytes, name: str) -> tuple[list[str], int]:
    """The lines of a header, and where what it describes begins."""
    end = _END.search(data, 0, _LONGEST_HEADER)
    if not data.startswith((b"ply\n", b"ply\r\n")):
        raise InterchangeError(f"{name}: not a PLY file (wrong magic at byte 0)")
    if end is None:
        raise InterchangeError(f"{name}: the header has no end")
    lines = data[: end.start()].decode("latin-1").splitlines()
    if "format binary_little_endian 1.0" not in lines:
        raise InterchangeError(f"{name}: only the format binary_little_endian 1.0 is read")
    return lines, end.end()


def _vertices(lines: list[str], name: str) -> tuple[int, list[tuple[str, str]]]:
    """How many vertices a file begins with, and the names and types of their properties."""
    words = [line.split() for line in lines]
    elements = [index for index, line in enumerate(words) if line[:1] == ["element"]]
    first = words[elements[0]] if elements else []
    if len(first) != 3 or first[1] != "vertex" or not re.fullmatch(r"[0-9]{1,12}", first[2]):
        raise InterchangeError(
            f"{name}: expected its first element to be the vertices, got {' '.join(first) or 'none'}"
        )
    types: dict[str, str] = {}
    for line in words[elements[0] + 1 : elements[1] if len(elements) > 1 else None]:
        if line[:1] != ["property"]:
            continue
        if len(line) != 3 or line[1] not in _TYPES or line[2] in types:
            raise InterchangeError(f'{name}: cannot read the header line "{" ".join(line)[:80]}"')
        types[line[2]] = f"<{_TYPES[line[1]]}"
    return int(first[2]), list(types.items())


FORMAT = Format(write, read)

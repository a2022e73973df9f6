"""One measurement, under its own checksum."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Self
from zlib import crc32

from ..errors import ResultsError


@dataclass(frozen=True)
class Row:
    """One file of one codec.

    Metrics compare 8-bit samples and are None where they are infinite or undefined, or the codec failed.

    Attributes:
        picture: its name.
        digest: hash of its samples.
        width, height: its size in pixels.
        codec, version: name and version of the codec.
        quality: the setting of its knob.
        bytes: length of the file.
        bpp: bits of the file per pixel.
        file_digest: hash of the file.
        psnr: peak signal-to-noise ratio over all samples, in dB.
        psnr_y: the same of BT.601 luma.
        ssim, ms_ssim: structural similarity, up to 1.
        ssimulacra2: up to 100.
        encode_seconds, decode_seconds: time in a running process.
        error: what went wrong, if anything.
    """

    picture: str
    digest: str
    width: int
    height: int
    codec: str
    version: str
    quality: float
    bytes: int | None = None
    bpp: float | None = None
    file_digest: str | None = None
    psnr: float | None = None
    psnr_y: float | None = None
    ssim: float | None = None
    ms_ssim: float | None = None
    ssimulacra2: float | None = None
    encode_seconds: float | None = None
    decode_seconds: float | None = None
    error: str | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """What a row measures; equal keys stand for equal files."""
        return self.picture, self.digest, self.codec, self.version, self.quality

    def to_record(self) -> dict[str, object]:
        """The fields and their checksum, for JSON."""
        record = asdict(self)
        return record | {"crc": _checksum(record)}

    @classmethod
    def from_record(cls, record: object) -> Self:
        """The row of a record.

        Raises:
            ResultsError: the record is damaged.
        """
        if not isinstance(record, dict):
            raise ResultsError("is no row")
        values = {name: value for name, value in record.items() if name != "crc"}
        if record.get("crc") != _checksum(values):
            place = ", ".join(str(values.get(name, "?")) for name in ("picture", "codec", "quality"))
            raise ResultsError(f"({place}) does not match its checksum")
        if set(values) != {field.name for field in fields(cls)}:
            raise ResultsError("has other fields than this version writes")
        return cls(**values)


def _checksum(record: Mapping[str, object]) -> str:
    return f"{crc32(json.dumps(record, sort_keys=True).encode()):08x}"

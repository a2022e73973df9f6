"""The decoder in JavaScript reads the same as the codec from every file, and refuses the same."""

import hashlib
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import numpy as np

from splatcodec import document
from splatcodec.compress import adaptive
from splatcodec.container import Layer, unpack
from splatcodec.document import Coded, to_bytes
from splatcodec.errors import GsiError

from ..hostile.mutations import hostile
from ..spec.comparison import symbols
from ..spec.generate import METADATA, Case, adaptive_chunks, file
from ..spec.test_decoders import cases
from ..spec.test_frozen import DATA, MANIFEST, data_of
from .browser import PRIORS, ROOT, WEB, in_node, needs_node

pytestmark = needs_node

# Decodes files that stand in one, each behind its length.
DECODE = """
const fs = require("fs"), crypto = require("crypto");
require(process.argv[1]);
gsi.setTables(new Uint8Array(fs.readFileSync(process.argv[2])));
const content = fs.readFileSync(process.argv[3]), answers = [];
const plain = (key, value) => ArrayBuffer.isView(value) ? [...value]
  : value && !Array.isArray(value) && typeof value === "object"
    ? Object.fromEntries(Object.keys(value).sort().map((name) => [name, value[name]])) : value;
for (let at = 0; at < content.length;) {
  const end = at + 4 + content.readUInt32LE(at);
  const bytes = new Uint8Array(content.subarray(at + 4, end));
  at = end;
  const begin = performance.now();
  const answer = {};
  try {
    const { colors, alpha, ...rest } = gsi.decode(bytes, { symbols: true });
    const found = JSON.stringify([colors.symbols, alpha && alpha.symbols], plain);
    answer.symbols = crypto.createHash("sha256").update(found).digest("hex");
    answer.values = [colors, alpha].filter(Boolean).map(({ symbols, ...layer }) => layer);
    answer.rest = rest;
  } catch (error) {
    answer.refused = error instanceof gsi.GsiError;
    answer.message = error.message;
    if (!answer.refused) answer.message = error.stack;
  }
  answer.ms = performance.now() - begin;
  answers.push(answer);
}
console.log(JSON.stringify(answers, (key, value) => ArrayBuffer.isView(value) ? [...value] : value));
"""


def decoded(files: list[bytes], directory: Path) -> list[dict[str, Any]]:
    """What the decoder makes of files."""
    path = directory / "files"
    path.write_bytes(b"".join(struct.pack("<I", len(data)) + data for data in files))
    return in_node(DECODE, WEB / "gsi.js", PRIORS, path)


def digest(found: list[Any]) -> str:
    return hashlib.sha256(json.dumps(found, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def expected(data: bytes) -> str | None:
    """The digest of what the codec reads; None if it refuses the file."""
    try:
        document.from_bytes(data, "file")
    except GsiError:
        return None
    header, chunks = unpack(data, "file")
    colors, alpha = document.layers(header, chunks, "file")
    return digest([symbols(header.profile, colors), alpha and symbols(header.profile, alpha.coded)])


def test_frozen_files_hold_what_the_manifest_says(tmp_path):
    answers = decoded([data_of(name) for name in MANIFEST], tmp_path)
    assert len(answers) == len(list(DATA.glob("*.gsi")))
    for (name, own), answer in zip(MANIFEST.items(), answers, strict=True):
        assert "symbols" in answer, f"{name}: {answer['message']}"
        # The manifest's digest is of the same symbols, with spaces.
        header, chunks = unpack(data_of(name), name)
        colors, alpha = document.layers(header, chunks, name)
        found = [symbols(header.profile, colors), alpha and symbols(header.profile, alpha.coded)]
        assert hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest() == own["symbols"], name
        assert answer["symbols"] == digest(found), name
        rest = answer["rest"]
        assert [rest["width"], rest["height"]] == own["size"]
        assert [rest[key] for key in ("profile", "channels", "depth", "colorSpace")] == [
            own[key] for key in ("profile", "channels", "depth", "color_space")
        ]


def generated() -> Iterator[bytes]:
    """Random files of every kind, long ones, and symbols as large as they can be."""
    for case in cases():
        yield file(case, metadata=METADATA)
    yield file(Case("vq", 1, 100, 80, 2000))
    yield file(Case("adaptive", 3, 512, 512, 3000))
    for channels in (1, 3):
        layer = Layer(channels, 65535, 65535, 150)
        chunks = adaptive_chunks(np.random.default_rng(0), layer, extreme=True)
        yield to_bytes(adaptive.PROFILE.number, Coded(layer, chunks), None)


def test_generated_files_are_read_alike(tmp_path):
    files = list(generated())
    for data, answer in zip(files, decoded(files, tmp_path), strict=True):
        assert answer.get("symbols", answer.get("message")) == expected(data)
        content = document.from_bytes(data, "file")
        layers = [content.splats] + ([content.alpha.splats] if content.alpha else [])
        for splats, found in zip(layers, answer["values"], strict=True):
            assert (found["n"], found["channels"]) == (len(splats), splats.channels)
            for own, other in zip(splats.gaussians, ("means", "scales", "rotations", "amplitudes"), strict=True):
                np.testing.assert_allclose(own.ravel(), found[other], rtol=2.5e-7, atol=1e-12)


def test_metadata_comes_as_bytes(tmp_path):
    (answer,) = decoded([file(Case("half", 4, 5, 4, 2), metadata=METADATA)], tmp_path)
    found = {tag: bytes(content) for tag, content in answer["rest"]["metadata"].items()}
    assert found == {"iccp": METADATA.icc, "exif": METADATA.exif, "xmpp": METADATA.xmp}


def test_hostile_files_are_read_alike_or_refused_by_both(tmp_path):
    files = [hostile(Random(number)) for number in range(1200)]
    answers = decoded(files, tmp_path)
    wanted = [expected(data) for data in files]
    assert 100 < wanted.count(None) < len(files) - 100
    for number, (answer, own) in enumerate(zip(answers, wanted, strict=True)):
        assert answer.get("symbols") == own, f"{number}: {answer.get('message')}"
        assert answer["ms"] < 2000, number
        if own is None:
            message = answer["message"]
            assert answer["refused"], f"{number}: {message}"
            assert message.isprintable(), message
            assert 10 < len(message) < 200, message
            assert re.search(r"byte \d+|limit|empty", message), message


def test_tables_that_follow_from_formulas_have_the_checksums_of_the_document():
    script = """
    require(process.argv[1]);
    console.log(JSON.stringify(gsi.formulaTables(), (key, value) => ArrayBuffer.isView(value) ? [...value] : value));
    """
    tables = in_node(script, WEB / "gsi.js")
    text = (ROOT / "docs" / "format.md").read_text()
    listed = re.findall(r"^\| `(\w+)(?:\[\w\])+` \| [\d x]+ \| `([0-9a-f]{8})` \|$", text, re.MULTILINE)
    assert [name for name, _ in listed] == list(tables)
    for name, crc in listed:
        values = np.array(tables[name], "<i4").tobytes()
        assert f"{crc32(values):08x}" == crc, name


def test_what_is_missing_or_too_much_is_said(tmp_path):
    script = """
    const fs = require("fs");
    require(process.argv[1]);
    const [adaptive, half] = [2, 3].map((at) => new Uint8Array(fs.readFileSync(process.argv[at])));
    const tables = new Uint8Array(fs.readFileSync(process.argv[4]));
    const fault = (call) => { try { call(); return null; } catch (error) { return [error.name, error.message]; } };
    console.log(JSON.stringify([
      fault(() => gsi.decode(half)), fault(() => gsi.header(adaptive)), fault(() => gsi.decode(adaptive)),
      fault(() => gsi.setTables(tables.subarray(1))), fault(() => gsi.decode("text")),
      fault(() => gsi.decode(half, { maxGaussians: 1 })), fault(() => gsi.setTables(tables)),
      fault(() => gsi.decode(adaptive)), fault(() => gsi.header(half.subarray(0, 22)))]));
    """
    for name, profile in (("a", "adaptive"), ("b", "half")):
        (tmp_path / name).write_bytes(file(Case(profile, 3, 9, 9, 3)))
    found = in_node(script, WEB / "gsi.js", tmp_path / "a", tmp_path / "b", PRIORS)
    wanted = [None, None, "loadTables", "not priors.bin", "Uint8Array", "limit of 1", None, None, "byte 22"]
    for own, part in zip(found, wanted, strict=True):
        assert (own is None) == (part is None), own
        assert own is None or (own[0] == "GsiError" and part in own[1]), own


def test_the_module_gives_the_same_names():
    script = """
    import(process.argv[1]).then((module) => {
      const names = Object.keys(module).sort();
      console.log(JSON.stringify([names, names.every((name) => gsi[name] === module[name]), gsi.tablesUrl]));
    });
    """
    names, same, tables = in_node(script, WEB / "gsi.mjs")
    assert names == ["GsiError", "decode", "header", "loadTables", "setTables"]
    assert same
    assert tables == (WEB / "priors.bin").as_uri()


def test_it_is_small_and_fast(tmp_path):
    assert (WEB / "gsi.js").stat().st_size < 40_000
    # A twentieth of this on an idle machine.
    answers = decoded([file(Case("adaptive", 3, 768, 512, 5000))] * 3, tmp_path)
    assert min(answer["ms"] for answer in answers) < 1000

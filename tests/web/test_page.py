"""The page that shows .gsi files, as it is put together: nothing in it can escape, and it is small."""

import base64
import gzip
import hashlib
import importlib.util
import json
import re
from contextlib import nullcontext as nothing
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from splatcodec import ImageError
from splatcodec.web.page import Embedded, as_letters, condensed, page, script_safe
from splatcodec.web.reference import reference

from .browser import PRIORS, ROOT, WEB, in_node, needs_node

HOSTILE = "</script><script>hacked=1</script><!--<script>\u2028 \"'&amp;\udc80"


class Elements(HTMLParser):
    """Elements with their attributes, and the text in each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.is_script = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self.is_script = tag == "script"
        if self.is_script:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.is_script = False

    def handle_data(self, data):
        if self.is_script:
            self.scripts[-1] += data


def bytes_of(letters: str) -> bytes:
    """What the page does to them."""
    value = bits = 0
    found = bytearray()
    for letter in letters:
        value, bits = (value << 7 | ord(letter) & 127) & 0xFFFF, bits + 7
        if bits >= 8:
            bits -= 8
            found.append(value >> bits & 255)
    return bytes(found)


def test_letters_hold_any_bytes_and_nothing_that_html_changes():
    rng = np.random.default_rng(0)
    for size in (0, 1, 6, 7, 8, 1000, 20_000):
        data = rng.bytes(size)
        letters = as_letters(data)
        assert bytes_of(letters) == data
        assert not set(letters) & set("\0\r<")
        assert len(letters) == -(-8 * size // 7)


def test_json_cannot_end_a_script():
    text = script_safe(json.dumps([HOSTILE]))
    assert "<" not in text
    assert json.loads(text) == [HOSTILE]


def test_condensing_leaves_what_counts():
    source = '/** What it does. */\nlet a = "/* no comment */";\n\n  // Why.\n  a += "//";\n'
    assert condensed(source) == 'let a = "/* no comment */";\na += "//";'
    source = "/* One. */ first();\nsecond();\n/* Two. */\nthird();\n/**\n * Three.\n */\nfourth();"
    assert condensed(source) == "/* One. */ first();\nsecond();\nthird();\nfourth();"


def test_a_page_holds_its_files_as_they_are(encoded):
    text = page([Embedded(HOSTILE, encoded), Embedded("b.gsi", b"two")], Embedded(HOSTILE, b"original")).decode()
    elements = Elements(text)
    content, _, _, *files, start = elements.scripts
    assert json.loads(content) == {
        "names": [HOSTILE.replace("\udc80", "?"), "b.gsi", HOSTILE.replace("\udc80", "?")],
        "compares": True,
    }
    assert [bytes_of(file) for file in files] == [encoded, b"two", b"original"]
    digest = base64.b64encode(hashlib.sha256(start.encode()).digest()).decode()
    (policy,) = (attributes["content"] for tag, attributes in elements.found if "http-equiv" in attributes)
    assert f"'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert "hacked" not in text.replace(content, "")


def test_a_page_needs_nothing_else(encoded):
    text = page([Embedded("a.gsi", encoded)]).decode()
    outside = [
        attributes[name] for _, attributes in Elements(text).found for name in ("src", "href") if name in attributes
    ]
    assert all(address.startswith("data:") for address in outside)


@pytest.mark.parametrize("size", [1000, 13_000, 20_000])
def test_a_page_is_small(size):
    data = np.random.default_rng(0).bytes(size)
    assert len(page([Embedded("a.gsi", data)])) <= 1.4 * size + 80_000


def test_documents_tell_how_large_scripts_and_pages_are():
    text = (ROOT / "docs" / "web.md").read_text()
    rows = re.findall(r"^\| `([\w.-]+)` \| ([\d,]+) \|", text, re.MULTILINE)
    assert len(rows) == 4
    for name, told in rows:
        path = PRIORS if name == PRIORS.name else WEB / name
        assert len(gzip.compress(path.read_bytes())) == pytest.approx(int(told.replace(",", "")), rel=0.05)
    (told,) = re.findall(r"A page takes some (\d+) kB more", text)
    data = np.random.default_rng(0).bytes(7000)
    assert len(page([Embedded("a.gsi", data)])) - 8000 == pytest.approx(1000 * int(told), rel=0.03)


def test_the_same_files_make_the_same_page(encoded):
    assert page([Embedded("a.gsi", encoded)]) == page([Embedded("a.gsi", encoded)])


def test_originals_that_browsers_show_alike_stay_as_they_are(tmp_path, picture):
    size = picture.shape[1::-1]
    for name in ("a.png", "a.jpg", "a.webp"):
        Image.fromarray(picture).save(tmp_path / name)
        found = reference(tmp_path / name, size)
        assert (found.name, found.data) == (name, (tmp_path / name).read_bytes())


def test_others_become_png_as_they_are_seen(tmp_path, picture):
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(picture).save(tmp_path / "turned.jpg", exif=exif)
    Image.fromarray(picture).save(tmp_path / "a.tiff")
    frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    for name in ("turned.jpg", "a.tiff", "a.png"):
        with pytest.warns(UserWarning, match="animated") if name == "a.png" else nothing():
            found = reference(tmp_path / name, picture.shape[1::-1])
        assert found.data.startswith(b"\x89PNG")
        assert b"acTL" not in found.data
        if name != "turned.jpg":
            assert np.array_equal(np.asarray(Image.open(BytesIO(found.data))), picture)


def test_an_original_of_another_size_is_refused(files):
    with pytest.raises(ValueError, match=r"picture.png: is 56x40 pixels, but the canvas is 40x56"):
        reference(files / "picture.png", (40, 56))
    (files / "words.txt").write_text("no picture")
    with pytest.raises(ImageError, match=re.escape("words.txt: not an image file")):
        reference(files / "words.txt", (56, 40))


@needs_node
def test_packed_tables_are_the_trained_ones():
    script = f"""{(WEB / "viewer" / "tables.js").read_text()}
      const tables = unpackTables(require("fs").readFileSync(process.argv[1]));
      console.log(JSON.stringify(require("crypto").createHash("sha256").update(tables).digest("hex")));"""
    assert in_node(script, WEB / "viewer" / "tables.bin") == hashlib.sha256(PRIORS.read_bytes()).hexdigest()


def test_tables_are_packed_by_the_script():
    specification = importlib.util.spec_from_file_location("pack_tables", ROOT / "benchmarks" / "pack_tables.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    assert module.packed(PRIORS.read_bytes()) == (WEB / "viewer" / "tables.bin").read_bytes()

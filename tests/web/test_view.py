"""The viewer in a browser: what it shows, what hands do to it, and that nothing in a file gets the better of it."""

import base64
import io
import re
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

import splatcodec
from splatcodec.container import Chunk, pack, unpack
from splatcodec.web.page import Embedded, page

from .browser import needs_chromium
from .devtools import opened

pytestmark = needs_chromium

HOSTILE = "</script><img src=x onerror=hacked=1>"


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def with_chunks(data: bytes, **chunks: bytes) -> bytes:
    """A file with ancillary chunks."""
    header, found = unpack(data, "")
    return pack(header, [*found, *(Chunk(tag, payload) for tag, payload in chunks.items())])


@pytest.fixture
def view(tmp_path):
    """Opens a page of .gsi files by their names; nothing may appear on its console."""

    @contextmanager
    def opener(pictures: dict[str, bytes], original: bytes | None = None, **options):
        reference = None if original is None else Embedded("original.png", original)
        embedded = [Embedded(name, data) for name, data in pictures.items()]
        (tmp_path / "page.html").write_bytes(page(embedded, reference))
        with opened(tmp_path / "page.html", **options) as viewer:
            settle(viewer)
            yield viewer
            settle(viewer)
            assert viewer.console == []
            assert viewer.evaluate("'hacked' in globalThis") is False

    return opener


def settle(viewer) -> None:
    """Wait until nothing moves any more."""
    frame = "new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))"
    viewer.evaluate(frame)
    viewer.until("stage.ariaBusy !== 'true'")
    # What is drawn is seen a frame later.
    viewer.evaluate(f"{frame}.then(() => {frame})")


def text(viewer, name: str) -> str:
    return viewer.evaluate(f"document.getElementById('{name}').textContent.trim()")


def stage(viewer) -> np.ndarray:
    """What is seen of the stage, [H, W, 3] of integers, in pixels of the screen."""
    pixels = np.asarray(Image.open(io.BytesIO(viewer.screenshot())).convert("RGB")).astype(int)
    box = viewer.evaluate("[...Object.values(document.querySelector('#stage').getBoundingClientRect().toJSON())]")
    x, y, width, height = (round(side * viewer.evaluate("devicePixelRatio")) for side in box[:4])
    return pixels[y : y + height, x : x + width]


def picture_of(viewer) -> np.ndarray:
    """What is seen within the frame of the picture."""
    inset = viewer.evaluate("document.querySelector('#board').style.clipPath")
    ratio = viewer.evaluate("devicePixelRatio")
    sides = [float(side) for side in re.findall(r"([\d.]+)px", inset)]
    top, right, bottom, left = (sides * 4)[:4] if len(sides) == 1 else [*sides, *sides[len(sides) - 2 :]][:4]
    pixels = stage(viewer)
    height, width = pixels.shape[:2]
    return pixels[
        round(top * ratio) : height - round(bottom * ratio), round(left * ratio) : width - round(right * ratio)
    ]


def centre_of(viewer) -> tuple[float, float]:
    box = viewer.evaluate("document.querySelector('#stage').getBoundingClientRect().toJSON()")
    return box["x"] + box["width"] // 2, box["y"] + box["height"] // 2


def percents(viewer) -> float:
    return float(re.sub(r"[^\d.]", "", text(viewer, "zoom")))


@pytest.mark.parametrize("ratio", [1, 2])
def test_a_pixel_of_the_screen_is_one_of_the_decoder(view, encoded, ratio):
    expected = splatcodec.decode(encoded).astype(int)
    with view({"a.gsi": encoded}, ratio=ratio) as viewer:
        viewer.key("1")
        settle(viewer)
        assert percents(viewer) == 100
        assert abs(picture_of(viewer) - expected).max() <= 2


def test_far_beyond_the_pixels_it_is_still_the_decoder(view, encoded):
    splats = splatcodec.read(encoded)
    with view({"a.gsi": encoded}, size=(640, 480)) as viewer:
        viewer.key("1")
        for _ in range(8):
            viewer.key("+")
        settle(viewer)
        seen = stage(viewer)
    zoom, (height, width) = 1.5**8, seen.shape[:2]
    x, y = (round(side / 2 * zoom - length / 2) / zoom for side, length in ((56, width), (40, height)))
    planes = splats.render(height, width, region=(x, y, width / zoom, height / zoom))
    expected = np.rint(255 * np.clip(planes, 0, 1)).transpose(1, 2, 0)
    # Without the ring of the focus, and what floats at the bottom.
    assert abs(seen - expected)[4:-40, 4:-4].max() <= 2


def test_the_slider_shows_the_strongest(view, encoded):
    splats = splatcodec.read(encoded)
    energy = (splats.colors**2).sum(axis=1) * splats.scales.prod(axis=1)
    with view({"a.gsi": encoded}) as viewer:
        viewer.key("1")
        for value in (0, 500, 1000):
            viewer.evaluate(f"count.value = {value}; count.dispatchEvent(new Event('input'))")
            settle(viewer)
            shown, most = map(int, text(viewer, "shown").split(" of "))
            assert (shown, most) == (round(61 ** (value / 1000) - 1), 60)
            strongest = np.argsort(-energy, kind="stable")[:shown]
            expected = np.rint(255 * np.clip(splats.take(strongest).render(), 0, 1)).transpose(1, 2, 0)
            assert abs(picture_of(viewer) - expected).max() <= 2


def test_ellipses_and_centres_come_and_go(view, encoded):
    with view({"a.gsi": encoded}) as viewer:
        before = picture_of(viewer)
        for key, button in (("e", "outlines"), ("c", "centres")):
            viewer.key(key)
            settle(viewer)
            assert (abs(picture_of(viewer) - before).max(axis=2) > 30).mean() > 0.0005
            viewer.evaluate(f"document.getElementById('{button}').click()")
            settle(viewer)
            assert abs(picture_of(viewer) - before).max() <= 1


def test_an_ellipse_lies_where_its_gaussian_falls_to_its_share(view):
    splats = splatcodec.Splats([[30, 20]], [[12, 6]], [0.5], [[1.0, 1.0, 1.0]], 40, 60)
    with view({"a.gsi": splatcodec.encoding.encode.to_bytes(splats)}, size=(900, 700)) as viewer:
        before = picture_of(viewer)
        viewer.key("e")
        settle(viewer)
        changed = (abs(picture_of(viewer) - before).max(axis=2) > 20).nonzero()
        levels = before[changed][:, 0] / 255
        assert len(levels) > 500
        assert abs(np.median(levels) - np.exp(-0.5)) < 0.03


def test_the_original_lies_beside_it_and_is_compared(view, encoded, picture):
    decoded = splatcodec.decode(encoded).astype(int)
    with view({"a.gsi": encoded}, png(picture)) as viewer:
        viewer.key("1")
        settle(viewer)
        seen = picture_of(viewer)
        # The divider and its handle cover the middle.
        assert abs(seen[:, :5] - picture[:, :5].astype(int)).max() == 0
        assert abs(seen[:, -5:] - decoded[:, -5:]).max() <= 2
        expected = splatcodec.evaluate(picture, encoded).psnr
        assert float(text(viewer, "psnr").split()[1]) == pytest.approx(expected, abs=0.06)
        x, y = centre_of(viewer)
        viewer.drag((x, y), (x + 200, y))
        settle(viewer)
        assert abs(picture_of(viewer) - picture.astype(int)).max() == 0
        viewer.key("w")
        settle(viewer)
        assert abs(picture_of(viewer) - decoded).max() <= 2


def test_psnr_is_that_of_what_is_visible(view, encoded, picture):
    changed = picture.copy()
    changed[:, 40:] = 255 - changed[:, 40:]
    with view({"a.gsi": encoded}, png(changed)) as viewer:
        whole = float(text(viewer, "psnr").split()[1])
        assert whole == pytest.approx(splatcodec.evaluate(changed, encoded).psnr, abs=0.06)
        x, y = centre_of(viewer)
        for _ in range(3):
            viewer.mouse("mouseWheel", x - 250, y, deltaX=0, deltaY=-300)
        settle(viewer)
        assert float(text(viewer, "psnr").split()[1]) > whole + 6


def test_translucent_pictures_lie_on_a_checkerboard(view, photo):
    alpha = np.uint8(255 * (np.hypot(*np.mgrid[-72:72, -96:96]) < 50))
    pixels = np.dstack([photo, alpha])
    data = splatcodec.encode(pixels, n_gaussians=400, effort=1)
    with view({"a.gsi": data}, png(pixels)) as viewer:
        viewer.key("1")
        viewer.key("w")
        settle(viewer)
        seen = picture_of(viewer)
        corner = {tuple(color) for color in seen[:40, :40].reshape(-1, 3)}
        assert len({tuple(np.round(np.array(color) / 8)) for color in corner}) == 2
        inside = slice(60, 84), slice(80, 110)
        assert abs(seen[inside] - splatcodec.decode(data)[inside][:, :, :3].astype(int)).max() <= 3
        expected = splatcodec.evaluate(pixels, data).psnr
        # Browsers multiply colours by the opacity, and round.
        assert float(text(viewer, "psnr").split()[1]) == pytest.approx(expected, abs=0.4)


def test_mouse_and_fingers_move_and_magnify(view, encoded):
    with view({"a.gsi": encoded}) as viewer:
        x, y = centre_of(viewer)
        fitted = stage(viewer)
        before = percents(viewer)
        viewer.mouse("mouseWheel", x, y, deltaX=0, deltaY=-500)
        settle(viewer)
        assert percents(viewer) == pytest.approx(before * np.exp(1.1), rel=0.01)
        magnified = stage(viewer)
        viewer.drag((x - 50, y), (x - 10, y + 30))
        settle(viewer)
        moved = stage(viewer)
        assert abs(moved[130:-100, 140:-100] - magnified[100:-130, 100:-140]).max() <= 4
        for count in (1, 2):
            for kind in ("mousePressed", "mouseReleased"):
                viewer.mouse(kind, x, y, button="left", clickCount=count)
        settle(viewer)
        assert percents(viewer) == pytest.approx(2 * before * np.exp(1.1), rel=0.01)
        viewer.key("0")
        settle(viewer)
        # But for the ring of the focus.
        assert np.array_equal(stage(viewer)[4:-4, 4:-4], fitted[4:-4, 4:-4])
        for kind, apart in (("touchStart", 40), ("touchMove", 60), ("touchMove", 80)):
            points = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
            viewer.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)
        viewer.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        settle(viewer)
        assert percents(viewer) == pytest.approx(2 * before, rel=0.02)


def test_names_and_metadata_are_text(view, encoded):
    icc = bytearray(132 + 12) + b"desc\0\0\0\0" + len(HOSTILE + "\0").to_bytes(4, "big") + HOSTILE.encode() + b"\0"
    icc[128:144] = b"\0\0\0\1desc" + (144).to_bytes(4, "big") + (len(icc) - 144).to_bytes(4, "big")
    exif = Image.Exif()
    exif[0x010E] = HOSTILE
    tiff = exif.tobytes().removeprefix(b"Exif\0\0")
    data = with_chunks(encoded, iccp=bytes(icc), exif=tiff, xmpp=HOSTILE.encode())
    with view({HOSTILE: data}) as viewer:
        viewer.key("i")
        assert text(viewer, "facts").count(HOSTILE) == 4
        assert viewer.evaluate("document.querySelectorAll('img, #facts script').length") == 0
        assert viewer.evaluate("document.title") == f"{HOSTILE} \u2013 splatcodec"
        assert viewer.evaluate("document.querySelector('#file').selectedOptions[0].textContent") == HOSTILE


def test_damaged_metadata_does_no_harm(view, encoded):
    for seed in range(3):
        noise = np.random.default_rng(seed).bytes(300)
        starts = {
            "iccp": b"\0" * 128 + b"\xff\xff\xff\xffdesc",
            "exif": b"II*\0\x08\0\0\0\xff\xff\x0e\1\2\0",
            "xmpp": b"",
        }
        data = with_chunks(encoded, **{tag: start + noise for tag, start in starts.items()})
        with view({"a.gsi": data}) as viewer:
            viewer.key("i")
            assert f"{len(noise)} bytes" in text(viewer, "facts")


def drop(viewer, **contents: bytes) -> None:
    """Drop files on the page."""
    viewer.evaluate("globalThis.dropped = new DataTransfer(); null")
    for name, content in contents.items():
        letters = base64.b64encode(content).decode()
        viewer.evaluate(
            f"dropped.items.add(new File([Uint8Array.from(atob('{letters}'), c => c.charCodeAt(0))], '{name}'))"
        )
    viewer.evaluate("stage.dispatchEvent(new DragEvent('drop', {dataTransfer: dropped, bubbles: true})); null")
    settle(viewer)


def test_an_empty_page_takes_what_is_dropped(view, encoded, picture):
    with view({}) as viewer:
        assert "Drop .gsi files here" in text(viewer, "empty")
        drop(viewer, one=encoded, two=encoded[:-1], three=png(picture))
        viewer.until("psnr.textContent.startsWith('PSNR ')")
        assert viewer.evaluate("empty.hidden")
        viewer.key("n")
        settle(viewer)
        assert "two: " in text(viewer, "message")
        assert "byte" in text(viewer, "message")
        viewer.key("p")
        settle(viewer)
        assert viewer.evaluate("message.hidden")
        drop(viewer, four=b"hello")
        viewer.until("message.textContent.trim().startsWith('four: neither a .gsi file nor a picture')")
        drop(viewer, five=png(picture[1:]))
        viewer.until("message.textContent.includes('56 \u00d7 39')")
        drop(viewer, six=png(picture))
        viewer.until("message.hidden")


def test_a_picture_that_comes_first_is_kept_and_of_several_the_last(view, encoded, picture):
    with view({}) as viewer:
        drop(viewer, one=png(picture[1:]), two=png(picture))
        viewer.until("kept.textContent === 'two is kept to compare them with.'")
        assert text(viewer, "message").startswith("two: taken to compare with, as the last of 2 pictures")
        drop(viewer, three=encoded)
        viewer.until("psnr.textContent.startsWith('PSNR ')")
        assert viewer.evaluate("message.hidden")


def test_what_cannot_be_read_is_a_line_and_the_rest_is_shown(view, encoded):
    with view({}) as viewer:
        viewer.evaluate("""{
            const { arrayBuffer } = File.prototype;
            File.prototype.arrayBuffer = function () {
                if (this.name === "folder") return Promise.reject(new DOMException("", "NotFoundError"));
                return arrayBuffer.call(this);
            };
        }""")
        drop(viewer, folder=b"", one=encoded)
        viewer.until("document.title.startsWith('one')")
        viewer.until("message.textContent.startsWith('folder: cannot be read')")


def test_an_original_is_seen_where_it_fits(view, encoded, photo, picture):
    other = splatcodec.encode(photo, n_gaussians=6, effort=1)
    with view({"a.gsi": encoded, "b.gsi": other}, png(picture)) as viewer:
        pressed = "[wipe.ariaPressed, wipe.disabled].join()"
        assert viewer.evaluate(pressed) == "true,false"
        viewer.key("n")
        settle(viewer)
        assert viewer.evaluate(pressed) == "false,true"
        viewer.key("w")
        viewer.key("n")
        settle(viewer)
        assert viewer.evaluate(pressed) == "true,false"


def test_facts_leave_the_footer_alone_where_there_is_little_room(view, encoded):
    with view({"a.gsi": with_chunks(encoded, xmpp=b"long " * 2000)}, size=(390, 600)) as viewer:
        viewer.key("i")
        settle(viewer)
        top, bottom, end, width = (
            viewer.evaluate("""[facts.getBoundingClientRect().top, facts.getBoundingClientRect().bottom,
            document.querySelector("footer").getBoundingClientRect().top, facts.offsetWidth]""")
        )
        assert 50 < top < bottom <= end
        assert width == 390


def test_files_are_chosen(view, encoded, tmp_path):
    (tmp_path / "chosen.gsi").write_bytes(encoded)
    with view({}) as viewer:
        picker = viewer.call("Runtime.evaluate", expression="picker")["result"]["objectId"]
        viewer.call("DOM.setFileInputFiles", objectId=picker, files=[str(tmp_path / "chosen.gsi")])
        viewer.until("document.title === 'chosen.gsi \u2013 splatcodec'")


def test_every_control_has_a_name_and_help_opens(view, encoded):
    with view({"a.gsi": encoded, "b.gsi": encoded}) as viewer:
        nameless = """[...document.querySelectorAll("button, input, select, canvas:not([aria-hidden]), [role]")].filter(
            (element) => !element.ariaLabel && !element.labels?.length && !element.textContent.trim()
              && element.role !== "status").map((element) => element.id)"""
        assert viewer.evaluate(nameless) == []
        viewer.key("?")
        assert viewer.evaluate("keys.open")
        viewer.key("n")
        assert viewer.evaluate("file.value") == "0"


def test_it_is_dark_where_that_is_preferred(view, encoded):
    grounds = []
    for scheme in ("light", "dark"):
        with view({"a.gsi": encoded}, scheme=scheme) as viewer:
            grounds.append(stage(viewer)[:, 2].mean())
    assert grounds[0] > 200
    assert grounds[1] < 50

"""The element <gsi-image> in Chromium."""

import json
from functools import cache
from typing import Any

from ..spec.test_frozen import data_of
from .browser import PRIORS, ROOT, WEB, in_chromium, needs_chromium

pytestmark = needs_chromium

FILES = {
    "wide.gsi": data_of("adaptive-rgb-160x120"),
    "alpha.gsi": data_of("half-rgb-alpha-17x33"),
    "broken.gsi": data_of("half-rgb-100x80")[:-1],
}

SCRIPT = """
const settled = async () => {
  for (let i = 0; i < 4; i++) await new Promise(requestAnimationFrame);
  await new Promise((resolve) => setTimeout(resolve, 50));
};
const pixels = (element) => {
  const canvas = element.shadowRoot.querySelector("canvas");
  return [canvas.width, canvas.height];
};
const box = ({ offsetWidth, offsetHeight }) => [offsetWidth, offsetHeight];
const events = [];
const make = (attributes, style = "", parent = document.body) => {
  const element = document.createElement("gsi-image");
  for (const type of ["load", "error"]) {
    element.addEventListener(type, (event) => events.push([type, element.getAttribute("src"), event.message ?? ""]));
  }
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  element.style = style;
  parent.append(element);
  return element;
};
const answer = { dpr: devicePixelRatio };

const plain = make({ src: "wide.gsi", alt: "words" });
answer.before = [plain.complete, plain.naturalWidth, box(plain)];
await plain.decode();
await settled();
answer.after = [plain.complete, plain.naturalWidth, plain.naturalHeight, box(plain), pixels(plain), plain.alt];
plain.style.width = "80px";
await settled();
answer.narrower = [box(plain), pixels(plain)];
const context = plain.shadowRoot.querySelector("canvas").getContext("2d");
answer.isDrawn = new Set(context.getImageData(0, 0, 80, 60).data).size > 50;

const given = make({ width: "40", height: "20" });
answer.given = box(given);
given.style = "width: 100px; height: auto";
answer.ratio = box(given);
given.src = "wide.gsi";
await given.decode();
await settled();
answer.natural = box(given);

const contained = make({ src: "wide.gsi" }, "width: 200px; height: 60px; object-fit: contain");
const covering = make({ src: "wide.gsi" }, "width: 200px; height: 60px; object-fit: cover");
await Promise.all([contained.decode(), covering.decode()]);
await settled();
answer.fits = [pixels(contained), pixels(covering)];

const far = make({ src: "wide.gsi" }, "position: absolute; top: 9000px; width: 160px");
await far.decode();
await settled();
answer.far = pixels(far);
scrollTo(0, 9000);
await settled();
answer.near = pixels(far);

const broken = make({ src: "broken.gsi", alt: "a picture" });
answer.fault = await broken.decode().then(() => null, (error) => [error instanceof gsi.GsiError, error.message]);
answer.missing = await make({ src: "nothing.gsi" }).decode().then(() => null, (error) => error.message);
await settled();
answer.broken = [broken.complete, broken.naturalWidth, broken.shadowRoot.querySelector("span").checkVisibility()];
broken.src = "alpha.gsi";
await broken.decode();
answer.mended = [broken.naturalWidth, broken.shadowRoot.querySelector("span").checkVisibility()];

const changed = make({ src: "wide.gsi" });
changed.src = "alpha.gsi";
await changed.decode();
await settled();
answer.changed = [changed.naturalWidth, events.filter(([, src]) => src === "alpha.gsi").length];
const none = make({});
answer.none = [none.complete, none.src, await none.decode() === undefined];
const many = Array.from({ length: 40 }, () => make({ src: "alpha.gsi" }, "width: 17px"));
await Promise.all(many.map((element) => element.decode()));
many[0].scrollIntoView();
await settled();
answer.many = [...new Set(many.map((element) => pixels(element).join()))];
const fetches = [];
const { fetch } = globalThis;
globalThis.fetch = (url, options) => {
  fetches.push(String(url));
  return fetch(url, options);
};
answer.faulty = [];
for (const src of ["", "http://["]) {
  const faulty = make({ src, alt: "words" });
  const before = faulty.complete;
  const isRejected = await faulty.decode().then(() => false, () => true);
  await settled();
  answer.faulty.push([before, isRejected, faulty.complete, faulty.src, faulty.shadowRoot.querySelector("span").hidden]);
}
answer.fetches = fetches;
globalThis.fetch = fetch;
Object.defineProperty(gsiRender.Renderer.prototype, "largest", { get: () => 100 });
const limited = make({ src: "wide.gsi" });
await limited.decode();
limited.scrollIntoView();
await settled();
answer.limited = [pixels(limited), box(limited)];
answer.events = events.slice(0, 1).concat(events.filter(([type]) => type === "error"));
return answer;
"""


@cache
def observed(ratio: int) -> dict[str, Any]:
    """What the script sees on a screen of so many pixels per CSS pixel."""
    return in_chromium(SCRIPT, FILES, f"--force-device-scale-factor={ratio}", "--window-size=800,600")


def test_it_takes_the_size_of_the_picture_and_draws_in_pixels_of_the_screen():
    for ratio in (1, 2):
        found = observed(ratio)
        assert found["dpr"] == ratio
        assert found["before"] == [False, 0, [0, 0]]
        assert found["after"] == [True, 160, 120, [160, 120], [160 * ratio, 120 * ratio], "words"]


def test_it_is_drawn_anew_when_its_size_changes():
    for ratio in (1, 2):
        assert observed(ratio)["narrower"] == [[80, 60], [80 * ratio, 60 * ratio]]
        assert observed(ratio)["isDrawn"]


def test_attributes_give_a_size_and_a_ratio_before_there_is_a_picture():
    found = observed(1)
    assert (found["given"], found["ratio"], found["natural"]) == ([40, 20], [100, 50], [100, 75])


def test_object_fit_decides_how_large_it_is_drawn():
    assert observed(1)["fits"] == [[80, 60], [200, 150]]


def test_what_cannot_be_seen_is_not_drawn():
    found = observed(1)
    assert found["far"] in ([300, 150], [0, 0])
    assert found["near"] == [160, 120]


def test_faults_are_events_rejections_and_the_alternative_text():
    found = observed(1)
    is_ours, message = found["fault"]
    assert is_ours
    assert "byte" in message
    assert "status 404" in found["missing"]
    assert found["broken"] == [True, 0, True]
    assert found["mended"] == [17, False]
    first, *errors = found["events"]
    assert first == ["load", "wide.gsi", ""]
    assert [[kind, source] for kind, source, _ in errors] == [
        ["error", source] for source in ("broken.gsi", "nothing.gsi", "", "http://[")
    ]
    assert errors[0][2] == message


def test_what_is_no_address_fails_without_being_fetched():
    found = observed(1)
    assert found["faulty"] == [[False, True, True, source, False] for source in ("", "http://[")]
    assert found["fetches"] == []


def test_no_side_is_longer_than_the_renderer_draws():
    assert observed(1)["limited"] == [[100, 75], [160, 120]]


def test_only_the_last_source_counts():
    found = observed(1)
    assert found["changed"] == [17, 2], json.dumps(found["events"])
    assert found["none"] == [True, "", True]


def test_pages_with_many_elements_draw_all_of_them():
    assert observed(1)["many"] == ["17,33"]


def test_the_example_shows_its_picture():
    script = """
    const frame = Object.assign(document.createElement("iframe"), { src: "examples/web/index.html" });
    document.body.append(frame);
    await new Promise((resolve) => (frame.onload = resolve));
    const image = frame.contentDocument.querySelector("gsi-image");
    await image.decode();
    const { max } = frame.contentDocument.querySelector("#count");
    return [image.naturalWidth, image.picture.colors.n, Number(max), frame.contentWindow.gsi === gsi];
    """
    paths = [PRIORS, *WEB.glob("*.js"), *(ROOT / "examples" / "web").iterdir()]
    files = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}
    width, count, most, is_shared = in_chromium(script, files)
    assert (width, most, is_shared) == (512, count, False)

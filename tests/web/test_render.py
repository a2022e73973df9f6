"""What the renderer draws in Chromium is what `decode` gives."""

import base64
import json
from functools import cache
from typing import Any
from zlib import crc32

import numpy as np
import pytest

import splatcodec
from splatcodec import document

from ..spec.generate import Case, file
from ..spec.test_frozen import data_of
from .browser import in_chromium, needs_chromium

pytestmark = needs_chromium

NAMES = (
    "adaptive-rgb-160x120",
    "adaptive-grey-100x80",
    "adaptive-rgb-alpha-100x80",
    "half-rgb-100x80",
    "half-grey-alpha-100x80-16",
    "vq-rgb-alpha-100x80",
    "vq-grey-100x80",
    "adaptive-grey-alpha-none",
)
VIEWS = ({"zoom": 1}, {"zoom": 0.45}, {"zoom": 2.75}, {"x": 15.5, "y": -3, "zoom": 7})
KINDS = ("webgl2", "half floats", "2d")

# `shown` gives the pixels of a canvas, base64; `half floats` are what GPUs without 32 bits to blend have.
HELPERS = """
await gsi.loadTables();
const read = async (name) => gsi.decode(new Uint8Array(await (await fetch(name)).arrayBuffer()));
const shown = (canvas) => {
  const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
  const context = copy.getContext("2d");
  context.drawImage(canvas, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  let text = "";
  for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192));
  return { width: canvas.width, height: canvas.height, data: btoa(text) };
};
const canvasOf = (width, height) => Object.assign(document.createElement("canvas"), { width, height });
const { getExtension } = WebGL2RenderingContext.prototype;
const rendererOf = (canvas, kind) => {
  const withoutFloats = function (name) { return name === "EXT_float_blend" ? null : getExtension.call(this, name); };
  WebGL2RenderingContext.prototype.getExtension = kind === "half floats" ? withoutFloats : getExtension;
  return new gsiRender.Renderer(canvas, { kind: kind === "2d" ? "2d" : "webgl2" });
};
"""


def premultiplied(pixels: np.ndarray) -> np.ndarray:
    """RGBA [H, W, 4] of 0 to 255, colours times alpha, of what `decode` or a canvas gives."""
    height, width = pixels.shape[:2]
    pixels = pixels.reshape(height, width, -1).astype(float)
    has_alpha = pixels.shape[2] in (2, 4)
    alpha = pixels[:, :, -1:] if has_alpha else np.full((height, width, 1), 255.0)
    colors = pixels[:, :, : pixels.shape[2] - has_alpha]
    return np.concatenate([np.broadcast_to(colors * alpha / 255, (height, width, 3)), alpha], axis=2)


def canvas(shown: dict[str, Any]) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(shown["data"]), np.uint8)
    return premultiplied(data.reshape(shown["height"], shown["width"], 4))


def size(view: dict[str, float], width: int, height: int) -> tuple[int, int]:
    """Of the output in pixels."""
    return (90, 70) if "x" in view else (round(view["zoom"] * width), round(view["zoom"] * height))


@cache
def drawn() -> list[dict[str, Any]]:
    """All files in all views by renderers of every kind."""
    jobs = []
    for name in NAMES:
        width, height = splatcodec.read(data_of(name)).render().shape[:0:-1]
        jobs.append([name, [[view, *size(view, width, height)] for view in VIEWS]])
    script = f"""
    {HELPERS}
    const answers = [];
    for (const kind of {json.dumps(KINDS)}) {{
      const renderer = rendererOf(canvasOf(9, 9), kind);
      for (const [name, views] of {json.dumps(jobs)}) {{
        renderer.setPicture(await read(name));
        for (const [view, width, height] of views) {{
          Object.assign(renderer.canvas, {{ width, height }});
          renderer.draw(view);
          answers.push({{ kind, drawn: renderer.kind, name, view, ...shown(renderer.canvas) }});
        }}
      }}
    }}
    return answers;
    """
    return in_chromium(script, {name: data_of(name) for name in NAMES})


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_look_as_decode_has_them(kind):
    answers = [own for own in drawn() if own["kind"] == kind]
    assert len(answers) == len(NAMES) * len(VIEWS)
    assert {own["drawn"] for own in answers} == {"2d" if kind == "2d" else "webgl2"}
    for own in answers:
        view, zoom = own["view"], own["view"]["zoom"]
        region = (view["x"], view["y"], own["width"] / zoom, own["height"] / zoom) if "x" in view else None
        pixels = splatcodec.decode(data_of(own["name"]), scale=zoom, region=region)
        difference = np.abs(canvas(own) - premultiplied(pixels))
        assert difference.mean() < 0.25, (own["name"], view)
        assert difference.max() < 4, (own["name"], view)


def test_as_many_gaussians_are_shown_as_are_asked_for():
    data = data_of("adaptive-rgb-160x120")
    script = f"""
    {HELPERS}
    return Promise.all(["webgl2", "2d"].map(async (kind) => {{
      const renderer = rendererOf(canvasOf(160, 120), kind);
      renderer.setPicture(await read("file"));
      renderer.draw({{ count: 40 }});
      return shown(renderer.canvas);
    }}));
    """
    splats = document.from_bytes(data, "file").splats
    energy = (splats.colors.astype(float) ** 2).sum(axis=1) * splats.scales.prod(axis=1)
    strongest = splats.take(np.argsort(-energy)[:40]).render().transpose(1, 2, 0)
    for shown in in_chromium(script, {"file": data}):
        assert np.abs(canvas(shown)[:, :, :3] - 255 * np.clip(strongest, 0, 1)).mean() < 0.5


def test_what_is_too_large_is_refused_and_what_is_wide_is_drawn():
    script = f"""
    {HELPERS}
    const picture = await read("file");
    return ["webgl2", "2d"].map((kind) => {{
      const renderer = rendererOf(canvasOf(9, 9), kind);
      renderer.setPicture(picture);
      const {{ largest }} = renderer;
      const draw = (width, height) => {{
        Object.assign(renderer.canvas, {{ width, height }});
        renderer.draw({{ zoom: width / picture.width }});
      }};
      const faults = [[largest + 1, 1], [1, largest + 1]].map((sides) => {{
        try {{
          return draw(...sides);
        }} catch (error) {{
          return error.message;
        }}
      }});
      draw(largest, 8);
      const part = canvasOf(64, 8);
      part.getContext("2d").drawImage(renderer.canvas, 64 - largest, 0);
      return [largest, faults, shown(part)];
    }});
    """
    data = data_of("adaptive-rgb-160x120")
    for largest, faults, part in in_chromium(script, {"file": data}):
        assert largest >= 2048
        assert all(f"no side can be above {largest} here" in fault for fault in faults)
        zoom = largest / 160
        expected = splatcodec.decode(data, width=64, height=8, region=(160 - 64 / zoom, 0, 64 / zoom, 8 / zoom))
        assert np.abs(canvas(part)[:, :, :3] - expected).max() < 4


def test_a_lost_context_is_drawn_anew_once_it_is_back():
    script = f"""
    {HELPERS}
    const renderer = rendererOf(canvasOf(160, 120), "webgl2");
    renderer.setPicture(await read("file"));
    renderer.draw();
    const before = shown(renderer.canvas);
    const extension = renderer.canvas.getContext("webgl2").getExtension("WEBGL_lose_context");
    const event = (name) => new Promise((resolve) => renderer.canvas.addEventListener(name, resolve, {{ once: true }}));
    const lost = event("webglcontextlost");
    extension.loseContext();
    await lost;
    renderer.draw();
    renderer.setPicture(renderer.picture);
    const isLost = renderer.isLost;
    const restored = event("webglcontextrestored");
    setTimeout(() => extension.restoreContext());
    await restored;
    return [isLost, renderer.isLost, before, shown(renderer.canvas)];
    """
    was_lost, is_lost, before, after = in_chromium(script, {"file": data_of("adaptive-rgb-160x120")})
    assert was_lost
    assert not is_lost
    assert len(set(base64.b64decode(before["data"]))) > 100
    assert before == after


def test_colours_of_display_p3_are_shown_as_such():
    data = data_of("adaptive-rgb-17x33-16")
    data = data[:17] + b"\2" + data[18:19]
    data += crc32(data).to_bytes(4, "little") + data_of("adaptive-rgb-17x33-16")[23:]
    script = f"""
    {HELPERS}
    const picture = await read("file");
    return ["webgl2", "2d"].map((kind) => {{
      const renderer = rendererOf(canvasOf(17, 33), kind);
      renderer.setPicture(picture);
      renderer.draw();
      const copy = canvasOf(17, 33);
      const context = copy.getContext("2d", {{ colorSpace: "display-p3" }});
      context.drawImage(renderer.canvas, 0, 0);
      return {{ sRGB: shown(renderer.canvas), p3: [...context.getImageData(0, 0, 17, 33).data] }};
    }});
    """
    wanted = splatcodec.decode(data)
    for found in in_chromium(script, {"file": data}):
        own = np.array(found["p3"]).reshape(33, 17, 4)[:, :, :3]
        # What sRGB cannot show is clipped.
        inside = np.all((canvas(found["sRGB"])[:, :, :3] % 255) != 0, axis=2)
        assert inside.mean() > 0.3
        assert np.abs(own.astype(float) - wanted)[inside].mean() < 2
        assert np.abs(canvas(found["sRGB"])[:, :, :3] - wanted).mean() > 2


def test_software_rendering_is_left_to_the_faster_cpu():
    script = f"""
    {HELPERS}
    const renderer = new gsiRender.Renderer(canvasOf(768, 512));
    renderer.setPicture(await read("file"));
    const times = [];
    for (let i = 0; i < 5; i++) {{
      const begin = performance.now();
      renderer.draw();
      times.push(performance.now() - begin);
    }}
    return [renderer.kind, Math.min(...times)];
    """
    kind, milliseconds = in_chromium(script, {"file": file(Case("adaptive", 3, 768, 512, 5000))})
    assert kind == "2d"
    # A tenth of this on an idle machine.
    assert milliseconds < 1000

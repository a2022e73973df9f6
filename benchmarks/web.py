"""How long a .gsi file takes in headless Chromium: to decode, the first time and later, and to draw at its own size.

Usage: python benchmarks/web.py FILE... [--json FILE]

Prints a line of JSON for each file; times are milliseconds, the least of fifteen. The first decode and `set_tables`
before it are those of workers that have just been started, whose engine has compiled nothing yet; their medians are
given as well. `draw_software` is WebGL 2 without a GPU, which the library leaves alone.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from reports import ROOT, about, write

sys.path.insert(0, str(ROOT))

from tests.web.chromium import in_chromium

SCRIPT = """
await gsi.loadTables();
const bytes = new Uint8Array(await (await fetch("file")).arrayBuffer());
const times = (call, count) => Array.from({ length: count }, () => {
  const begin = performance.now();
  call();
  return performance.now() - begin;
});
const rounded = (milliseconds) => Math.round(10 * milliseconds) / 10;
const least = (list) => rounded(Math.min(...list));
const median = (list) => rounded(list.sort((a, b) => a - b)[list.length >> 1]);
const tables = new Uint8Array(await (await fetch(gsi.tablesUrl)).arrayBuffer());
const code = `importScripts("${location.origin}/gsi.js");
onmessage = ({ data }) => {
  const begin = performance.now();
  gsi.setTables(data.tables);
  const set = performance.now();
  gsi.decode(data.bytes);
  postMessage([set - begin, performance.now() - set]);
};`;
const cold = [];
for (let i = 0; i < 15; i++) {
  const worker = new Worker(URL.createObjectURL(new Blob([code])));
  cold.push(await new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage({ tables, bytes });
  }));
  worker.terminate();
}
const [sets, firsts] = [0, 1].map((k) => cold.map((both) => both[k]));
const picture = gsi.decode(bytes);
const answer = { gaussians: picture.colors.n, width: picture.width, height: picture.height };
Object.assign(answer, {
  set_tables: least(sets),
  set_tables_median: median(sets),
  decode_first: least(firsts),
  decode_first_median: median(firsts),
  decode_later: least(times(() => gsi.decode(bytes), 15)),
});
for (const kind of ["2d", "webgl2"]) {
  const canvas = Object.assign(document.createElement("canvas"), { width: picture.width, height: picture.height });
  const renderer = new gsiRender.Renderer(canvas, { kind });
  renderer.setPicture(picture);
  // Reading a pixel waits for the GPU.
  const gl = kind === "webgl2" ? canvas.getContext("webgl2") : null;
  const draw = () => {
    renderer.draw();
    gl?.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  };
  times(draw, 5);
  answer[kind === "2d" ? "draw_cpu" : "draw_software"] = least(times(draw, 15));
}
return answer;
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="How long .gsi files take in headless Chromium.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    arguments = parser.parse_args()
    rows = []
    for path in arguments.files:
        data = path.read_bytes()
        rows.append({"file": path.name, "bytes": len(data)} | in_chromium(SCRIPT, {"file": data}))
        print(json.dumps(rows[-1]), flush=True)
    if arguments.json:
        browser = subprocess.run(["chromium", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        write(arguments.json, about(os.cpu_count() or 1), rows, browser=browser)


if __name__ == "__main__":
    main()

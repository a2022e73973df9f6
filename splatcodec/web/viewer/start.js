/** Inflates the viewer that the page carries, and starts it. */
(async () => {
  "use strict";

  /** The bytes that a text holds, seven bits to a letter. */
  const bytesOf = (text) => {
    const bytes = new Uint8Array((7 * text.length) >> 3);
    let [value, bits, at] = [0, 0, 0];
    for (let i = 0; i < text.length; i++) {
      value = (value << 7) | (text.charCodeAt(i) & 127);
      bits += 7;
      if (bits >= 8) bytes[at++] = value >> (bits -= 8);
    }
    return bytes;
  };

  const inflated = (bytes) =>
    new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();

  const add = (name, textContent) => document.head.append(Object.assign(document.createElement(name), { textContent }));

  if (!globalThis.DecompressionStream) {
    document.body.textContent = "This page needs a browser of 2023 or later.";
    return;
  }
  const [content, ...texts] = [...document.querySelectorAll("body > script[type]")].map((element) => element.textContent);
  const [tables, viewer, ...files] = texts.map(bytesOf);
  globalThis.gsiPage = { ...JSON.parse(content), tables, files };
  const [style, markup, script] = (await inflated(viewer)).split("\0");
  add("style", style);
  document.body.innerHTML = markup;
  add("script", script);
})();

const CHANNELS = [, "grey", "grey and alpha", "RGB", "RGB and alpha"];
const SPACES = { 0: "unspecified, shown as sRGB", 1: "sRGB", 2: "Display P3", 255: "ICC profile" };
const PROFILES = ["half", "adaptive", "vq"];

const grouped = (number) => number.toLocaleString("en").replaceAll(",", "\u202f");

/** Facts about a file as pairs of what and which. */
function factsOf({ bytes, picture }) {
  const { width, height, channels, depth, colorSpace, colors, alpha, isTransparency, metadata } = picture;
  const facts = [
    ["size", `${grouped(bytes.length)} bytes`],
    ["rate", `${((8 * bytes.length) / (width * height)).toFixed(3)} bits per pixel`],
    ["canvas", `${width} \u00d7 ${height}`],
    ["samples", `${CHANNELS[channels]}, ${depth} bits`],
    ["colours", SPACES[colorSpace]],
    ["Gaussians", grouped(colors.n)],
  ];
  if (alpha) facts.push([isTransparency ? "of transparency" : "of opacity", grouped(alpha.n)]);
  facts.push(["profile", PROFILES[picture.profile]], ["format", `version ${picture.major}.${picture.minor}`]);
  if (metadata.iccp) {
    const name = profileName(metadata.iccp);
    facts.push(["ICC profile", `${name ? `${name}, ` : ""}${grouped(metadata.iccp.length)} bytes, shown as sRGB`]);
  }
  if (metadata.exif) facts.push(["EXIF", `${grouped(metadata.exif.length)} bytes`], ...exifTexts(metadata.exif));
  if (metadata.xmpp) facts.push(["XMP", `${grouped(metadata.xmpp.length)} bytes`]);
  return facts;
}

/** What an ICC profile calls itself, if it says so in a way that is understood. */
function profileName(profile) {
  const view = new DataView(profile.buffer, profile.byteOffset, profile.byteLength);
  try {
    for (let k = 0; k < view.getUint32(128); k++) {
      if (view.getUint32(132 + 12 * k) !== 0x64657363) continue;
      const at = view.getUint32(136 + 12 * k);
      if (view.getUint32(at) === 0x64657363) return textOf(profile.subarray(at + 12, at + 12 + view.getUint32(at + 8)));
      const start = at + view.getUint32(at + 24);
      return new TextDecoder("utf-16be").decode(profile.subarray(start, start + view.getUint32(at + 20)));
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return null;
}

const EXIF_TAGS = {
  0x010e: "description",
  0x010f: "camera",
  0x0110: "model",
  0x0131: "software",
  0x0132: "date",
  0x013b: "artist",
  0x8298: "copyright",
};

/** Texts that EXIF begins with, as pairs of what and which. */
function exifTexts(exif) {
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
  const facts = [];
  try {
    const little = view.getUint16(0) === 0x4949;
    const start = view.getUint32(4, little);
    for (let k = 0; k < view.getUint16(start, little); k++) {
      const at = start + 2 + 12 * k;
      const name = EXIF_TAGS[view.getUint16(at, little)];
      if (!name || view.getUint16(at + 2, little) !== 2) continue;
      const count = view.getUint32(at + 4, little);
      const from = count > 4 ? view.getUint32(at + 8, little) : at + 8;
      facts.push([name, textOf(exif.subarray(from, from + count))]);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return facts;
}

/** Text up to its first zero byte; UTF-8, as most write it. */
function textOf(bytes) {
  return new TextDecoder().decode(bytes).replace(/\0[^]*/, "").trim();
}

/** Fill an element with the facts about a file. */
function showFacts(element, file) {
  const add = (parent, name, text) => parent.appendChild(Object.assign(document.createElement(name), { textContent: text }));
  element.replaceChildren();
  add(element, "h2", file.name);
  const list = add(element, "dl", "");
  for (const [what, which] of factsOf(file)) {
    add(list, "dt", what);
    add(list, "dd", which);
  }
  const xmp = file.picture.metadata.xmpp;
  if (xmp) add(element, "pre", new TextDecoder().decode(xmp)).tabIndex = 0;
}

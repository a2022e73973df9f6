/**
 * A decoder of .gsi pictures: bytes in, Gaussians out. It is written from docs/format.md, which explains every step.
 *
 * Load it as a classic script or `import "./gsi.js"`; both set `globalThis.gsi`. Integers that steer the decoder may
 * have up to 53 bits: bitwise operators, which floor quotients faster than `Math.floor`, stand only where they fit 32.
 *
 * @typedef {object} Header
 * @property {number} major version of the format, 1
 * @property {number} minor
 * @property {number} profile 0 `half`, 1 `adaptive`, 2 `vq`
 * @property {number} channels of the picture: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha
 * @property {number} width of the canvas in pixels
 * @property {number} height
 * @property {number} n number of Gaussians of the colours
 * @property {number} depth bits of the samples that were encoded, 8 or 16
 * @property {number} colorSpace 0 unspecified, 1 sRGB, 2 Display P3, 255 as the ICC profile says
 *
 * @typedef {object} Layer Gaussians on the canvas, one after another in each array.
 * @property {number} n how many
 * @property {number} channels 1 or 3
 * @property {Float32Array} means x, y in pixels; the centre of the top-left pixel is at (0.5, 0.5)
 * @property {Float32Array} scales two standard deviations in pixels, above 0
 * @property {Float32Array} rotations in radians, from x towards y, which runs down
 * @property {Float32Array} amplitudes one for each channel, 1 is full scale
 * @property {object} [symbols] all integers that the chunks hold, if they were asked for
 *
 * @typedef {object} Contents
 * @property {Layer} colors
 * @property {Layer | null} alpha null in an opaque picture
 * @property {boolean} isTransparency whether the alpha layer shows 1 - alpha
 * @property {{iccp: Uint8Array | null, exif: Uint8Array | null, xmpp: Uint8Array | null}} metadata
 *
 * @typedef {Header & Contents} Picture
 */
(function () {
  "use strict";

  /** A file that is refused; the message is one line that names the fault and the byte. */
  class GsiError extends Error {}
  GsiError.prototype.name = "GsiError";

  function refuse(what, fault, at) {
    throw new GsiError(`${what}: ${fault} at byte ${at}`);
  }

  const CRCS = Uint32Array.from({ length: 256 }, (_, byte) => {
    for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
    return byte;
  });

  function crc32(bytes) {
    let crc = -1;
    for (let i = 0; i < bytes.length; i++) crc = CRCS[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
    return ~crc >>> 0;
  }

  /** Reads bytes and numbers in turn; `offset` is where `data` begins in the file. */
  class Reader {
    constructor(data, what, offset = 0) {
      this.data = data;
      this.what = what;
      this.offset = offset;
      this.at = 0;
    }

    refuse(fault, at = this.at) {
      refuse(this.what, fault, this.offset + at);
    }

    take(count) {
      if (count > this.data.length - this.at) this.refuse("the file ends too early", this.data.length);
      this.at += count;
      return this.data.subarray(this.at - count, this.at);
    }

    uint(size) {
      return this.take(size).reduceRight((value, byte) => 256 * value + byte, 0);
    }

    varint() {
      const start = this.at;
      let value = 0;
      for (let shift = 0; shift < 35; shift += 7) {
        const byte = this.uint(1);
        value += (byte & 127) * 2 ** shift;
        if (byte < 128) {
          if (byte === 0 && shift > 0) this.refuse("overlong varint", start);
          return value;
        }
      }
      return this.refuse("varint of more than five bytes", start);
    }

    /** The bits of `count` finite numbers in half precision. */
    halves(count) {
      const start = this.at;
      const bytes = this.take(2 * count);
      const bits = new Uint16Array(count);
      for (let i = 0; i < count; i++) {
        bits[i] = bytes[2 * i] | (bytes[2 * i + 1] << 8);
        if ((bits[i] & 0x7c00) === 0x7c00) this.refuse("a number is not finite", start + 2 * i);
      }
      return bits;
    }

    end() {
      if (this.at !== this.data.length) this.refuse(`${this.data.length - this.at} unexpected bytes`);
    }
  }

  /** The number that 16 bits of a finite one in half precision stand for. */
  function halfValue(bits) {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
    return bits & 0x8000 ? -size : size;
  }

  // ---- The container

  const MAGIC = [0x89, 0x47, 0x53, 0x49];
  const HEADER_BYTES = 23;
  const MOST_GAUSSIANS = 2 ** 31 - 1;
  const METADATA = ["iccp", "exif", "xmpp"];

  /**
   * What a file says of itself; only its first 23 bytes are looked at.
   * @param {Uint8Array} bytes
   * @returns {Header}
   * @throws {GsiError} they are damaged, or those of another kind of file or of a later version
   */
  function header(bytes) {
    return readHeader(new Reader(bytes, "header")).header;
  }

  function readHeader(reader) {
    const data = reader.data;
    if (!(data instanceof Uint8Array)) throw new GsiError("header: the bytes of a file are a Uint8Array");
    if (data.length === 0) throw new GsiError("header: the file is empty");
    if (MAGIC.some((byte, i) => data[i] !== byte)) throw new GsiError("not a .gsi file (wrong magic at byte 0)");
    reader.take(4);
    const major = reader.uint(1);
    if (major !== 1) throw new GsiError(`version ${major} is not supported, only version 1 (byte 4)`);
    reader.at = 0;
    const fields = new Reader(reader.take(HEADER_BYTES - 4), "header");
    if (reader.uint(4) !== crc32(fields.data)) reader.refuse("checksum mismatch, the file is damaged", 19);

    fields.take(5);
    const value = (name, size, isValid) => {
      const found = fields.uint(size);
      if (!isValid(found)) refuse(name, "value out of range", fields.at - size);
      return found;
    };
    const found = {
      major,
      minor: value("minor version", 1, () => true),
      profile: value("profile", 1, (profile) => profile < PROFILES.length),
      channels: value("channels", 1, (channels) => channels >= 1 && channels <= 4),
      width: value("width", 2, (width) => width > 0),
      height: value("height", 2, (height) => height > 0),
      n: value("Gaussian count", 4, (n) => n <= MOST_GAUSSIANS),
      depth: value("depth", 1, (depth) => depth === 8 || depth === 16),
      colorSpace: value("color space", 1, (space) => space <= 2 || space === 255),
    };
    return { header: found, count: fields.uint(1) };
  }

  /** Chunks in turn, their checksums verified: tags, and readers of their payloads. */
  function readChunks(file, count) {
    const chunks = [];
    for (let i = 0; i < count; i++) {
      const start = file.at;
      file.what = "chunk tag";
      const tag = String.fromCharCode(...file.take(4));
      if (!/^[A-Za-z][A-Za-z0-9]{3}$/.test(tag)) file.refuse("not a letter and three letters or digits", start);
      file.what = `chunk ${tag}`;
      const length = file.varint();
      const payload = new Reader(file.take(length), file.what, file.at - length);
      const expected = crc32(file.data.subarray(start, file.at));
      if (file.uint(4) !== expected) file.refuse("checksum mismatch, the file is damaged", file.at - 4);
      chunks.push({ tag, payload });
    }
    file.what = "end of file";
    file.end();
    return chunks;
  }

  /**
   * Decode a file.
   * @param {Uint8Array} bytes
   * @param {{maxGaussians?: number, symbols?: boolean}} [options] refuse layers of more Gaussians; give the integers
   *   that the chunks hold, too
   * @returns {Picture}
   * @throws {GsiError} the file is damaged, truncated, over the limit or no .gsi file, or the tables are not there
   */
  function decode(bytes, { maxGaussians = 2 ** 23, symbols = false } = {}) {
    const file = new Reader(bytes, "header");
    const { header, count } = readHeader(file);
    const metadata = { iccp: null, exif: null, xmpp: null };
    const critical = [];
    for (const chunk of readChunks(file, count)) {
      if (chunk.tag[0] < "a") critical.push(chunk);
      if (!METADATA.includes(chunk.tag)) continue;
      if (metadata[chunk.tag] !== null) chunk.payload.refuse("there are two of it");
      metadata[chunk.tag] = chunk.payload.data;
    }

    const { tags, read } = PROFILES[header.profile];
    const hasAlpha = header.channels % 2 === 0;
    const expected = hasAlpha ? [...tags, "ALPH", ...tags] : tags;
    for (let i = 0; i < Math.max(expected.length, critical.length); i++) {
      const { tag, payload } = critical[i] ?? { tag: "nothing", payload: file };
      const at = payload.offset + payload.at;
      if (tag !== expected[i]) refuse("chunks", `expected ${expected[i] ?? "no more"}, found ${tag}`, at);
    }

    const layer = (n, channels, first, at) => {
      if (n > maxGaussians) refuse("Gaussian count", `${n} are over the limit of ${maxGaussians} (maxGaussians)`, at);
      const canvas = { n, channels, width: header.width, height: header.height };
      const payloads = critical.slice(first, first + tags.length).map((chunk) => chunk.payload);
      return read(canvas, payloads, symbols);
    };
    const colors = layer(header.n, header.channels - hasAlpha, 0, 12);
    if (!hasAlpha) return { ...header, colors, alpha: null, isTransparency: false, metadata };

    const opening = critical[tags.length].payload;
    const shown = opening.uint(1);
    if (shown > 1) opening.refuse("neither opacity nor transparency", 0);
    const n = opening.varint();
    if (n > MOST_GAUSSIANS) opening.refuse("value out of range", 1);
    opening.end();
    const alpha = layer(n, 1, tags.length + 1, opening.offset + 1);
    return { ...header, colors, alpha, isTransparency: shown === 1, metadata };
  }

  /** A layer whose Gaussians are still to be filled in. */
  function emptyLayer({ n, channels }) {
    return {
      n,
      channels,
      means: new Float32Array(2 * n),
      scales: new Float32Array(2 * n),
      rotations: new Float32Array(n),
      amplitudes: new Float32Array(channels * n),
    };
  }

  // ---- Profiles `half` and `vq`

  const CELL = 64;

  /** Fill in the means that `CELL` and `MEAN` hold; gives their symbols. */
  function readMeans(canvas, layer, cells, offsets) {
    const columns = Math.ceil(canvas.width / CELL);
    const rows = Math.ceil(canvas.height / CELL);
    if (cells.data.length < columns * rows) cells.refuse("fewer bytes than cells");
    const counts = Array.from({ length: columns * rows }, () => cells.varint());
    cells.end();
    const sum = counts.reduce((a, b) => a + b, 0);
    if (sum !== layer.n) cells.refuse(`cells hold ${sum} Gaussians instead of ${layer.n}`, 0);
    const bits = offsets.halves(2 * layer.n);
    offsets.end();
    let i = 0;
    counts.forEach((count, cell) => {
      for (const end = i + 2 * count; i < end; i += 2) {
        layer.means[i] = halfValue(bits[i]) + CELL * (cell % columns) + CELL / 2;
        layer.means[i + 1] = halfValue(bits[i + 1]) + CELL * Math.floor(cell / columns) + CELL / 2;
      }
    });
    return { CELL: counts, MEAN: bits };
  }

  function readHalf(canvas, payloads, withSymbols) {
    const [cells, offsets, scales, rotations, colors] = payloads;
    boundedBy(offsets, canvas.n);
    const layer = emptyLayer(canvas);
    const symbols = readMeans(canvas, layer, cells, offsets);
    const fill = (reader, tag, values) => {
      const bits = reader.halves(values.length);
      reader.end();
      bits.forEach((own, i) => (values[i] = halfValue(own)));
      symbols[tag] = bits;
    };
    fill(scales, "SCAL", layer.scales);
    const wrong = layer.scales.findIndex((scale) => !(scale > 0));
    if (wrong >= 0) scales.refuse("a standard deviation is not above 0", 2 * wrong);
    fill(rotations, "ROTA", layer.rotations);
    fill(colors, "COLR", layer.amplitudes);
    return withSymbols ? { ...layer, symbols } : layer;
  }

  /** Refuse more Gaussians than `MEAN` has room for, before there is room for them in memory. */
  function boundedBy(offsets, n) {
    if (4 * n > offsets.data.length) offsets.refuse(`too short for ${n} Gaussians`, 0);
  }

  const MOST_ENTRIES = [1024, 256, 256];

  function readVq(canvas, [cells, offsets, book, indexed], withSymbols) {
    boundedBy(offsets, canvas.n);
    const layer = emptyLayer(canvas);
    const { n, channels } = layer;
    const symbols = readMeans(canvas, layer, cells, offsets);
    const sizes = MOST_ENTRIES.map((most) => {
      const size = book.varint();
      if (size > most || (size === 0 && n > 0)) book.refuse(`codebook of ${size} entries`);
      return size;
    });
    const bits = sizes.map((size, i) => book.halves(size * (i === 0 ? 3 : channels)));
    book.end();
    const coder = new RangeDecoder(indexed);
    const indices = sizes.map((size) => {
      const table = new Table(1, size, new Int32Array(size).fill(4096 / size));
      return Uint16Array.from({ length: n }, () => coder.read(table, 0));
    });
    coder.end();

    const [shapes, ...books] = bits.map((own) => Float64Array.from(own, halfValue));
    const clamped = (logarithm) => Math.exp(Math.max(-20, Math.min(20, logarithm)));
    for (let i = 0; i < n; i++) {
      const [a, b, c] = shapes.subarray(3 * indices[0][i]);
      const g = (a - b) / 2;
      const e = c / Math.SQRT2;
      const h = Math.sqrt(g * g + e * e);
      layer.scales[2 * i] = clamped((a + b) / 2 + h);
      layer.scales[2 * i + 1] = clamped((a + b) / 2 - h);
      layer.rotations[i] = Math.atan2(e, g) / 2;
      for (let k = 0; k < channels; k++) {
        layer.amplitudes[channels * i + k] =
          books[0][channels * indices[1][i] + k] + books[1][channels * indices[2][i] + k];
      }
    }
    return withSymbols ? { ...layer, symbols: { ...symbols, BOOK: bits, INDX: indices } } : layer;
  }

  // ---- Range coding

  /** Rows of frequencies, which follow what is read. */
  class Table {
    constructor(rows, size, frequencies) {
      this.size = size;
      this.frequencies = frequencies;
      this.sums = new Int32Array(rows);
      for (let row = 0; row < rows; row++) {
        for (let k = 0; k < size; k++) this.sums[row] += frequencies[size * row + k];
      }
    }

    copy() {
      const other = Object.create(Table.prototype);
      other.size = this.size;
      other.frequencies = this.frequencies.slice();
      other.sums = this.sums.slice();
      return other;
    }

    learn(row, k) {
      const { size, frequencies, sums } = this;
      const first = row * size;
      frequencies[first + k] += 96;
      sums[row] += 96;
      if (sums[row] <= 65536) return;
      sums[row] = 0;
      for (let i = first; i < first + size; i++) {
        frequencies[i] = (frequencies[i] + 1) >> 1;
        sums[row] += frequencies[i];
      }
    }
  }

  // What a range decoder keeps, modulo 2^32.
  const RANGE = 0;
  const LOW = 1;
  const CODE = 2;

  /** Reads range-coded symbols from where a reader stands to its end. */
  class RangeDecoder {
    constructor(reader) {
      const { data, at } = reader;
      const last = data.length - 1;
      if (last >= at && data[last] === 0) reader.refuse("the coded symbols end in a zero byte", last);
      this.reader = reader;
      this.data = data;
      this.at = at;
      this.state = Uint32Array.of(2 ** 32 - 1, 0, 0);
      for (let i = 0; i < 4; i++) this.state[CODE] = 256 * this.state[CODE] + this.next();
    }

    next() {
      const at = this.at++;
      return at < this.data.length ? this.data[at] : 0;
    }

    damaged() {
      this.reader.refuse("the coded symbols are damaged", Math.min(this.at, this.data.length));
    }

    narrow(share, before, own) {
      const { state } = this;
      const step = share * before;
      state[CODE] -= step;
      state[LOW] += step;
      state[RANGE] = share * own;
      while (state[RANGE] < 16777216) {
        state[RANGE] *= 256;
        state[LOW] *= 256;
        state[CODE] = 256 * state[CODE] + this.next();
      }
    }

    /** The symbol of frequencies from `first` on, which add up to `total`. */
    symbol(frequencies, first, total) {
      const share = (this.state[RANGE] / total) >>> 0;
      const target = (this.state[CODE] / share) >>> 0;
      if (target >= total) this.damaged();
      let k = first;
      let before = 0;
      let own = frequencies[k];
      while (before + own <= target) {
        before += own;
        own = frequencies[++k];
      }
      this.narrow(share, before, own);
      return k - first;
    }

    read(table, row) {
      if (table.size === 1) return 0;
      const k = this.symbol(table.frequencies, row * table.size, table.sums[row]);
      table.learn(row, k);
      return k;
    }

    /** One of n values that are equally likely; n is below 2^32. */
    uniform(n) {
      if (n <= 1) return 0;
      if (n > 65536) {
        const y = 16 - Math.clz32((n - 1) >>> 0);
        const high = this.uniform(((n - 1) >>> y) + 1);
        const value = 2 ** y * high + this.uniform(2 ** y);
        if (value >= n) this.damaged();
        return value;
      }
      const share = (this.state[RANGE] / n) >>> 0;
      const value = (this.state[CODE] / share) >>> 0;
      if (value >= n) this.damaged();
      this.narrow(share, value, 1);
      return value;
    }

    end() {
      if (this.at < this.data.length) this.reader.refuse("bytes follow the coded symbols", this.at);
      const [range, low, code] = this.state;
      const steps = [2 ** 24, 2 ** 16, 2 ** 8, 1].map((unit) => (unit - (low % unit)) % unit);
      if (code !== steps.find((step) => step < range)) this.damaged();
    }
  }

  // ---- Profile `adaptive`

  const TABLES = [
    ["few", 195, 17],
    ["many", 13, 32],
    ["class", 20, 48],
    ["grey", 16, 32],
    ["color0", 16, 32],
    ["color1", 896, 32],
    ["color2", 448, 32],
    ["scale0", 400, 64],
    ["scale1", 400, 64],
    ["rotation", 132, 16],
  ];
  const TABLES_CRC = 0x676c47f7;
  const WEIGHTS = { larger: 25, smaller: 26 };
  let priors = null;

  /**
   * Set the tables that files of the profile `adaptive` need.
   * @param {Uint8Array} bytes the content of priors.bin
   * @throws {GsiError} it is not
   */
  function setTables(bytes) {
    if (crc32(bytes) !== TABLES_CRC) throw new GsiError("tables: these are not priors.bin");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const found = {};
    let at = 0;
    for (const [name, rows, size] of TABLES) {
      const end = at + 2 * rows * size;
      // Browsers run on little-endian machines, whose typed arrays hold numbers as the file does.
      found[name] = new Table(rows, size, new Int32Array(new Uint16Array(bytes.slice(at, end).buffer)));
      at = end;
    }
    for (const [name, size] of Object.entries(WEIGHTS)) {
      found[name] = Int32Array.from({ length: size }, (_, i) => view.getInt32(at + 4 * i, true));
      at += 4 * size;
    }
    priors = found;
    formulaTables();
  }

  let loading = null;

  /**
   * Fetch the tables and set them, unless they are there.
   * @param {string | URL} [url] of priors.bin, which is expected beside this script otherwise
   */
  function loadTables(url = gsi.tablesUrl) {
    if (priors) return Promise.resolve();
    loading ??= fetch(url)
      .then(async (response) => {
        if (!response.ok) throw new GsiError(`tables: ${url}: status ${response.status}`);
        setTables(new Uint8Array(await response.arrayBuffer()));
      })
      .finally(() => (loading = null));
    return loading;
  }

  const CLASSES = 48;
  const ECCENTRICITIES = 128;
  const HUES = [-12, -5, -1, 2, 6, 13];
  const LUMAS = [2, 6, 10, 14, 18, 26, 36];
  const FARTHEST = 2 ** 26;
  const REACH = 8;
  const FIRST_STRIDE = 32;
  let formulas = null;

  /** The tables that follow from formulas, as format.md names them; two-dimensional ones row by row. */
  function formulaTables() {
    if (formulas) return formulas;
    const table = (length, value) => Int32Array.from({ length }, (_, i) => value(i));
    const ratio = (e) => 2 ** ((e + 0.5) / 8);
    formulas = {
      inverse: table(CLASSES, (m) => Math.round(2 ** (30 - m / 2))),
      S: table(CLASSES, (m) => Math.max(1, Math.round(1024 * Math.min(1, (1.5 / Math.LN2) * 2 ** (-m / 2))))),
      power: table(208, (i) => Math.ceil(2 ** ((i + 1) / 8))),
      R: table(CLASSES * ECCENTRICITIES, (i) => {
        const own = ratio(i % ECCENTRICITIES);
        const count = Math.ceil((Math.PI * 2 ** (Math.floor(i / ECCENTRICITIES) / 2) * (own - 1 / own)) / 2.4);
        return Math.max(1, Math.min(65536, count));
      }),
      strength: table(13, (m) => Math.round(16 * 2 ** (m / 4))),
      turn: table(64, (i) => Math.round(64 * Math.cos((2 * Math.PI * i) / 64))),
      conditional: table(ECCENTRICITIES * 64, (i) => {
        const angle = (((i % 64) + 0.5) * Math.PI) / 64;
        const own = ratio(Math.floor(i / 64));
        return Math.round(4 * Math.log2(Math.cos(angle) ** 2 + own ** 2 * Math.sin(angle) ** 2));
      }),
      count: table(161, (p) => Math.round(2 ** (p / 8))),
    };
    return formulas;
  }

  function clamp(value, low, high) {
    return value < low ? low : value > high ? high : value;
  }

  /** How many of the numbers in rising order are at most a value, which is known of the first ones. */
  function rank(numbers, value, known = 0) {
    let found = known;
    while (found < numbers.length && numbers[found] <= value) found++;
    return found;
  }

  function readAdaptive(canvas, [payload], withSymbols) {
    if (!priors) throw new GsiError("tables: the profile adaptive needs them (gsi.loadTables or gsi.setTables)");
    const d = payload.varint();
    if (d > 767) payload.refuse("value out of range", 0);
    if (canvas.n > 8 * payload.data.length) payload.refuse(`too short for ${canvas.n} Gaussians`, 0);
    return new Adaptive(canvas, new RangeDecoder(payload), d, withSymbols).decode();
  }

  /** What is known while `ADAP` is decoded; arrays are of all Gaussians, by number. */
  class Adaptive {
    constructor(canvas, coder, d, withSymbols) {
      const { n } = canvas;
      this.canvas = canvas;
      this.coder = coder;
      this.d = d;
      this.step = 4 * 2 ** (-d / 32);
      this.formulas = formulaTables();
      this.larger = priors.larger;
      this.smaller = priors.smaller;
      this.tables = Object.fromEntries(TABLES.map(([name]) => [name, priors[name].copy()]));
      this.layer = emptyLayer(canvas);
      // The cell of each: its corner, and the logarithms of its sides.
      this.x = new Int32Array(n);
      this.y = new Int32Array(n);
      this.a = new Uint8Array(n);
      this.b = new Uint8Array(n);
      // Twice the centres of the cells.
      this.centerX = new Float64Array(n);
      this.centerY = new Float64Array(n);
      // What each tells those that have it as a neighbour: y0, y1, y2, both surpluses, the vector of its rotation and
      // the length of this.
      this.told = new Int32Array(8 * n);
      // Of the Gaussian that is being read: features, squares of distances to the nearest eight, the largest weight of
      // its neighbours and the sum of the weights, and that of what they tell, in the same order.
      this.features = new Int32Array(6);
      this.nearest = new Int32Array(REACH);
      this.largest = 0;
      this.weight = 0;
      this.heard = new Int32Array(8);
      // G00, G01, G02, G11, G12.
      this.products = new Int32Array(5);
      this.q1 = 0;
      this.q2 = 0;
      this.L1 = 0;
      this.L2 = 0;
      this.edges = new Int32Array(17);
      this.weighted = new Int32Array(16);
      this.color = new Int32Array(3);
      const lists = () => Array.from({ length: n });
      this.symbols = withSymbols
        ? { d, cell: lists(), class: lists(), color: lists(), scale: lists(), rotation: lists(), place: lists() }
        : null;
    }

    decode() {
      const { n } = this.canvas;
      this.readCells();
      for (let i = 0; i < n; i += FIRST_STRIDE) this.gaussian(i, 0);
      for (let j = FIRST_STRIDE / 2; j >= 1; j /= 2) {
        for (let i = j; i < n; i += 2 * j) this.gaussian(i, j);
      }
      this.coder.end();
      return this.symbols ? { ...this.layer, symbols: this.symbols } : this.layer;
    }

    /** Read the tree of positions: the cell of each Gaussian. */
    readCells() {
      const { n, width, height } = this.canvas;
      const side = 32 - Math.clz32(3 * Math.max(width, height) - 1);
      let level = new Level(1);
      level.x[0] = Math.floor((width - 2 ** side) / 2);
      level.y[0] = Math.floor((height - 2 ** side) / 2);
      level.n[0] = n;
      for (let depth = 0; level.size > 0; depth++) {
        const axis = depth % 2;
        const half = 2 ** (side - Math.floor(depth / 2)) / 2;
        const isLast = depth === 2 * side;
        let inner = 0;
        for (let cell = 0; cell < level.size; cell++) {
          if (level.n[cell] > 1 && !isLast) level.child[cell] = 2 * inner++;
          else this.leaf(level, cell, side - Math.floor((depth + 1) / 2), side - Math.floor(depth / 2));
        }
        const next = new Level(2 * inner);
        const size = axis === 0 ? width : height;
        for (let cell = 0; cell < level.size; cell++) {
          if (level.child[cell] < 0) continue;
          const p = axis === 0 ? level.x[cell] : level.y[cell];
          const first = this.firstHalf(level.n[cell], p, half, size, level.difference(cell, axis));
          level.halve(cell, axis, half, first, next);
        }
        level = next;
      }
    }

    /** A leaf is the cell of the Gaussians in it. */
    leaf(level, cell, a, b) {
      const start = level.start[cell];
      for (let i = start; i < start + level.n[cell]; i++) {
        this.x[i] = level.x[cell];
        this.y[i] = level.y[cell];
        this.a[i] = a;
        this.b[i] = b;
        this.centerX[i] = 2 * level.x[cell] + 2 ** a;
        this.centerY[i] = 2 * level.y[cell] + 2 ** b;
        if (this.symbols) this.symbols.cell[i] = [this.x[i], this.y[i], a, b];
      }
    }

    /** How many of n means are in the first half of a cell. */
    firstHalf(n, p, half, size, more) {
      const first = 16 * Math.max(0, Math.min(p + half, size) - Math.max(p, 0)) + half;
      const second = 16 * Math.max(0, Math.min(p + 2 * half, size) - Math.max(p + half, 0)) + half;
      let context = 10;
      if (first !== second) context = Math.floor((8 * first) / (first + second));
      else if (more !== 0) context += Math.sign(more) * (2 * Math.abs(more) > n ? 2 : 1);
      if (n <= 16) {
        const found = this.coder.read(this.tables.few, 13 * (n - 2) + context);
        if (found > n) this.coder.damaged();
        return found;
      }
      const q = this.coder.read(this.tables.many, context);
      const low = Math.ceil((q * (n + 1)) / 32);
      const high = Math.ceil(((q + 1) * (n + 1)) / 32);
      if (low === high) this.coder.damaged();
      return low + this.coder.uniform(high - low);
    }

    /** Find the features of Gaussian i. */
    surround(i) {
      const { nearest, features, centerX, centerY } = this;
      const { power } = this.formulas;
      const x = centerX[i];
      const y = centerY[i];
      const end = Math.min(this.canvas.n, i + REACH + 1);
      nearest.fill(FARTHEST);
      for (let k = Math.max(0, i - REACH); k < end; k++) {
        const dx = x - centerX[k];
        const dy = y - centerY[k];
        const distance = Math.min(FARTHEST - 1, dx * dx + dy * dy);
        if (distance >= nearest[REACH - 1] || k === i) continue;
        let place = REACH - 1;
        for (; place > 0 && nearest[place - 1] > distance; place--) nearest[place] = nearest[place - 1];
        nearest[place] = distance;
      }
      features[0] = 16 * (this.a[i] + this.b[i]);
      for (let k = 0; k < 4; k++) {
        const distance = nearest[(1 << k) - 1];
        // Power 8 p is 2^p.
        features[k + 1] = rank(power, distance, 8 * (31 - Math.clz32(distance | 1)));
      }
    }

    /** Hear the neighbours of Gaussian i, which are j apart from it, three times j, and so on; none if j is 0. */
    hear(i, j) {
      const { told, heard, products, centerX, centerY } = this;
      const x = centerX[i];
      const y = centerY[i];
      const unit = Math.max(1, this.nearest[1]);
      const end = Math.min(this.canvas.n, i + 15 * j + 1);
      const isColor = this.canvas.channels === 3;
      this.largest = this.weight = 0;
      heard.fill(0);
      products.fill(0);
      if (j === 0) return;
      for (let k = Math.max(i - 15 * j, 0); k < end; k += 2 * j) {
        const dx = x - centerX[k];
        const dy = y - centerY[k];
        const distance = Math.min(FARTHEST - 1, dx * dx + dy * dy);
        const weight = ((256 * unit) / (unit + distance)) | 0;
        if (weight === 0) continue;
        this.weight += weight;
        if (weight > this.largest) this.largest = weight;
        const at = 8 * k;
        for (let c = 3; c < 8; c++) heard[c] += weight * told[at + c];
        if (!isColor) continue;
        const w0 = weight * told[at];
        const w1 = weight * told[at + 1];
        products[0] += w0 * told[at];
        products[1] += w0 * told[at + 1];
        products[2] += w0 * told[at + 2];
        products[3] += w1 * told[at + 1];
        products[4] += w1 * told[at + 2];
      }
    }

    shifted(table, row, z, first) {
      return (this.coder.read(table, row) + first) * (1 << z) + this.coder.uniform(1 << z);
    }

    /** Read one Gaussian. */
    gaussian(i, j) {
      this.surround(i);
      this.hear(i, j);
      const m = this.coder.read(this.tables.class, Math.min(19, this.a[i] + this.b[i]));
      this.readColors(i, m);
      this.readScales(i, m);
      const e = (this.L1 - this.L2) >> 7;
      const R = this.formulas.R[ECCENTRICITIES * m + e];
      const t = R === 1 ? 0 : this.readRotation(R);
      const angle = ((64 * t) / R) | 0;
      this.point(i, m, e, angle);
      const P = this.parts(m, e, angle, this.a[i]);
      const Q = this.parts(m, e, (angle + 32) % 64, this.b[i]);
      const placeX = this.coder.uniform(P);
      const placeY = this.coder.uniform(Q);

      const { layer, color } = this;
      const s1 = 0.35 * 2 ** (this.L1 / 1024);
      const s2 = 0.35 * 2 ** (this.L2 / 1024);
      layer.means[2 * i] = this.x[i] + ((1 << this.a[i]) * (placeX + 0.5)) / P;
      layer.means[2 * i + 1] = this.y[i] + ((1 << this.b[i]) * (placeY + 0.5)) / Q;
      layer.scales[2 * i] = s1;
      layer.scales[2 * i + 1] = s2;
      layer.rotations[i] = (Math.PI * t) / R;
      const unit = this.step / Math.sqrt(Math.PI * s1 * s2);
      if (layer.channels === 1) {
        layer.amplitudes[i] = unit * color[0];
      } else {
        const k0 = (unit * color[0]) / Math.sqrt(3);
        const k1 = (unit * color[1]) / Math.sqrt(2);
        const k2 = (unit * color[2]) / Math.sqrt(6);
        layer.amplitudes[3 * i] = k0 + k1 + k2;
        layer.amplitudes[3 * i + 1] = k0 - 2 * k2;
        layer.amplitudes[3 * i + 2] = k0 - k1 + k2;
      }
      if (!this.symbols) return;
      this.symbols.class[i] = m;
      this.symbols.color[i] = Array.from(color.subarray(0, layer.channels));
      this.symbols.scale[i] = [this.q1, this.q2];
      this.symbols.rotation[i] = t;
      this.symbols.place[i] = [placeX, placeY];
    }

    /** Read k0, and k1 and k2 in RGB. */
    readColors(i, m) {
      const { tables, color, told, products } = this;
      const z = Math.max(0, (m >> 1) - 3);
      const M = m < 14 ? m : 14 + (m % 2);
      if (this.layer.channels === 1) {
        color[0] = this.shifted(tables.grey, M, z, -16);
        return;
      }
      const bias = 82 * this.largest + 64;
      const g00 = (products[0] + bias) >> 6;
      const g01 = products[1] >> 6;
      const g02 = products[2] >> 6;
      const g11 = (products[3] + bias) >> 6;
      const g12 = products[4] >> 6;
      const k0 = (color[0] = this.shifted(tables.color0, M, z, -16));
      const K0 = (4 * k0) >> z;
      const hue1 = rank(HUES, Math.floor((K0 * g01) / g00));
      const size = rank(LUMAS, Math.abs(K0));
      const k1 = (color[1] = this.shifted(tables.color1, 8 * (7 * M + hue1) + size, z, -16));
      const K1 = (4 * k1) >> z;
      // The products stay below 2^53, and so do those with 2^m below.
      const share = K0 * (g02 * g11 - g12 * g01) + K1 * (g12 * g00 - g02 * g01);
      const hue2 = rank(HUES, Math.floor(share / Math.max(1, g00 * g11 - g01 * g01)));
      const left = Math.max(0, Math.floor((3 * 2 ** m) / 2) - k0 * k0 - k1 * k1);
      const rest = Math.min(3, Math.floor(Math.floor((8 * left) / 3) / 2 ** m));
      color[2] = this.shifted(tables.color2, 4 * (7 * M + hue2) + rest, z, -16);
      for (let c = 0; c < 3; c++) {
        told[8 * i + c] = clamp(Math.floor((color[c] * this.formulas.inverse[m]) / 2 ** 24), -127, 127);
      }
    }

    /** What class and features tell of a scale or of a ratio of scales. */
    base(m, weights) {
      let sum = 0;
      for (let k = 20; k < weights.length; k++) sum += this.features[k - 20] * weights[k];
      return weights[Math.min(m, 19)] + Math.floor((64 * sum) / 1024);
    }

    /** The same with what neighbours have beyond what was told of them. */
    expected(base, surplus) {
      return base + Math.floor(surplus / Math.max(1, this.largest + this.weight));
    }

    /** Read q1 and q2, and with them L1 and L2. */
    readScales(i, m) {
      const S = this.formulas.S[m];
      const row = 20 * Math.min(m, 19);
      let z = 0;
      while (2 ** z * S < 256) z++;
      let base = this.base(m, this.larger);
      let context = Math.floor((3 * this.expected(base, this.heard[3])) / 1024);
      const q1 = (this.q1 = this.shifted(this.tables.scale0, row + clamp(context, 0, 19), z, 0));
      this.L1 = q1 * S;
      if (this.L1 >= 16384) this.coder.damaged();
      this.told[8 * i + 3] = this.L1 - base;

      this.features[5] = (16 * this.L1) >> 10;
      base = this.base(m, this.smaller);
      context = Math.floor((4 * this.expected(base, this.heard[4])) / 1024) + 2;
      const less = this.shifted(this.tables.scale1, row + clamp(context, 0, 19), z, 0);
      if (less > q1) this.coder.damaged();
      this.q2 = q1 - less;
      this.L2 = this.q2 * S;
      this.told[8 * i + 4] = this.L1 - this.L2 - base;
    }

    /** Read which of R > 1 rotations it is. */
    readRotation(R) {
      const { coder, edges, weighted } = this;
      const table = this.tables.rotation;
      const row = 33 * Math.min(3, (this.L1 - this.L2) >> 10) + this.hint();
      for (let n = 0; n <= 16; n++) edges[n] = (n * R + 15) >> 4;
      let n;
      if (R < 128) {
        let total = 0;
        for (n = 0; n < 16; n++) {
          weighted[n] = table.frequencies[16 * row + n] * (edges[n + 1] - edges[n]);
          total += weighted[n];
        }
        n = coder.symbol(weighted, 0, total);
        table.learn(row, n);
      } else {
        n = coder.read(table, row);
      }
      return edges[n] + coder.uniform(edges[n + 1] - edges[n]);
    }

    /** Where neighbours point, 0 to 32. */
    hint() {
      const { turn } = this.formulas;
      const x = this.heard[5];
      const y = this.heard[6];
      const A = Math.floor(x / 64) ** 2 + Math.floor(y / 64) ** 2;
      const U = 768 * this.largest + this.heard[7];
      if (25 * A <= U * U) return 32;
      let best = -Infinity;
      let hint = 0;
      for (let n = 0; n < 16; n++) {
        const along = x * turn[4 * n] + y * turn[(4 * n + 48) % 64];
        if (along > best) {
          best = along;
          hint = n;
        }
      }
      return 2 * hint + (4 * A > U * U ? 1 : 0);
    }

    /** Keep where Gaussian i points, for those that have it as a neighbour. */
    point(i, m, e, angle) {
      const { strength, turn } = this.formulas;
      const length = Math.min(24, e) * strength[Math.min(m, 12)];
      this.told[8 * i + 5] = length * turn[angle];
      this.told[8 * i + 6] = length * turn[(angle + 48) % 64];
      this.told[8 * i + 7] = length;
    }

    /** Into how many parts a cell is divided along an axis. */
    parts(m, e, angle, side) {
      const { conditional, count } = this.formulas;
      const p = 8 * side - ((this.L1 >> 7) - 12 - conditional[64 * e + angle]) - 5 + 4 * m;
      return count[clamp(p, 0, 160)];
    }
  }

  /** The cells of a level of the tree of positions, in order. */
  class Level {
    constructor(size) {
      this.size = size;
      // Corners, numbers of means, and the number of the first of these.
      this.x = new Int32Array(size);
      this.y = new Int32Array(size);
      this.n = new Int32Array(size);
      this.start = new Int32Array(size);
      // The cells that touch each on the left, on the right, above and below, and its first half in the next level; -1
      // where there is none.
      this.beside = new Int32Array(4 * size).fill(-1);
      this.child = new Int32Array(size).fill(-1);
    }

    /** How many more means the next cell along an axis has than the previous one. */
    difference(cell, axis) {
      const previous = this.beside[4 * cell + 2 * axis];
      const next = this.beside[4 * cell + 2 * axis + 1];
      return (next < 0 ? 0 : this.n[next]) - (previous < 0 ? 0 : this.n[previous]);
    }

    /** Halve a cell whose first half has `first` means; the halves are cells of the next level. */
    halve(cell, axis, half, first, next) {
      const one = this.child[cell];
      const two = one + 1;
      next.x[one] = next.x[two] = this.x[cell];
      next.y[one] = next.y[two] = this.y[cell];
      (axis === 0 ? next.x : next.y)[two] += half;
      next.n[one] = first;
      next.n[two] = this.n[cell] - first;
      next.start[one] = this.start[cell];
      next.start[two] = this.start[cell] + first;
      for (let side = 0; side < 4; side++) {
        const other = this.beside[4 * cell + side];
        const child = other < 0 ? -1 : this.child[other];
        const isAlong = side >> 1 === axis;
        const isNext = side % 2 === 1;
        // Along the axis, halves touch each other, and the nearer half of what was beside.
        if (isAlong) {
          next.beside[4 * (isNext ? one : two) + side] = isNext ? two : one;
          if (child >= 0) next.beside[4 * (isNext ? two : one) + side] = isNext ? child : child + 1;
        } else if (child >= 0) {
          next.beside[4 * one + side] = child;
          next.beside[4 * two + side] = child + 1;
        }
      }
    }
  }

  const PROFILES = [
    { tags: ["CELL", "MEAN", "SCAL", "ROTA", "COLR"], read: readHalf },
    { tags: ["ADAP"], read: readAdaptive },
    { tags: ["CELL", "MEAN", "BOOK", "INDX"], read: readVq },
  ];

  const script = globalThis.document?.currentScript?.src;
  const gsi = {
    decode,
    header,
    setTables,
    loadTables,
    formulaTables,
    GsiError,
    /** Where `loadTables` looks for the tables. */
    tablesUrl: script ? new URL("priors.bin", script).href : "priors.bin",
  };
  globalThis.gsi = gsi;
})();

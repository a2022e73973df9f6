/**
 * The trained tables as `priors.bin` has them, from what benchmarks/pack_tables.py has packed: a value is how many bits it
 * has and then its bits, each decided under the mean of three adaptive probabilities.
 */
function unpackTables(packed) {
  // Rows, symbols, and how many rows are between alike contexts.
  const TABLES = [
    [195, 17, 13], [13, 32, 1], [20, 48, 1], [16, 32, 1], [16, 32, 1],
    [896, 32, 8], [448, 32, 4], [400, 64, 20], [400, 64, 20], [132, 16, 33],
  ];
  const SUM = 4110;
  const MODELLED = 3;
  const WEIGHTS = 204;
  const states = [2 ** 9, 2 ** 11, 2 ** 12].map((count) => ({
    probabilities: new Float64Array(128 * count).fill(0.5),
    counts: new Uint8Array(128 * count),
  }));
  const contexts = [0, 0, 0];
  let at = WEIGHTS;
  const [LOW, HIGH, CODE] = [0, 1, 2];
  const range = Uint32Array.of(0, 2 ** 32 - 1, 0);

  /** Whether something is true that is so with a probability. */
  const take = (probability) => {
    const middle = range[LOW] + Math.floor((range[HIGH] - range[LOW]) * probability);
    const bit = range[CODE] <= middle ? 1 : 0;
    if (bit) range[HIGH] = middle;
    else range[LOW] = middle + 1;
    while (range[LOW] >>> 24 === range[HIGH] >>> 24) {
      range[LOW] <<= 8;
      range[HIGH] = (range[HIGH] << 8) | 255;
      range[CODE] = (range[CODE] << 8) | packed[at++];
    }
    return bit;
  };

  /** The same, by what is known of it in each context. */
  const decide = (node) => {
    let [total, weights] = [0, 0];
    for (let k = 0; k < 3; k++) {
      const p = states[k].probabilities[128 * contexts[k] + node];
      const weight = (states[k].counts[128 * contexts[k] + node] + 0.4) / (p * (1 - p) + 0.005);
      total += weight * p;
      weights += weight;
    }
    const bit = take(Math.min(Math.max(total / weights, 1 / 4096), 4095 / 4096));
    for (let k = 0; k < 3; k++) {
      const { probabilities, counts } = states[k];
      const place = 128 * contexts[k] + node;
      counts[place] = Math.min(counts[place] + 1, 60);
      probabilities[place] += (bit - probabilities[place]) / (counts[place] + 1.5);
    }
    return bit;
  };
  const length = (value) => 32 - Math.clz32(value);
  const halves = (value) => 2 * length(value) + (value > 1 ? (value >> (length(value) - 2)) & 1 : 0);

  for (let k = 0; k < 4; k++) range[CODE] = (range[CODE] << 8) | packed[at++];
  const values = [];
  for (const [rows, symbols, stride] of TABLES) {
    const start = values.length;
    for (let row = 0; row < rows; row++) {
      let [isSame, left, leftAbove] = [1, SUM, 2 * SUM];
      for (let s = 0; s < symbols; s++) {
        const here = start + row * symbols + s;
        const above = row > 0 ? values[here - symbols] : 1;
        const alike = row >= stride ? values[here - stride * symbols] : above;
        const a = length(s > 0 ? values[here - 1] : 1);
        const expected = Math.floor(((above + alike) * Math.max(left, 1)) / Math.max(leftAbove, 1));
        contexts[0] = (16 * length(above) + length(alike)) * 2 + isSame;
        contexts[1] = (16 * halves(Math.max(1, expected)) + a) * 2 + isSame;
        contexts[2] = (16 * a + length(above)) * 16 + length(s > 1 ? values[here - 2] : 1);
        let bits = 1;
        while (!decide(bits)) bits++;
        let value = 1;
        for (let k = 1; k < bits; k++) value = 2 * value + (k <= MODELLED ? decide(16 + 8 * bits + value) : take(0.5));
        values.push(value);
        if (value !== above) isSame = 0;
        left -= value;
        leftAbove -= above + alike;
      }
    }
  }
  const tables = new Uint8Array(2 * values.length + WEIGHTS);
  values.forEach((value, k) => tables.set([value & 255, value >> 8], 2 * k));
  tables.set(packed.subarray(0, WEIGHTS), 2 * values.length);
  return tables;
}

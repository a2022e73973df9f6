/**
 * Draws decoded .gsi pictures, in WebGL 2 where a GPU does it and on the CPU otherwise; sets `globalThis.gsiRender`.
 *
 * Gaussians are added up in floating point, and clamped once, when they are written to the canvas. Large ones are added
 * up at a fraction of the resolution: those of the level L on a grid that is 2^L times as coarse. Each level is then
 * doubled in size and added to the finer one before it, with the weights 3/4 and 1/4 along each axis. Time hardly
 * depends on the size of the Gaussians that way. Doubling widens them like a convolution does: by a variance of
 * (4^L - 1) / 4 square pixels for the level L, which they are drawn narrower by. Gaussians of the level L have standard
 * deviations of two cells of its grid at least, so that what is left of the error is below half a hundredth of their
 * amplitude.
 *
 * @typedef {object} View
 * @property {number} [x] the point of the canvas of the picture in the top-left corner of the output
 * @property {number} [y]
 * @property {number} [zoom] output pixels per pixel of that canvas
 * @property {number} [count] how many Gaussians of the colours to show, strongest first; all by default
 */
(function () {
  "use strict";

  /** Standard deviations from the mean where a Gaussian ends, at the latest. */
  const CUT = 4.5;
  /** It ends where it adds less than this: a sixteenth of a step of 8 bits. */
  const FAINT = 1 / 4096;
  /** Standard deviations in cells of its level that a Gaussian has at least. */
  const LEAST = 2;
  const MOST_LEVELS = 12;
  /** The longest side in pixels of a canvas that browsers have. */
  const LARGEST = 32767;
  /** Variance in output pixels of the footprint of an output pixel, where it is as large as can be. */
  const FOOTPRINT = 0.12;

  /** Names of renderers that are software though browsers do not always say so when they are asked. */
  const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

  /** Of a Gaussian: mean, scales, cosine and sine of the rotation, four amplitudes, rank among the strongest. */
  const STRIDE = 11;

  /**
   * The Gaussians of a picture, STRIDE numbers each, by their smaller scale in rising order. Those of the colours have
   * no fourth amplitude, those of the alpha layer only that, and a rank of -1.
   */
  function packed({ colors, alpha }) {
    const n = colors.n + (alpha ? alpha.n : 0);
    const smaller = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      const [layer, k] = i < colors.n ? [colors, i] : [alpha, i - colors.n];
      smaller[i] = Math.min(layer.scales[2 * k], layer.scales[2 * k + 1]);
    }
    const ranks = new Uint32Array(colors.n);
    strongestFirst(colors).forEach((i, rank) => (ranks[i] = rank));
    const data = new Float32Array(STRIDE * n);
    let at = 0;
    for (const i of inRisingOrder(smaller)) {
      const [layer, k] = i < colors.n ? [colors, i] : [alpha, i - colors.n];
      const { means, scales, rotations, amplitudes, channels } = layer;
      data[at] = means[2 * k];
      data[at + 1] = means[2 * k + 1];
      data[at + 2] = scales[2 * k];
      data[at + 3] = scales[2 * k + 1];
      data[at + 4] = Math.cos(rotations[k]);
      data[at + 5] = Math.sin(rotations[k]);
      if (i < colors.n) for (let c = 0; c < 3; c++) data[at + 6 + c] = amplitudes[channels === 3 ? 3 * k + c : k];
      else data[at + 9] = amplitudes[k];
      data[at + 10] = i < colors.n ? ranks[k] : -1;
      at += STRIDE;
    }
    return data;
  }

  function inRisingOrder(values) {
    return Uint32Array.from(values.keys()).sort((a, b) => values[a] - values[b]);
  }

  /** Numbers of the Gaussians of a layer by energy, the largest first. */
  function strongestFirst({ n, channels, scales, amplitudes }) {
    // Less than none, so that the largest come first.
    const energies = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      for (let c = 0; c < channels; c++) energies[i] -= amplitudes[channels * i + c] ** 2;
      energies[i] *= scales[2 * i] * scales[2 * i + 1];
    }
    return inRisingOrder(energies);
  }

  /** The standard deviation in output pixels of one on the canvas. */
  function widened(scale, zoom) {
    return zoom < 1 ? Math.sqrt((zoom * scale) ** 2 + FOOTPRINT * (1 - zoom ** 2)) : zoom * scale;
  }

  /**
   * The grids of an output and the Gaussians of each: level L has cells of 2^L pixels, from `margin` cells beyond the
   * top-left corner on, and `first` to `end` are rows of `packed` data.
   */
  function levelsOf(data, width, height, zoom) {
    const n = data.length / STRIDE;
    const levels = [];
    let first = 0;
    for (let level = 0; level < MOST_LEVELS && (level === 0 || first < n); level++) {
      const isLast = level === MOST_LEVELS - 1;
      // The first Gaussian that the next level is fine enough for.
      let end = first;
      let high = n;
      while (!isLast && end < high) {
        const middle = (end + high) >> 1;
        const scale = Math.min(data[STRIDE * middle + 2], data[STRIDE * middle + 3]);
        if (widened(scale, zoom) < LEAST * 2 ** (level + 1)) end = middle + 1;
        else high = middle;
      }
      if (isLast) end = n;
      levels.push({ width, height, margin: level === 0 ? 0 : 1, cell: 2 ** level, first, end });
      first = end;
      width = Math.ceil(width / 2) + 2;
      height = Math.ceil(height / 2) + 2;
    }
    return levels;
  }

  /** What doubling adds to the variance, in output pixels, of Gaussians on cells of that size. */
  function narrowing(cell) {
    return (cell * cell - 1) / 4;
  }

  /** How alpha follows from the fourth sum: 0 it is 1, 1 as it is, 2 as transparency. */
  function alphaKind(picture) {
    return picture.alpha ? (picture.isTransparency ? 2 : 1) : 0;
  }

  /** What browsers call the colour space of a picture; they are not told of ICC profiles. */
  function colorSpaceOf(picture) {
    return picture.colorSpace === 2 ? "display-p3" : "srgb";
  }

  const GAUSSIANS_VERTEX = `#version 300 es
    layout(location = 0) in vec4 place;
    layout(location = 1) in vec2 rotation;
    layout(location = 2) in vec4 amplitude;
    layout(location = 3) in float rank;
    uniform vec2 corner;    // of the output on the canvas
    uniform vec4 grid;      // width, height, margin and size of cells
    uniform float zoom, narrower, count;
    flat out vec2 center;
    flat out vec4 axes;
    flat out vec4 color;
    flat out float end;
    void main() {
      vec2 corners = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0 - 1.0;
      vec2 wide = zoom * place.zw;
      vec2 scale = sqrt(wide * wide + ${FOOTPRINT} * max(0.0, 1.0 - zoom * zoom) - narrower);
      color = amplitude * (wide.x / scale.x) * (wide.y / scale.y);
      vec4 size = abs(color);
      float largest = max(max(size.r, size.g), max(size.b, size.a));
      end = min(${CUT * CUT}, 2.0 * log(max(1.0, largest / ${FAINT})));
      scale /= grid.w;
      center = zoom * (place.xy - corner) / grid.w + grid.z;
      axes = vec4(rotation / scale.x, vec2(-rotation.y, rotation.x) / scale.y);
      vec2 along = sqrt(end) * scale * corners;
      vec2 point = center + along.x * rotation + along.y * vec2(-rotation.y, rotation.x);
      gl_Position = vec4(2.0 * point / grid.xy - 1.0, 0.0, 1.0);
      if (rank >= count) gl_Position = vec4(2.0, 2.0, 0.0, 1.0);
    }`;
  const GAUSSIANS_FRAGMENT = `#version 300 es
    precision highp float;
    flat in vec2 center;
    flat in vec4 axes;
    flat in vec4 color;
    flat in float end;
    out vec4 sum;
    void main() {
      // Not interpolated: corners are rounded to fractions of a cell, which small Gaussians would be moved by.
      vec2 offset = gl_FragCoord.xy - center;
      vec2 at = vec2(dot(axes.xy, offset), dot(axes.zw, offset));
      float square = dot(at, at);
      if (square > end) discard;
      sum = color * exp(-0.5 * square);
    }`;
  const SCREEN_VERTEX = `#version 300 es
    void main() {
      gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0);
    }`;
  // A coarser level at twice its size; `margin` is that of the finer one.
  const DOUBLED = `
    vec4 doubled(sampler2D coarse, ivec2 cell, int margin) {
      ivec2 fine = cell - margin;
      ivec2 near = (fine >> 1) + 1;
      ivec2 far = near + 2 * (fine & 1) - 1;
      return 0.5625 * texelFetch(coarse, near, 0) + 0.0625 * texelFetch(coarse, far, 0)
        + 0.1875 * (texelFetch(coarse, ivec2(far.x, near.y), 0) + texelFetch(coarse, ivec2(near.x, far.y), 0));
    }`;
  const DOUBLE_FRAGMENT = `#version 300 es
    precision highp float;
    uniform sampler2D coarse;
    out vec4 sum;
    ${DOUBLED}
    void main() { sum = doubled(coarse, ivec2(gl_FragCoord.xy), 1); }`;
  const RESOLVE_FRAGMENT = `#version 300 es
    precision highp float;
    uniform sampler2D fine, coarse;
    uniform bool hasCoarse;
    uniform int alphaKind, rows;
    out vec4 color;
    ${DOUBLED}
    void main() {
      ivec2 cell = ivec2(gl_FragCoord.x, rows - 1 - int(gl_FragCoord.y));
      vec4 sum = texelFetch(fine, cell, 0);
      if (hasCoarse) sum += doubled(coarse, cell, 0);
      sum = clamp(sum, 0.0, 1.0);
      float alpha = alphaKind == 0 ? 1.0 : alphaKind == 1 ? sum.a : 1.0 - sum.a;
      color = vec4(sum.rgb * alpha, alpha);
    }`;

  /** The most exact format that sums can have; 0 where there is none. */
  function sumFormat(gl) {
    if (gl.getExtension("EXT_color_buffer_float")) return gl.getExtension("EXT_float_blend") ? gl.RGBA32F : gl.RGBA16F;
    return gl.getExtension("EXT_color_buffer_half_float") ? gl.RGBA16F : 0;
  }

  /** Draws with WebGL 2. */
  class WebGL {
    /** Whether it can, on a GPU: software that stands in for one takes several times as long as `Plain`. */
    static canDraw() {
      if (WebGL.works === undefined) {
        // A canvas whose context turns out to be of no use cannot have another.
        const gl = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
        const name = gl?.getExtension("WEBGL_debug_renderer_info")?.UNMASKED_RENDERER_WEBGL ?? gl?.RENDERER;
        WebGL.works = Boolean(gl && sumFormat(gl) && !SOFTWARE.test(gl.getParameter(name)));
        gl?.getExtension("WEBGL_lose_context")?.loseContext();
      }
      return WebGL.works;
    }

    constructor(canvas) {
      const options = { antialias: false, depth: false };
      this.gl = canvas.getContext("webgl2", options);
      this.restore();
    }

    /** Make all that is lost with a context. */
    restore() {
      const { gl } = this;
      // A context that is lost has none of them.
      const sides = [gl.getParameter(gl.MAX_TEXTURE_SIZE), ...(gl.getParameter(gl.MAX_VIEWPORT_DIMS) ?? [])];
      this.largest = Math.min(...sides) || LARGEST;
      this.format = sumFormat(gl);
      this.gaussians = this.program(GAUSSIANS_VERTEX, GAUSSIANS_FRAGMENT);
      this.double = this.program(SCREEN_VERTEX, DOUBLE_FRAGMENT);
      this.resolve = this.program(SCREEN_VERTEX, RESOLVE_FRAGMENT);
      this.buffer = gl.createBuffer();
      this.rows = gl.createVertexArray();
      this.none = gl.createVertexArray();
      this.targets = [];
    }

    program(vertex, fragment) {
      const { gl } = this;
      const program = gl.createProgram();
      for (const [type, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
        const shader = gl.createShader(type);
        gl.shaderSource(shader, source);
        gl.compileShader(shader);
        gl.attachShader(program, shader);
      }
      gl.linkProgram(program);
      if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
        throw new Error(`render: a shader does not work here: ${gl.getProgramInfoLog(program)}`);
      }
      const count = gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS) ?? 0;
      const names = Array.from({ length: count }, (_, i) => gl.getActiveUniform(program, i).name);
      const uniforms = Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)]));
      return { program, uniforms };
    }

    setData(data) {
      const { gl } = this;
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    }

    /** A texture that Gaussians of a level are added up in, empty. */
    target(level, { width, height }) {
      const { gl } = this;
      let target = this.targets[level];
      if (!target || target.width !== width || target.height !== height) {
        if (target) this.drop(target);
        const texture = gl.createTexture();
        gl.bindTexture(gl.TEXTURE_2D, texture);
        gl.texStorage2D(gl.TEXTURE_2D, 1, this.format, width, height);
        gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
        gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
        const frame = gl.createFramebuffer();
        gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
        gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
        target = this.targets[level] = { texture, frame, width, height };
      }
      gl.bindFramebuffer(gl.FRAMEBUFFER, target.frame);
      gl.viewport(0, 0, width, height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      return target;
    }

    drop(target) {
      this.gl.deleteTexture(target.texture);
      this.gl.deleteFramebuffer(target.frame);
    }

    draw(picture, data, levels, { x, y, zoom, count }) {
      const { gl } = this;
      this.targets.splice(levels.length).forEach((target) => this.drop(target));
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.ONE, gl.ONE);
      gl.activeTexture(gl.TEXTURE0);
      const { uniforms } = this.gaussians;
      for (let i = levels.length - 1; i >= 0; i--) {
        const level = levels[i];
        this.target(i, level);
        if (i + 1 < levels.length && i > 0) this.addDoubled(this.targets[i + 1]);
        if (level.first === level.end) continue;
        gl.useProgram(this.gaussians.program);
        gl.uniform2f(uniforms.corner, x, y);
        gl.uniform4f(uniforms.grid, level.width, level.height, level.margin, level.cell);
        gl.uniform1f(uniforms.zoom, zoom);
        gl.uniform1f(uniforms.narrower, narrowing(level.cell));
        // Shaders need not know what is infinite.
        gl.uniform1f(uniforms.count, Math.min(count, 2 ** 31));
        this.bindRows(level.first);
        gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, level.end - level.first);
      }
      gl.disable(gl.BLEND);
      gl.bindFramebuffer(gl.FRAMEBUFFER, null);
      gl.viewport(0, 0, levels[0].width, levels[0].height);
      gl.drawingBufferColorSpace = colorSpaceOf(picture);
      gl.useProgram(this.resolve.program);
      gl.bindVertexArray(this.none);
      const { fine, coarse, hasCoarse, alphaKind: kind, rows } = this.resolve.uniforms;
      gl.uniform1i(fine, 0);
      gl.uniform1i(coarse, 1);
      gl.uniform1i(hasCoarse, levels.length > 1 ? 1 : 0);
      gl.uniform1i(kind, alphaKind(picture));
      gl.uniform1i(rows, levels[0].height);
      gl.activeTexture(gl.TEXTURE1);
      gl.bindTexture(gl.TEXTURE_2D, this.targets[Math.min(1, levels.length - 1)].texture);
      gl.activeTexture(gl.TEXTURE0);
      gl.bindTexture(gl.TEXTURE_2D, this.targets[0].texture);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    }

    /** Add a coarser level to the one that is drawn. */
    addDoubled(target) {
      const { gl } = this;
      gl.useProgram(this.double.program);
      gl.bindVertexArray(this.none);
      gl.bindTexture(gl.TEXTURE_2D, target.texture);
      gl.uniform1i(this.double.uniforms.coarse, 0);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    }

    /** Let the first instance be a row of the data. */
    bindRows(first) {
      const { gl } = this;
      gl.bindVertexArray(this.rows);
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
      let at = STRIDE * first;
      [4, 2, 4, 1].forEach((size, location) => {
        gl.enableVertexAttribArray(location);
        gl.vertexAttribPointer(location, size, gl.FLOAT, false, 4 * STRIDE, 4 * at);
        gl.vertexAttribDivisor(location, 1);
        at += size;
      });
    }
  }

  /** Draws on the CPU. */
  class Plain {
    constructor(canvas) {
      this.context = canvas.getContext("2d");
      if (!this.context) throw new Error("render: the canvas has neither a WebGL 2 nor a 2D context");
      this.targets = [];
      this.image = null;
      this.largest = LARGEST;
    }

    setData() {}

    /** The sums of a level, all zero. */
    target(level, { width, height }) {
      const size = 4 * width * height;
      if (this.targets[level]?.length === size) this.targets[level].fill(0);
      else this.targets[level] = new Float32Array(size);
      return this.targets[level];
    }

    draw(picture, data, levels, view) {
      this.targets.length = Math.min(this.targets.length, levels.length);
      let sums = null;
      for (let i = levels.length - 1; i >= 0; i--) {
        const level = levels[i];
        const finer = this.target(i, level);
        if (sums) addDoubled(sums, levels[i + 1].width, finer, level);
        sums = finer;
        for (let at = STRIDE * level.first; at < STRIDE * level.end; at += STRIDE) {
          if (data[at + 10] < view.count) addGaussian(sums, level, data, at, view);
        }
      }
      const { width, height } = levels[0];
      const colorSpace = colorSpaceOf(picture);
      const { image } = this;
      if (!image || image.width !== width || image.height !== height || image.colorSpace !== colorSpace) {
        this.image = new ImageData(width, height, { colorSpace });
      }
      resolve(sums, this.image.data, alphaKind(picture));
      this.context.putImageData(this.image, 0, 0);
    }
  }

  /** Add a coarser level to a finer one, at twice its size. */
  function addDoubled(coarse, coarseWidth, fine, { width, height, margin }) {
    let to = 0;
    for (let row = -margin; row < height - margin; row++) {
      const near = coarseWidth * ((row >> 1) + 1);
      const far = near + coarseWidth * (2 * (row & 1) - 1);
      for (let column = -margin; column < width - margin; column++) {
        const at = (column >> 1) + 1;
        const beside = 4 * (2 * (column & 1) - 1);
        const a = 4 * (near + at);
        const b = 4 * (far + at);
        for (let c = 0; c < 4; c++, to++) {
          fine[to] +=
            0.5625 * coarse[a + c] +
            0.1875 * (coarse[a + beside + c] + coarse[b + c]) +
            0.0625 * coarse[b + beside + c];
        }
      }
    }
  }

  // Powers of e: of -64 to 63, and of 256ths.
  const WHOLE = Float64Array.from({ length: 128 }, (_, i) => Math.exp(i - 64));
  const PARTS = Float64Array.from({ length: 256 }, (_, i) => Math.exp(i / 256));

  /** The exponential function to seven digits, in less time; beyond -64 and 64 it stays as it is there. */
  function exp(x) {
    const shifted = 256 * (x < -64 ? 0 : x > 63.99 ? 127.99 : x + 64);
    const whole = shifted | 0;
    const rest = (shifted - whole) / 256;
    return WHOLE[whole >> 8] * PARTS[whole & 255] * (1 + rest + 0.5 * rest * rest);
  }

  /** Add a Gaussian, the row of `packed` data that begins at `first`, to the sums of its level. */
  function addGaussian(sums, level, data, first, { x, y, zoom }) {
    const { width, height, margin, cell } = level;
    const scale = (own) => Math.sqrt(widened(own, zoom) ** 2 - narrowing(cell)) / cell;
    const s1 = scale(data[first + 2]);
    const s2 = scale(data[first + 3]);
    const share = ((zoom * data[first + 2]) / cell / s1) * ((zoom * data[first + 3]) / cell / s2);
    const red = data[first + 6] * share;
    const green = data[first + 7] * share;
    const blue = data[first + 8] * share;
    const alpha = data[first + 9] * share;
    const centerX = (zoom * (data[first] - x)) / cell + margin;
    const centerY = (zoom * (data[first + 1] - y)) / cell + margin;
    // The exponent at dx, dy from the mean is -(a dx^2 + 2 b dx dy + c dy^2) / 2.
    const cos = data[first + 4];
    const sin = data[first + 5];
    const a = (cos / s1) ** 2 + (sin / s2) ** 2;
    const b = cos * sin * (s1 ** -2 - s2 ** -2);
    const c = (sin / s1) ** 2 + (cos / s2) ** 2;
    const largest = Math.max(Math.abs(red), Math.abs(green), Math.abs(blue), Math.abs(alpha));
    if (!(largest > FAINT)) return;
    const end = Math.min(CUT * CUT, 2 * Math.log(largest / FAINT));
    const reach = Math.sqrt(end * ((sin * s1) ** 2 + (cos * s2) ** 2));
    const bottom = Math.min(height - 1, Math.floor(centerY + reach - 0.5));
    const ratio = Math.exp(-a);
    for (let line = Math.max(0, Math.ceil(centerY - reach - 0.5)); line <= bottom; line++) {
      const dy = line + 0.5 - centerY;
      // Where the line lies within the ellipse.
      const middle = (-b * dy) / a;
      const inside = middle * middle + (end - c * dy * dy) / a;
      if (inside < 0) continue;
      const half = Math.sqrt(inside);
      const from = Math.max(0, Math.ceil(centerX + middle - half - 0.5));
      const until = Math.min(width - 1, Math.floor(centerX + middle + half - 0.5));
      const dx = from + 0.5 - centerX;
      // From one cell to the next, the weight changes by a factor that itself changes by the same factor each time.
      let weight = exp(-0.5 * (a * dx * dx + 2 * b * dx * dy + c * dy * dy));
      let change = exp(-(a * (dx + 0.5) + b * dy));
      const last = 4 * (width * line + until);
      for (let at = 4 * (width * line + from); at <= last; at += 4) {
        sums[at] += weight * red;
        sums[at + 1] += weight * green;
        sums[at + 2] += weight * blue;
        if (alpha !== 0) sums[at + 3] += weight * alpha;
        weight *= change;
        change *= ratio;
      }
    }
  }

  /** Write the samples that sums stand for; colours are straight. Storing rounds and clamps numbers. */
  function resolve(sums, samples, kind) {
    for (let i = 0; i < sums.length; i += 4) {
      samples[i] = 255 * sums[i];
      samples[i + 1] = 255 * sums[i + 1];
      samples[i + 2] = 255 * sums[i + 2];
      samples[i + 3] = kind === 0 ? 255 : kind === 1 ? 255 * sums[i + 3] : 255 - 255 * sums[i + 3];
    }
  }

  /**
   * Draws a picture on a canvas, whose size in pixels is that of the output. Where a WebGL context gets lost, it is
   * drawn again once there is one.
   */
  class Renderer {
    /**
     * @param {HTMLCanvasElement} canvas which has no context yet
     * @param {{kind?: "webgl2" | "2d"}} [options] how to draw, instead of what is best here
     */
    constructor(canvas, { kind = WebGL.canDraw() ? "webgl2" : "2d" } = {}) {
      this.canvas = canvas;
      /** How it draws: "webgl2", or "2d", on the CPU. */
      this.kind = kind;
      this.painter = this.kind === "webgl2" ? new WebGL(canvas) : new Plain(canvas);
      this.isLost = false;
      this.picture = null;
      this.data = null;
      this.view = null;
      canvas.addEventListener("webglcontextlost", (event) => {
        event.preventDefault();
        this.isLost = true;
      });
      canvas.addEventListener("webglcontextrestored", () => {
        this.isLost = false;
        this.painter.restore();
        if (this.data) this.painter.setData(this.data);
        if (this.view) this.draw(this.view);
      });
    }

    /** The longest side in pixels of an output. */
    get largest() {
      return this.painter.largest;
    }

    /** Choose what to draw. @param {import("./gsi.js").Picture} picture as `gsi.decode` gives it */
    setPicture(picture) {
      this.picture = picture;
      this.data = packed(picture);
      if (!this.isLost) this.painter.setData(this.data);
    }

    /**
     * Draw the picture, by default from its top-left corner on at its own size. Throws if a side of the canvas is
     * longer than `largest`. @param {View} [view]
     */
    draw({ x = 0, y = 0, zoom = 1, count = Infinity } = {}) {
      this.view = { x, y, zoom, count };
      const { width, height } = this.canvas;
      if (this.isLost || !this.picture || width === 0 || height === 0) return;
      if (Math.max(width, height) > this.largest) {
        throw new RangeError(`render: the canvas is ${width}x${height}, and no side can be above ${this.largest} here`);
      }
      this.painter.draw(this.picture, this.data, levelsOf(this.data, width, height, zoom), this.view);
    }
  }

  globalThis.gsiRender = { Renderer, strongestFirst };
})();

/**
 * The element <gsi-image src="photo.gsi" alt="...">, which behaves like <img>. It needs gsi.js and render.js.
 *
 * Attributes: `src`, `alt`, `width`, `height`. Properties: these, and `naturalWidth`, `naturalHeight`, `complete` and
 * `picture`, what `gsi.decode` gave. `decode()` promises that the picture is there. Events: `load`, `error`. CSS sizes
 * it, with `object-fit: fill`, `contain` or `cover`.
 *
 * It is drawn in the pixels of the screen, whatever its size, and while it can be seen only. All elements of a page
 * share one renderer: browsers allow some 16 WebGL contexts.
 */
(function () {
  "use strict";

  /** Pixels that are drawn at most; more are left to the browser's scaling. */
  const MOST_PIXELS = 2 ** 24;

  let shared = null;
  const elements = new Set();

  /** The renderer of all elements. */
  function renderer() {
    if (!shared) {
      shared = new globalThis.gsiRender.Renderer(document.createElement("canvas"));
      shared.canvas.addEventListener("webglcontextrestored", () => elements.forEach((element) => element.refresh()));
    }
    return shared;
  }

  /** The picture at an address, as an attribute has it. */
  async function fetched(source, signal) {
    if (!source) throw new Error("gsi-image: src is empty");
    const url = new URL(source, document.baseURI).href;
    const response = await fetch(url, { signal });
    if (!response.ok) throw new Error(`${url}: status ${response.status}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    const { gsi } = globalThis;
    if (gsi.header(bytes).profile === 1) await gsi.loadTables();
    return gsi.decode(bytes);
  }

  class GsiImage extends HTMLElement {
    static observedAttributes = ["src", "alt", "width", "height"];

    #canvas = document.createElement("canvas");
    #text = document.createElement("span");
    #style = document.createElement("style");
    /** As wide as the picture: what the element takes where nothing else says so. */
    #wide = document.createElement("div");
    #internals = this.attachInternals();
    #picture = null;
    #loading = Promise.resolve();
    #abort = null;
    #isComplete = true;
    #isVisible = false;
    #isStale = true;
    #frame = 0;
    #screen = null;
    #sizes = new ResizeObserver(() => this.refresh());
    #visibility = new IntersectionObserver((entries) => {
      this.#isVisible = entries.at(-1).isIntersecting;
      this.#schedule();
    });
    #onResolution = () => {
      this.#watchResolution();
      this.refresh();
    };

    constructor() {
      super();
      this.#internals.role = "img";
      this.#text.hidden = true;
      this.attachShadow({ mode: "open" }).append(this.#style, this.#wide, this.#canvas, this.#text);
      this.#layOut();
    }

    connectedCallback() {
      elements.add(this);
      this.#sizes.observe(this);
      this.#visibility.observe(this);
      this.#watchResolution();
      this.refresh();
    }

    disconnectedCallback() {
      elements.delete(this);
      this.#sizes.disconnect();
      this.#visibility.disconnect();
      this.#screen?.removeEventListener("change", this.#onResolution);
      cancelAnimationFrame(this.#frame);
      this.#frame = 0;
      this.#isVisible = false;
    }

    attributeChangedCallback(name) {
      if (name === "src") this.#load();
      else if (name === "alt") this.#describe();
      else this.#layOut();
    }

    get src() {
      const source = this.getAttribute("src");
      if (!source) return "";
      try {
        return new URL(source, document.baseURI).href;
      } catch {
        // As of <img>: what is no address stays as it is.
        return source;
      }
    }

    set src(url) {
      this.setAttribute("src", url);
    }

    get alt() {
      return this.getAttribute("alt") ?? "";
    }

    set alt(text) {
      this.setAttribute("alt", text);
    }

    /** The size on the page in CSS pixels. */
    get width() {
      return this.clientWidth;
    }

    set width(pixels) {
      this.setAttribute("width", pixels);
    }

    get height() {
      return this.clientHeight;
    }

    set height(pixels) {
      this.setAttribute("height", pixels);
    }

    /** The size of the picture's canvas in pixels; 0 until it is there. */
    get naturalWidth() {
      return this.#picture?.width ?? 0;
    }

    get naturalHeight() {
      return this.#picture?.height ?? 0;
    }

    /** Whether nothing is loading: the picture is there, failed, or was not asked for. */
    get complete() {
      return this.#isComplete;
    }

    /** What the file holds; null until it is there. */
    get picture() {
      return this.#picture;
    }

    /** Resolves when the picture is there, and rejects with what is wrong with it. */
    decode() {
      return this.#loading;
    }

    /** Draw anew, once it can be seen. */
    refresh() {
      this.#isStale = true;
      this.#schedule();
    }

    #load() {
      this.#abort?.abort();
      this.#picture = null;
      this.#text.hidden = true;
      this.refresh();
      const source = this.getAttribute("src");
      if (source === null) {
        this.#isComplete = true;
        this.#loading = Promise.resolve();
        return;
      }
      const { signal } = (this.#abort = new AbortController());
      this.#isComplete = false;
      this.#loading = fetched(source, signal);
      this.#loading.then(
        (picture) => {
          if (signal.aborted) return;
          this.#picture = picture;
          this.#finish(new Event("load"));
        },
        (error) => {
          if (signal.aborted) return;
          this.#text.hidden = false;
          this.#finish(new ErrorEvent("error", { error, message: error.message }));
        },
      );
    }

    #finish(event) {
      this.#isComplete = true;
      this.#layOut();
      this.refresh();
      this.dispatchEvent(event);
    }

    #describe() {
      // As of <img>: an empty text says that there is nothing to be told.
      this.#internals.role = this.alt || !this.hasAttribute("alt") ? "img" : "presentation";
      this.#internals.ariaLabel = this.alt;
      this.#text.textContent = this.alt;
    }

    /** Attributes count less than what the page's CSS says. */
    #layOut() {
      const given = (name) => (/^\d+$/.test(this.getAttribute(name)) ? Number(this.getAttribute(name)) : null);
      const [width, height] = [given("width"), given("height")];
      const { naturalWidth, naturalHeight } = this;
      const [across, down] = naturalWidth ? [naturalWidth, naturalHeight] : [width, height];
      const ratio = across && down ? `${across} / ${down}` : "auto";
      const length = (pixels) => (pixels === null ? "auto" : `${pixels}px`);
      this.#wide.style.width = `${naturalWidth}px`;
      this.#style.textContent = `
        :host { display: inline-block; position: relative; overflow: clip; object-fit: fill; aspect-ratio: ${ratio};
          width: ${length(width)}; height: ${length(height)}; }
        :host([hidden]) { display: none; }
        canvas { position: absolute; inset: 0; width: 100%; height: 100%;
          object-fit: inherit; object-position: inherit; }`;
    }

    #watchResolution() {
      this.#screen?.removeEventListener("change", this.#onResolution);
      this.#screen = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
      this.#screen.addEventListener("change", this.#onResolution);
    }

    #schedule() {
      if (!this.#isVisible || !this.#isStale || this.#frame) return;
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        this.#draw();
      });
    }

    #draw() {
      this.#isStale = false;
      const picture = this.#picture;
      const { clientWidth, clientHeight } = this;
      if (!picture || !clientWidth || !clientHeight) {
        this.#canvas.width = this.#canvas.height = 0;
        return;
      }
      const [x, y] = [clientWidth / picture.width, clientHeight / picture.height];
      const fit = getComputedStyle(this).objectFit;
      let zoom = devicePixelRatio * (fit === "contain" || fit === "scale-down" ? Math.min(x, y) : Math.max(x, y));
      const { canvas, largest } = renderer();
      zoom = Math.min(zoom, Math.sqrt(MOST_PIXELS / (picture.width * picture.height)));
      zoom = Math.min(zoom, largest / Math.max(picture.width, picture.height));
      const width = Math.max(1, Math.round(zoom * picture.width));
      const height = Math.max(1, Math.round(zoom * picture.height));
      if (shared.picture !== picture) shared.setPicture(picture);
      Object.assign(canvas, { width, height });
      // Once there is a context again, all elements are drawn anew.
      if (shared.isLost) return;
      shared.draw({ zoom });
      Object.assign(this.#canvas, { width, height });
      this.#canvas.getContext("2d").drawImage(canvas, 0, 0);
    }
  }

  customElements.define("gsi-image", GsiImage);
})();

import "./gsi.js";

globalThis.gsi.tablesUrl = new URL("priors.bin", import.meta.url).href;
export const { decode, header, setTables, loadTables, GsiError } = globalThis.gsi;

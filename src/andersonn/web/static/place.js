// Where the lab is: what is asked and how it is looked at, as the part of the address behind #, which is sent to no server; and
// answers that this tab keeps, so that reloading and going back find them again.
import { poreOptionsOf } from "/static/pore_options.js";
import { SIZES } from "/static/supercell.js";

const LONGEST = 8000; // letters of an address that holds its inputs
const MOST_KEPT = 8; // questions with their answers that a tab keeps
const PREFIX = "andersonn:";

/** The state that an address tells: {task, geometry, pores, cuts, row, cells, content}; null if it is not one of the lab. */
export function read(hash) {
  const [page, query = ""] = hash.slice(1).split(/\?(.*)/s);
  if (page !== "lab" || !query) return null;
  const told = new URLSearchParams(query);
  const cuts = told.get("cuts")?.split(",").map(Number);
  return {
    task: told.get("task"), geometry: told.get("geometry"), pores: poreOptionsOf(told), row: Number(told.get("row") ?? 0) || 0,
    cells: SIZES.includes(Number(told.get("cells"))) ? Number(told.get("cells")) : 1,
    cuts: cuts?.every(Number.isFinite) ? cuts : null,
    smiles: told.getAll("smiles"), text: told.get("text") ?? "", packed: told.get("in"), left: told.has("left"),
  };
}

/** The files, text and SMILES of a state. */
export async function inputsOf(state) {
  const { files = [], text = "", smiles = [] } = state.packed ? JSON.parse(await inflated(state.packed)) : state;
  return { files: files.map(unpackedFile), text, smiles };
}

/** The address of a state; inputs that are too long are left out, and `whole` tells it. */
export async function address({ task, geometry, pores, cuts, row, cells, question }) {
  const told = new URLSearchParams({ task });
  if (geometry) told.set("geometry", geometry);
  Object.entries(pores ?? {}).forEach(([name, value]) => told.set(name, value));
  if (cuts) told.set("cuts", cuts.map((cut) => +cut.toFixed(6)).join(","));
  if (row) told.set("row", row);
  if (cells > 1) told.set("cells", cells);
  const { files = [], text = "", smiles = [] } = question;
  const short = !files.length && text.length < 1000;
  if (short) {
    smiles.forEach((word) => told.append("smiles", word));
    if (text) told.set("text", text);
  } else if (files.reduce((sum, file) => sum + file.size, text.length) < 1e6) told.set("in", await deflated(JSON.stringify(await packed(question))));
  const whole = `#lab?${told}`.length <= LONGEST && (short || told.has("in"));
  if (!whole) { ["in", "text", "smiles"].forEach((name) => told.delete(name)); told.set("left", "out"); }
  return { hash: `#lab?${told}`, whole };
}

/** Keeps a question with its answers in this tab, under a name; the oldest give way. */
export async function keep(name, question, answers, task, state) {
  let content;
  try {
    content = await deflated(JSON.stringify({ question: { ...await packed(question), geometry: question.geometry, pores: question.pores }, answers, task, state, at: Date.now() }));
  } catch { return; }
  for (let room = MOST_KEPT; room > 0; room--) {
    const kept = Object.keys(sessionStorage).filter((key) => key.startsWith(PREFIX) && key !== PREFIX + name).sort();
    kept.slice(0, Math.max(0, kept.length - room + 1)).forEach((key) => sessionStorage.removeItem(key));
    try {
      sessionStorage.setItem(PREFIX + name, content);
      return;
    } catch { /* no room: with one question less */ }
  }
}

/** What was kept under a name: {question, answers, task, state}; null if nothing was. */
export async function kept(name) {
  const content = name && sessionStorage.getItem(PREFIX + name);
  if (!content) return null;
  const found = JSON.parse(await inflated(content));
  const { files = [], ...rest } = found.question;
  return { ...found, question: { ...rest, files: files.map(unpackedFile) } };
}

async function packed({ files = [], text = "", smiles = [] }) {
  return { files: await Promise.all(files.map(packedFile)), text, smiles };
}

async function packedFile(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  try {
    return { name: file.name, text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { name: file.name, bytes: base64(bytes) };
  }
}

function unpackedFile({ name, text, bytes }) {
  return new File([bytes ? fromBase64(bytes) : text], name);
}

async function deflated(text) {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  return base64(new Uint8Array(await new Response(stream).arrayBuffer())).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

async function inflated(text) {
  const bytes = fromBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
}

function base64(bytes) {
  let letters = "";
  for (let k = 0; k < bytes.length; k += 0x8000) letters += String.fromCharCode(...bytes.subarray(k, k + 0x8000));
  return btoa(letters);
}

const fromBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

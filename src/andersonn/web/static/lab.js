// The lab: what is asked, what is shown of the answers, and where that stands in the address.
import { Detail, problemBox } from "/static/detail.js";
import { $, h, number, words } from "/static/dom.js";
import * as place from "/static/place.js";
import { poreOptions, showPoreOptions } from "/static/pore_options.js";
import { entriesOf, Run } from "/static/run.js";
import { shareBar } from "/static/share.js";
import { Table } from "/static/table.js";

const MOST_PROBLEMS = 5;
const CHOOSE = " Choose a row to see its structure.";
const MANY = 20; // answers above which none is looked at unasked
const REFUSED = { not_periodic: true, periodic: false }; // error → "periodic" of tasks that refuse such a structure
const GEOMETRIES = { none: "none: bonds alone, fast", one: "one conformer", many: "many conformers, averaged" };
export const state = { tasks: {}, task: null, asked: null, cuts: null, row: 0, cells: 1, question: null, run: null, name: null, turn: 0, whole: true, hash: null, limits: null, endings: [], examples: [] };

const detail = new Detail($("detail"), (cuts) => { state.cuts = cuts; table.moved(cuts); placeSoon(); },
  { get: () => state.cells, set: (size) => { state.cells = size; placeSoon(); } });
const table = new Table($("table"), choose);

function choose(entry) {
  state.row = entry.number;
  table.mark(entry);
  const told = $("status").textContent;
  if (told.endsWith(CHOOSE)) say(told.slice(0, -CHOOSE.length));
  placeSoon();
  detail.show(state.asked, entry, state.cuts);
}

/** Asks about {files, text, smiles}; `onward` makes it a new place to come back from. */
export async function ask(inputs, { onward = true, cuts = null, row = 0 } = {}) {
  const task = state.tasks[state.task];
  if (!task) return;
  const turn = begin(task, cuts, row);
  const tooMuch = excess(inputs);
  if (tooMuch) {
    say("Not sent.");
    $("problems").replaceChildren(problemBox(tooMuch));
    return;
  }
  const question = { ...named(inputs), geometry: task.geometries.length ? $("geometry").value : null, pores: task.pore_options ? poreOptions() : null };
  Object.assign(state, { question, name: `${Date.now()}-${Math.random().toString(36).slice(2, 8)}` });
  const run = new Run(task, question, state.limits);
  state.run = run;
  say(`Asking about ${words(task.name)} …`);
  await write(onward);
  if (turn !== state.turn) return;
  await run.go((entries) => { if (turn === state.turn) { table.add(entries); progress(run); } });
  if (turn !== state.turn) return;
  state.run = null;
  progress(run);
  finished(run);
  if (run.state !== "failed") place.keep(state.name, question, table.entries.map(({ answer }) => answer), task.name, { state: run.state, total: run.total });
}

/** An empty lab for answers about a task; what was asked before is cancelled. */
function begin(task, cuts, row) {
  state.run?.cancel();
  const fits = cuts?.length === task.thresholds.length;
  Object.assign(state, { asked: task, cuts: fits ? cuts : [...task.thresholds], row, run: null, turn: state.turn + 1 });
  ["problems", "again", "share"].forEach((id) => $(id).replaceChildren());
  $("progress").hidden = true;
  detail.clear();
  table.begin(task, state.cuts);
  return state.turn;
}

function progress(run) {
  const live = run === state.run;
  $("progress").hidden = !live || run.total < 2;
  if (!live) return;
  $("progress-bar").max = run.total;
  $("progress-bar").value = run.done;
  $("progress-text").textContent = `${number(run.done)} of ${number(run.total)} answered${run.left() ? `; ${run.left()}` : ""}`;
  if (run.total > 1) say(`Asking about ${words(run.task.name)} …`);
}

function finished(run) {
  const good = table.entries.filter(({ answer }) => !answer.error);
  const bad = table.entries.filter(({ answer }) => answer.error);
  const answered = good.length ? `${number(good.length)} answered${bad.length ? `, ${number(bad.length)} not` : ""}.` : "Not answered.";
  const told = run?.state === "cancelled" ? `Cancelled: ${number(table.entries.length)} of ${number(run.total)} done.` : answered;
  say(told);
  const boxes = bad.slice(0, MOST_PROBLEMS).map(({ answer }) => problemBox(answer.error, answer.input, good.length ? null : instead(answer.error)));
  $("problems").replaceChildren(...boxes, run?.problem ? problemBox(run.problem) : "");
  if (bad.length > MOST_PROBLEMS) $("problems").append(h("small", {}, `and ${number(bad.length - MOST_PROBLEMS)} more, in the table`));
  if (good.length) $("share").replaceChildren(shareBar(state, table));
  if (!table.chosen) chooseFirst(told, good);
  if (window.innerWidth <= 800) $("status").scrollIntoView();
}

/** Shows the row that the address names, or the first good one of a few. */
function chooseFirst(told, good) {
  const wanted = table.entries[state.row];
  if (state.row && wanted && !wanted.answer.error) choose(wanted);
  else if (good.length && good.length <= MANY) choose(good[0]);
  else if (good.length) say(`${told}${CHOOSE}`);
}

/** Why the server would refuse a question unread, or null. */
function excess({ files = [] }) {
  const { limits } = state;
  const large = files.find((file) => file.size > limits.megabytes * 1e6);
  if (files.length > limits.structures) return { message: `${number(files.length)} files at once; at most ${number(limits.structures)}`, hint: "Send fewer, or use andersonn screen, which has no limit." };
  if (large) return { message: `${large.name} has ${(large.size / 1e6).toFixed(1)} MB; at most ${limits.megabytes} MB`, hint: "Send a smaller file." };
  return null;
}

/** A way out when the question was not about this kind of structure. */
function instead(error) {
  if (!(error.kind in REFUSED)) return null;
  const others = Object.values(state.tasks).filter((task) => task.periodic !== REFUSED[error.kind]).map((task) => task.name);
  return h("p", {}, others.map((name) => h("button", { type: "button", click: () => { setTask(name); ask(state.question); } }, `Ask about ${words(name)} instead`)));
}

/** Files with names that differ, so that each answer can be told whose it is. */
function named({ files = [], text = "", smiles = [] }) {
  const taken = new Set();
  const unique = files.map((file) => {
    const dot = file.name.lastIndexOf(".") > 0 ? file.name.lastIndexOf(".") : file.name.length;
    let name = file.name;
    for (let k = 2; taken.has(name); k++) name = `${file.name.slice(0, dot)} (${k})${file.name.slice(dot)}`;
    taken.add(name);
    return name === file.name ? file : new File([file], name);
  });
  return { files: unique, text, smiles };
}

export const say = (text) => { $("status").textContent = text; };

/** Makes a task the one that is asked, with the geometries and options of pores that it knows. */
export function setTask(name, geometry = $("geometry").value, pores = poreOptions()) {
  state.task = name;
  const radio = document.querySelector(`#tasks input[value="${CSS.escape(name)}"]`);
  if (radio) radio.checked = true;
  const { geometries, pore_options: porous } = state.tasks[name];
  showPoreOptions(porous, pores);
  $("geometries").hidden = geometries.length < 2;
  const chosen = geometries.includes(geometry) ? geometry : geometries[0];
  $("geometry").replaceChildren(...geometries.map((one) => h("option", { value: one, selected: one === chosen }, GEOMETRIES[one] ?? one)));
}

/** After another task, geometry or option was chosen: a single structure is asked about at once, for a list there is a question first. */
export function again() {
  if (!state.question) return;
  $("again").replaceChildren();
  const many = state.run ? state.run.total : table.entries.length;
  if (many < 2) { ask(state.question); return; }
  const same = state.task === state.asked.name;
  const button = h("button", { type: "button", class: "main", click: () => ask(state.question) }, same ? `Ask again, ${number(many)} inputs` : `Ask about ${words(state.task)}, ${number(many)} inputs`);
  const stay = h("button", { type: "button", click: () => { setTask(state.asked.name, state.question.geometry ?? undefined, state.question.pores ?? undefined); $("again").replaceChildren(); } }, "Leave it");
  $("again").replaceChildren(h("div", { class: "card ask-again", role: "alert" },
    h("span", {}, `The answers below are about ${words(state.asked.name)}${same ? `, ${state.question.pores ? "with the options" : "in the geometry"} chosen before` : ""}${state.run ? "; they are still coming, and asking again cancels them" : ""}.`), button, stay));
}

let soon = 0;
function placeSoon() {
  clearTimeout(soon);
  soon = setTimeout(() => { if (state.question) write(false); }, 250);
}

/** Writes what is asked and looked at into the address. */
async function write(onward) {
  const { asked: task, question, name, row, cells, turn } = state;
  const cuts = state.cuts.every((cut, k) => cut === task.thresholds[k]) ? null : state.cuts;
  const { hash, whole } = await place.address({ task: task.name, geometry: question.geometry === task.geometries[0] ? null : question.geometry, pores: question.pores, cuts, row, cells, question });
  if (turn !== state.turn || (!onward && !location.hash.startsWith("#lab") && location.hash)) return;
  Object.assign(state, { whole, hash });
  $("to-lab").href = hash;
  history[onward ? "pushState" : "replaceState"]({ name }, "", hash);
}

/** Shows what the address tells: from this tab's memory, or by asking again. */
export async function restore() {
  const told = place.read(location.hash);
  const name = history.state?.name;
  if (name && name === state.name) return;
  if (state.hash && state.hash === location.hash) { history.replaceState({ name: state.name }, "", state.hash); return; }
  if (!told) { if (state.question) leave(); return; }
  const found = await place.kept(name);
  const task = state.tasks[found?.task ?? told.task];
  if (!task) { say(`The address asks about ${told.task}, of which there is no model.`); return; }
  const inputs = found ? found.question : await place.inputsOf(told).catch(() => null);
  state.cells = told.cells;
  const asked = found ? found.question : told;
  setTask(task.name, asked.geometry ?? undefined, asked.pores ?? {});
  if (inputs) $("text").value = inputs.text || inputs.smiles.join("\n");
  const asks = inputs && (inputs.files.length || inputs.text || inputs.smiles.length);
  if (found) {
    begin(task, told.cuts, told.row);
    Object.assign(state, { question: found.question, name, whole: !told.left, hash: location.hash });
    $("to-lab").href = location.hash;
    table.add(entriesOf(found.question, found.answers));
    finished(found.state);
  } else if (!asks) {
    begin(task, null, 0);
    say(told.left ? "The inputs were too long for the address. Choose them again." : inputs ? "Drop a structure, or choose an example." : "The address is damaged: its inputs cannot be read.");
  } else if (name && (inputs.files.length > 1 || inputs.text.trim().includes("\n"))) {
    begin(task, null, 0);
    say("This list was not answered to its end.");
    $("again").replaceChildren(h("div", { class: "card ask-again" }, h("button", { type: "button", class: "main", click: () => ask(inputs, { onward: false }) }, "Ask again")));
  } else await ask(inputs, { onward: false, cuts: told.cuts, row: told.row });
}

/** The lab as it is at first. */
function leave() {
  begin(state.tasks[state.task], null, 0);
  Object.assign(state, { question: null, name: null, hash: null, cells: 1 });
  $("to-lab").href = "#lab";
  say("Drop a structure, or choose an example.");
}

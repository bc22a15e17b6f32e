// The lab: what is asked, and what is shown of the answers.
import { get, predict, Problem } from "/static/api.js";
import { Detail, problemBox } from "/static/detail.js";
import { $, h, words } from "/static/dom.js";
import { showPage } from "/static/pages.js";
import { Table } from "/static/table.js";

const MOST_PROBLEMS = 5;
const REFUSED = { not_periodic: true, periodic: false }; // error → "periodic" of tasks that refuse such a structure
const GEOMETRIES = { none: "none: bonds alone, fast", one: "one conformer", many: "many conformers, averaged" };
const state = { tasks: {}, task: null, cuts: {}, question: null, turn: 0 };
const detail = new Detail($("detail"), (cuts) => { state.cuts[state.task] = cuts; table.moved(cuts); });
const table = new Table($("table"), choose);

function choose(entry) {
  table.mark(entry);
  detail.show(state.tasks[state.task], entry, state.cuts[state.task]);
}

/** Asks about {files, text, smiles} and shows the answers. */
async function ask(question) {
  if (!state.tasks[state.task]) return;
  const turn = ++state.turn;
  state.question = question;
  const tooMuch = excess(question);
  if (tooMuch) {
    say("Not sent.");
    $("problems").replaceChildren(problemBox(tooMuch));
    return;
  }
  const task = state.tasks[state.task];
  say(`Asking about ${words(task.name)} …`);
  $("problems").replaceChildren();
  detail.clear();
  table.show(task, [], []);
  try {
    const parts = { ...named(question), geometry: task.geometries.length ? $("geometry").value : null };
    const answers = await predict(task.name, parts);
    if (turn !== state.turn) return;
    show(task, entries(answers, parts));
  } catch (problem) {
    if (turn !== state.turn) return;
    if (!(problem instanceof Problem)) throw problem;
    say("Not answered.");
    $("problems").replaceChildren(problemBox(problem));
  }
}

function show(task, found) {
  state.cuts[task.name] = [...task.thresholds];
  const good = found.filter(({ answer }) => !answer.error);
  const bad = found.filter(({ answer }) => answer.error);
  say(good.length ? `${good.length} answered${bad.length ? `, ${bad.length} not` : ""}.` : "Not answered.");
  $("problems").replaceChildren(...bad.slice(0, MOST_PROBLEMS).map(({ answer }) => problemBox(answer.error, answer.input, bad.length === found.length ? instead(answer.error) : null)));
  if (bad.length > MOST_PROBLEMS) $("problems").append(h("small", {}, `and ${bad.length - MOST_PROBLEMS} more, in the table`));
  table.show(task, found, state.cuts[task.name]);
  if (good.length) choose(good[0]);
  if (window.innerWidth <= 800) $("status").scrollIntoView();
}

/** Why the server would refuse a question unread, or null. */
function excess({ files = [] }) {
  const { limits } = state;
  const megabytes = files.reduce((sum, file) => sum + file.size, 0) / 1e6;
  if (files.length > limits.files) return { message: `${files.length} files at once; at most ${limits.files}`, hint: "Send fewer, or use andersonn predict, which has no limit." };
  if (megabytes > limits.megabytes) return { message: `The files have ${megabytes.toFixed(1)} MB; at most ${limits.megabytes} MB`, hint: "Send fewer or smaller files." };
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

/** Answers with the question about their own input alone; an input may hold several structures, one answer each. */
function entries(answers, { files, text, smiles, geometry }) {
  const questions = [...files.map((file) => ({ files: [file], geometry })), ...(text ? [{ text, geometry }] : []), ...smiles.map((word) => ({ smiles: [word], geometry }))];
  let [position, structure] = [-1, 0];
  return answers.map((answer, k) => {
    const next = k === 0 || answer.input !== answers[k - 1].input;
    position += next ? 1 : 0;
    structure = next ? 0 : structure + 1;
    return { answer, question: questions[position], structure };
  });
}

const say = (text) => { $("status").textContent = text; };

function setTask(name) {
  takeTask(name);
  document.querySelector(`#tasks input[value="${name}"]`).checked = true;
}

/** Makes a task the one that is asked, with the geometries that it knows. */
function takeTask(name) {
  state.task = name;
  const { geometries } = state.tasks[name];
  $("geometries").hidden = geometries.length < 2;
  const chosen = geometries.includes($("geometry").value) ? $("geometry").value : geometries[0];
  $("geometry").replaceChildren(...geometries.map((one) => h("option", { value: one, selected: one === chosen }, GEOMETRIES[one] ?? one)));
}

function drawTasks(tasks, unavailable) {
  $("tasks").replaceChildren(...tasks.map((task) => h("label", {},
    h("input", { type: "radio", name: "task", value: task.name, checked: task.name === state.task, change: () => { takeTask(task.name); if (state.question) ask(state.question); } }),
    h("span", {}, words(task.name), h("small", {}, task.summary)))),
  ...unavailable.map((task) => h("label", { class: "unavailable", title: `${task.message}: ${task.hint}` },
    h("input", { type: "radio", disabled: true }),
    h("span", {}, words(task.name), h("small", {}, `${task.kind === "untrained" ? "untrained" : "its model cannot be read"}: ${task.summary}`)))));
}

function drawExamples(examples) {
  $("examples").replaceChildren(...examples.map((example) => h("li", {}, h("button", { type: "button", click: () => {
    setTask(example.task);
    ask(example.smiles ? { smiles: [example.smiles] } : { files: [new File([example.text], example.file)] });
  } }, example.name))));
}

function listen() {
  $("files").addEventListener("change", (event) => {
    if (event.target.files.length) ask({ files: [...event.target.files] });
    event.target.value = "";
  });
  $("geometry").addEventListener("change", () => { if (state.question) ask(state.question); });
  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = $("text").value;
    if (text.trim()) ask({ text });
    else { say("There is nothing to ask about yet."); $("text").focus(); }
  });
  $("text").addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("ask").requestSubmit(); });
  const over = (shown) => (event) => { event.preventDefault(); $("drop").classList.toggle("over", shown); };
  document.addEventListener("dragover", over(true));
  document.addEventListener("dragleave", over(false));
  document.addEventListener("drop", (event) => {
    over(false)(event);
    if (event.dataTransfer.files.length) ask({ files: [...event.dataTransfer.files] });
  });
  window.addEventListener("hashchange", route);
  $("theme").addEventListener("click", () => setTheme({ auto: "light", light: "dark", dark: "auto" }[theme()]));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("themechange")));
}

const theme = () => document.documentElement.dataset.theme ?? "auto";

function setTheme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  localStorage.setItem("theme", name);
  $("theme").textContent = `Theme: ${name}`;
  document.dispatchEvent(new Event("themechange"));
}

function route() {
  const [wanted, part] = location.hash.slice(1).split("/");
  const page = ["lab", "cards", "report", "api"].includes(wanted) ? wanted : "lab";
  for (const main of document.querySelectorAll("main")) main.hidden = main.id !== page;
  for (const link of document.querySelectorAll("header nav a")) {
    if (link.dataset.page === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (page !== "lab") showPage(page, part);
}

async function begin() {
  setTheme(localStorage.getItem("theme") ?? "auto");
  listen();
  route();
  try {
    const { tasks, unavailable, limits } = await get("/api/tasks");
    state.limits = limits;
    state.tasks = Object.fromEntries(tasks.map((task) => [task.name, task]));
    takeTask(tasks[0].name);
    drawTasks(tasks, unavailable);
    drawExamples(await get("/api/examples"));
    $("limits").textContent = `At most ${limits.megabytes} MB, ${limits.files} files, ${limits.structures} structures at a time, ${limits.atoms} atoms each. Nothing is kept or sent on.`;
  } catch (problem) {
    $("problems").replaceChildren(problemBox(problem));
  }
}

begin();

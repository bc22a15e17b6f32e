// The page: tasks, examples, ways in, pages and theme.
import { get } from "/static/api.js";
import { problemBox } from "/static/detail.js";
import { $, h, number, words } from "/static/dom.js";
import { dropped, structureFiles } from "/static/folders.js";
import { sketcher } from "/static/draw.js";
import { finder, inputsOf } from "/static/known.js";
import { again, ask, restore, say, setTask, state } from "/static/lab.js";
import { listenToPoreOptions } from "/static/pore_options.js";
import { showPage } from "/static/pages.js";
import { themed } from "/static/theme.js";

function drawTasks(tasks, unavailable) {
  $("tasks").replaceChildren(...tasks.map((task) => h("label", {},
    h("input", { type: "radio", name: "task", value: task.name, checked: task.name === state.task, change: () => { setTask(task.name); again(); } }),
    h("span", {}, words(task.name), h("small", {}, task.summary)))),
  ...unavailable.map((task) => h("label", { class: "unavailable", title: `${task.message}: ${task.hint}` },
    h("input", { type: "radio", disabled: true }),
    h("span", {}, words(task.name), h("small", {}, `${task.kind === "untrained" ? "untrained" : "its model cannot be read"}: ${task.summary}`)))));
}

function drawExamples(examples) {
  state.examples = examples;
  $("examples").replaceChildren(...examples.map((example) => h("li", {}, h("button", { type: "button", click: () => askKnown(example) }, example.name))));
}

/** Asks about files that were chosen or dropped, those of folders without what is no structure. */
function askFiles({ files, leftOut }) {
  if (files.length) ask({ files });
  if (leftOut || !files.length) say(`${files.length ? "" : "There is nothing to ask about. "}${number(leftOut)} files of other kinds are left out.`);
}

/** Asks about an example or a known substance, with a task that it fits. */
async function askKnown(found) {
  $("text").value = found.smiles ?? "";
  if (found.task) {
    setTask(found.task);
    ask(found.smiles ? { smiles: [found.smiles] } : { files: [new File([found.text], found.file)] });
  } else {
    setFitting(!found.smiles, found.quantity);
    ask(await inputsOf(found));
  }
}

/** Keeps the task if it is about crystals, or molecules, as asked for; else takes one that is, of the quantity if there is one. */
function setFitting(periodic, quantity = null) {
  const fits = (task) => task.periodic === null || task.periodic === periodic;
  if (fits(state.tasks[state.task])) return;
  const fitting = Object.values(state.tasks).filter(fits);
  const chosen = fitting.find((task) => task.quantity === quantity) ?? fitting[0];
  if (chosen) setTask(chosen.name);
}

function listen() {
  sketcher((smiles) => { setFitting(false); $("text").value = smiles; ask({ text: smiles }); });
  finder($("find"), $("found"), () => state.examples, askKnown);
  document.addEventListener("askknown", (event) => askKnown(event.detail));
  $("files").addEventListener("change", (event) => {
    if (event.target.files.length) ask({ files: [...event.target.files] });
    event.target.value = "";
  });
  $("folder").addEventListener("change", (event) => {
    if (event.target.files.length) askFiles(structureFiles([...event.target.files], state.endings));
    event.target.value = "";
  });
  $("choose-folder").addEventListener("click", () => $("folder").click());
  $("geometry").addEventListener("change", again);
  listenToPoreOptions(again);
  $("cancel").addEventListener("click", () => state.run?.cancel());
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
  document.addEventListener("drop", async (event) => {
    over(false)(event);
    askFiles(await dropped(event.dataTransfer, state.endings));
  });
  document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); document.querySelector("main:not([hidden])").focus(); });
  window.addEventListener("popstate", route);
}

function route() {
  const [wanted, part] = location.hash.slice(1).split("?")[0].split("/");
  const page = ["lab", "cards", "report", "api"].includes(wanted) ? wanted : "lab";
  for (const main of document.querySelectorAll("main")) main.hidden = main.id !== page;
  for (const link of document.querySelectorAll("header nav a")) {
    if (link.dataset.page === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (page !== "lab") showPage(page, part);
  else if (state.limits) restore();
}

async function begin() {
  themed();
  listen();
  route();
  try {
    const { tasks, unavailable, limits, endings } = await get("/api/tasks");
    Object.assign(state, { endings, tasks: Object.fromEntries(tasks.map((task) => [task.name, task])) });
    drawTasks(tasks, unavailable);
    setTask(tasks[0].name);
    drawExamples(await get("/api/examples"));
    state.limits = limits;
    $("limits").textContent = `At most ${number(limits.structures)} structures at a time, ${number(limits.atoms)} atoms each, ${limits.megabytes} MB a file. The server keeps nothing and sends nothing on.`;
    if (!$("lab").hidden) await restore();
  } catch (problem) {
    $("problems").replaceChildren(problemBox(problem));
  }
}

begin();

// The page Construct: a table, what is asked of it, what was understood, and constructions.
import * as api from "/static/construct_api.js";
import { JobCard, onPage, problem } from "/static/construct_job.js";
import { $, h, number, words } from "/static/dom.js";
import { themed } from "/static/theme.js";

const WAYS = { auto: "as fits the table", random: "at random", scaffold: "by scaffold", group: "by group" };
const FIELDS = ["target", "name", "unit", "thresholds", "classes", "structures", "split", "minutes"];
const WAIT = 500; // milliseconds without a key before pasted text is looked at
const page = { table: null, columns: [], cards: [], asked: 0 };

const say = (text) => { $("status").textContent = text; };
const wrong = (error) => $("problems").replaceChildren(problem(error));

/** Shows what goes wrong in some work, during which the buttons rest. */
async function working(sentence, work) {
  say(sentence);
  $("problems").replaceChildren();
  page.working = true;
  ready();
  try {
    await work();
  } catch (error) {
    say("");
    wrong(error);
  } finally {
    page.working = false;
    ready();
  }
}

/** Which buttons can be used. */
function ready() {
  const can = Boolean(page.table && $("target").value && !page.working);
  $("look").disabled = !can;
  $("begin").disabled = !can || page.cards.some((card) => card.state === "running");
}

/** Lists the columns of a table that was given. */
function take(table) {
  page.table = null;
  fill([]);
  $("understanding").hidden = true;
  const asked = ++page.asked;
  working("Reading the columns …", async () => {
    const { rows, columns } = await api.look(table);
    if (asked !== page.asked) return; // another table was given meanwhile
    page.table = table;
    fill(columns);
    say(`${number(rows)} rows, ${columns.length} columns. Choose the target.`);
    $("target").focus();
  });
}

/** Fills the lists of columns; the last one of numbers is likely the target. */
function fill(columns) {
  page.columns = columns;
  const names = columns.map(({ name }) => h("option", { value: name }, name));
  const copies = () => names.map((option) => option.cloneNode(true));
  $("target").replaceChildren(h("option", { value: "" }, columns.length ? "choose a column" : "the table comes first"), ...copies());
  $("target").disabled = !columns.length;
  $("target").value = columns.findLast(({ numbers }) => numbers)?.name ?? "";
  $("structures").replaceChildren(h("option", { value: "" }, "found by name and content"), ...copies());
  $("split").replaceChildren(...Object.entries(WAYS).map(([value, text]) => h("option", { value }, text)), ...copies().map((option) => { option.textContent = `by column ${option.value}`; return option; }));
  sample();
}

function sample() {
  const column = page.columns.find(({ name }) => name === $("target").value);
  $("sample").textContent = column?.sample.length ? `such as ${column.sample.join(", ")}` : "";
  ready();
}

const question = () => Object.fromEntries(FIELDS.map((name) => [name, $(name).value]));

function look() {
  working("Looking at the table …", async () => {
    const { understanding, text } = await api.look(page.table, question());
    understood(understanding, text);
    say("This is what the table says. Nothing has been constructed yet.");
  });
}

function begin() {
  working("Looking at the table …", async () => {
    const job = await api.begin(page.table, question());
    $("understanding").hidden = true;
    add(job);
    say(`Constructing ${words(job.name)}. It goes on if you leave this page.`);
  });
}

const short = (value) => String(Number(value.toPrecision(4))).replace("-", "−");

/** Shows an understanding. */
function understood(found, text) {
  const kind = found.kind === "labels" ? `one of ${found.classes.length} labels` : `a number${found.unit ? ` in ${found.unit}` : ""}`;
  const facts = [
    ["predicts", found.thresholds.length ? `${kind}, cut at ${found.thresholds.map(short).join(", ")}` : kind],
    ["structures", `${number(found.n)} ${found.periodic ? "crystals" : "molecules"}, in ${number(found.rows)} rows`],
    found.values ? ["values", `${short(found.values.lowest)} to ${short(found.values.highest)}, median ${short(found.values.median)}`] : null,
    found.class_counts ? ["classes", Object.entries(found.class_counts).map(([name, n]) => `${name} ${number(n)}`).join(", ")] : null,
    ["split", `${WAYS[found.split] ?? `by ${found.split}`}: ${Object.entries(found.sides).map(([side, n]) => `${number(n)} ${side}`).join(", ")}`],
  ].filter(Boolean);
  const rows = Object.entries(found.unusable);
  $("understanding").replaceChildren(
    h("h2", {}, words(found.name)),
    h("dl", { class: "facts" }, facts.flatMap(([term, told]) => [h("dt", {}, term), h("dd", {}, told)])),
    h("ul", { class: "found" }, found.findings.map((told) => h("li", {}, onPage(told)))),
    rows.length ? h("details", {}, h("summary", {}, `${number(rows.length)} rows are not used`), h("ul", { class: "found" }, rows.slice(0, 200).map(([row, why]) => h("li", {}, `${row}: ${why}`)))) : "",
    h("details", {}, h("summary", {}, "As the command line tells it"), h("pre", { class: "code", tabindex: 0 }, h("code", {}, text))));
  $("understanding").hidden = false;
}

function add(job) {
  const card = new JobCard(job, say, ready, gone);
  page.cards.unshift(card);
  $("jobs").prepend(card.element);
}

function gone(card) {
  page.cards = page.cards.filter((one) => one !== card);
  card.element.remove();
  say(`${words(card.name)} is deleted.`);
  $("status").focus();
}

function listen() {
  $("file").addEventListener("change", (event) => { if (event.target.files.length) choose(event.target.files[0]); event.target.value = ""; });
  let waiting = 0;
  $("text").addEventListener("input", () => {
    clearTimeout(waiting);
    const text = $("text").value;
    waiting = setTimeout(() => { if (text.trim().includes("\n")) { named("Drop a table here", " or choose"); take({ text }); } }, WAIT);
  });
  $("target").addEventListener("change", sample);
  $("look").addEventListener("click", () => { if ($("form").reportValidity()) look(); });
  $("form").addEventListener("submit", (event) => { event.preventDefault(); if (!$("begin").disabled) begin(); });
  const over = (shown) => (event) => { event.preventDefault(); $("drop").classList.toggle("over", shown); };
  document.addEventListener("dragover", over(true));
  document.addEventListener("dragleave", over(false));
  document.addEventListener("drop", (event) => { over(false)(event); if (event.dataTransfer.files.length) choose(event.dataTransfer.files[0]); });
  document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); $("construct").focus(); });
}

const named = (name, more) => $("chosen").replaceChildren(h("b", {}, name), more);

function choose(file) {
  $("text").value = "";
  named(file.name, "");
  take({ file });
}

async function start() {
  themed();
  fill([]);
  listen();
  try {
    const { allowed, temporary, limits, jobs } = await api.all();
    $("minutes").max = limits.minutes;
    $("limits").textContent = `At most ${limits.megabytes} MB, ${number(limits.rows)} rows, ${limits.minutes} minutes. ${temporary ? "Scientists are removed when the server ends: download them, or start it with --constructed DIR." : "The server keeps tables and scientists in a folder."}`;
    jobs.forEach(add);
    if (!allowed) {
      $("fields").disabled = true;
      wrong({ message: "Constructing is not allowed on this server, as others can reach it.", hint: "Start it with --allow-construct, or use andersonn construct." });
      say("");
    }
  } catch (error) {
    wrong(error);
  }
}

start();

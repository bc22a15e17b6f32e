// Several answers: a table that fills as they come, sorts and filters, and the same as CSV.
import { fixed, h, number, percent, quantityAndUnit, saved, words } from "/static/dom.js";
import { asTrained, classByEstimate, estimateAt, mostProbable, probabilitiesAt } from "/static/thresholds.js";

const CSV = ["input", "id", "formula", "task", "class", "probability", "quantity", "value", "low90", "high90", "n_atoms", "status", "inside_domain", "notes", "warnings", "error", "thresholds"];

const PASTED = "pasted text";

/**
 * @param select called with an entry that was chosen
 */
export class Table {
  constructor(place, select) {
    Object.assign(this, { place, select, entries: [], rows: [], sort: null, down: false, chosen: null });
  }

  /** Empties the table for answers about a task. */
  begin(task, cuts) {
    Object.assign(this, { task, cuts, entries: [], rows: [], sort: null, down: false, chosen: null, good: 0 });
    this.place.hidden = true;
    this.columns = columnsOf(task, cuts);
    this.title = h("h2", { id: "table-title" });
    this.head = h("tr");
    this.body = h("tbody");
    this.filter = h("input", { type: "search", id: "filter", placeholder: "Filter rows", "aria-label": "Filter rows", input: () => this.sift() });
    this.place.replaceChildren(
      h("div", { class: "bar-top" }, this.title, h("span", { class: "tools" }, this.filter, h("button", { type: "button", id: "csv", click: () => this.download() }, "Download CSV"))),
      h("div", { class: "wide", tabindex: 0, role: "region", "aria-labelledby": "table-title" }, h("table", {}, h("thead", {}, this.head), this.body)));
    this.heads();
  }

  /** Adds answers {answer, ...} and errors {answer: {input, error}}. */
  add(entries) {
    const first = this.entries.length;
    entries.forEach((entry, k) => { entry.number = first + k; });
    const rows = entries.map((entry) => this.row(entry));
    this.entries.push(...entries);
    this.rows.push(...rows);
    this.good += entries.filter(({ answer }) => !answer.error).length;
    this.body.append(...rows);
    if (this.filter.value) this.sift();
    this.place.hidden = this.entries.length < 2;
    this.count();
  }

  count() {
    const bad = this.entries.length - this.good;
    const shown = this.filter.value ? this.rows.filter((row) => !row.hidden).length : null;
    this.title.textContent = `${number(this.good)} answered${bad ? `, ${number(bad)} not` : ""}${shown === null ? "" : `; ${number(shown)} shown`}`;
  }

  row(entry) {
    const { answer } = entry;
    if (answer.error) return h("tr", { class: "failed" }, h("td", {}, shortName(answer)), h("td", { colspan: this.columns.length - 1 }, answer.error.message));
    return h("tr", { "aria-selected": "false" }, this.columns.map(({ text, right }, k) =>
      h("td", { class: right ? "number" : null }, k ? text(answer) : h("button", { type: "button", class: "link", click: () => this.select(entry) }, text(answer)))));
  }

  heads() {
    this.head.replaceChildren(...this.columns.map(({ title, right }, k) => h("th", { scope: "col", class: right ? "right" : null, "aria-sort": this.sort === k ? (this.down ? "descending" : "ascending") : "none" },
      h("button", { type: "button", click: () => this.sortBy(k) }, title + (this.sort === k ? (this.down ? " ▼" : " ▲") : "")))));
  }

  /** Shows classes at other cuts. */
  moved(cuts) {
    const [before, after] = [this.columns, columnsOf(this.task, cuts)];
    Object.assign(this, { cuts, columns: after });
    const moving = after.map((column, k) => (column.moves ? k : -1)).filter((k) => k >= 0);
    if (moving.some((k) => before[k].title !== after[k].title)) this.heads();
    this.entries.forEach(({ answer }, k) => {
      if (answer.error) return;
      for (const column of moving) {
        const [cell, text] = [this.rows[k].cells[column], after[column].text(answer)];
        if (cell.textContent !== text) cell.textContent = text;
      }
    });
  }

  mark(entry) {
    if (this.chosen) this.rows[this.chosen.number]?.setAttribute("aria-selected", "false");
    this.chosen = entry;
    this.rows[entry.number]?.setAttribute("aria-selected", "true");
  }

  sortBy(k) {
    this.down = this.sort === k ? !this.down : false;
    this.sort = k;
    this.arrange();
    this.head.cells[k].firstChild.focus({ preventScroll: true });
  }

  /** Puts the rows in the order that is asked for; errors stand last, and what comes later at the end. */
  arrange() {
    this.heads();
    const { value } = this.columns[this.sort];
    const good = this.entries.filter(({ answer }) => !answer.error);
    const bad = this.entries.filter(({ answer }) => answer.error);
    const keys = new Map(good.map((entry) => [entry, value(entry.answer)]));
    good.sort((a, b) => (keys.get(a) < keys.get(b) ? -1 : keys.get(a) > keys.get(b) ? 1 : 0) * (this.down ? -1 : 1));
    this.body.append(...[...good, ...bad].map((entry) => this.rows[entry.number]));
  }

  sift() {
    const wanted = this.filter.value.trim().toLowerCase();
    this.rows.forEach((row) => { row.hidden = Boolean(wanted) && !row.textContent.toLowerCase().includes(wanted); });
    this.count();
  }

  download() {
    const lines = [CSV, ...this.entries.map(({ answer }) => this.line(answer))].map((row) => row.map(quoted).join(","));
    saved(`andersonn-${this.task.name}.csv`, `${lines.join("\n")}\n`, "text/csv");
  }

  /** What the table shows, with more digits. */
  line(a) {
    if (a.error) return CSV.map((name) => ({ input: a.input, id: a.id ?? "", error: `${a.error.kind}: ${a.error.message} (${a.error.hint})` })[name] ?? "");
    const { label, p, estimate, guessed } = saidAt(this.task, a, this.cuts);
    const values = {
      ...a, class: label, probability: p === null ? "" : p.toFixed(4), thresholds: this.cuts.map((cut) => +cut.toFixed(6)).join(","),
      ...(estimate ? { quantity: estimate.quantity, value: estimate.value.toFixed(4), low90: estimate.interval90[0].toFixed(4), high90: estimate.interval90[1].toFixed(4) } : {}),
      status: a.solver.status, inside_domain: a.domain ? a.domain.inside : "",
      warnings: [...(guessed ? [`class by the estimate at thresholds ${this.cuts.join(" ")}`] : []), ...a.warnings].join("; "), notes: a.notes.join("; "), error: "",
    };
    return CSV.map((name) => values[name] ?? "");
  }
}

/** An answer as `predict` prints it: without the curve that moves its thresholds. */
export const plain = ({ curve, ...answer }) => answer;

/** What an answer says with classes cut there: as at first, or by its distribution; without one, the class is that of the estimate. */
function saidAt(task, a, cuts) {
  if (asTrained(task, cuts)) return { label: a.class, p: a.class ? a.probabilities[a.class] : null, estimate: a.estimate, guessed: false };
  if (!a.curve) return { label: classByEstimate(task, a, cuts), p: null, estimate: a.estimate, guessed: true };
  const p = probabilitiesAt(task, a, cuts);
  const label = mostProbable(p);
  return { label, p: p[label], estimate: estimateAt(a, cuts), guessed: false };
}

function columnsOf(task, cuts) {
  const said = (a) => saidAt(task, a, cuts);
  const spelled = (p) => (p === null ? "–" : percent(p));
  return [
    { title: "input", value: shortName, text: shortName },
    { title: "formula", value: (a) => a.formula, text: (a) => a.formula },
    ...(task.answer === "number" ? [] : [
      { title: "class", value: (a) => task.classes.indexOf(said(a).label), text: (a) => words(said(a).label) + (said(a).guessed ? ", by the estimate" : ""), moves: true },
      { title: "p", value: (a) => said(a).p ?? 0, text: (a) => spelled(said(a).p), right: true, moves: true }]),
    ...(task.answer === "label" ? [] : [
      { title: quantityAndUnit(task), value: (a) => said(a).estimate.value, text: (a) => fixed(said(a).estimate.value), right: true, moves: true },
      { title: "90 % interval", value: (a) => said(a).estimate.interval90[1] - said(a).estimate.interval90[0], text: (a) => said(a).estimate.interval90.map((x) => fixed(x)).join(" … "), right: true, moves: true }]),
    { title: "atoms", value: (a) => a.n_atoms, text: (a) => `${a.n_atoms}`, right: true },
    { title: "domain", value: (a) => a.domain?.distance ?? -1, text: (a) => (a.domain ? (a.domain.inside ? "inside" : "outside") : "unknown") },
  ];
}

const TABLE = /\.(csv|tsv|tab|xlsx|parquet)(\.(gz|bz2|xz))?$/i;

/** An input as tables show it: of a list or table with the name of the row, of pasted text that name alone. */
export function shortName({ input, id }) {
  const named = id && id !== input && (id.includes(":") || TABLE.test(input) || input === PASTED);
  if (!named) return input;
  const part = id.includes(":") ? id.split(":").slice(1).join(":") : id;
  return input === PASTED ? part : `${input} [${part}]`;
}

/** A field of CSV; one that a spreadsheet would take for a formula is kept from it, negative numbers aside. */
function quoted(value) {
  const text = String(value);
  const safe = /^[=+@\t]/.test(text) || /^-[^0-9.]/.test(text) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

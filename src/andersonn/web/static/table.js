// Several answers: a table that sorts, and the same as CSV.
import { fixed, h, percent, quantityAndUnit, words } from "/static/dom.js";
import { asTrained, classByEstimate } from "/static/thresholds.js";

const CSV = ["input", "id", "formula", "task", "class", "probability", "quantity", "value", "low90", "high90", "n_atoms", "status", "inside_domain", "notes", "warnings", "error"];

/**
 * @param entries {answer, ...} of good answers and {answer: {input, error}} of bad ones
 * @param select called with an entry that was chosen
 */
export class Table {
  constructor(place, select) {
    Object.assign(this, { place, select, entries: [], sort: null, down: false, chosen: null });
  }

  show(task, entries, cuts) {
    Object.assign(this, { task, entries, cuts });
    this.place.hidden = entries.length < 2;
    if (!this.place.hidden) this.draw();
  }

  moved(cuts) {
    this.cuts = cuts;
    if (!this.place.hidden) this.draw();
  }

  mark(entry) {
    this.chosen = entry;
    if (!this.place.hidden) this.draw();
  }

  columns() {
    const moved = !asTrained(this.task, this.cuts);
    const label = (a) => (moved ? classByEstimate(this.task, a, this.cuts) : a.class);
    return [
      { title: "input", value: (a) => shortName(a), text: (a) => shortName(a) },
      { title: "formula", value: (a) => a.formula, text: (a) => a.formula },
      ...(this.task.answer === "number" ? [] : [{ title: moved ? "class, by the estimate" : "class", value: (a) => this.task.classes.indexOf(label(a)), text: (a) => words(label(a)) },
      { title: "p", value: (a) => (moved ? 0 : a.probabilities[a.class]), text: (a) => (moved ? "–" : percent(a.probabilities[a.class])), number: true }]),
      ...(this.task.answer === "label" ? [] : [{ title: quantityAndUnit(this.task), value: (a) => a.estimate.value, text: (a) => fixed(a.estimate.value), number: true },
      { title: "90 % interval", value: (a) => a.estimate.interval90[1] - a.estimate.interval90[0], text: (a) => a.estimate.interval90.map((x) => fixed(x)).join(" … "), number: true }]),
      { title: "atoms", value: (a) => a.n_atoms, text: (a) => `${a.n_atoms}`, number: true },
      { title: "domain", value: (a) => a.domain?.distance ?? -1, text: (a) => (a.domain ? (a.domain.inside ? "inside" : "outside") : "unknown") },
    ];
  }

  draw() {
    const focused = document.activeElement?.dataset?.key;
    const columns = this.columns();
    const good = this.entries.filter(({ answer }) => !answer.error);
    const bad = this.entries.filter(({ answer }) => answer.error);
    if (this.sort !== null) {
      const { value } = columns[this.sort];
      good.sort(({ answer: a }, { answer: b }) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (this.down ? -1 : 1));
    }
    const heads = columns.map(({ title, number }, k) => h("th", { scope: "col", class: number ? "right" : null, "aria-sort": this.sort === k ? (this.down ? "descending" : "ascending") : "none" },
      h("button", { type: "button", "data-key": `sort${k}`, click: () => this.sortBy(k) }, title + (this.sort === k ? (this.down ? " ▼" : " ▲") : ""))));
    const rows = good.map((entry) => h("tr", { "aria-selected": entry === this.chosen ? "true" : "false" }, columns.map(({ text, number }, k) =>
      h("td", { class: number ? "number" : null }, k ? text(entry.answer) : h("button", { type: "button", class: "link", "data-key": `row${this.entries.indexOf(entry)}`, click: () => this.select(entry) }, text(entry.answer))))));
    const failed = bad.map(({ answer }) => h("tr", {}, h("td", {}, answer.input), h("td", { colspan: columns.length - 1 }, answer.error.message)));
    const title = `${good.length} answered` + (bad.length ? `, ${bad.length} not` : "");
    this.place.replaceChildren(
      h("div", { class: "bar-top" }, h("h2", {}, title), h("button", { type: "button", id: "csv", click: () => this.download() }, "Download CSV")),
      h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Answers" }, h("table", {}, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows, failed))));
    if (focused) this.place.querySelector(`[data-key="${focused}"]`)?.focus({ preventScroll: true });
  }

  sortBy(k) {
    this.down = this.sort === k ? !this.down : false;
    this.sort = k;
    this.draw();
  }

  download() {
    const lines = [CSV, ...this.entries.map(({ answer }) => this.row(answer))].map((row) => row.map(quoted).join(","));
    const url = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" }));
    const link = h("a", { href: url, download: `andersonn-${this.task.name}.csv` });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  /** What the table shows, with more digits; with moved thresholds the class is that of the estimate and has no probability. */
  row(a) {
    if (a.error) return CSV.map((name) => (name === "input" ? a.input : name === "error" ? `${a.error.kind}: ${a.error.message} (${a.error.hint})` : ""));
    const moved = !asTrained(this.task, this.cuts);
    const values = {
      ...a, class: moved ? classByEstimate(this.task, a, this.cuts) : a.class, probability: moved || !a.class ? "" : a.probabilities[a.class].toFixed(4),
      ...(a.estimate ? { quantity: a.estimate.quantity, value: a.estimate.value.toFixed(4), low90: a.estimate.interval90[0].toFixed(4), high90: a.estimate.interval90[1].toFixed(4) } : {}),
      status: a.solver.status, inside_domain: a.domain ? a.domain.inside : "",
      warnings: [...(moved ? [`class by the estimate at thresholds ${this.cuts.join(" ")}`] : []), ...a.warnings].join("; "), notes: a.notes.join("; "), error: "",
    };
    return CSV.map((name) => values[name] ?? "");
  }
}

/** An input as tables show it. */
export const shortName = (a) => (a.id && a.id !== a.input && a.id.includes(":") ? `${a.input} [${a.id.split(":").slice(1).join(":")}]` : a.input);

/** A field of CSV; one that a spreadsheet would take for a formula is kept from it, negative numbers aside. */
function quoted(value) {
  const text = String(value);
  const safe = /^[=+@\t]/.test(text) || /^-[^0-9.]/.test(text) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

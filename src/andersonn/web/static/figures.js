// The page Measurements: figures of what was measured, each with a sentence, its numbers and the command that prints them.
import { tools } from "/static/cards.js";
import { chartWidth } from "/static/charts.js";
import { h } from "/static/dom.js";

const SHADES = { anderson: "var(--one)", picard: "var(--two)", damped: "var(--good)", own: "var(--one)", other: "var(--bar)" };
const LINE = 40; // height of a bar with its name above
const LETTERS = 15; // of a line of text
const TITLE = 26; // of the name of a group of bars
const BELOW = "the numbers are in the table below";

/** The page of the API's "measurements". */
export function figuresPage({ groups, figures }) {
  const sections = Object.entries(groups).map(([name, title]) => h("section", { class: `figures ${name}`, "aria-label": title },
    h("h2", {}, title), h("div", { class: "figure-grid" }, figures.filter(({ group }) => group === name).map(figureCard))));
  return h("article", { class: "measured" }, h("h1", {}, "What was measured"),
    h("p", { class: "soft lead" }, "Bars are comparisons made in turn on one machine. Blue is Anderson, or the network of this package; orange is Picard iteration, z ← f(z); green is the same, damped."),
    sections, h("p", {}, h("a", { href: "#report/all" }, "The whole report"), ", with all conditions and what went wrong."));
}

function figureCard(figure) {
  const drawn = figure.kind === "lines" ? lineChart(figure) : barChart(figure);
  const cell = (text, k) => (k && /^[\d,.]+( |%|$)/.test(text) ? h("td", { class: "number" }, text) : k ? h("td", {}, text) : h("th", { scope: "row" }, text));
  return h("section", { class: "card figure", id: `figure-${figure.id}` },
    h("h3", {}, figure.title), h("p", {}, figure.sentence), drawn,
    h("details", {}, h("summary", {}, "The numbers"), h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": `The numbers: ${figure.title}` },
      h("table", { class: "chart-table" }, h("thead", {}, h("tr", {}, figure.head.map((text) => (text ? h("th", { scope: "col" }, text) : h("td"))))),
        h("tbody", {}, figure.rows.map((row) => h("tr", {}, row.map(cell))))))),
    h("pre", { class: "code", tabindex: 0 }, h("code", {}, figure.command)), h("small", {}, `from ${figure.source}`),
    tools({ name: `measured-${figure.id}`, svg: () => drawn, json: () => figure }));
}

/** Bars under their names, which fit on a phone; `one` marks where the value is 1. */
function barChart({ bars, axis, title, one = false }) {
  const width = chartWidth();
  const most = Math.max(...bars.map(({ value }) => value));
  const reach = width - 12 - 7.5 * Math.max(...bars.map(({ text }) => text.length));
  const at = (value) => (reach * value) / most;
  const parts = [];
  let y = 0;
  let last = "";
  bars.forEach(({ label, group, value, text, role }) => {
    if (group !== last) {
      parts.push(h("text", { class: "strong group", x: 0, y: y + 17 }, group));
      last = group;
      y += TITLE;
    }
    const [first, ...more] = wrapped(label, width);
    parts.push(h("text", { x: 0, y: y + 13 }, first));
    more.forEach((line) => { y += LETTERS; parts.push(h("text", { x: 0, y: y + 13 }, line)); });
    parts.push(
      h("rect", { x: 0, y: y + 18, width: Math.max(2, at(value)), height: 12, rx: 2, fill: SHADES[role], stroke: "var(--soft)", "stroke-width": 0.5 }),
      one ? h("line", { x1: at(1), x2: at(1), y1: y + 16, y2: y + 32, stroke: "var(--ink)", "stroke-width": 1.5 }) : "",
      h("text", { class: "strong", x: Math.max(at(value), one ? at(1) : 0) + 6, y: y + 28.5 }, text));
    y += LINE;
  });
  return h("svg", { viewBox: `0 0 ${width} ${y + 22}`, role: "img", "aria-label": `${title}: ${axis}; ${BELOW}` }, parts,
    h("text", { x: 0, y: y + 16 }, axis));
}

/** A name in as many lines as it needs; a letter is up to 6.9 wide. */
function wrapped(text, width) {
  const lines = [""];
  text.split(" ").forEach((word) => {
    const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
    if (longer.length * 6.9 <= width || !lines.at(-1)) lines[lines.length - 1] = longer;
    else lines.push(word);
  });
  return lines;
}

/** Curves over steps that are evenly spaced, on a logarithmic scale, with their names at the ends. */
function lineChart({ curves, steps, axis, unit, title }) {
  const [width, height, left, top, bottom] = [chartWidth(), 290, 52, 24, 240];
  const right = width - 14;
  const values = curves.flatMap((curve) => curve.values);
  const [floor, roof] = [Math.floor(Math.log10(Math.min(...values))), Math.ceil(Math.log10(Math.max(...values)))];
  const x = (k) => left + ((right - left) * k) / (steps.length - 1);
  const y = (value) => bottom - ((bottom - top) * (Math.log10(value) - floor)) / (roof - floor);
  const marks = [];
  for (let e = floor; e <= roof; e++) marks.push(h("line", { x1: left, x2: right, y1: y(10 ** e), y2: y(10 ** e), stroke: "var(--line)" }), h("text", { x: left - 8, y: y(10 ** e) + 4, "text-anchor": "end" }, (10 ** e).toLocaleString("en-US")));
  const drawn = curves.map(({ name, role, values: found }) => {
    const last = found.length - 1;
    const above = role !== "picard"; // of the two that stay low, one name stands above and one below
    return h("g", {},
      h("polyline", { points: found.map((value, k) => `${x(k)},${y(value)}`).join(" "), fill: "none", stroke: role === "other" ? "var(--soft)" : SHADES[role], "stroke-width": 2 }),
      found.map((value, k) => h("circle", { cx: x(k), cy: y(value), r: 4, fill: role === "other" ? "var(--soft)" : SHADES[role], stroke: "var(--card)", "stroke-width": 1.5 }, h("title", {}, `${name}, ${steps[k]}: ${value} ${unit}`))),
      h("text", { class: "strong", x: right, y: y(found[last]) + (above ? -10 : 20), "text-anchor": "end" }, name));
  });
  return h("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: ${unit} by ${axis}; ${BELOW}` }, marks,
    steps.map((step, k) => h("text", { x: x(k), y: bottom + 18, "text-anchor": "middle" }, step)), drawn,
    h("text", { x: left - 8, y: 12, "text-anchor": "end" }, unit), h("text", { x: (left + right) / 2, y: height - 8, "text-anchor": "middle" }, axis));
}

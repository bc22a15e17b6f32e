// Charts as SVG: the estimate against its thresholds, convergence, contributions. Each has its numbers as text too.
import { atomName, diverging, fixed, h, percent, quantityAndUnit, words } from "/static/dom.js";

/** Width of a chart in its own units, about pixels, so that letters stay readable on a phone. */
export const chartWidth = () => Math.max(310, Math.min(560, window.innerWidth - 70));

/** Bars of class probabilities. */
export function probabilityBars(probabilities) {
  const best = Math.max(...Object.values(probabilities));
  return h("div", { class: "probability" }, Object.entries(probabilities).flatMap(([name, p]) => [
    h("span", {}, words(name)),
    h("div", { class: "track" }, h("div", { class: p === best ? "fill best" : "fill", style: { width: `${100 * p}%` } })),
    h("output", {}, percent(p)),
  ]));
}

/** The estimate with its interval on an axis that the thresholds divide into classes. */
export function estimateAxis(task, estimate, cuts) {
  const [width, height, left] = [chartWidth(), 92, 12];
  const right = width - 12;
  const [lowest, highest] = task.range;
  const [low, high] = estimate.interval90;
  const room = 0.05 * (highest - lowest);
  const bottom = low < lowest ? low - room : lowest;
  const top = high > highest ? high + room : highest;
  const at = (value) => left + (right - left) * Math.min(1, Math.max(0, (value - bottom) / (top - bottom)));
  const ends = [bottom, ...cuts, top];
  const bands = (task.classes.length ? task.classes : [""]).map((label, k) => {
    const [from, to] = [at(ends[k]), at(ends[k + 1])];
    const width = to - from;
    const fits = width > 6.4 * label.length;
    return h("g", {},
      h("rect", { x: from, y: 30, width: Math.max(0, width - 1), height: 22, rx: 3, fill: "var(--paper)", stroke: "var(--line)" }),
      fits ? h("text", { x: (from + to) / 2, y: 22, "text-anchor": "middle" }, words(label)) : "");
  });
  const marks = ticks(bottom, top, 6).map((value) => h("g", {},
    h("line", { x1: at(value), x2: at(value), y1: 52, y2: 57, stroke: "var(--soft)" }),
    h("text", { x: at(value), y: 71, "text-anchor": "middle" }, `${+value.toFixed(6)}`)));
  const text = `${task.quantity_words} ${fixed(estimate.value)} ${task.unit}, 90 % interval ${fixed(low)} to ${fixed(high)} ${task.unit}`;
  return h("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": text }, bands, marks,
    cuts.map((cut) => h("line", { x1: at(cut), x2: at(cut), y1: 26, y2: 58, stroke: "var(--ink)", "stroke-width": 2, "stroke-dasharray": "4 3" })),
    h("line", { x1: at(low), x2: at(high), y1: 41, y2: 41, stroke: "var(--accent)", "stroke-width": 5, "stroke-linecap": "round", opacity: 0.55 }),
    h("circle", { cx: at(estimate.value), cy: 41, r: 7, fill: "var(--accent)", stroke: "var(--card)", "stroke-width": 2 }),
    h("text", { x: (left + right) / 2, y: 88, "text-anchor": "middle" }, quantityAndUnit(task)));
}

/** Residual against evaluations of both solvers, on a logarithmic scale. */
export function convergenceChart({ curves, rtol }) {
  const shown = [["Anderson", "var(--one)", curves.anderson.residual], ["Picard iteration", "var(--two)", curves.forward.residual]];
  const rows = shown.map(([name, shade, residual]) => {
    const reached = residual.findIndex((r) => r !== null && r <= rtol);
    return h("tr", {}, h("td", {}, h("i", { class: "stroke", style: { background: shade } }), name),
      h("td", { class: "number" }, reached < 0 ? `more than ${residual.length}` : `${reached + 1}`));
  });
  return h("div", {},
    residualChart(shown, rtol, null, "Relative residual at each evaluation; the numbers are in the table below"),
    h("table", { class: "chart-table legend-table" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "relative residual"), h("th", { scope: "col" }, `evaluations to ${rtol}`))), h("tbody", {}, rows)),
    h("small", {}, "Evaluations of the cell until the structure has converged, the last check included, as the answer above counts them. Times of one structure alone say nothing: andersonn measure inference tells what many save."));
}

/**
 * Residuals at each evaluation.
 * @param curves [[name, color, residuals]]  @param crossed evaluation at which the first curve overtakes the second, or null
 */
export function residualChart(curves, rtol, crossed, label) {
  const [width, height, left, top, bottom] = [chartWidth(), 270, 48, 12, 226];
  const right = width - 12;
  const values = curves.flatMap(([, , residual]) => residual.filter((r) => r > 0));
  const floor = Math.floor(Math.log10(Math.min(rtol, ...values)));
  const roof = Math.min(2, Math.ceil(Math.log10(Math.max(1, ...values))));
  const most = Math.max(...curves.map(([, , residual]) => residual.length), 2);
  const x = (k) => left + ((right - left) * (k - 1)) / (most - 1);
  const y = (r) => bottom - ((bottom - top) * (Math.min(roof, Math.log10(r)) - floor)) / (roof - floor);
  const lines = [];
  for (let e = floor; e <= roof; e++) lines.push(h("g", {},
    h("line", { x1: left, x2: right, y1: y(10 ** e), y2: y(10 ** e), stroke: "var(--line)" }),
    h("text", { x: left - 8, y: y(10 ** e) + 4, "text-anchor": "end" }, `1e${String(e).replace("-", "−")}`)));
  const marks = ticks(1, most, 8).filter(Number.isInteger).map((k) => h("text", { x: x(k), y: bottom + 17, "text-anchor": "middle" }, `${k}`));
  const drawn = curves.map(([name, shade, residual]) => {
    const points = residual.map((r, k) => (r > 0 ? [x(k + 1), y(r), k] : null)).filter(Boolean);
    return h("g", {},
      h("polyline", { points: points.map(([px, py]) => `${px},${py}`).join(" "), fill: "none", stroke: shade, "stroke-width": 2, "stroke-linejoin": "round" }),
      points.map(([px, py, k]) => h("circle", { cx: px, cy: py, r: points.length > 25 ? 2.5 : 4, fill: shade, stroke: "var(--card)", "stroke-width": 1.5 },
        h("title", {}, `${name}, evaluation ${k + 1}: ${residual[k].toExponential(1)}`))));
  });
  return h("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, lines, marks,
    h("line", { x1: left, x2: right, y1: y(rtol), y2: y(rtol), stroke: "var(--ink)", "stroke-dasharray": "5 4" }),
    h("text", { class: "strong", x: right, y: y(rtol) - 6, "text-anchor": "end" }, "tolerance"),
    crossed === null ? null : h("g", { class: "crossover" },
      h("line", { x1: x(crossed), x2: x(crossed), y1: top, y2: bottom, stroke: "var(--soft)", "stroke-dasharray": "2 3" }),
      h("text", { x: x(crossed) + 5, y: top + 10 }, "Anderson ahead")),
    drawn, h("text", { x: (left + right) / 2, y: height - 6, "text-anchor": "middle" }, "evaluations of the cell"));
}

/** Bars of the largest contributions; `pick` is called with the atom of the bar under the pointer, or null. */
export function contributionBars(explained, pick, most = 12) {
  const ranked = [...explained.contributions].sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, most);
  const span = Math.max(1e-3, ...ranked.map((row) => Math.abs(row.value)));
  const symbols = explained.contributions.map((row) => row.element);
  const [width, line, left] = [chartWidth(), 24, 50];
  const zero = ranked.some((row) => row.value < 0) ? (left + width - 70) / 2 + 10 : left + 10;
  const reach = Math.min(width - 60 - zero, zero > left + 20 ? zero - left - 60 : Infinity);
  const bars = ranked.map((row, k) => {
    const length = (reach * Math.abs(row.value)) / span;
    const y = 4 + k * line;
    const beyond = row.value < 0 ? zero - length - 6 : zero + length + 6;
    return h("g", { class: "row-of", "data-atom": row.atom, tabindex: 0, role: "img", "aria-label": `${atomName(symbols, row.atom)}: ${fixed(row.value)}`, pointerenter: () => pick(row.atom), pointerleave: () => pick(null), focus: () => pick(row.atom), blur: () => pick(null) },
      h("rect", { class: "back", x: 0, y: y - 2, width, height: line - 2, fill: "transparent" }),
      h("text", { class: "strong", x: left - 8, y: y + 14, "text-anchor": "end" }, atomName(symbols, row.atom)),
      h("rect", { x: row.value < 0 ? zero - length : zero, y, width: Math.max(1, length), height: line - 6, rx: 3, fill: diverging(row.value, span), stroke: "var(--soft)", "stroke-width": 0.5 }),
      h("text", { x: beyond, y: y + 14, "text-anchor": row.value < 0 ? "end" : "start" }, fixed(row.value)));
  });
  return h("svg", { class: "bars", viewBox: `0 0 ${width} ${8 + ranked.length * line}`, role: "group", "aria-label": `The ${ranked.length} largest contributions` },
    h("line", { x1: zero, x2: zero, y1: 0, y2: 8 + ranked.length * line, stroke: "var(--soft)" }), bars);
}

/** What functional groups add to a dipole moment, or to an answer; then also the molecule without each. */
export function groupTable(groups, most = 8) {
  const without = groups.some((row) => row.without);
  const titles = ["group", "atoms", without ? "contribution" : "part / D", ...(without ? ["without it"] : [])];
  const rows = groups.slice(0, most).map((row) => h("tr", {}, h("td", {}, row.group), h("td", {}, row.atoms.map((atom) => atom + 1).join(", ")), h("td", {}, fixed(row.value)), without ? h("td", {}, row.without) : null));
  return h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Groups" }, h("table", { class: "chart-table" },
    h("thead", {}, h("tr", {}, titles.map((title) => h("th", { scope: "col" }, title)))), h("tbody", {}, rows)));
}

function ticks(low, high, about) {
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + 1e-9; value += step) found.push(value);
  return found;
}

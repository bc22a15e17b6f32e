// Plain, damped and Anderson iteration race on this input; sliders choose how hard the map is, the window and the tolerance.
import { look } from "/static/api.js";
import { residualChart } from "/static/charts.js";
import { h } from "/static/dom.js";

/** The residual that is reached and not left again: evaluations to a tolerance, or null. */
const reached = (residual, rtol) => { const k = residual.findIndex((r) => r !== null && r <= rtol); return k < 0 ? null : k + 1; };

/** The first evaluation from which on one curve stays below another until it ends; null if it does not. */
export function crossing(ahead, behind) {
  const at = (curve, k) => (k < curve.length ? curve[k] ?? Infinity : curve.at(-1) ?? Infinity);
  let found = null;
  for (let k = ahead.length - 1; k >= 0 && at(ahead, k) < at(behind, k); k--) found = k + 1;
  return found;
}

/** @param ask {task, question, structure, signal} */
export function raceCard(ask, problemBox) {
  const place = h("div", { class: "race" });
  const begin = h("button", { type: "button", click: async () => {
    place.replaceChildren(h("p", { class: "soft" }, "racing …"));
    try {
      place.replaceChildren(course(await look("race", ask.task, ask.question, ask.structure, ask.signal)));
    } catch (problem) {
      if (problem.name !== "AbortError") place.replaceChildren(problemBox(problem));
    }
  } }, "Race: plain, damped and Anderson iteration");
  place.append(begin);
  return place;
}

function course(found) {
  const { rates, damping, own_rate: own } = found;
  const windows = Object.keys(rates[0].anderson);
  const nearest = rates.reduce((best, { rate }, k) => (Math.abs(rate - own) < Math.abs(rates[best].rate - own) ? k : best), 0);
  const chosen = { rate: Math.max(nearest, rates.findIndex(({ rate }) => rate >= 0.8)), window: windows.indexOf("5"), exponent: Math.log10(found.rtol) };
  const chart = h("div");
  const outputs = {};
  const slider = (name, label, options, text) => {
    outputs[name] = h("output", {}, text());
    return h("label", {}, h("span", {}, label), outputs[name], h("input", { type: "range", "aria-label": label, ...options, value: chosen[name], input: (event) => {
      chosen[name] = Number(event.target.value);
      outputs[name].textContent = text();
      draw();
    } }));
  };
  const rateText = () => `${rates[chosen.rate].rate}`;
  function draw() {
    const at = rates[chosen.rate];
    const rtol = 10 ** chosen.exponent;
    const anderson = at.anderson[windows[chosen.window]];
    const curves = [["Anderson", "var(--one)", anderson], ["plain", "var(--two)", at.plain], [`damped, β = ${damping}`, "var(--good)", at.damped]];
    const crossed = crossing(anderson, at.plain);
    const told = curves.map(([name, shade, residual]) => h("tr", {}, h("td", {}, h("i", { class: "stroke", style: { background: shade } }), name), h("td", { class: "number" }, `${reached(residual, rtol) ?? `more than ${residual.length}`}`)));
    const sentence = crossed === null ? "Anderson does not get ahead of the plain iteration here."
      : crossed <= 2 ? "Anderson is ahead from the first step that combines two." : `From evaluation ${crossed} on, Anderson is ahead of the plain iteration.`;
    chart.replaceChildren(residualChart(curves, rtol, crossed, "Residual at each evaluation of the three iterations; the numbers are in the table below"),
      h("table", { class: "chart-table" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "iteration"), h("th", { scope: "col" }, `evaluations to ${rtol.toPrecision(1)}`))), h("tbody", {}, told)),
      h("p", { id: "crossover" }, `${sentence}${at.rate > 1 ? " The plain iteration diverges: it multiplies the error by more than 1." : ""}`));
  }
  draw();
  return h("div", {}, chart, h("div", { class: "sliders" },
    slider("rate", "a plain step multiplies the error by about", { min: 0, max: rates.length - 1, step: 1 }, rateText),
    slider("window", "window of Anderson", { min: 0, max: windows.length - 1, step: 1 }, () => windows[chosen.window]),
    slider("exponent", "tolerance", { min: -5, max: -1, step: 0.25 }, () => (10 ** chosen.exponent).toPrecision(1))),
  h("small", {}, `The network's own map multiplies the error by about ${own.toFixed(2)} a step. The slider scales the map about its fixed point, so that the answer stays and the way to it gets longer.`));
}

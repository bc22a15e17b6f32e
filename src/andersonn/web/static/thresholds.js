// Moving the cuts between classes. At the trained cuts all is as the model says; elsewhere a rule of the API's "boundary" holds.
import { fixed, h, words } from "/static/dom.js";

/** Whether the cuts are where the model was trained. */
export const asTrained = (task, cuts) => cuts.every((cut, k) => cut === task.thresholds[k]);

/**
 * Probability of each class between cuts, as `with_thresholds` of Python has it: by the answer's "curve"; where it has none, by the
 * rule of the API's "boundary".
 */
export function probabilitiesAt(task, boundary, cuts) {
  const above = [1, ...(boundary.curve ? reached(boundary.curve, cuts) : cuts.map((cut, k) => (k === 0 && task.first_threshold_is_fixed ? boundary.above[0] : interpolated(boundary, cut)))), 0];
  return Object.fromEntries(task.classes.map((name, k) => [name, Math.max(0, above[k] - above[k + 1])]));
}

/** The most probable class; of equal ones the first. */
export const mostProbable = (p) => Object.keys(p).reduce((a, b) => (p[b] > p[a] ? b : a));

/** The estimate and its interval between cuts: those of a pore width begin where the sphere of the first cut gets in. */
export function estimateAt(answer, cuts) {
  const { window: open, cavity } = answer.curve ?? {};
  if (!cavity) return answer.estimate;
  const shut = 1 - interpolated(open, cuts[0]);
  const at = (share) => (share <= shut ? 0 : Math.max(cuts[0], quantile(cavity, (share - shut) / (1 - shut))));
  return { ...answer.estimate, value: at(0.5), interval90: [at(0.05), at(0.95)] };
}

/** Probability of more than each cut: of a quantity; of a window; of a width, for which the window must let the first in. */
function reached({ quantity, window: open, cavity }, cuts) {
  if (!open) return cuts.map((cut) => interpolated(quantity, cut));
  if (!cavity) return cuts.map((cut) => interpolated(open, cut));
  const first = interpolated(open, cuts[0]);
  return cuts.map((cut, k) => (k === 0 ? first : first * interpolated(cavity, cut)));
}

/** Where a curve has fallen by a share. */
function quantile({ cuts, above }, share) {
  const k = Math.max(1, above.findIndex((p) => 1 - p >= share));
  const part = (share - (1 - above[k - 1])) / Math.max(above[k - 1] - above[k], 1e-12);
  return cuts[k - 1] + Math.min(1, Math.max(0, part)) * (cuts[k] - cuts[k - 1]);
}

/** The class of an estimate between cuts; the exact zero of a first class cannot be told by an estimate and stays. */
export function classByEstimate(task, answer, cuts) {
  const first = task.first_threshold_is_fixed;
  if (first && answer.class === task.classes[0]) return answer.class;
  const k = cuts.filter((cut, position) => (first && position === 0) || answer.estimate.value >= cut).length;
  return task.classes[k];
}

export const RULES = {
  trained: "calibrated on validation data",
  uncalibrated: "not calibrated",
  distribution: "moved thresholds: by the model's calibrated distribution of the quantity",
  model: "moved thresholds: by the model's own distribution of the quantity; its calibration was not tested there",
  estimate: "moved thresholds: from the estimate and its interval, not calibrated",
};

/**
 * Sliders for the cuts of a task.
 * @param changed called with the new cuts
 */
export function sliders(task, cuts, changed) {
  const { unit } = task;
  const [lowest, highest] = task.range;
  const step = roundStep((highest - lowest) / 140);
  const movable = cuts.map((cut, k) => k).filter((k) => !(k === 0 && task.first_threshold_is_fixed));
  const outputs = {};
  const inputs = {};
  const back = h("button", { type: "button", click: () => set([...task.thresholds]) }, "Reset");

  function set(next) {
    cuts = next;
    movable.forEach((k) => { inputs[k].value = cuts[k]; outputs[k].textContent = `${fixed(cuts[k])} ${unit}`; });
    back.disabled = asTrained(task, cuts);
    changed([...cuts]);
  }
  const rows = movable.map((k) => {
    outputs[k] = h("output", {}, `${fixed(cuts[k])} ${unit}`);
    inputs[k] = h("input", {
      type: "range", min: lowest + step, max: highest, step: "any", value: cuts[k], "data-cut": k,
      "aria-label": `${task.quantity_words} between ${words(task.classes[k])} and ${words(task.classes[k + 1])}`,
      keydown: (event) => {
        const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
        if (!by) return;
        event.preventDefault();
        move(k, cuts[k] + by * step);
      },
      input: (event) => move(k, Number(event.target.value)),
    });
    return h("label", {}, h("span", {}, `${words(task.classes[k])} | ${words(task.classes[k + 1])}`), outputs[k], inputs[k]);
  });
  function move(k, value) {
    const near = Math.abs(value - task.thresholds[k]) < step / 2 ? task.thresholds[k] : Math.round(value / step) * step;
    const low = k > 0 ? cuts[k - 1] + step : lowest + step;
    const high = k + 1 < cuts.length ? cuts[k + 1] - step : highest;
    const next = [...cuts];
    next[k] = +Math.min(Math.max(near, low), high).toFixed(6);
    set(next);
  }
  back.disabled = asTrained(task, cuts);
  return h("div", { class: "sliders" }, h("div", { class: "row" }, h("b", {}, "Thresholds"), back), rows);
}

/** The largest of 1, 2, 5, 10, … that is no larger than a number, at any power of ten. */
function roundStep(number) {
  const power = 10 ** Math.floor(Math.log10(number));
  return [5, 2, 1].map((k) => k * power).find((step) => step <= number);
}

/** Between two points of a curve; beyond its ends it stays as it is there, and of equal cuts the first holds. */
function interpolated({ cuts, above }, cut) {
  const next = cuts.findIndex((c) => c >= cut);
  if (next === 0) return above[0];
  const k = next < 0 ? cuts.length - 2 : next - 1;
  const share = Math.min(1, Math.max(0, (cut - cuts[k]) / (cuts[k + 1] - cuts[k])));
  return above[k] + share * (above[k + 1] - above[k]);
}

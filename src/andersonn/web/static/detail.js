// One structure in all its views.
import { look } from "/static/api.js";
import { contributionBars, convergenceChart, estimateAxis, groupTable, probabilityBars } from "/static/charts.js";
import { fixed, h, words } from "/static/dom.js";
import { graphImage } from "/static/image.js";
import { network } from "/static/network.js";
import { shortName } from "/static/table.js";
import { asTrained, classByEstimate, probabilitiesAt, RULES, sliders } from "/static/thresholds.js";
import { elementLegend, viewer } from "/static/viewer.js";

const MOST_EXPLAINED = 60; // atoms up to which a structure is explained without being asked: beyond, removing each takes long

/** What was measured of the pores, and the network's answer beside it. */
const poresLine = ({ pores, network: beside }) => h("p", { class: "soft", id: "pores" },
  `${pores.in_words}. The network, by window width: ${words(beside.class)} (${beside.probabilities[beside.class].toFixed(2)})`);

export class Detail {
  /** @param moved called with the new cuts when a slider moves */
  constructor(place, moved) {
    Object.assign(this, { place, moved, turn: 0 });
  }

  clear() {
    this.turn += 1;
    this.place.hidden = true;
    this.place.replaceChildren();
  }

  /** Shows an entry {answer, question, structure}: the answer at once, the rest as it comes. */
  async show(task, entry, cuts) {
    const turn = ++this.turn;
    Object.assign(this, { task, entry, cuts, boundary: null, view: null });
    this.place.hidden = false;
    this.headline();
    const waiting = h("section", { class: "card full soft" }, "Looking closer …");
    this.place.replaceChildren(this.top, waiting);
    try {
      const found = await look("inspect", task.name, entry.question, entry.structure);
      if (turn !== this.turn) return;
      waiting.remove();
      this.views(found);
      const few = (found.answer.n_atoms <= MOST_EXPLAINED || task.explained_at_once);
      if (few) await this.explain(turn);
    } catch (problem) {
      if (turn === this.turn) waiting.replaceChildren(problemBox(problem));
    }
  }

  headline() {
    const { answer } = this.entry;
    this.probabilities = h("div", { id: "probabilities" });
    this.axis = h("div", { id: "axis" });
    this.rule = h("p", { class: "soft", id: "rule" });
    this.className = h("p", { class: "class", id: "class" });
    const { quantity_words: name, unit } = this.task;
    const { domain, estimate, solver } = answer;
    const place = domain
      ? h("span", { class: `badge ${domain.inside ? "in" : "out"}`, id: "domain" }, `${domain.inside ? "inside" : "outside"} the model's domain`)
      : h("span", { class: "badge", id: "domain" }, "this model cannot tell its domain");
    const evaluations = solver.residual === null ? solver.status : `${solver.name}: ${solver.status} in ${solver.evaluations} evaluations, residual ${solver.residual.toExponential(1)}`;
    this.top = h("section", { class: "card full answer", id: "answer" },
      h("div", {},
        h("h2", {}, shortName(answer)),
        h("span", { class: "soft" }, `${answer.formula}, ${answer.n_atoms} ${answer.n_atoms === 1 ? "atom" : "atoms"}; ${answer.model}`),
        this.className, this.probabilities, this.rule, place,
        domain ? h("small", {}, ` distance ${fixed(domain.distance)}, limit ${fixed(domain.limit)}`) : null),
      h("div", {},
        !estimate ? null : h("p", { class: "soft", style: { margin: "0 0 4px" } }, `${name}: `, h("b", { class: "strong" }, `${fixed(estimate.value)} ${unit}`), `, 90 % interval ${fixed(estimate.interval90[0])} to ${fixed(estimate.interval90[1])} ${unit}`),
        answer.pores ? poresLine(answer) : null,
        this.axis,
        !this.cuts.length ? null : sliders(this.task, this.cuts, (cuts) => { this.cuts = cuts; this.judge(); this.moved(cuts); }),
        h("small", {}, evaluations),
        answer.warnings.length ? h("ul", { class: "warnings", "aria-label": "Warnings" }, answer.warnings.map((text) => h("li", {}, text))) : null,
        answer.notes.length ? h("ul", { class: "notes", "aria-label": "Notes" }, answer.notes.map((text) => h("li", {}, text))) : null));
    this.judge();
  }

  /** Class and probabilities at the cuts as they are. */
  judge() {
    const { task, cuts } = this;
    const { answer } = this.entry;
    const trained = asTrained(task, cuts);
    if (answer.estimate) this.axis.replaceChildren(estimateAxis(task, answer.estimate, cuts));
    if (task.answer === "number") {
      this.className.hidden = true;
      this.rule.textContent = `interval ${answer.calibrated ? RULES.trained : RULES.uncalibrated}`;
      return;
    }
    if (!trained && !this.boundary) { // not there yet: only the estimate can tell
      this.className.textContent = words(classByEstimate(task, answer, cuts));
      this.probabilities.replaceChildren();
      this.rule.textContent = RULES.estimate;
      return;
    }
    const p = trained ? answer.probabilities : probabilitiesAt(task, this.boundary, cuts);
    this.className.textContent = words(Object.keys(p).reduce((a, b) => (p[b] > p[a] ? b : a)));
    this.probabilities.replaceChildren(probabilityBars(p));
    this.rule.textContent = trained ? (answer.calibrated ? RULES.trained : RULES.uncalibrated) : RULES[this.boundary.rule];
  }

  views(found) {
    this.boundary = found.boundary;
    this.judge();
    const image = h("section", { class: "card full", id: "image" }, h("h3", {}, "Graph image: what the network reads"), graphImage(found.image, found.structure !== null));
    const convergence = h("section", { class: "card", id: "convergence" }, h("h3", {}, "Anderson beside Picard iteration, on this input"),
      found.convergence ? convergenceChart(found.convergence) : h("p", { class: "soft" }, "This model is a stack of layers; it looks for no fixed point."));
    if (!found.structure) { // read by its bonds alone
      this.explained = h("section", { class: "card", id: "explanation" });
      this.place.append(image, this.explained, convergence);
      return;
    }
    this.view = viewer(found.structure);
    const byElement = h("button", { type: "button", "aria-pressed": "true", click: () => this.color(null) }, "elements");
    this.byValue = h("button", { type: "button", "aria-pressed": "false", disabled: true, click: () => this.color(this.values) }, "contributions");
    this.byElement = byElement;
    this.explained = h("section", { class: "card", id: "explanation" }, h("h3", {}, "Which atoms drove the answer"),
      h("button", { type: "button", click: () => this.explain(this.turn) }, `Explain (${found.answer.n_atoms} atoms; may take a minute)`));
    this.place.append(
      h("section", { class: "card", id: "structure" },
        h("div", { class: "bar-top" }, h("h3", {}, "Structure"), h("span", { class: "modes" }, h("small", {}, "color by"), byElement, this.byValue)),
        this.view.element, elementLegend(found.structure)),
      h("section", { class: "card", id: "network" }, h("h3", {}, `Atom-bond network: ${found.graph.bonds} bonds`), network(found.structure, found.graph)),
      image, this.explained, convergence);
  }

  async explain(turn) {
    const title = h("h3", {}, this.view ? "Which atoms drove the answer" : "Which groups drove the answer");
    this.explained.replaceChildren(title, h("p", { class: "soft" }, this.view ? "removing atoms …" : "replacing groups …"));
    try {
      const found = await look("explain", this.task.name, this.entry.question, this.entry.structure);
      if (turn !== this.turn) return;
      const own = found.warnings.filter((text) => !this.entry.answer.warnings.includes(text));
      const doubts = own.length ? h("ul", { class: "warnings" }, own.map((text) => h("li", {}, text))) : "";
      if (found.method === "groups") {
        this.explained.replaceChildren(title, ...found.summary.map((text) => h("p", {}, `${text}.`)),
          h("img", { id: "drawing", alt: "The molecule, its groups in the colors of their contributions", style: { background: "white", maxWidth: "100%", borderRadius: "6px" }, src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(found.drawing)}` }),
          found.groups.length ? groupTable(found.groups) : "",
          h("p", { class: "soft" }, `Decrease of ${found.class ? `the log-odds of ${words(found.class)}` : this.task.quantity_words} without the group. Red adds, blue subtracts.`), doubts);
        return;
      }
      this.values = found.contributions.map((row) => row.value);
      this.byValue.disabled = false;
      const what = found.method === "dipole" ? `Parts of the ${this.task.quantity_words}, which add up to ${fixed(found.total)} ${this.task.unit}` : `Fall of the log-odds of ${words(found.class)} when the atom is removed`;
      this.explained.replaceChildren(title, ...found.summary.map((text) => h("p", {}, `${text}.`)),
        found.groups ? groupTable(found.groups) : "",
        h("p", { class: "soft" }, `${what}. Red adds, blue subtracts.`), contributionBars(found),
        found.contributions.length > 12 ? h("small", {}, `the 12 largest of ${found.contributions.length}; all are colors of the structure`) : "",
        doubts);
    } catch (problem) {
      if (turn === this.turn) this.explained.replaceChildren(title, problemBox(problem));
    }
  }

  color(values) {
    this.view.show(values);
    this.byElement.setAttribute("aria-pressed", String(!values));
    this.byValue.setAttribute("aria-pressed", String(Boolean(values)));
  }
}

/** An error as people see it: cause and cure. */
export function problemBox(problem, input = "", action = null) {
  return h("div", { class: "problem", role: "alert" }, h("b", {}, input ? `${input}: ` : "", problem.message), h("p", {}, problem.hint ?? ""), action);
}

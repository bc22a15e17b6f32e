// One structure in all its views.
import { look } from "/static/api.js";
import { dipoleLegend, drawable } from "/static/arrow.js";
import { card, tools } from "/static/cards.js";
import { contributionBars, convergenceChart, estimateAxis, groupTable, probabilityBars } from "/static/charts.js";
import { fixed, h, words } from "/static/dom.js";
import { formula } from "/static/formula.js";
import { graphImage } from "/static/image.js";
import { knownTable, truth } from "/static/known.js";
import { network } from "/static/network.js";
import { snippets } from "/static/python.js";
import { raceCard } from "/static/race.js";
import { fits, SIZES } from "/static/supercell.js";
import { plain, shortName } from "/static/table.js";
import { asTrained, classByEstimate, estimateAt, mostProbable, probabilitiesAt, RULES, sliders } from "/static/thresholds.js";
import { elementLegend, poreLegend, viewer } from "/static/viewer.js";

const MOST_EXPLAINED = 60; // atoms up to which a structure is explained without being asked: beyond, removing each takes long
const WHICH = (atoms) => `Which ${atoms ? "atoms" : "groups"} drove the answer`;

/** What was measured of the pores, and the network's answer beside it. */
const poresLine = ({ pores, network: beside }) => h("p", { class: "soft", id: "pores" },
  `${pores.in_words}. The network, by window width: ${words(beside.class)} (${beside.probabilities[beside.class].toFixed(2)})`);

export class Detail {
  /**
   * @param moved called with the new cuts when a slider moves
   * @param cells {get, set}: how many cells of a crystal are drawn in each direction
   */
  constructor(place, moved, cells) {
    Object.assign(this, { place, moved, cells, turn: 0, asked: new AbortController() });
  }

  clear() {
    this.turn += 1;
    this.asked.abort();
    this.place.hidden = true;
    this.place.replaceChildren();
  }

  /** Shows an entry {answer, question, structure}: the answer at once, the rest as it comes. */
  async show(task, entry, cuts) {
    this.clear();
    const { turn } = this;
    Object.assign(this, { task, entry, cuts, boundary: null, view: null, drawn: null, bars: null, asked: new AbortController() });
    this.place.hidden = false;
    this.name = shortName(entry.answer).replace(/\.[A-Za-z]{2,7}$/, "").replaceAll(/[^\w.-]+/g, "_").slice(0, 60);
    this.headline();
    const waiting = h("section", { class: "card full soft" }, "Looking closer …");
    this.place.replaceChildren(this.top, waiting);
    try {
      const found = await look("inspect", task.name, entry.question, entry.structure, this.asked.signal);
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
    this.truth = h("div");
    this.take = h("div");
    this.estimate = h("p", { class: "soft", id: "estimate", style: { margin: "0 0 4px" } });
    const { domain, estimate, solver } = answer;
    const place = domain
      ? h("span", { class: `badge ${domain.inside ? "in" : "out"}`, id: "domain" }, `${domain.inside ? "inside" : "outside"} the model's domain`)
      : h("span", { class: "badge", id: "domain" }, "this model cannot tell its domain");
    const evaluations = solver.residual === null ? solver.status : `${solver.name}: ${solver.status} in ${solver.evaluations} evaluations, residual ${solver.residual.toExponential(1)}`;
    this.top = h("section", { class: "card full", id: "answer" }, h("div", { class: "answer" },
      h("div", {},
        h("h2", {}, shortName(answer)),
        h("span", { class: "soft" }, `${answer.formula}, ${answer.n_atoms} ${answer.n_atoms === 1 ? "atom" : "atoms"}; ${answer.model}`),
        this.className, this.probabilities, this.rule, place,
        domain ? h("small", {}, ` distance ${fixed(domain.distance)}, limit ${fixed(domain.limit)}`) : null),
      h("div", {},
        estimate ? this.estimate : null,
        this.truth,
        answer.pores ? poresLine(answer) : null,
        this.axis,
        !this.cuts.length ? null : sliders(this.task, this.cuts, (cuts) => { this.cuts = cuts; this.judge(); this.moved(cuts); }),
        h("small", {}, evaluations),
        answer.warnings.length ? h("ul", { class: "warnings", "aria-label": "Warnings" }, answer.warnings.map((text) => h("li", {}, text))) : null,
        answer.notes.length ? h("ul", { class: "notes", "aria-label": "Notes" }, answer.notes.map((text) => h("li", {}, text))) : null)), this.take);
    this.judge();
  }

  /** Class and probabilities at the cuts as they are. */
  judge() {
    const { task, cuts } = this;
    const { answer } = this.entry;
    const trained = asTrained(task, cuts);
    if (answer.estimate) this.estimated(trained ? answer.estimate : estimateAt(answer, cuts));
    const { predict: python } = snippets(task, this.entry, cuts, this.smiles ?? null);
    this.take.replaceChildren(tools({ name: `${this.name}-answer`, json: () => plain(answer), svg: answer.estimate ? () => this.axis.querySelector("svg") : null, python }));
    if (task.answer === "number") {
      this.className.hidden = true;
      this.rule.textContent = `interval ${answer.calibrated ? RULES.trained : RULES.uncalibrated}`;
      return;
    }
    const boundary = answer.curve ? { rule: "distribution", curve: answer.curve } : this.boundary;
    if (!trained && !boundary) { // not there yet: only the estimate can tell
      this.className.textContent = words(classByEstimate(task, answer, cuts));
      this.probabilities.replaceChildren();
      this.rule.textContent = RULES.estimate;
      return;
    }
    const p = trained ? answer.probabilities : probabilitiesAt(task, boundary, cuts);
    this.className.textContent = words(mostProbable(p));
    this.probabilities.replaceChildren(probabilityBars(p));
    this.rule.textContent = trained ? (answer.calibrated ? RULES.trained : RULES.uncalibrated) : RULES[boundary.rule];
  }

  /** The estimate with its interval, in words and on the axis. */
  estimated(estimate) {
    const { quantity_words: name, unit } = this.task;
    const [low, high] = estimate.interval90;
    this.estimate.replaceChildren(`${name}: `, h("b", { class: "strong" }, `${fixed(estimate.value)} ${unit}`), `, 90 % interval ${fixed(low)} to ${fixed(high)} ${unit}`);
    this.axis.replaceChildren(estimateAxis(this.task, estimate, this.cuts));
  }

  views(found) {
    const { task, name } = this;
    Object.assign(this, { boundary: found.boundary, smiles: found.skeletal?.smiles ?? null });
    this.python = snippets(task, this.entry, this.cuts, this.smiles);
    this.judge();
    this.truth.replaceChildren(truth(task, found.known) ?? "");
    const known = found.known.length ? card({ id: "known" }, "Similar known substances", { name: `${name}-known`, json: () => found.known },
      knownTable(task, found.known, (row) => document.dispatchEvent(new CustomEvent("askknown", { detail: row })))) : null;
    const image = graphImage(found.image, found.structure !== null);
    const imageCard = card({ id: "image", class: "full" }, "Graph image: what the network reads",
      { name: `${name}-image`, canvas: () => image.querySelector("canvas"), json: () => found.image, python: this.python.image }, image);
    const chart = found.convergence ? convergenceChart(found.convergence) : h("p", { class: "soft" }, "This model is a stack of layers; it looks for no fixed point.");
    const convergence = card({ id: "convergence" }, "Anderson beside Picard iteration, on this input",
      found.convergence ? { name: `${name}-convergence`, svg: () => chart.querySelector("svg"), json: () => found.convergence, python: this.python.converge } : {}, chart,
      found.convergence ? raceCard({ task: task.name, question: this.entry.question, structure: this.entry.structure, signal: this.asked.signal }, problemBox) : "");
    this.explained = h("section", { class: "card", id: "explanation" }, h("h3", {}, WHICH(found.structure)),
      h("button", { type: "button", click: () => this.explain(this.turn) }, `Explain (${found.answer.n_atoms} atoms; may take a minute)`));
    const cards = [this.structureCard(found), this.bondsCard(found), imageCard, this.explained, known, convergence];
    this.place.append(...cards.filter(Boolean));
  }

  structureCard({ structure, files, pores }) {
    if (!structure) return null; // read by its bonds alone
    this.view = viewer(structure, pores, (atom) => this.link(atom));
    this.byElement = h("button", { type: "button", "aria-pressed": "true", click: () => this.color(null) }, "elements");
    this.byValue = h("button", { type: "button", "aria-pressed": "false", disabled: true, click: () => this.color(this.values) }, "contributions");
    this.modes = h("span", { class: "modes" }, structure.cell ? this.cellChoice(structure) : "", pores ? shownButton("pores", (shown) => this.view.showPores(shown)) : "", h("small", {}, "color by"), this.byElement, this.byValue);
    return card({ id: "structure" }, "Structure", { name: this.name, modes: this.modes, files, canvas: () => this.view.canvas, json: () => structure, python: this.python.read },
      this.view.element, elementLegend(structure), pores ? poreLegend(pores) : "");
  }

  /** How many cells are drawn; more than fit are not offered. */
  cellChoice(structure) {
    const offered = SIZES.filter((size) => fits(structure, size));
    const shown = Math.min(this.cells.get(), offered.at(-1));
    const name = (size) => `${size} × ${size} × ${size}`;
    if (shown > 1) this.view.cells(shown);
    const choice = h("select", { id: "cells", "aria-label": "Cells that are drawn", title: offered.length < SIZES.length ? "more cells have too many atoms to be drawn" : "cells that are drawn",
      change: () => { this.cells.set(Number(choice.value)); this.view.cells(Number(choice.value)); } },
    SIZES.map((size) => h("option", { value: size, selected: size === shown, disabled: !offered.includes(size) }, name(size))));
    return choice;
  }

  /** Draws the dipole moment that an explanation found, with what it means and a button that hides it. */
  dipole(found) {
    if (!found || !this.view) return;
    this.view.showDipole(found);
    this.view.element.after(dipoleLegend(found));
    if (drawable(found)) this.modes.prepend(shownButton("dipole", (shown) => this.view.showDipole(shown ? found : null)));
  }

  /** The skeletal formula of a molecule; of a crystal, and where bonds cannot be told, the network. */
  bondsCard({ structure, graph, skeletal, image }) {
    if (!skeletal && !graph) return null;
    if (!skeletal) {
      const drawn = network(structure, graph);
      return card({ id: "network" }, `Atom-bond network: ${graph.bonds} bonds`,
        { name: `${this.name}-network`, canvas: () => drawn.querySelector("canvas"), json: () => graph, python: this.python.network }, drawn);
    }
    this.drawn = formula(skeletal, structure?.atoms ?? image.symbols, (atom) => this.link(atom));
    const numbers = h("button", { type: "button", "aria-pressed": "false", click: () => {
      const shown = numbers.getAttribute("aria-pressed") === "false";
      numbers.setAttribute("aria-pressed", String(shown));
      this.drawn.number(shown);
    } }, "atom numbers");
    return card({ id: "formula" }, "Skeletal formula", { name: `${this.name}-formula`, modes: h("span", { class: "modes" }, numbers), svg: () => this.drawn.svg, json: () => skeletal, python: this.python.formula },
      this.drawn.element, h("small", {}, skeletal.smiles));
  }

  async explain(turn) {
    const title = h("h3", {}, WHICH(this.view));
    this.explained.replaceChildren(title, h("p", { class: "soft" }, this.view ? "removing atoms …" : "replacing groups …"));
    try {
      const found = await look("explain", this.task.name, this.entry.question, this.entry.structure, this.asked.signal);
      if (turn !== this.turn) return;
      const own = found.warnings.filter((text) => !this.entry.answer.warnings.includes(text));
      const doubts = own.length ? h("ul", { class: "warnings" }, own.map((text) => h("li", {}, text))) : "";
      const take = { name: `${this.name}-contributions`, json: () => found, python: this.python.explain };
      if (found.method === "groups") {
        this.explained.replaceChildren(title, ...found.summary.map((text) => h("p", {}, sentence(text))),
          ...(found.groups.length ? [h("img", { id: "drawing", alt: "The molecule, its groups in the colors of their contributions", style: { background: "white", maxWidth: "100%", borderRadius: "6px" }, src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(found.drawing)}` }),
          groupTable(found.groups),
          h("p", { class: "soft" }, `Decrease of ${found.class ? `the log-odds of ${words(found.class)}` : this.task.quantity_words} without the group. Red adds, blue subtracts.`)] : []), doubts,
          tools({ ...take, files: { svg: found.drawing } }));
        return;
      }
      this.values = found.contributions.map((row) => row.value);
      this.byValue.disabled = false;
      if (found.method === "dipole") this.dipole(found.dipole);
      const what = found.method === "dipole" ? `Parts of the ${this.task.quantity_words}, which add up to ${fixed(found.total)} ${this.task.unit}` : `Fall of the log-odds of ${words(found.class)} when the atom is removed`;
      this.bars = contributionBars(found, (atom) => this.link(atom));
      this.explained.replaceChildren(title, ...found.summary.map((text) => h("p", {}, sentence(text))),
        found.groups ? groupTable(found.groups) : "",
        h("p", { class: "soft" }, `${what}. Red adds, blue subtracts.`), this.bars,
        found.contributions.length > 12 ? h("small", {}, `the 12 largest of ${found.contributions.length}; all are colors of the structure`) : "",
        doubts, tools({ ...take, svg: () => this.bars }));
    } catch (problem) {
      if (turn === this.turn) this.explained.replaceChildren(title, problemBox(problem));
    }
  }

  /** Shows an atom in all views at once; null shows none. */
  link(atom) {
    this.view?.mark(atom);
    this.drawn?.mark(atom);
    this.bars?.querySelectorAll(".row-of").forEach((row) => row.classList.toggle("on", atom !== null && Number(row.dataset.atom) === atom));
  }

  color(values) {
    this.view.show(values);
    this.byElement.setAttribute("aria-pressed", String(!values));
    this.byValue.setAttribute("aria-pressed", String(Boolean(values)));
  }
}

/** A button that shows something or hides it. */
function shownButton(name, show) {
  const button = h("button", { type: "button", "aria-pressed": "true", click: () => {
    const shown = button.getAttribute("aria-pressed") === "false";
    button.setAttribute("aria-pressed", String(shown));
    show(shown);
  } }, name);
  return button;
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

/** An error as people see it: cause and cure. */
export function problemBox(problem, input = "", action = null) {
  return h("div", { class: "problem", role: "alert" }, h("b", {}, input ? `${input}: ` : "", problem.message), h("p", {}, problem.hint ?? ""), action);
}

// Known substances: looked up by name or composition, and beside an answer.
import { get } from "/static/api.js";
import { fixed, h, percent } from "/static/dom.js";

const WAIT = 200; // ms after the last letter

/** What is asked of a known substance. */
export async function inputsOf(substance) {
  if (substance.smiles) return { text: substance.smiles === substance.name ? substance.smiles : `${substance.smiles} ${substance.name}` };
  const { name, text } = await get(`/api/known/${encodeURIComponent(substance.name)}`);
  return { files: [new File([text], name)] };
}

/**
 * The box to look something up: examples first, then known substances.
 * @param examples function that gives them  @param choose called with an example or a substance
 */
export function finder(input, list, examples, choose) {
  let [soon, turn] = [0, 0];
  const show = (rows) => {
    list.replaceChildren(...rows);
    list.hidden = !rows.length;
    input.setAttribute("aria-expanded", String(Boolean(rows.length)));
  };
  const row = (label, detail, found) => h("li", {}, h("button", { type: "button", click: () => { show([]); choose(found); } }, h("b", {}, label), " ", h("small", {}, detail)));
  async function search() {
    const [query, mine] = [input.value.trim(), ++turn];
    if (!query) { show([]); return; }
    const own = examples().filter(({ name, formula }) => name.toLowerCase().includes(query.toLowerCase()) || (formula && formula === query)).map((example) => row(example.name, ["example", example.formula].filter(Boolean).join("; "), example));
    const { found } = await get(`/api/known?${new URLSearchParams({ q: query })}`).catch(() => ({ found: [] }));
    if (mine !== turn) return;
    const rows = [...own, ...found.map((one) => row(one.name, [one.formula, reference(one)].filter(Boolean).join("; "), one))];
    show(rows.length ? rows : [h("li", { class: "soft" }, "Nothing known under this name or composition.")]);
  }
  input.addEventListener("input", () => { clearTimeout(soon); soon = setTimeout(search, WAIT); });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") show([]);
    if (event.key === "Enter") { event.preventDefault(); list.querySelector("button")?.click(); }
    if (event.key === "ArrowDown") { event.preventDefault(); list.querySelector("button")?.focus(); }
  });
  list.addEventListener("keydown", (event) => {
    const buttons = [...list.querySelectorAll("button")];
    const next = buttons.indexOf(document.activeElement) + { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") { show([]); input.focus(); }
    if (Number.isNaN(next)) return;
    event.preventDefault();
    (buttons[next] ?? input).focus();
  });
}

const reference = ({ value, quantity }) => (value === undefined ? "" : `${fixed(value)} ${unitOf(quantity)}`);
const unitOf = (quantity) => quantity.split("_").at(-1);

/** The sentence on the answer: what is known of this very substance; null if nothing is. */
export function truth(task, rows) {
  const same = rows.filter((row) => row.same);
  if (!same.length) return null;
  const values = same.map((row) => fixed(row.value)).join(", ");
  const crystal = task.periodic ? " of this composition, perhaps in another structure" : " of this molecule";
  return h("p", { class: "known", id: "truth" }, h("b", {}, `Reference${crystal}: ${values} ${task.unit}`), ` (${same[0].source})`);
}

/** The most similar substances with their reference values. */
export function knownTable(task, rows, choose) {
  return h("div", {}, h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Similar known substances" }, h("table", { class: "chart-table" },
    h("thead", {}, h("tr", {}, ["substance", "formula", "similarity", `reference / ${task.unit}`].map((title, k) => h("th", { scope: "col", class: k > 1 ? "right" : null }, title)))),
    h("tbody", {}, rows.map((row) => h("tr", {},
      h("td", {}, h("button", { type: "button", class: "link", click: () => choose(row) }, row.name)), h("td", {}, row.formula),
      h("td", { class: "number" }, row.same ? (task.periodic ? "same composition" : "the same") : percent(row.similarity)), h("td", { class: "number" }, fixed(row.value))))))),
  h("small", {}, `${task.periodic ? "Similar in composition" : "Similar in bonds (Tanimoto, Morgan fingerprints)"}, among the data sets that come with this package. Source: ${[...new Set(rows.map((row) => row.source))].join("; ")}.`));
}

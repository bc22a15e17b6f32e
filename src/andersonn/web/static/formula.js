// The skeletal formula of a molecule, drawn from RDKit's strokes.
import { atomName, h, withTip } from "/static/dom.js";

/**
 * @param view the API's "skeletal"  @param symbols of all atoms of the structure  @param pick called with the atom under the pointer, or null
 * @returns {element, svg, mark(atom), number(shown)}
 */
export function formula(view, symbols, pick) {
  const halo = h("circle", { r: 15, fill: "var(--accent)", opacity: 0, class: "halo" });
  const strokes = view.strokes.map(({ d, fill, stroke, width }) => h("path", { d, fill: shade(fill), stroke: shade(stroke), "stroke-width": width, "stroke-linecap": "round", "stroke-linejoin": "round" }));
  const numbers = h("g", { class: "numbers", display: "none" }, view.atoms.map(([atom, x, y]) =>
    h("text", { x: x + 7, y: y - 7, class: "number" }, `${atom + 1}`)));
  const svg = h("svg", { viewBox: `0 0 ${view.width} ${view.height}`, role: "img", "aria-label": `Skeletal formula of ${view.smiles}` }, halo, strokes, numbers);
  const stage = withTip(svg, (x, y) => {
    const scale = view.width / svg.clientWidth;
    const found = view.atoms.find(([, ax, ay]) => Math.hypot(ax - x * scale, ay - y * scale) < 14);
    pick(found ? found[0] : null);
    if (!found) return null;
    const hydrogens = view.shown_by.filter((by, atom) => by === found[0] && atom !== found[0]).length;
    return `${atomName(symbols, found[0])}${hydrogens ? `, with ${hydrogens} H` : ""}`;
  });
  svg.addEventListener("pointerleave", () => pick(null));
  return {
    element: stage, svg,
    /** Puts a light behind an atom; a hydrogen's is behind its neighbor. */
    mark(atom) {
      const place = atom === null ? null : view.atoms.find(([drawn]) => drawn === view.shown_by[atom]);
      halo.setAttribute("opacity", place ? 0.3 : 0);
      if (place) { halo.setAttribute("cx", place[1]); halo.setAttribute("cy", place[2]); }
    },
    number(shown) { numbers.setAttribute("display", shown ? "inline" : "none"); },
  };
}

/** Black follows the theme; other colors come nearer to it, so that they are read on dark paper too. */
function shade(color) {
  if (color === "none" || !color) return "none";
  return color === "#000000" ? "var(--ink)" : `color-mix(in srgb, ${color} 80%, var(--ink))`;
}

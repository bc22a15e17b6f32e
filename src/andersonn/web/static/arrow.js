// The dipole moment of a molecule, drawn over it: from the negative to the positive end.
import { color, fixed, h } from "/static/dom.js";

const PER_DEBYE = 0.6; // Å of arrow for each D
const SHORTEST = 0.1; // D, below which the direction is arbitrary and no arrow is drawn
const HEAD = 13; // pixels

/** |μ| of the conformer that is drawn, D. */
const lengthOf = ({ vector_D: vector }) => Math.hypot(...vector);

/** Whether a dipole moment has a direction to be drawn; null and undefined have none. */
export const drawable = (dipole) => Boolean(dipole?.vector_D) && lengthOf(dipole) >= SHORTEST;

/** Its ends about the middle of the drawing, in Å. */
export const ends = ({ vector_D: vector }) => [-PER_DEBYE / 2, PER_DEBYE / 2].map((share) => vector.map((part) => share * part));

/** How far it reaches from there with its label, Å. */
export const reachOf = (dipole) => 1.2 + (PER_DEBYE / 2) * lengthOf(dipole);

/** What is written at its tip. */
const tag = (dipole) => `${fixed(lengthOf(dipole))} D`;

/** Draws it between two places of the canvas, with an edge in the color of the card that sets it off from atoms. */
export function arrow(context, from, to, dipole) {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = Math.max(1e-6, Math.hypot(dx, dy));
  const head = Math.min(HEAD, 0.6 * length);
  const [ux, uy] = [dx / length, dy / length];
  const base = [to[0] - ux * head, to[1] - uy * head];
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const [shade, edge] of [[color("card"), 4], [color("ink"), 0]]) {
    context.strokeStyle = context.fillStyle = shade;
    context.lineWidth = 3 + edge;
    context.beginPath();
    context.moveTo(from[0], from[1]);
    context.lineTo(base[0], base[1]);
    context.stroke();
    context.lineWidth = Math.max(1, edge);
    context.beginPath();
    context.moveTo(to[0], to[1]);
    context.lineTo(base[0] - uy * head * 0.45, base[1] + ux * head * 0.45);
    context.lineTo(base[0] + uy * head * 0.45, base[1] - ux * head * 0.45);
    context.closePath();
    context.stroke();
    context.fill();
  }
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  const place = [to[0] + ux * 26, to[1] + uy * 14];
  context.lineWidth = 4;
  context.strokeStyle = color("card");
  context.strokeText(tag(dipole), ...place);
  context.fillStyle = color("ink");
  context.fillText(tag(dipole), ...place);
}

/** What the arrow means, as a line below the structure. */
export function dipoleLegend(dipole) {
  const many = dipole.of_conformers_D.length;
  const which = many > 1 ? ` of the conformer drawn, one of ${many}` : "";
  const told = drawable(dipole)
    ? `Arrow: dipole moment${which}, ${tag(dipole)}, from the negative to the positive end; 1 D is ${PER_DEBYE} Å long`
    : `No arrow: the dipole moment${which} is below ${SHORTEST} D and has no certain direction`;
  return h("div", { class: "legend", id: "dipole-legend" }, told);
}

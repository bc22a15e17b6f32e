// The atom-bond network laid flat: which atoms are bonded, wherever in space they are.
import { atomName, canvas, color, h, withTip } from "/static/dom.js";

const MOST_LAID = 260; // larger networks are shown as seen from the front: laying them flat takes too long

/** @param view the API's "structure"  @param graph the API's "graph" */
export function network(view, graph) {
  const n = view.atoms.length;
  const places = n <= MOST_LAID ? laidFlat(n, graph.edges) : fromFront(view, n);
  let placed = [];
  const label = `${graph.bonds} bonds between ${n} atoms.`;
  const element = canvas(340, draw, { "aria-label": `Atom-bond network: ${label}` });

  function draw(context, width, height) {
    const [left, right] = [Math.min(...places.map((p) => p[0])), Math.max(...places.map((p) => p[0]))];
    const [low, high] = [Math.min(...places.map((p) => p[1])), Math.max(...places.map((p) => p[1]))];
    const margin = 34;
    const scale = Math.min((width - 2 * margin) / Math.max(right - left, 1e-6), (height - 2 * margin) / Math.max(high - low, 1e-6), 90);
    placed = places.map(([x, y]) => [width / 2 + scale * (x - (left + right) / 2), height / 2 - scale * (y - (low + high) / 2)]);
    const radius = n > 120 ? 4 : n > 40 ? 7 : 12;
    graph.edges.forEach(([i, j, count, , leaves]) => edge(context, placed[i], placed[j], count, leaves, radius, n));
    placed.forEach(([x, y], atom) => node(context, x, y, radius, view.atoms[atom], view.elements[view.atoms[atom]].color, n));
  }
  const tipAt = (x, y) => {
    const atom = placed.findIndex((p) => Math.hypot(p[0] - x, p[1] - y) < 12);
    return atom < 0 ? null : `${atomName(view.atoms, atom)}: ${graph.coordination[atom]} bonds`;
  };
  const many = graph.edges.some(([, , count]) => count > 1);
  return h("div", {}, withTip(element, tipAt), h("div", { class: "legend" },
    h("span", {}, h("i", { class: "stroke", style: { background: color("soft") } }), "bond"),
    view.periodic ? h("span", {}, "dashed: to a neighboring cell") : null,
    many ? h("span", {}, "×2: bonds to so many images of the atom") : null,
    n > MOST_LAID ? h("span", {}, "as seen from the front") : null));
}

function edge(context, from, to, count, leaves, radius, n) {
  context.strokeStyle = color("soft");
  context.lineWidth = Math.min(4, 1 + 0.4 * count);
  context.setLineDash(leaves ? [5, 4] : []);
  context.beginPath();
  const loop = Math.hypot(from[0] - to[0], from[1] - to[1]) < 1e-6;
  if (loop) context.arc(from[0], from[1] - radius * 1.5, radius * 1.3, 0, 2 * Math.PI);
  else { context.moveTo(...from); context.lineTo(...to); }
  context.stroke();
  context.setLineDash([]);
  if (count > 1 && n <= 40) {
    const at = loop ? [from[0], from[1] - radius * 3.6] : [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
    context.font = "12px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineWidth = 4;
    context.strokeStyle = color("card");
    context.strokeText(`×${count}`, ...at);
    context.fillStyle = color("ink");
    context.fillText(`×${count}`, ...at);
  }
}

function node(context, x, y, radius, symbol, fill, n) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = fill;
  context.fill();
  context.strokeStyle = color("ink");
  context.lineWidth = 1;
  context.stroke();
  if (n > 40) return;
  context.fillStyle = dark(fill) ? "#fff" : "#14181d";
  context.font = "600 11px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(symbol, x, y + 0.5);
}

/** Whether white letters are read better on a color. */
export function dark(hex) {
  const [r, g, b] = [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b < 140;
}

function fromFront(view, n) {
  const places = Array.from({ length: n }, () => [0, 0]);
  view.balls.slice(0, n).forEach(([x, y, z, atom]) => { places[atom] = [x + 0.25 * y, z + 0.2 * y]; });
  return places;
}

/** Springs along bonds, repulsion between all atoms; the same picture every time. */
function laidFlat(n, edges) {
  const places = Array.from({ length: n }, (_, k) => [Math.sqrt(k) * Math.cos(2.39996 * k), Math.sqrt(k) * Math.sin(2.39996 * k)]);
  const steps = n > 100 ? 250 : 500;
  for (let step = 0; step < steps; step++) {
    const force = places.map(([x, y]) => [-0.02 * x, -0.02 * y]);
    for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) {
      const [dx, dy] = [places[i][0] - places[j][0], places[i][1] - places[j][1]];
      const push = 0.6 / (dx * dx + dy * dy + 0.01);
      force[i][0] += push * dx; force[i][1] += push * dy; force[j][0] -= push * dx; force[j][1] -= push * dy;
    }
    edges.forEach(([i, j]) => {
      if (i === j) return;
      const [dx, dy] = [places[j][0] - places[i][0], places[j][1] - places[i][1]];
      const pull = 0.5 * (Math.hypot(dx, dy) - 1) / Math.max(Math.hypot(dx, dy), 0.01);
      force[i][0] += pull * dx; force[i][1] += pull * dy; force[j][0] -= pull * dx; force[j][1] -= pull * dy;
    });
    const most = 0.4 * (1 - step / steps);
    places.forEach((place, k) => {
      const size = Math.hypot(...force[k]) || 1;
      const share = Math.min(size, most) / size;
      place[0] += share * force[k][0]; place[1] += share * force[k][1];
    });
  }
  return places;
}

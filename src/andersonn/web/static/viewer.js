// Balls and sticks in 3-D on a plain canvas: parallel projection, drawn from back to front.
import { arrow, drawable, ends, reachOf } from "/static/arrow.js";
import { atomName, canvas, color, diverging, h, withTip } from "/static/dom.js";
import { minus, plus, repeated } from "/static/supercell.js";

const HELP = "Drag or arrow keys turn, wheel, two fingers or + and − zoom, 0 resets.";
const BALL = 0.42; // of the covalent radius
const ZOOM = 1.25;

/**
 * The turnable structure.
 * @param view as the API's "structure"
 * @param pores the API's "pores", or null
 * @param pick called with the atom under the pointer, or null
 */
export function viewer(view, pores, pick) {
  let scene = staged(view, pores, 1);
  const state = { turn: start(view.periodic), zoom: ZOOM, values: null, span: 1, placed: [], marked: null, labels: false, pores: Boolean(pores), dipole: null };
  const guests = new Set(pores?.guests ?? []);
  const fingers = new Map();
  const element = canvas(340, draw, {
    class: "turn", "aria-label": `${view.formula} in three dimensions. ${HELP}`, title: HELP,
    pointerdown: (event) => { element.setPointerCapture(event.pointerId); fingers.set(event.pointerId, [event.clientX, event.clientY]); },
    pointerup: (event) => fingers.delete(event.pointerId),
    pointercancel: (event) => fingers.delete(event.pointerId),
    pointerleave: () => pick(null),
    pointermove: (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      const apart = spread();
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      if (fingers.size > 1) zoom(spread() / apart);
      else rotate((event.clientX - before[0]) * 0.01, (event.clientY - before[1]) * 0.01);
    },
    wheel: (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY * 0.0015)); },
    keydown: (event) => {
      const keys = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] };
      if (keys[event.key]) rotate(...keys[event.key]);
      else if (event.key === "+" || event.key === "=") zoom(1.15);
      else if (event.key === "-") zoom(1 / 1.15);
      else if (event.key === "0") reset();
      else return;
      event.preventDefault();
    },
  });

  // One finger may still scroll the page; two are ours.
  element.addEventListener("touchstart", (event) => { if (event.touches.length > 1) event.preventDefault(); }, { passive: false });

  /** Between the first two fingers. */
  function spread() {
    const [a, b = a] = [...fingers.values()];
    return Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
  }
  function reset() {
    Object.assign(state, { turn: start(view.periodic), zoom: ZOOM });
    element.redraw();
  }
  function rotate(dx, dy) {
    state.turn = product(product(aboutX(dy), aboutY(dx)), state.turn);
    element.redraw();
  }
  function zoom(factor) {
    state.zoom = Math.min(8, Math.max(0.4, state.zoom * factor));
    element.redraw();
  }
  function colorOf(atom) {
    return state.values ? diverging(state.values[atom], state.span) : view.elements[view.atoms[atom]].color;
  }
  function draw(context, width, height) {
    const { balls, halves, edges, spheres } = scene;
    const scale = state.zoom * Math.min(width, height) / (2 * Math.max(scene.reach, state.dipole ? reachOf(state.dipole) : 0));
    const at = (p) => {
      const [x, y, z] = applied(state.turn, p);
      return [width / 2 + scale * x, height / 2 - scale * y, z];
    };
    const placed = balls.map((one) => at(one.at));
    const items = [];
    edges.forEach(([a, b]) => {
      const [from, to] = [at(a), at(b)];
      items.push([(from[2] + to[2]) / 2 - 0.5, () => line(context, from, to, color("soft"), 1)]);
    });
    halves.forEach(({ ball, end }) => {
      const [from, to] = [placed[ball], at(end)];
      items.push([(from[2] + to[2]) / 2, () => stick(context, from, to, colorOf(balls[ball].atom), scale)]);
    });
    placed.forEach(([x, y, z], k) => {
      const { atom } = balls[k];
      const radius = Math.max(2.5, scale * BALL * view.elements[view.atoms[atom]].radius);
      items.push([z, () => ball(context, x, y, radius, colorOf(atom))]);
    });
    placed.forEach(([x, y, z], k) => {
      const { atom, own } = balls[k];
      const radius = Math.max(2.5, scale * BALL * view.elements[view.atoms[atom]].radius);
      if (atom === state.marked) items.push([z + 0.01, () => ring(context, x, y, radius + 4, color("accent"))]);
      if (state.labels && own) items.push([z + 0.02, () => label(context, x, y, atomName(view.atoms, atom))]);
    });
    if (state.pores) {
      spheres.forEach(({ center: place, radius, shade, share }) => {
        const [x, y, z] = at(place);
        items.push([z, () => bubble(context, x, y, radius * scale, color(shade), share)]);
      });
      placed.forEach(([x, y, z], k) => {
        const { atom } = balls[k];
        if (guests.has(atom)) items.push([z + 0.01, () => ring(context, x, y, scale * BALL * view.elements[view.atoms[atom]].radius + 3, color("bad"))]);
      });
    }
    items.sort((a, b) => a[0] - b[0]).forEach(([, paint]) => paint());
    if (state.dipole) arrow(context, ...ends(state.dipole).map(at), state.dipole);
    state.placed = placed.map(([x, y, z], k) => ({ x, y, z, atom: balls[k].atom }));
    state.scale = scale;
  }
  function tipAt(x, y) {
    const near = state.placed
      .filter((p) => Math.hypot(p.x - x, p.y - y) < Math.max(7, state.scale * BALL * view.elements[view.atoms[p.atom]].radius))
      .sort((a, b) => b.z - a.z)[0];
    pick(near ? near.atom : null);
    if (!near) return null;
    const name = atomName(view.atoms, near.atom);
    return state.values ? `${name}: ${state.values[near.atom].toFixed(3)}` : name;
  }
  const button = (text, name, click, others = {}) => h("button", { type: "button", "aria-label": name, title: name, click, ...others }, text);
  const labels = button("A", "Labels of atoms", () => {
    state.labels = !state.labels;
    labels.setAttribute("aria-pressed", String(state.labels));
    element.redraw();
  }, { "aria-pressed": "false" });
  return {
    element: h("div", { class: "stage" }, withTip(element, tipAt), h("div", { class: "zoom" },
      labels, button("+", "Zoom in", () => zoom(1.25)), button("−", "Zoom out", () => zoom(0.8)), button("⟲", "Turn and zoom back", reset))),
    canvas: element,
    /** Shows so many cells in each direction. */
    cells(size) {
      scene = staged(view, pores, size);
      element.redraw();
    },
    /** Shows pores or hides them. */
    showPores(shown) {
      state.pores = shown;
      element.redraw();
    },
    /** Draws a dipole moment, as the API's "dipole", about the middle; none for null, or where it has no direction. */
    showDipole(dipole) {
      state.dipole = drawable(dipole) ? dipole : null;
      element.redraw();
    },
    /** Rings an atom; null rings none. */
    mark(atom) {
      if (atom === state.marked) return;
      state.marked = atom;
      element.redraw();
    },
    /** Colors by contribution, or by element if null. */
    show(values) {
      state.values = values;
      state.span = Math.max(1e-3, ...(values ?? []).map(Math.abs));
      element.redraw();
    },
  };
}

/** What colors mean: the elements that are there. */
export function elementLegend(view) {
  const entries = Object.entries(view.elements);
  return h("div", { class: "legend" }, entries.map(([symbol, { color: shade }]) =>
    h("span", {}, h("i", { style: { background: shade } }), symbol)));
}

/** What the spheres in the pores are. */
export function poreLegend({ cavity, window: narrow, channels, guests }) {
  const entry = (shade, text) => h("span", {}, h("i", { style: { background: `var(--${shade})` } }), text);
  return h("div", { class: "legend", id: "pore-legend" },
    cavity ? entry("good", `largest sphere that fits, ${cavity.diameter.toFixed(2)} Å`) : null,
    narrow ? entry("two", `window: the largest that gets through, ${narrow.diameter.toFixed(2)} Å`) : h("span", {}, "nothing gets through"),
    channels.length ? entry("accent", "pores wide enough for access") : null,
    guests.length ? entry("bad", `${guests.length} atoms of guests, ringed`) : null);
}

/** What is drawn, about its middle, and how far it reaches from there. */
function staged(view, pores, size) {
  const { balls, halves, edges, shifts } = repeated(view, size);
  const center = middle(view, size);
  const moved = (place) => minus(place, center);
  const found = {
    balls: balls.map((one) => ({ ...one, at: moved(one.at) })), halves: halves.map((one) => ({ ...one, end: moved(one.end) })),
    edges: edges.map((edge) => edge.map(moved)),
    spheres: pores ? spheresOf(pores).flatMap((sphere) => shifts.map((shift) => ({ ...sphere, center: moved(plus(sphere.center, shift)) }))) : [],
  };
  const reach = [...found.balls.map(({ at }) => at), ...found.edges.flat()].reduce((most, place) => Math.max(most, Math.hypot(...place)), 0);
  return { ...found, reach: 1.2 + reach };
}

function middle(view, size) {
  if (view.cell) return [0, 1, 2].map((k) => view.cell.reduce((sum, row) => sum + (size * row[k]) / 2, 0));
  return [0, 1, 2].map((k) => view.balls.reduce((sum, ball) => sum + ball[k], 0) / view.balls.length);
}

const start = (periodic) => (periodic ? product(aboutX(-1.22), aboutZ(0.25)) : product(aboutX(-0.5), aboutY(0.4)));

function line(context, from, to, stroke, width) {
  context.strokeStyle = stroke;
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(from[0], from[1]);
  context.lineTo(to[0], to[1]);
  context.stroke();
}

function stick(context, from, to, fill, scale) {
  const width = Math.max(1.5, Math.min(9, scale * 0.16));
  context.lineCap = "round";
  line(context, from, to, "rgba(20, 26, 32, .75)", width + 1.4);
  line(context, from, to, fill, width);
}

function ball(context, x, y, radius, fill) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = fill;
  context.fill();
  const light = context.createRadialGradient(x - radius * 0.35, y - radius * 0.4, radius * 0.05, x, y, radius);
  light.addColorStop(0, "rgba(255,255,255,.75)");
  light.addColorStop(0.45, "rgba(255,255,255,.08)");
  light.addColorStop(1, "rgba(0,0,0,.32)");
  context.fillStyle = light;
  context.fill();
  context.strokeStyle = "rgba(20, 26, 32, .8)";
  context.lineWidth = 0.8;
  context.stroke();
}

function ring(context, x, y, radius, shade) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.strokeStyle = shade;
  context.lineWidth = 3;
  context.stroke();
}

/** What is drawn of pores: the cavity, the window, and the channels fainter. */
function spheresOf({ cavity, window: narrow, channels }) {
  const channel = channels.map(([x, y, z, radius]) => ({ center: [x, y, z], radius, shade: "accent", share: 0.07 }));
  const named = [[cavity, "good"], [narrow, "two"]].filter(([found]) => found).map(([found, shade]) => ({ center: found.center, radius: found.diameter / 2, shade, share: 0.4 }));
  return [...channel, ...named];
}

function bubble(context, x, y, radius, shade, share) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.globalAlpha = share;
  context.fillStyle = shade;
  context.fill();
  if (share > 0.1) {
    context.globalAlpha = 0.9;
    context.strokeStyle = shade;
    context.lineWidth = 1.5;
    context.stroke();
  }
  context.globalAlpha = 1;
}

function label(context, x, y, text) {
  context.font = "600 11px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = 3;
  context.strokeStyle = color("card");
  context.strokeText(text, x, y);
  context.fillStyle = color("ink");
  context.fillText(text, x, y);
}

const aboutX = (a) => [[1, 0, 0], [0, Math.cos(a), -Math.sin(a)], [0, Math.sin(a), Math.cos(a)]];
const aboutY = (a) => [[Math.cos(a), 0, Math.sin(a)], [0, 1, 0], [-Math.sin(a), 0, Math.cos(a)]];
const aboutZ = (a) => [[Math.cos(a), -Math.sin(a), 0], [Math.sin(a), Math.cos(a), 0], [0, 0, 1]];
const product = (a, b) => a.map((row) => [0, 1, 2].map((k) => row[0] * b[0][k] + row[1] * b[1][k] + row[2] * b[2][k]));
const applied = (m, p) => m.map((row) => row[0] * p[0] + row[1] * p[1] + row[2] * p[2]);

// Several cells of a crystal at once: its atoms repeated, with the bonds between them.

const ROUGH = 0.05; // Å within which two places are the same
const MOST_ATOMS = 2500; // that are drawn smoothly
export const SIZES = [1, 2, 3];

/** Whether so many cells in each direction can be drawn. */
export const fits = (view, size) => size === 1 || view.atoms.length * size ** 3 <= MOST_ATOMS;

/**
 * What is drawn of a structure, in Å: balls {at, atom, own}, of which those that are not `own` repeat one on the opposite face;
 * halves of bonds {ball, end}; edges of all cells; and the corners of the whole.
 * @param view as the API's "structure"  @param size cells in each direction; 1 for the structure as it came
 */
export function repeated(view, size) {
  const shifts = view.cell ? offsets(view.cell, size) : [[0, 0, 0]];
  const n = view.atoms.length;
  const edges = view.cell ? shifts.flatMap((shift) => cellEdges(view.cell).map((edge) => edge.map((place) => plus(place, shift)))) : [];
  if (size === 1) {
    const balls = view.balls.map(([x, y, z, atom], k) => ({ at: [x, y, z], atom, own: k < n }));
    return { balls, halves: view.halves.map(([ball, x, y, z]) => ({ ball, end: [x, y, z] })), edges, shifts };
  }
  const places = new Places();
  const balls = [];
  const add = (at, atom, own) => { if (places.find(at) === null) { places.put(at, balls.length); balls.push({ at, atom, own }); } };
  shifts.forEach((shift) => view.balls.slice(0, n).forEach(([x, y, z, atom]) => add(plus([x, y, z], shift), atom, true)));
  shifts.forEach((shift) => view.balls.slice(n).forEach(([x, y, z, atom]) => add(plus([x, y, z], shift), atom, false)));
  return { balls, halves: bonds(view, balls, places), edges, shifts };
}

/** Halves of bonds: whole ones to atoms that are drawn, short ones of own atoms to those that are not. */
function bonds(view, balls, places) {
  const ways = view.atoms.map(() => []);
  view.halves.forEach(([ball, x, y, z, short]) => {
    if (ball >= view.atoms.length) return;
    const way = minus([x, y, z], view.balls[ball]);
    ways[view.balls[ball][3]].push(short ? way.map((part) => part / view.stub) : way);
  });
  return balls.flatMap(({ at, atom, own }, ball) => ways[atom].flatMap((way) => {
    const met = places.find(plus(at, way.map((part) => 2 * part))) !== null;
    return met || own ? [{ ball, end: plus(at, met ? way : way.map((part) => part * view.stub)) }] : [];
  }));
}

/** Places that are found again where they are nearly the same. */
class Places {
  constructor() { this.cells = new Map(); }

  put(at, value) {
    const key = at.map((part) => Math.round(part / ROUGH)).join();
    this.cells.set(key, [...(this.cells.get(key) ?? []), { at, value }]);
  }

  find(at) {
    const near = at.map((part) => Math.round(part / ROUGH));
    for (let dx = -1; dx <= 1; dx++) for (let dy = -1; dy <= 1; dy++) for (let dz = -1; dz <= 1; dz++) {
      const there = this.cells.get(`${near[0] + dx},${near[1] + dy},${near[2] + dz}`)?.find((one) => Math.hypot(...minus(one.at, at)) < ROUGH);
      if (there) return there.value;
    }
    return null;
  }
}

function offsets(cell, size) {
  const found = [];
  for (let a = 0; a < size; a++) for (let b = 0; b < size; b++) for (let c = 0; c < size; c++) found.push(combined(cell, [a, b, c]));
  return found;
}

function cellEdges(cell) {
  const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => [n & 1, (n >> 1) & 1, (n >> 2) & 1]);
  const found = [];
  corners.forEach((a, i) => corners.forEach((b, j) => {
    if (i < j && Math.abs(a[0] - b[0]) + Math.abs(a[1] - b[1]) + Math.abs(a[2] - b[2]) === 1) found.push([combined(cell, a), combined(cell, b)]);
  }));
  return found;
}

export const combined = (cell, n) => [0, 1, 2].map((k) => n[0] * cell[0][k] + n[1] * cell[1][k] + n[2] * cell[2][k]);
export const plus = (a, b) => [0, 1, 2].map((k) => a[k] + b[k]);
export const minus = (a, b) => [0, 1, 2].map((k) => a[k] - b[k]);

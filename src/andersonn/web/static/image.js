// The graph image: row = atom, column = its k-th nearest neighbor, color = distance.
import { canvas, color, h, mix, withTip } from "/static/dom.js";

const RAMP = ["#fde725", "#7ad151", "#22a884", "#2a788e", "#414487", "#440154"]; // viridis, near to far
const LEFT = 62;
const BELOW = 36;

/**
 * @param image the API's "image"
 * @param measured whether its distances are in Å; else they are a code of bonds, and larger means more bonds between
 */
export function graphImage(image, measured = true) {
  const n = image.symbols.length;
  const shown = image.distance.flatMap((row, i) => row.filter((_, k) => image.neighbor[i][k] >= 0));
  const low = shown.length ? Math.min(...shown) : 0;
  const high = Math.max(shown.length ? Math.max(...shown) : 1, low + 0.1);
  const tall = Math.max(110, Math.min(620, n * (n <= 14 ? 30 : n <= 60 ? 14 : 6))) + BELOW;
  const element = canvas(tall, draw, { "aria-label": `Graph image of ${n} rows and ${image.columns} columns; ${measured ? `distances from ${low.toFixed(2)} to ${high.toFixed(2)} Å` : "neighbors by the bonds between"}.` });
  let cell = [1, 1];

  function draw(context, width, height) {
    cell = [(width - LEFT - 4) / image.columns, (height - BELOW) / n];
    for (let i = 0; i < n; i++) for (let k = 0; k < image.columns; k++) pixel(context, i, k);
    labels(context, width, height);
  }
  function pixel(context, i, k) {
    const [x, y] = [LEFT + k * cell[0], i * cell[1]];
    const gap = cell[1] > 8 ? 1 : 0;
    const other = image.neighbor[i][k];
    if (other < 0) {
      context.strokeStyle = color("line");
      if (gap) context.strokeRect(x + 0.5, y + 0.5, cell[0] - 1.5, cell[1] - 1.5);
      return;
    }
    const share = (image.distance[i][k] - low) / (high - low);
    context.globalAlpha = 0.2 + 0.8 * image.weight[i][k];
    context.fillStyle = ramp(share);
    context.fillRect(x, y, cell[0] - gap, cell[1] - gap + (gap ? 0 : 0.5));
    context.globalAlpha = 1;
    if (cell[1] >= 16 && cell[0] >= 13) {
      context.fillStyle = image.weight[i][k] < 0.4 ? color("ink") : share > 0.42 ? "#fff" : "#14181d";
      context.font = `${cell[0] < 20 ? 10 : 12}px system-ui, sans-serif`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText(image.symbols[other], x + cell[0] / 2, y + cell[1] / 2);
      if (image.bonded[i][k]) context.fillRect(x + cell[0] * 0.22, y + cell[1] - 5, cell[0] * 0.56, 2);
    } else if (image.bonded[i][k]) {
      context.fillStyle = share > 0.42 ? "#fff" : "#14181d";
      context.beginPath();
      context.arc(x + cell[0] / 2, y + cell[1] / 2, Math.min(2.5, cell[1] / 2.5), 0, 2 * Math.PI);
      context.fill();
    }
  }
  function labels(context, width, height) {
    context.fillStyle = color("soft");
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "right";
    const step = Math.max(1, Math.ceil(13 / cell[1]));
    for (let i = 0; i < n; i += step) {
      const alike = image.multiplicity[i] > 1 ? ` ×${image.multiplicity[i]}` : "";
      context.fillText(image.symbols[i] + alike, LEFT - 6, (i + 0.5) * cell[1]);
    }
    context.textAlign = "center";
    const every = cell[0] < 18 ? 2 : 1;
    for (let k = 0; k < image.columns; k += every) context.fillText(k + 1, LEFT + (k + 0.5) * cell[0], height - BELOW + 10);
    context.fillText("k-th nearest neighbor", LEFT + (width - LEFT) / 2, height - 9);
  }
  const tipAt = (x, y) => {
    const [i, k] = [Math.floor(y / cell[1]), Math.floor((x - LEFT) / cell[0])];
    const other = image.neighbor[i]?.[k];
    if (other === undefined || k < 0 || other < 0) return null;
    const bond = image.bonded[i][k] ? ", bonded" : "";
    const apart = measured ? ` ${image.distance[i][k].toFixed(2)} Å,` : "";
    return `${image.symbols[i]} – ${image.symbols[other]}:${apart} weight ${image.weight[i][k].toFixed(2)}${bond}`;
  };
  return h("div", {}, withTip(element, tipAt), h("div", { class: "legend" },
    h("span", {}, measured ? `${low.toFixed(2)} Å ` : "bonded ", h("span", { class: "ramp", style: { background: `linear-gradient(90deg, ${RAMP.join(",")})` } }), measured ? ` ${high.toFixed(2)} Å` : " many bonds away"),
    h("span", {}, "paler: fading out"), h("span", {}, n <= 14 ? "letter: neighbor, underlined: bonded" : "dot: bonded"),
    image.multiplicity.some((m) => m > 1) ? h("span", {}, "×: atoms alike, in one row") : null,
    h("span", {}, `${n} ${n === 1 ? "row" : "rows"} × ${image.columns} columns × ${image.channels} channels`)));
}

function ramp(share) {
  const place = Math.min(0.9999, Math.max(0, share)) * (RAMP.length - 1);
  const k = Math.floor(place);
  return mix(RAMP[k], RAMP[k + 1], place - k);
}

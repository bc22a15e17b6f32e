// Small helpers: elements, numbers, colors. Text is always set as text, never as HTML.

/** An element with attributes (functions become listeners) and children. */
export function h(tag, attributes = {}, ...children) {
  const namespace = ["svg", "g", "path", "line", "rect", "circle", "text", "title", "polyline"].includes(tag);
  const element = namespace ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name === "style") Object.assign(element.style, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const $ = (id) => document.getElementById(id);

/** A number with so many decimals, with a true minus sign. */
export const fixed = (value, digits = 2) => (value === null ? "n/a" : value.toFixed(digits).replace("-", "−"));

export const percent = (p) => `${(100 * p).toFixed(p > 0.9995 || p < 0.0005 ? 0 : 1)} %`;

/** A count with its thousands parted: 3,000. */
export const number = (count) => count.toLocaleString("en-US");

/** Has the browser save some content under a name. */
export function saved(name, content, type) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

export const words = (name) => name.replaceAll("_", " ");

/** The quantity of a task with its unit, such as "band gap / eV". */
export const quantityAndUnit = (task) => (task.unit ? `${task.quantity_words} / ${task.unit}` : task.quantity_words);

/** The value of a color variable of the page, as it is now. */
export const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** An atom as people read it: symbol and number from 1, as in files; positions in the API's lists count from 0. */
export const atomName = (symbols, atom) => `${symbols[atom]}${atom + 1}`;

/** Between two "#rrggbb" colors. */
export function mix(from, to, share) {
  const parts = (text) => [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16));
  const [a, b] = [parts(from), parts(to)];
  return `rgb(${a.map((x, k) => Math.round(x + (b[k] - x) * share)).join(",")})`;
}

/** Red adds, blue subtracts; pale is little. */
export function diverging(value, span) {
  const share = Math.min(1, Math.abs(value) / span);
  return mix("#e8e8e4", value >= 0 ? "#c0392b" : "#2166ac", Math.pow(share, 0.8));
}

/** A canvas that is sharp on every screen and drawn again when its size or the theme changes. */
export function canvas(height, draw, attributes = {}) {
  const element = h("canvas", { tabindex: 0, role: "img", style: { height: `${height}px` }, ...attributes });
  const paint = () => {
    const width = element.clientWidth;
    if (!width) return;
    const ratio = window.devicePixelRatio || 1;
    const tall = element.clientHeight;
    if (element.width !== Math.round(width * ratio) || element.height !== Math.round(tall * ratio)) {
      element.width = Math.round(width * ratio);
      element.height = Math.round(tall * ratio);
    }
    const context = element.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, tall);
    draw(context, width, tall);
  };
  let asked = 0;
  element.redraw = () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(paint);
  };
  new ResizeObserver(element.redraw).observe(element);
  document.addEventListener("themechange", element.redraw);
  return element;
}

/** A label that follows the pointer over a canvas. */
export function withTip(element, textAt) {
  const tip = h("div", { class: "tip", hidden: true });
  const stage = h("div", { class: "stage" }, element, tip);
  element.addEventListener("pointermove", (event) => {
    const text = event.buttons ? null : textAt(event.offsetX, event.offsetY);
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const room = Math.min(120, stage.clientWidth / 2);
    tip.style.left = `${Math.min(Math.max(event.offsetX, room), stage.clientWidth - room)}px`;
    tip.style.top = `${Math.max(event.offsetY, 26)}px`;
  });
  element.addEventListener("pointerleave", () => { tip.hidden = true; });
  return stage;
}

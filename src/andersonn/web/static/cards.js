// A card of the page: its title, ways to take it along, and the same in Python.
import { h, saved } from "/static/dom.js";

const KEPT = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap", "opacity", "font-size", "font-weight", "text-anchor"];

/**
 * @param attributes of the card: id, class
 * @param title its heading
 * @param take what can be saved of it: {name, svg, canvas, json, files, python}; functions give what is there when it is asked for
 */
export function card(attributes, title, take, ...content) {
  const { class: more = "", ...others } = attributes;
  return h("section", { class: `card ${more}`, ...others }, h("div", { class: "bar-top" }, h("h3", {}, title), take.modes ?? ""), ...content, tools(take));
}

/** Buttons to save the parts of a card, and its Python. */
export function tools({ name, svg = null, canvas = null, json = null, files = {}, python = "" }) {
  const button = (label, click) => h("button", { type: "button", click }, label);
  const code = h("code", {}, python);
  return h("div", { class: "take" },
    svg ? button("SVG", () => saved(`${name}.svg`, svgText(svg()), "image/svg+xml")) : null,
    canvas ? button("PNG", () => canvas().toBlob((blob) => saved(`${name}.png`, blob, "image/png"))) : null,
    Object.entries(files).map(([ending, text]) => button(ending.toUpperCase(), () => saved(`${name}.${ending}`, text, "text/plain"))),
    json ? button("JSON", () => saved(`${name}.json`, JSON.stringify(json(), null, 1), "application/json")) : null,
    python ? h("details", { class: "python" }, h("summary", {}, "Python"), h("pre", { class: "code", tabindex: 0 }, code)) : null);
}

/** A drawing as a file of its own: colors of the light theme stand in it, no variables of this page. */
function svgText(svg) {
  const root = document.documentElement;
  const before = root.dataset.theme;
  root.dataset.theme = "light";
  const copy = svg.cloneNode(true);
  const elements = [...svg.querySelectorAll("*")];
  [...copy.querySelectorAll("*")].forEach((element, k) => {
    const style = getComputedStyle(elements[k]);
    KEPT.forEach((name) => element.setAttribute(name, style.getPropertyValue(name)));
    element.setAttribute("font-family", "sans-serif");
    ["class", "style", "tabindex"].forEach((name) => element.removeAttribute(name));
  });
  copy.querySelectorAll(".unseen").forEach((element) => element.remove());
  if (before) root.dataset.theme = before;
  else delete root.dataset.theme;
  const [, , width, height] = svg.getAttribute("viewBox").split(" ");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  return new XMLSerializer().serializeToString(copy);
}

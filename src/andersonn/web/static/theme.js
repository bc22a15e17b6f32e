// The theme: of the system, light or dark; kept by the browser.
import { $ } from "/static/dom.js";

function setTheme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  localStorage.setItem("theme", name);
  const radio = $("theme").querySelector(`[value="${name}"]`);
  if (radio) radio.checked = true;
  document.dispatchEvent(new Event("themechange"));
}

/** Sets the theme that was chosen last, and follows the choice. */
export function themed() {
  setTheme(localStorage.getItem("theme") ?? "auto");
  $("theme").addEventListener("change", (event) => setTheme(event.target.value));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("themechange")));
}

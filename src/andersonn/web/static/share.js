// Keeping and sharing a result: its address, itself as a page that needs no server, and on paper.
import { h, saved, words } from "/static/dom.js";
import { plain } from "/static/table.js";

/** Buttons for the answers that are shown. */
export function shareBar(state, table) {
  const told = h("span", { role: "status", class: "soft" });
  return h("div", { class: "share" },
    h("button", { type: "button", click: () => copy(state, told) }, "Copy link"),
    h("button", { type: "button", click: () => saved(`andersonn-${state.asked.name}.json`, `${table.entries.map(({ answer }) => JSON.stringify(plain(answer))).join("\n")}\n`, "application/x-ndjson") }, "JSON"),
    h("button", { type: "button", id: "save-page", click: () => savePage(state, table, told) }, "Save as HTML"),
    h("button", { type: "button", click: () => window.print() }, "Print"), told);
}

async function copy(state, told) {
  if (!state.whole) { told.textContent = "The inputs are too long for a link. Save as HTML instead."; return; }
  try {
    await navigator.clipboard.writeText(location.href);
    told.textContent = "Copied. The link holds the inputs; anyone who opens it asks their own lab.";
  } catch { // pages without https may not write there
    told.replaceChildren(h("input", { class: "address", value: location.href, readonly: true, "aria-label": "Link", focus: (event) => event.target.select() }));
    told.firstChild.focus();
  }
}

/** The results as one file: styles and pictures within, the answers as JSON, no script. */
async function savePage(state, table, told) {
  const styles = await Promise.all(["base", "lab"].map(async (name) => (await fetch(`/static/${name}.css`)).text()));
  const results = document.querySelector(".results").cloneNode(true);
  const pictures = [...document.querySelectorAll(".results canvas")].map((canvas) => (canvas.width ? canvas.toDataURL() : ""));
  results.querySelectorAll("canvas").forEach((canvas, k) => {
    if (pictures[k]) canvas.replaceWith(h("img", { src: pictures[k], alt: canvas.getAttribute("aria-label") ?? "", class: "frozen" }));
  });
  results.querySelectorAll("#table .tools").forEach((found) => found.remove());
  results.querySelector("#status").textContent = `${table.entries.length} ${table.entries.length === 1 ? "input" : "inputs"}`;
  results.querySelectorAll("#table button, td button").forEach((button) => button.replaceWith(button.textContent));
  results.querySelectorAll("button, input, #share, #progress, #again, .tip, .modes, .take, .zoom, .sliders").forEach((found) => found.remove());
  results.querySelectorAll("[hidden]").forEach((found) => found.remove());
  const title = `Answers about ${words(state.asked.name)}`;
  const line = h("p", { class: "soft" }, `Deep AndersoNN, ${new Date().toISOString().slice(0, 10)}. The answers are in this file as JSON, in the element "answers".`);
  const main = h("main", { class: "page" }, h("h1", {}, title), line, results);
  const theme = document.documentElement.dataset.theme;
  const data = JSON.stringify(table.entries.map(({ answer }) => plain(answer))).replaceAll("<", "\\u003c");
  saved(`andersonn-${state.asked.name}.html`, `<!doctype html>
<html lang="en"${theme ? ` data-theme="${theme}"` : ""}>
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title>
<style>${styles.join("\n")}</style></head>
<body>${main.outerHTML}
<script type="application/json" id="answers">${data}</script></body>
</html>
`, "text/html");
  told.textContent = "Saved.";
}

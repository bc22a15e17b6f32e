// Model cards, measurements, and the API's documentation, made from /openapi.json.
import { get, getText } from "/static/api.js";
import { $, h, words } from "/static/dom.js";
import { figuresPage } from "/static/figures.js";

/** Shows the page of a location such as "cards/TASK". */
export async function showPage(page, part) {
  const place = $(page);
  try {
    if (page === "cards") await cards(place, part);
    else if (page === "report") place.replaceChildren(await measurements(part));
    else if (page === "api" && !place.childElementCount) place.replaceChildren(documentation(await get("/openapi.json")));
  } catch (problem) {
    place.replaceChildren(h("p", { class: "problem" }, `${problem.message} ${problem.hint ?? ""}`));
  }
}

/** The figures, or the whole report that they are taken from. */
async function measurements(part) {
  if (part !== "all") return figuresPage(await get("/api/measurements"));
  const report = text(await getText("/api/report"));
  report.prepend(h("p", {}, h("a", { href: "#report" }, "Figures")));
  return report;
}

async function cards(place, part) {
  if (!place.childElementCount) place.replaceChildren(h("p", { class: "soft" }, "loading …"));
  const names = (await get("/api/tasks")).tasks.map((found) => found.name);
  const task = part || names[0];
  const tabs = h("nav", { class: "tabs", "aria-label": "Model cards" }, names.map((name) =>
    h("a", { href: `#cards/${name}`, "aria-current": name === task ? "page" : null }, words(name))));
  const html = await getText(`/api/cards/${encodeURIComponent(task)}?format=html`);
  place.replaceChildren(tabs, text(html));
}

/** HTML that the server made of our own Markdown, in which raw HTML is escaped. */
function text(html) {
  const article = h("article", { class: "text" });
  article.innerHTML = html;
  return article;
}

function documentation(spec) {
  const paths = Object.entries(spec.paths).flatMap(([path, verbs]) => Object.entries(verbs).map(([verb, found]) => operation(spec, path, verb, found)));
  const about = spec.info.description.split("\n\n").map((part) => (part.startsWith("    ")
    ? h("pre", { class: "code", tabindex: 0 }, h("code", {}, part.replaceAll(/^ {4}/gm, "").replaceAll("http://127.0.0.1:8000", location.origin)))
    : h("p", {}, part.replaceAll("`", ""))));
  return h("article", { class: "text" }, h("h1", {}, `${spec.info.title} API, ${spec.info.version}`), about,
    h("p", {}, "As a machine reads it: ", h("a", { href: "/openapi.json" }, "openapi.json")), h("h2", {}, "Operations"), paths,
    h("h2", {}, "Objects"), Object.entries(spec.components.schemas).filter(([name]) => !/^(Body_|HTTPValidation|ValidationError)/.test(name)).map(([name, schema]) => object(name, schema)));
}

function operation(spec, path, verb, found) {
  const parameters = (found.parameters ?? []).map((p) => [p.name, p.in, p.schema, p.description ?? ""]);
  const body = Object.values(found.requestBody?.content ?? {})[0]?.schema;
  const form = Object.entries(resolved(spec, body)?.properties ?? {}).map(([name, schema]) => [name, "form", schema, schema.description ?? ""]);
  const answers = Object.entries(found.responses).map(([code, answer]) => `${code} ${reference(Object.values(answer.content ?? {})[0]?.schema) || answer.description}${types(answer.content)}`);
  return h("details", {}, h("summary", {}, h("span", { class: "verb" }, verb.toUpperCase()), h("code", {}, path), ` ${found.summary}`),
    h("p", {}, (found.description ?? "").replaceAll("`", "")), fields([...parameters, ...form]), h("p", { class: "soft" }, `Answers: ${answers.join("; ")}`));
}

/** The media types of an answer where they are more than JSON. */
function types(content) {
  const names = Object.keys(content ?? {});
  return names.length > 1 || (names.length && names[0] !== "application/json") ? ` (${names.join(", ")})` : "";
}

function object(name, schema) {
  const rows = Object.entries(schema.properties ?? {}).map(([field, found]) => [field, "", found, found.description ?? ""]);
  return h("details", {}, h("summary", {}, h("code", {}, name), ` ${schema.description ?? ""}`.replaceAll("`", "")), fields(rows));
}

function fields(rows) {
  if (!rows.length) return null;
  return h("div", { class: "wide" }, h("table", {}, h("thead", {}, h("tr", {}, ["name", "where", "type", "meaning"].map((title) => h("th", { scope: "col" }, title)))), h("tbody", {}, rows.map(([name, where, schema, about]) =>
    h("tr", {}, h("td", {}, h("code", {}, name)), h("td", {}, where), h("td", {}, kind(schema)), h("td", {}, about))))));
}

const resolved = (spec, schema) => (schema?.$ref ? spec.components.schemas[schema.$ref.split("/").at(-1)] : schema?.allOf ? resolved(spec, schema.allOf[0]) : schema);
const reference = (schema) => schema?.$ref?.split("/").at(-1) ?? "";

function kind(schema) {
  if (!schema) return "";
  if (schema.$ref) return reference(schema);
  if (schema.anyOf) return schema.anyOf.map(kind).filter((k) => k !== "null").join(" or ");
  if (schema.type === "array") return `list of ${kind(schema.items) || "values"}`;
  return schema.enum ? schema.enum.join(" or ") : words(schema.type ?? "");
}

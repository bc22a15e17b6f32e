// Asking the server about tables and constructions.
import { Problem, get } from "/static/api.js";

/** What a form sends of a table: {file, text}, and of a question: names and values. */
function form({ file, text }, question) {
  const body = new FormData();
  if (file) body.append("file", file, file.name);
  else body.append("text", text);
  Object.entries(question).forEach(([name, value]) => body.append(name, value));
  return body;
}

async function send(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, { method, body });
  } catch {
    throw new Problem(0, { kind: "unreachable", message: "The server does not answer.", hint: "Is andersonn serve still running?" });
  }
  if (answer.status === 204) return null;
  const content = await answer.json();
  if (!answer.ok) throw new Problem(answer.status, content.error);
  return content;
}

const post = (path, body) => send("POST", path, body);

export const all = () => get("/api/construct");
export const state = (id) => get(`/api/construct/${id}`);
export const look = (table, question = {}) => post("/api/construct/look", form(table, question));
export const begin = (table, question) => post("/api/construct", form(table, question));
export const cancel = (id) => post(`/api/construct/${id}/cancel`);
export const remove = (id) => send("DELETE", `/api/construct/${id}`);
export const resume = (id) => post(`/api/construct/${id}/resume`);

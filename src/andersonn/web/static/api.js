// Asking the server.

/** An error of the API: kind, message and hint. */
export class Problem extends Error {
  constructor(status, { kind, message, hint }) {
    super(message);
    Object.assign(this, { status, kind, hint });
  }
}

export async function get(path) {
  const answer = await reached(fetch(path));
  return checked(answer, await answer.json());
}

export async function getText(path) {
  const answer = await reached(fetch(path));
  if (!answer.ok) checked(answer, await answer.json());
  return answer.text();
}

/** The address of a question; its geometry says how molecules without coordinates are read, null as by default. */
function asking(what, task, { geometry = null }, options) {
  return `/api/${what}/${task}?${new URLSearchParams(geometry ? { ...options, geometry } : options)}`;
}

/** What a form sends of a question: {files: [File], text, smiles: [string], geometry}. */
function form({ files = [], text = "", smiles = [] }) {
  const body = new FormData();
  files.forEach((file) => body.append("files", file, file.name));
  smiles.forEach((word) => body.append("smiles", word));
  if (text) body.append("text", text);
  return body;
}

/** Answers and errors of all inputs, also if none could be answered. */
export async function predict(task, question) {
  const answer = await reached(fetch(asking("predict", task, question, { lenient: true }), { method: "POST", body: form(question) }));
  const content = await answer.json();
  return content.answers ?? checked(answer, content);
}

export async function look(what, task, question, structure) {
  const answer = await reached(fetch(asking(what, task, question, { structure }), { method: "POST", body: form(question) }));
  return checked(answer, await answer.json());
}

async function reached(asked) {
  try {
    return await asked;
  } catch {
    throw new Problem(0, { kind: "unreachable", message: "The server does not answer.", hint: "Is andersonn serve still running?" });
  }
}

function checked(answer, content) {
  if (!answer.ok) throw new Problem(answer.status, content.error);
  return content;
}

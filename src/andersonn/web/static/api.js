// Asking the server.

const LINES = "application/x-ndjson";

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

/** The address of a question; its geometry says how molecules without coordinates are read, its pores how pores are measured, null as by default. */
function asking(what, task, { geometry = null, pores = null }, options) {
  return `/api/${what}/${task}?${new URLSearchParams({ ...options, ...pores, ...(geometry ? { geometry } : {}) })}`;
}

/** What a form sends of a question: {files: [File], text, smiles: [string], geometry, pores}. */
function form({ files = [], text = "", smiles = [] }) {
  const body = new FormData();
  files.forEach((file) => body.append("files", file, file.name));
  smiles.forEach((word) => body.append("smiles", word));
  if (text) body.append("text", text);
  return body;
}

/**
 * Answers and errors of all inputs as they come: yields lists of them, in the order of the inputs.
 * @param counted called once with the number of inputs, before anything is read
 */
export async function* stream(task, question, signal, counted) {
  const answer = await reached(fetch(asking("predict", task, question, { curves: true }), { method: "POST", body: form(question), headers: { Accept: LINES }, signal }));
  if (!answer.ok) checked(answer, await answer.json());
  const inputs = Number(answer.headers.get("x-inputs"));
  counted(inputs);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let [rest, found] = ["", 0];
  for (;;) {
    const { done, value } = await reached(reader.read());
    signal.throwIfAborted(); // else what was cancelled seems to have ended
    if (done && found < inputs) throw new Problem(0, { kind: "broken_off", message: "The answers broke off.", hint: "Was andersonn serve stopped? Ask again." });
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    found += lines.length;
    if (lines.length) yield lines.map((line) => JSON.parse(line));
  }
}

export async function look(what, task, question, structure, signal) {
  const answer = await reached(fetch(asking(what, task, question, { structure }), { method: "POST", body: form(question), signal }));
  return checked(answer, await answer.json());
}

async function reached(asked) {
  try {
    return await asked;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { kind: "unreachable", message: "The server does not answer.", hint: "Is andersonn serve still running?" });
  }
}

function checked(answer, content) {
  if (!answer.ok) throw new Problem(answer.status, content.error);
  return content;
}

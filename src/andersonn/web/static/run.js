// One question on its way: it is sent in as many requests as the server's limits ask for, its answers come row by row, and it
// can be cancelled.
import { Problem, stream } from "/static/api.js";

/** What is asked in one request after the other; files that the server would not take together are parted. */
function requests({ files = [], text = "", smiles = [], geometry, pores }, limits) {
  const parted = [[]];
  let size = 0;
  for (const file of files) {
    if (parted.at(-1).length && (parted.at(-1).length >= limits.files || size + file.size > 0.9e6 * limits.megabytes)) {
      parted.push([]);
      size = 0;
    }
    parted.at(-1).push(file);
    size += file.size;
  }
  return parted.map((some, k) => ({ files: some, geometry, pores, ...(k === 0 ? { text, smiles } : {}) }));
}

/** Answers with the question about their own input alone; an input may hold several structures, one answer each. */
class Owners {
  constructor({ files, text, smiles = [], geometry, pores }) {
    const options = { geometry, pores };
    this.questions = [...files.map((file) => ({ files: [file], ...options })), ...(text ? [{ text, ...options }] : []), ...smiles.map((word) => ({ smiles: [word], ...options }))];
    Object.assign(this, { position: -1, structure: 0, last: null });
  }

  entry(answer) {
    const next = answer.input !== this.last;
    this.position += next ? 1 : 0;
    this.structure = next ? 0 : this.structure + 1;
    this.last = answer.input;
    return { answer, question: this.questions[this.position], structure: this.structure };
  }
}

export class Run {
  /** @param question {files, text, smiles, geometry, pores}, files with names that differ */
  constructor(task, question, limits) {
    Object.assign(this, { task, limits, parts: requests(question, limits), done: 0, total: 0, state: "asked" });
    this.abort = new AbortController();
  }

  cancel() {
    if (this.state === "asked") this.state = "cancelled";
    this.abort.abort();
  }

  /**
   * Asks; `state` ends as "answered", "cancelled" or "failed".
   * @param show called with entries {answer, question, structure} as they come, and once with none when they are counted
   */
  async go(show) {
    this.begun = performance.now();
    let later = this.parts.reduce((sum, { files }) => sum + files.length, 0);
    try {
      for (const part of this.parts) {
        const owners = new Owners(part);
        later -= part.files.length;
        const counted = (inputs) => { this.total = this.done + inputs + later; show([]); };
        for await (const answers of stream(this.task.name, part, this.abort.signal, counted)) {
          this.done += answers.length;
          this.total = Math.max(this.total, this.done);
          show(answers.map((answer) => owners.entry(answer)));
        }
      }
      this.total = this.done;
      this.state = "answered";
    } catch (problem) {
      if (this.state === "cancelled") return;
      this.state = "failed";
      if (!(problem instanceof Problem)) throw problem;
      this.problem = problem;
    }
  }

  /** Such as "about 2 min left"; empty until it can be told. */
  left() {
    const seconds = (performance.now() - this.begun) / 1000;
    if (this.done < 5 || seconds < 2 || this.done >= this.total) return "";
    const rest = (seconds / this.done) * (this.total - this.done);
    if (rest < 10) return "a few seconds left";
    return rest < 90 ? `about ${Math.ceil(rest / 10) * 10} s left` : `about ${Math.round(rest / 60)} min left`;
  }
}

/** Entries of answers that are all there. */
export function entriesOf(question, answers) {
  const owners = new Owners(question);
  return answers.map((answer) => owners.entry(answer));
}

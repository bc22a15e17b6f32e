// What a card shows, as a few lines of Python.

const text = (word) => JSON.stringify(word).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");

/** The input of an entry as Python names it, and which of its structures. */
function source({ question, structure }, smiles) {
  if (question.files?.length) return [text(question.files[0].name), structure];
  const pasted = question.smiles?.[0] ?? question.text.trim();
  if (!pasted.includes("\n")) return [text(pasted), 0];
  return smiles ? [text(smiles), 0] : ["open(\"structure.txt\").read()", structure]; // the pasted text, saved
}

/** Lines of Python before a scientist that is asked so about pores, and what to call of it. */
function ofPores(task, { pores }) {
  const { strip_guests: strip, clean, ...texts } = pores ?? {};
  const words = [...Object.entries(texts).map(([name, value]) => `${name}=${text(value)}`), ...(strip ? ["strip_guests=True"] : []), ...(clean ? ["clean=True"] : [])];
  if (!words.length) return ["", ""];
  return [`from andersonn.inference.by_geometry import pore_question\nfrom andersonn.scientists.registry import find\n\nquestion = pore_question(find(${text(task.name)}), ${words.join(", ")})\n`, ".about_pores(question)"];
}

/**
 * @param smiles of the molecule, if it is known
 * @returns {predict, explain, read, formula, network, image, converge}: lines of Python
 */
export function snippets(task, entry, cuts, smiles) {
  const { answer, question } = entry;
  const [input, number] = source(entry, smiles);
  const where = answer.model.startsWith("andersonn/") ? task.name : answer.model;
  const geometry = question.geometry && question.geometry !== task.geometries[0] ? `, geometry=${text(question.geometry)}` : "";
  const moved = cuts.some((cut, k) => cut !== task.thresholds[k]) ? `.with_thresholds([${cuts.map((cut) => +cut.toFixed(6)).join(", ")}])` : "";
  const [options, about] = ofPores(task, question);
  const load = (further) => `import andersonn as an\n${options}\nscientist = an.Scientist.load(${text(where)}${geometry})${about}${further}\n`;
  const alone = (question.geometry ?? task.geometries[0]) === "none"; // read by the bonds alone
  const prepared = question.pores?.strip_guests || question.pores?.clean;
  const take = `structure = ${prepared ? "question.read(lambda: structures_of(name, source))" : "structures_of(name, source)"}[${number}]\n`;
  const read = `${prepared ? options : ""}from andersonn.structures.readers import sources, structures_of\n${alone ? "from andersonn.structures.readers.molecules.reading import reading\n" : ""}\n((name, source),) = sources([${input}])\n${alone ? `with reading(True, 1):\n    ${take}` : take}`;
  return {
    predict: `${load(moved)}answer = scientist.predict([${input}])[${number}]\nprint(answer.label, answer.probabilities, answer.value, answer.interval90)`,
    explain: `${load("")}explanation = scientist.explain([${input}])[${number}]\nprint(explanation.values)`,
    read: `${read}print(structure.formula, structure.xyz)`,
    formula: smiles ? `from rdkit import Chem\nfrom rdkit.Chem import Draw\n\nDraw.MolToFile(Chem.MolFromSmiles(${text(smiles)}), "formula.svg")` : "",
    network: `import andersonn as an\n${read}graph = an.AtomBondGraph.from_structure(structure)\nprint(graph.n_bonds, graph.coordination())`,
    image: `${load("")}${read}image = an.NodeNeighborImage.from_structure(structure, scientist.recipe)\nprint(image.neighbor_index, image.distance)`,
    converge: `${load("")}${read}from andersonn.web.inspecting import convergence\n\nimage = an.NodeNeighborImage.from_structure(structure, scientist.recipe)\nprint(convergence(scientist, image))`,
  };
}

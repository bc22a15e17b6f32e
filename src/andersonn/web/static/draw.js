// The molecule sketcher (JSME) in a dialog. It is loaded when it is first opened.
import { $ } from "/static/dom.js";

/** @param ask called with the SMILES of what was drawn */
export function sketcher(ask) {
  const dialog = $("sketch");
  const told = $("sketch-told");
  const frame = () => $("sketch-place").firstElementChild;
  const editor = () => frame()?.contentWindow.sketcher;

  async function open() {
    dialog.showModal();
    if (!frame()) {
      const made = document.createElement("iframe");
      made.title = "Molecule sketcher";
      made.src = "/sketcher";
      $("sketch-place").append(made);
    }
    await new Promise((resolve) => {
      const look = () => (editor() ? resolve() : setTimeout(look, 50));
      look();
    });
    editor().changed(() => { told.textContent = editor().smiles(); });
    const line = $("text").value.trim();
    if (line && !line.includes("\n")) editor().read(line.split(/\s/)[0]);
  }

  function use() {
    const smiles = editor()?.smiles() ?? "";
    if (!smiles) { told.textContent = "Nothing is drawn yet."; return; }
    dialog.close();
    ask(smiles);
  }
  $("draw").addEventListener("click", open);
  $("sketch-ask").addEventListener("click", use);
  $("sketch-clear").addEventListener("click", () => { editor()?.clear(); told.textContent = ""; });
  $("sketch-close").addEventListener("click", () => dialog.close());
}

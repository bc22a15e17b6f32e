// The page around JSME, in a frame of its own: it needs rights that the lab's pages do not have. The lab calls window.sketcher.
"use strict";

window.jsmeOnLoad = function begin() {
  if (!document.documentElement.clientWidth) { requestAnimationFrame(begin); return; } // not laid out yet
  const room = () => [`${document.documentElement.clientWidth}px`, `${document.documentElement.clientHeight}px`];
  const editor = new window.JSApplet.JSME("jsme", ...room(), { options: "hydrogens,noquery,noreaction,newlook" });
  window.sketcher = {
    smiles: () => editor.smiles(),
    clear: () => editor.reset(),
    /** Draws a molecule of SMILES or a MOL block; what cannot be read leaves the drawing as it is. */
    read: (text) => { try { editor.readGenericMolecularInput(text); } catch { /* it is no molecule */ } },
    changed: (listen) => editor.setCallBack("AfterStructureModified", listen),
  };
  window.addEventListener("keydown", (event) => { if (event.key === "Escape") window.frameElement?.closest("dialog")?.close(); });
  window.addEventListener("resize", () => editor.setSize(...room()));
};

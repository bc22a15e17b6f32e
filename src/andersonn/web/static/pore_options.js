// How pores are measured, where a task is answered by them: the options of the API, as controls that are folded away.
import { $ } from "/static/dom.js";

const FLAGS = ["strip_guests", "clean"];
let settled = ""; // what was told last

/** The options that are not as usual, by their names in the API. */
export function poreOptions() {
  const [convention, radii] = [$("convention").value, $("radii").value.trim()];
  return {
    ...(convention ? { convention } : {}), ...(radii ? { radii } : {}),
    ...Object.fromEntries(FLAGS.filter((name) => $(name).checked).map((name) => [name, "true"])),
  };
}

/** Sets the controls, and shows them where they hold; names those that are not as usual, also while they are folded. */
export function showPoreOptions(shown, options) {
  $("pore-options").hidden = !shown;
  const known = [...$("convention").options].map(({ value }) => value);
  $("convention").value = known.includes(options.convention) ? options.convention : "";
  $("radii").value = options.radii ?? "";
  FLAGS.forEach((name) => { $(name).checked = options[name] === "true"; });
  tell();
}

/** The options that an address tells. */
export const poreOptionsOf = (told) => Object.fromEntries(["convention", "radii", ...FLAGS].filter((name) => told.get(name)).map((name) => [name, told.get(name)]));

/** @param changed called when what is asked of pores is another than before */
export function listenToPoreOptions(changed) {
  const settle = () => {
    const before = settled;
    tell();
    if (settled !== before) changed();
  };
  $("pore-options").addEventListener("change", settle);
  $("radii").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // which would ask about the text that was pasted
    settle();
  });
}

/** Writes what is not as usual beside the title, which shows it while it is folded: else controls would move under the pointer. */
function tell() {
  settled = JSON.stringify(poreOptions());
  const { convention, radii, ...flags } = poreOptions();
  $("pore-told").textContent = [convention, radii, ...Object.keys(flags).map((name) => $(name).dataset.told)].filter(Boolean).join(", ");
}

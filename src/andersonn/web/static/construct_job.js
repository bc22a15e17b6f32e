// One construction as a card: how far it is, and what came of it.
import * as api from "/static/construct_api.js";
import { h, words } from "/static/dom.js";

const EVERY = 700; // milliseconds between two questions how far it is
const STATES = { running: "running", done: "done", cancelled: "cancelled", interrupted: "interrupted", failed: "failed" };

/** What is wrong, and its cure; options of the command are fields of this page. */
export function problem({ message, hint = "" }) {
  return h("div", { class: "problem", role: "alert" }, h("b", {}, onPage(message)), h("p", {}, onPage(hint)));
}

/** A text of the command line with the names of fields in place of options. */
export const onPage = (text) => text.replaceAll(/--thresholds[= ](-?[\d.]+(?:,-?[\d.]+)+)/g, (_, cuts) => `--thresholds ${cuts.split(",").join(", ")}`).replaceAll(/--(thresholds|unit|classes|name|structures|split)\b/g, "“$1”");

function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  return `${Math.round(seconds / 60)} min`;
}

/** A moment as 2026-11-30 03:13, in the time zone of who looks. */
const dateTime = (moment) => new Date(moment).toLocaleString("sv-SE", { dateStyle: "short", timeStyle: "short" });

function code(title, text) {
  return h("details", {}, h("summary", {}, title), h("pre", { class: "code", tabindex: 0 }, h("code", {}, text)));
}

export class JobCard {
  /**
   * @param told called with a sentence when something happened
   * @param changed called when the state is another
   * @param gone called with this card when it was deleted
   */
  constructor(job, told, changed, gone) {
    Object.assign(this, { told, changed, gone, id: job.id, name: job.name });
    this.element = h("section", { class: "card job", "aria-label": `Construction of ${job.name}`, "data-id": job.id });
    this.draw(job);
    if (job.state === "running") this.watch();
  }

  draw(job) {
    this.state = job.state;
    this.label = h("label", { for: `progress-${job.id}` });
    this.bar = h("progress", { id: `progress-${job.id}`, max: 1, value: 0 });
    this.said = h("ul", { class: "said" });
    const running = job.state === "running";
    this.element.replaceChildren(
      h("div", { class: "bar-top" }, h("h2", {}, words(job.name)), h("span", { class: `badge ${job.state}` }, STATES[job.state])),
      h("small", {}, [`${job.target} of ${job.source}`, job.begun ? dateTime(job.begun) : "", job.megabytes !== null && !running ? `${job.megabytes} MB` : ""].filter(Boolean).join("; ")),
      running ? h("div", { class: "progress" }, this.label, this.bar, this.cancelButton = h("button", { type: "button", click: () => this.cancel() }, "Cancel")) : "",
      running ? this.said : "",
      job.error ? problem(job.error) : "",
      job.verdict ? h("p", { class: "verdict" }, job.verdict) : "",
      running ? "" : this.ways(job),
      job.text ? code("What the table says", job.text) : "",
      code("The command", job.command), code("The same in Python", job.python));
    this.update(job);
  }

  ways(job) {
    const remove = h("button", { type: "button", class: "delete", click: () => this.askToDelete(remove) }, "Delete");
    if (job.state === "done") {
      return h("div", { class: "ways-on" },
        job.answers ? h("a", { class: "main", href: `/#lab?${new URLSearchParams({ task: job.name })}` }, "Ask it in the lab") : "",
        h("a", { href: `/api/construct/${job.id}/report`, target: "_blank", rel: "noreferrer" }, "Report"),
        h("a", { href: `/api/construct/${job.id}/model.zip`, download: `${job.name}.zip` }, "Download the model"), remove);
    }
    return h("div", { class: "ways-on" }, h("button", { type: "button", click: () => this.resume() }, "Go on"), h("small", {}, "What was done is kept."), remove);
  }

  /** Asks in place of the button whether it is meant. */
  askToDelete(button) {
    const keep = h("button", { type: "button", click: () => { asked.replaceWith(button); button.focus(); } }, "Keep it");
    const asked = h("span", { class: "ask-delete", role: "group", "aria-label": `Delete ${words(this.name)}?` },
      h("b", {}, "Delete table, model and report for good?"), h("button", { type: "button", class: "delete", click: () => this.remove(asked, button) }, "Delete for good"), keep);
    button.replaceWith(asked);
    keep.focus();
  }

  async remove(asked, button) {
    try {
      await api.remove(this.id);
      this.gone(this);
    } catch (error) {
      asked.replaceWith(button);
      this.told(`${error.message}: ${error.hint}`);
    }
  }

  update(job) {
    const { work = "starting", share = 0, left = null, note = "" } = job.progress ?? {};
    const told = [share > 0 && share < 1 ? `${Math.round(100 * share)} %` : "", left > 0 && share < 1 ? `${duration(left)} left` : "", note];
    this.label.textContent = job.stopping ? "stopping …" : [`${work}${told.some(Boolean) ? ":" : ""}`, told.filter(Boolean).join(", ")].join(" ").trim();
    this.bar.value = share;
    this.said.replaceChildren(...job.said.slice(-3).map((line) => h("li", {}, line)));
    if (this.cancelButton) this.cancelButton.disabled = job.stopping;
  }

  async watch() {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, EVERY));
      let job;
      try {
        job = await api.state(this.id);
      } catch (error) {
        this.told(`${error.message} ${error.hint ?? ""}`);
        if (error.status) return; // else the server may come back
        continue;
      }
      if (job.state === "running") this.update(job);
      else {
        this.ended(job);
        return;
      }
    }
  }

  ended(job) {
    const had = this.element.contains(document.activeElement);
    this.draw(job);
    if (had) this.element.querySelector("a, button")?.focus();
    this.told({ done: `${words(job.name)} is constructed.`, cancelled: "Cancelled; what is done is kept.", failed: "The construction failed." }[job.state] ?? "");
    this.changed();
  }

  async cancel() {
    this.cancelButton.disabled = true;
    this.label.textContent = "stopping …";
    await api.cancel(this.id).catch((error) => this.told(`${error.message} ${error.hint}`)); // that it ended is seen by watching
  }

  async resume() {
    try {
      this.draw(await api.resume(this.id));
      this.told("Going on.");
      this.changed();
      this.watch();
    } catch (error) {
      this.told(`${error.message}: ${error.hint}`);
    }
  }
}

// The runs of a comparison as a list: each with its line, a switch that hides it, and the way out.
(() => {
  "use strict";
  const { el, say } = window.studio;
  const looks = window.StudioCompareLooks;

  class Runs {
    // `hide(id)`: hide or show; `remove(id)`; `light(id)`: this run is looked at, or null.
    constructor({ hide, remove, light }) {
      Object.assign(this, { hide, remove, light, drawn: "" });
      this.list = el("ul", { class: "chosen-runs", "aria-label": say("Chosen runs") });
      this.note = el("p", { class: "small muted", role: "status", hidden: true });
      this.root = el("div", {}, this.list, this.note);
    }

    // runs: those with curves, [{id, label, look, off, outside, row}]; notes: sentences about the others.
    set(runs, notes) {
      this.note.hidden = !notes.length;
      if (this.note.textContent !== notes.join(" ")) this.note.textContent = notes.join(" ");
      const key = JSON.stringify(runs.map((run) => [run.id, run.look, run.off, run.outside, run.row.state, run.row.name]));
      if (key === this.drawn) return;
      this.drawn = key;
      const focused = [...this.list.querySelectorAll("button")].indexOf(document.activeElement);
      this.list.replaceChildren(...runs.map((run) => this.item(run)));
      if (focused >= 0) {
        const buttons = this.list.querySelectorAll("button");
        if (buttons.length) buttons[Math.min(focused, buttons.length - 1)].focus();
      }
    }

    item(run) {
      const { row } = run;
      const title = run.outside ? say("Outside of the chosen ranges") : run.off ? say("Show its curves") : say("Hide its curves");
      return el("li", { class: run.off || run.outside ? "off" : "", onpointerenter: () => this.light(run.id), onpointerleave: () => this.light(null) },
        el("button", { class: "pick", type: "button", "aria-pressed": String(!run.off), title, onclick: () => this.hide(run.id) }, looks.sample(run.look),
          el("b", { class: "num", text: run.label }), el("span", { class: "name", text: row.place || row.name }), window.studio.jobs.badge(row.state)),
        el("button", { class: "out", type: "button", title: say("Remove from the comparison"), "aria-label": say("Remove {run} from the comparison", { run: run.label }),
          onclick: () => this.remove(run.id) }, el("span", { class: "i i-bad", "aria-hidden": "true" })));
    }
  }

  window.StudioCompareRuns = Runs;
})();

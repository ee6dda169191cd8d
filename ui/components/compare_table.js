// The table of a comparison: what came of each run, and the settings in which they differ; also by the values of one of them.
(() => {
  "use strict";
  const { el, format, say } = window.studio;
  const looks = window.StudioCompareLooks;
  const RESULTS = ["best_validation_loss", "validation_loss", "best_loss", "loss", "accuracy_50", "tokens_per_second", "seconds"]; // shown first
  const COLUMNS = 12; // settings beside each other, unless all are asked for

  class Table {
    // `by(field)`: group by another setting; `remove(id)`; `light(id)`: this run is looked at, or null; `sorted()`: something else is to be shown.
    constructor({ by, remove, light, sorted }) {
      Object.assign(this, { by, remove, light, sorted, all: false, column: "", down: false, rows: [] });
      this.every = el("button", { class: "btn small toggle", type: "button", "aria-pressed": "false", text: say("All settings"), onclick: () => {
        this.all = !this.all;
        this.every.setAttribute("aria-pressed", this.all);
        this.sorted();
      } });
      this.group = el("select", { class: "in", "aria-label": say("Group by"), onchange: () => this.by(this.group.value) });
      const save = el("button", { class: "btn small", type: "button", text: say("Save as CSV"), onclick: () => this.save() });
      this.order = el("select", { class: "in narrow", "aria-label": say("Sort by"), onchange: () => this.sort(this.order.value) }); // where there are no heads
      this.groups = el("div");
      this.body = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": say("Results and settings") });
      this.note = el("p", { class: "small muted" });
      this.same = el("div");
      this.root = el("section", { class: "panel table", "aria-label": say("Table") },
        el("div", { class: "head" }, el("h2", { text: say("Results and settings") }),
          el("div", { class: "row" }, this.order, el("label", { class: "row small muted" }, say("group by"), this.group), this.every, save)),
        this.groups, this.body, this.note, this.same);
    }

    // found: a Comparison; runs: its rows that are shown, [{id, label, look, row}]; field: what they are grouped by, or "".
    set(found, runs, field) {
      Object.assign(this, { runs, field });
      this.know(found);
      const key = JSON.stringify([found, runs.map(({ id, look, plotted }) => [id, look, plotted]), field, this.column, this.down, this.all]);
      if (key === this.drawn) return;
      this.drawn = key;
      this.offer(found.fields);
      this.draw();
    }

    // The column to sort by is one that there is.
    know(found) {
      this.found = found;
      if ([...found.metrics, ...found.fields].includes(this.column)) return;
      this.column = RESULTS.find((name) => found.metrics.includes(name)) || found.metrics[0] || "";
      this.down = looks.HIGH.test(this.column);
    }

    offer(fields) {
      if (this.offered !== fields.join()) {
        this.offered = fields.join();
        this.group.replaceChildren(el("option", { value: "", text: say("nothing") }), ...fields.map((name) => el("option", { value: name, text: name })));
      }
      this.group.value = fields.includes(this.field) ? this.field : "";
    }

    results() {
      const known = this.found.metrics;
      return this.all ? known : [...new Set([...RESULTS, this.column])].filter((name) => known.includes(name));
    }

    settings() {
      return this.all ? this.found.fields : this.found.fields.slice(0, COLUMNS);
    }

    // What has no figure comes last, whichever way the others go.
    ordered() {
      const held = ({ row }) => (this.column in row.results ? row.results[this.column] : row.settings[this.column]);
      return [...this.runs].sort((a, b) => {
        const [x, y] = [held(a), held(b)];
        if (x === undefined || x === null || y === undefined || y === null) return (x === undefined || x === null) - (y === undefined || y === null);
        const way = typeof x === "number" && typeof y === "number" ? x - y : looks.value(x).localeCompare(looks.value(y), "en", { numeric: true });
        return this.down ? -way : way;
      });
    }

    draw() {
      const focused = document.activeElement && this.root.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
      const [results, settings] = [this.results(), this.settings()];
      this.body.replaceChildren(el("table", { class: "plain runs" }, el("caption", { class: "sr", text: say("The runs that are compared") }),
        el("thead", {}, el("tr", {}, el("th", { scope: "col", text: say("run") }), ...results.map((name) => this.head(name, [looks.figure(name)], "r")),
          ...settings.map((name) => this.head(name, looks.path(name), "mono")), el("th", { scope: "col" }, el("span", { class: "sr", text: say("Actions") })))),
        el("tbody", {}, ...this.ordered().map((run) => this.row(run, results, settings)))));
      this.order.replaceChildren(...results.map((name) => el("option", { value: name, text: say("Sort by {name}", { name: looks.figure(name) }), selected: name === this.column })),
        ...settings.map((name) => el("option", { value: name, text: say("Sort by {name}", { name }), selected: name === this.column })));
      const more = this.found.fields.length - settings.length;
      this.note.textContent = !this.found.fields.length && this.runs.length > 1 ? say("No setting differs.") : more ? say("{n} more {n:setting differs|settings differ}: All settings shows {n:it|them}.", { n: more }) : "";
      this.note.hidden = !this.note.textContent;
      this.drawSame();
      this.drawGroups(results);
      if (focused) (this.root.querySelector(`[data-focus="${CSS.escape(focused)}"]`) || this.body).focus();
    }

    head(name, text, look) {
      const on = name === this.column;
      return el("th", { scope: "col", class: look, "aria-sort": on ? (this.down ? "descending" : "ascending") : null },
        el("button", { class: "sort", type: "button", "data-focus": `sort ${name}`, onclick: () => this.sort(name) }, ...text,
          el("span", { class: "way", "aria-hidden": "true", text: on ? (this.down ? "\u25be" : "\u25b4") : "" })));
    }

    sort(name) {
      this.down = name === this.column ? !this.down : looks.HIGH.test(name);
      this.column = name;
      this.sorted();
    }

    row(run, results, settings) {
      const words = window.studio.jobs;
      const { row } = run;
      const link = words.link({ id: row.job }, run.label);
      link.dataset.focus = `run ${row.job}`;
      return el("tr", { "data-run": row.job, onpointerenter: () => this.light(row.job), onpointerleave: () => this.light(null),
        onfocusin: () => this.light(row.job), onfocusout: () => this.light(null) },
        el("th", { scope: "row", class: "n" }, run.plotted ? looks.sample(run.look) : null, link, words.badge(row.state), row.place ? null : el("span", { class: "sub", text: row.name })),
        ...results.map((name) => el("td", { class: "num r", "data-label": looks.figure(name), text: format.number(row.results[name]) || "\u2013" })),
        ...settings.map((name) => el("td", { class: "mono", "data-label": name, text: looks.value(row.settings[name]) })),
        el("td", { class: "a" }, el("button", { class: "btn ghost small", type: "button", "data-focus": `remove ${row.job}`, text: say("Remove"),
          "aria-label": say("Remove {run} from the comparison", { run: run.label }), onclick: () => this.remove(row.job) })));
    }

    drawSame() {
      const same = Object.entries(this.found.same);
      this.same.hidden = !this.all || !same.length;
      if (this.same.hidden) return;
      this.same.replaceChildren(el("h3", { text: say("The same in all of them") }), el("div", { class: "scroll low", tabindex: 0, role: "region", "aria-label": say("The same in all of them") },
        el("table", { class: "plain pairs" }, el("thead", {}, el("tr", {}, el("th", { scope: "col", text: say("setting") }), el("th", { scope: "col", text: say("value") }))),
          el("tbody", { class: "mono" }, ...same.map(([name, held]) => el("tr", {}, el("td", { text: name }), el("td", { text: looks.value(held) })))))));
    }

    // Mean and spread of each result for each value of one setting.
    drawGroups(results) {
      const parts = this.field ? [...byValue(this.runs, this.field)] : [];
      this.groups.hidden = !parts.length;
      if (!parts.length) return;
      const figures = (runs, name) => runs.map(({ row }) => row.results[name]).filter(Number.isFinite);
      const middle = ([, runs]) => (figures(runs, this.column).length ? looks.mean(figures(runs, this.column)) : null);
      parts.sort((a, b) => (middle(a) === null) - (middle(b) === null) || (this.down ? middle(b) - middle(a) : middle(a) - middle(b)));
      this.groups.replaceChildren(el("table", { class: "plain groups" },
        el("caption", { class: "small muted", text: say("Mean \u00b1 standard deviation of the runs with the same {field}", { field: this.field }) }),
        el("thead", {}, el("tr", {}, el("th", { scope: "col", class: "mono", text: this.field }), el("th", { scope: "col", class: "r", text: say("runs") }),
          ...results.map((name) => el("th", { scope: "col", class: "r", text: looks.figure(name) })))),
        el("tbody", {}, ...parts.map(([text, runs]) => el("tr", {},
          el("th", { scope: "row", class: "n" }, looks.sample(runs[0].look), el("span", { class: "mono", text })),
          el("td", { class: "num r", "data-label": say("runs"), text: String(runs.length) }),
          ...results.map((name) => el("td", { class: "num r", "data-label": looks.figure(name), text: looks.spread(figures(runs, name)) || "\u2013" })))))));
    }

    save() {
      const { metrics, fields } = this.found;
      const lines = [["run", "name", "kind", "state", ...metrics, ...fields],
        ...this.ordered().map(({ row }) => [row.job, row.name, row.kind, row.state, ...metrics.map((name) => row.results[name] ?? ""),
          ...fields.map((name) => (row.settings[name] === null || row.settings[name] === undefined ? "" : looks.value(row.settings[name])))])];
      const link = el("a", { download: "comparison.csv", href: URL.createObjectURL(new Blob([lines.map((cells) => `${cells.map(cell).join(",")}\r\n`).join("")], { type: "text/csv" })) });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    }
  }

  // A spreadsheet takes what begins with one of these for a formula.
  function cell(held) {
    const text = typeof held === "string" && /^[=+\-@\t]/.test(held) && !Number.isFinite(Number(held)) ? `'${held}` : String(held);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  // {value as text: runs}, in the order of the runs.
  function byValue(runs, field) {
    const found = new Map();
    for (const run of runs) {
      const text = looks.value(run.row.settings[field]);
      found.set(text, [...(found.get(text) || []), run]);
    }
    return found;
  }

  window.StudioCompareTable = Table;
})();

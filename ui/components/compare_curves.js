// The curves of several runs over each other: a chart for each chosen figure, with one stretch, one cursor, one scale for all.
(() => {
  "use strict";
  const { el, segments, format, say } = window.studio;
  const looks = window.StudioCompareLooks;
  const { short } = window.StudioChart;
  const FIRST = ["loss", "validation_loss"]; // shown unless others are chosen
  const DOTS = /^(validation|accuracy)/; // few points, which are not smoothed
  // name -> the metric that tells where a run stands, and how a place is said
  const AXES = {
    steps: null,
    tokens: { by: "tokens_seen", tick: (x, last) => (last ? say("{n} {n:token|tokens}", { n: short(x) }) : short(x)), place: (x) => say("{n} {n:token|tokens}", { n: format.number(Math.round(x)) }) },
    time: { by: "seconds_trained", tick: (x) => format.seconds(x), place: (x) => say("{time} of training", { time: format.seconds(x) }) },
  };

  class Curves {
    // `choose(names)`: other figures are wanted; `closer(ranges)`: {id: {name: points}} of {id: [first, last]}, later.
    constructor({ choose, closer }) {
      Object.assign(this, { choose, closer, runs: [], names: [], chosen: [], details: null, range: null, charts: new Map() });
      Object.assign(this, { axis: "steps", smooth: 0.6, log: false, link: new Set() });
      this.figures = el("div", { class: "row figures", role: "group", "aria-label": say("Figures") });
      this.axes = segments(say("Over"), { steps: say("Steps"), tokens: say("Tokens"), time: say("Time") }, "steps", (name) => {
        this.axis = name;
        this.zoom(null);
      });
      const smooth = segments(say("Smoothing"), { raw: say("Raw"), "0.6": "0.6", "0.9": "0.9" }, "0.6", (name) => {
        this.smooth = Number(name) || 0;
        this.draw();
      });
      const scale = segments(say("Scale"), { linear: say("Linear"), log: say("Logarithmic") }, "linear", (name) => {
        this.log = name === "log";
        this.draw();
      });
      this.note = el("p", { class: "small muted", role: "status" });
      this.grid = el("div", { class: "grid2" });
      this.hint = el("div", { class: "row small muted closer" });
      this.root = el("section", { class: "curves", "aria-label": say("Curves") },
        el("div", { class: "panel tools" }, this.figures,
          el("div", { class: "row" }, el("span", { class: "small muted", text: say("over") }), this.axes,
            el("span", { class: "small muted", text: say("smooth") }), smooth, el("span", { class: "small muted", text: say("scale") }), scale),
          this.hint, this.note), this.grid);
      this.zoom(null);
    }

    // What is to be asked of each run.
    wanted() {
      return [...this.chosen, ...Object.values(AXES).filter(Boolean).map((axis) => axis.by)];
    }

    // runs: [{id, label, short, look, mark, hidden, metrics}], names: what there is to choose from.
    set(runs, names, chosen) {
      this.runs = runs;
      this.names = looks.inOrder(names.filter((name) => !looks.AXES.includes(name)));
      this.chosen = chosen.filter((name) => this.names.includes(name));
      if (!this.chosen.length) this.chosen = FIRST.filter((name) => this.names.includes(name));
      if (!this.chosen.length) this.chosen = this.names.slice(0, 1);
      this.root.hidden = !this.names.length;
      this.drawFigures();
      this.draw();
    }

    drawFigures() {
      if (this.drawn === this.names.join()) {
        for (const button of this.figures.children) button.setAttribute("aria-pressed", this.chosen.includes(button.dataset.name));
        return;
      }
      this.drawn = this.names.join();
      this.figures.replaceChildren(...this.names.map((name) => el("button", { class: "btn small toggle", type: "button", "data-name": name,
        "aria-pressed": String(this.chosen.includes(name)), text: looks.figure(name), onclick: () => this.toggle(name) })));
    }

    toggle(name) {
      const next = this.chosen.includes(name) ? this.chosen.filter((one) => one !== name) : this.names.filter((one) => one === name || this.chosen.includes(one));
      if (next.length) this.choose(next); // the last one stays
    }

    chart(name) {
      if (!this.charts.has(name)) {
        this.charts.set(name, new window.StudioOverlayChart({ title: looks.figure(name), link: this.link, onZoom: (range) => this.zoom(range) }));
      }
      return this.charts.get(name);
    }

    draw() {
      const axis = AXES[this.axis];
      const shown = this.runs.filter((run) => !run.hidden);
      for (const name of this.charts.keys()) if (!this.chosen.includes(name)) this.link.delete(this.charts.get(name));
      const charts = this.chosen.map((name) => {
        const chart = this.chart(name);
        this.link.add(chart);
        const data = this.placed(name, (run) => run.metrics);
        const having = shown.filter((run) => (data[run.id] || []).length);
        const series = having.map((run) => ({ ...run, name: run.id, dots: DOTS.test(name), smooth: !DOTS.test(name) }));
        chart.note.textContent = shown.length > having.length ? say("{n} of {total} {total:run|runs}", { n: having.length, total: shown.length }) : "";
        chart.show(series, data, { smooth: this.smooth, log: this.log, axis });
        chart.zoom(this.range, this.details && this.placed(name, (run) => this.details[run.id] || {}));
        return chart.root;
      });
      if (charts.length !== this.grid.children.length || charts.some((root, i) => this.grid.children[i] !== root)) this.grid.replaceChildren(...charts);
      this.grid.classList.toggle("one", charts.length === 1);
      const without = axis ? shown.filter((run) => !(run.metrics[axis.by] || []).length) : [];
      this.note.hidden = !without.length;
      this.note.textContent = without.length ? say("Not shown over this axis, for it was not recorded: {runs}.", { runs: without.map((run) => run.label).join(", ") }) : "";
    }

    // {id: points} of one figure, over the chosen axis.
    placed(name, metricsOf) {
      const axis = AXES[this.axis];
      return Object.fromEntries(this.runs.map((run) => {
        const points = metricsOf(run)[name] || [];
        return [run.id, axis ? along(points, run.metrics[axis.by] || []) : points];
      }));
    }

    light(id) {
      for (const name of this.chosen) this.chart(name).light(id);
    }

    // One stretch in all charts; its points come from the server, closer together.
    async zoom(range) {
      this.range = range;
      this.details = null;
      const place = (x) => (AXES[this.axis] ? AXES[this.axis].place(x) : x.toLocaleString("en"));
      this.hint.replaceChildren(...(range
        ? [el("span", { role: "status", text: AXES[this.axis] ? say("{from} to {to}", { from: place(range[0]), to: place(range[1]) }) : say("Steps {from} to {to}", { from: place(range[0]), to: place(range[1]) }) }),
          el("button", { class: "btn small", type: "button", text: say("Show all"), onclick: () => this.zoom(null) })]
        : [say("To look closer, drag over a chart, or hold Shift and press the arrow keys in it. Double click or Escape shows all.")]));
      this.draw();
      if (!range) return;
      const details = await this.closer(Object.fromEntries(this.runs.filter((run) => !run.hidden).map((run) => [run.id, this.stepsOf(run, range)])));
      if (this.range !== range) return;
      this.details = details;
      this.draw();
    }

    stepsOf(run, [from, to]) {
      const axis = AXES[this.axis];
      if (!axis) return [from, to];
      const back = (run.metrics[axis.by] || []).map(([step, x]) => [x, step]);
      return back.length ? [Math.floor(between(back, from)), Math.ceil(between(back, to))] : [0, 0];
    }
  }

  // [[step, value]] over another axis: `places` [[step, place]] rise with the steps, and tell where a run began with 0.
  function along(points, places) {
    return places.length ? points.filter(([step]) => step <= places[places.length - 1][0]).map(([step, value]) => [between(places, step), value]) : [];
  }

  // The second figure at a place between two points, the line through them; before the first point from [0, 0].
  function between(points, x) {
    let [low, high] = [0, points.length - 1];
    if (x >= points[high][0]) return points[high][1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points[middle][0] < x) low = middle + 1;
      else high = middle;
    }
    const [x0, y0] = low ? points[low - 1] : [0, 0];
    const [x1, y1] = points[low];
    return x1 > x0 ? y0 + ((y1 - y0) * (x - x0)) / (x1 - x0) : y1;
  }

  window.StudioCompareCurves = Curves;
})();

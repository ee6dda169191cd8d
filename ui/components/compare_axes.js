// Parallel coordinates: an axis for each setting that differs and one for the result, a line for each run. A range of an
// axis is chosen by dragging over it or with its two handles. On a phone the axes lie below each other.
(() => {
  "use strict";
  const { el, format, say } = window.studio;
  const looks = window.StudioCompareLooks;
  const MOST = 8; // settings
  const NARROW = 640; // px
  const PAD = { left: 56, right: 72, top: 44, bottom: 26 };
  const [HEIGHT, ROW] = [300, 72];
  const TICKS = 6;
  const WIDE = 10; // a range of figures of so many times is spread by logarithms
  const LEAST = 5; // px of a drag
  const [LINE, ASIDE] = [13, 72]; // px between ticks below each other, and beside each other

  class Axes {
    // `choose()`: another range; `light(id)`: this run is looked at, or null.
    constructor({ choose, light }) {
      Object.assign(this, { choose, light, ranges: new Map(), runs: [], axes: [], at: -1, dragged: false });
      this.svg = el("svg", { role: "group", "aria-label": say("Settings and results of the runs as lines over axes") });
      this.said = el("p", { class: "small num said", role: "status" });
      this.count = el("span", { class: "small muted", role: "status" });
      this.clear = el("button", { class: "btn small", type: "button", hidden: true, text: say("Clear ranges"), onclick: () => this.reset() });
      this.box = el("div", { class: "axes-box" }, this.svg);
      this.note = el("p", { class: "small muted" });
      this.root = el("section", { class: "panel axes", "aria-label": say("Settings and results") },
        el("div", { class: "head" }, el("h2", { text: say("Which settings lead where") }), el("div", { class: "row" }, this.count, this.clear)), this.box, this.said,
        el("p", { class: "small muted", text: say("Drag over an axis, or move its two handles with the arrow keys, to keep the runs of a range. The table below has the same figures.") }), this.note);
      new ResizeObserver(() => this.draw()).observe(this.box);
    }

    // runs: [{id, label, look, row}]; fields: settings that differ; result: the metric of the last axis.
    set(runs, fields, result) {
      this.runs = runs.filter(({ row }) => Number.isFinite(row.results[result]));
      const named = fields.slice(0, MOST);
      this.axes = [...named.map((field) => axis(field, looks.end(field), this.runs.map(({ row }) => row.settings[field]))),
        axis(result, looks.figure(result), this.runs.map(({ row }) => row.results[result]))];
      this.result = result;
      const there = new Map(this.axes.map((one) => [one.name, one]));
      for (const [name, range] of this.ranges) if (!range.every((held) => there.has(name) && (held === null || Number.isFinite(there.get(name).part(held))))) this.ranges.delete(name);
      this.root.hidden = this.runs.length < 2 || !named.length || !result;
      const left = [fields.length > MOST && say("{n} more {n:setting differs|settings differ}; the first {most} are drawn.", { n: fields.length - MOST, most: MOST }),
        this.runs.length < runs.length && say("{n} {n:run has|runs have} no result, and so no line.", { n: runs.length - this.runs.length })].filter(Boolean);
      this.note.hidden = !left.length;
      this.note.textContent = left.join(" ");
      this.draw();
    }

    // Whether a run lies in all ranges. One without a line does only while there are none.
    holds(id) {
      if (!this.ranges.size || this.root.hidden) return true;
      const i = this.runs.findIndex((run) => run.id === id);
      return i >= 0 && this.axes.every((one) => {
        const [low, high] = this.kept(one);
        return one.places[i] >= low - 1e-9 && one.places[i] <= high + 1e-9;
      });
    }

    // The parts of an axis between which runs are kept.
    kept(one) {
      const [low, high] = this.ranges.get(one.name) || [null, null];
      return [low === null ? one.stops[0] : one.part(low), high === null ? one.stops[one.stops.length - 1] : one.part(high)];
    }

    // Keeps the runs from one stop of an axis to another. The range is one of values, which move along the axis as
    // results come in; null: it is open to that side, for what comes in may be the best.
    keep(one, from, to) {
      const range = [from > 0 ? one.held[from] : null, to < one.stops.length - 1 ? one.held[to] : null];
      if (range.every((held) => held === null)) this.ranges.delete(one.name);
      else this.ranges.set(one.name, range);
      this.changed();
    }

    reset() {
      this.ranges.clear();
      this.changed();
      this.svg.querySelector("[role=slider]").focus();
    }

    changed() {
      this.draw();
      this.choose();
    }

    draw() {
      if (this.waiting) return;
      this.waiting = requestAnimationFrame(() => {
        this.waiting = 0;
        if (this.dragged) return; // it would take away what is dragged
        const width = Math.floor(this.box.clientWidth);
        if (width > 120 && this.axes.length && !this.root.hidden) this.paint(width);
      });
    }

    // --- places ------------------------------------------------------------------------------------------------
    // Where a part of an axis (0 to 1) lies.
    place(i, part) {
      const [first, last] = [0, this.axes.length - 1];
      if (this.flat) return [PAD.left / 2 + part * (this.width - PAD.left), 40 + i * ROW];
      const across = (this.width - PAD.left - PAD.right) / (last - first || 1);
      return [PAD.left + i * across, PAD.top + (1 - part) * (HEIGHT - PAD.top - PAD.bottom)];
    }

    part(event) {
      const box = this.svg.getBoundingClientRect();
      const found = this.flat ? (event.clientX - box.left - PAD.left / 2) / (this.width - PAD.left)
        : 1 - (event.clientY - box.top - PAD.top) / (HEIGHT - PAD.top - PAD.bottom);
      return Math.max(0, Math.min(1, found));
    }

    // --- drawing -------------------------------------------------------------------------------------------------
    paint(width) {
      const focused = this.svg.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
      this.width = width;
      this.flat = width < NARROW;
      const height = this.flat ? 40 + this.axes.length * ROW - 20 : HEIGHT;
      this.svg.setAttribute("width", width);
      this.svg.setAttribute("height", height);
      this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      this.lines = this.runs.map((run, i) => this.line(run, i));
      const list = el("g", { role: "listbox", tabindex: 0, "data-focus": "lines", "aria-label": say("Runs: arrow keys go from one to the next, Enter opens it"),
        onkeydown: (event) => this.walk(event), onblur: () => this.look(-1) }, ...this.lines);
      const at = this.at; // a list that is taken out loses the focus, and with it the line that is looked at
      this.list = list;
      this.shade = el("rect", { class: "chosen", width: 0, height: 0 });
      const drawn = this.axes.map((one, i) => this.axis(one, i));
      this.svg.replaceChildren(...drawn.map(([below]) => below), list, ...drawn.map(([, above]) => above), this.shade, ...this.axes.map((one, i) => this.handles(one, i)));
      const inside = this.runs.filter(({ id }) => this.holds(id)).length;
      this.clear.hidden = !this.ranges.size;
      const count = this.ranges.size ? say("{n} of {total} {total:run|runs} in the chosen ranges", { n: inside, total: this.runs.length }) : "";
      if (this.count.textContent !== count) this.count.textContent = count; // it is read out
      if (at >= 0 && at < this.runs.length) this.look(at);
      if (focused) (this.svg.querySelector(`[data-focus="${CSS.escape(focused)}"]`) || list).focus();
    }

    // What lies below the lines of the runs, and the texts above them.
    axis(one, i) {
      const [[x0, y0], [x1, y1]] = [this.place(i, 0), this.place(i, 1)];
      const bar = el("line", { class: "bar", x1: x0, y1: y0, x2: x1, y2: y1 });
      const last = i === this.axes.length - 1;
      const anchor = this.flat || i === 0 ? "start" : last ? "end" : "middle";
      const room = this.flat ? 40 : Math.max(8, Math.floor((this.width / this.axes.length - 12) / 6.5));
      const name = el("text", { class: "name", x: this.flat ? PAD.left / 2 : i === 0 ? 4 : last ? this.width - 4 : x1, y: this.flat ? y0 - 14 : 18, "text-anchor": anchor }, looks.cut(one.title, room));
      const ticks = apart(one.ticks, this.flat ? ASIDE / (this.width - PAD.left) : LINE / (HEIGHT - PAD.top - PAD.bottom)).map(({ part, text }) => {
        const [x, y] = this.place(i, part);
        const side = last ? { x: x + 12, "text-anchor": "start" } : { x: x - 12, "text-anchor": "end" };
        const end = part > 0.95 ? "end" : part < 0.05 ? "start" : "middle";
        return this.flat ? el("text", { x, y: y + 22, "text-anchor": end }, looks.cut(text, 12)) : el("text", { ...side, y: y + 4 }, looks.cut(text, 10));
      });
      const wide = el("rect", { class: "reach", ...box([x0, y0], [x1, y1], 18), "aria-hidden": "true" });
      this.listen(wide, one, i);
      return [el("g", {}, wide, bar), el("g", {}, name, ...ticks)];
    }

    // The chosen range of an axis, and the two handles at its ends.
    handles(one, i) {
      const range = this.ranges.has(one.name) ? this.kept(one).map((part) => Math.max(0, Math.min(1, part))) : [0, 1];
      const [low, high] = range.map((part) => this.place(i, part));
      const shade = this.ranges.has(one.name) ? el("rect", { class: "chosen", ...box(low, high, 9), "aria-hidden": "true" }) : null;
      const handle = (end, [x, y]) => {
        const at = nearest(one.stops, this.kept(one)[end]);
        const node = el("rect", { class: "handle", role: "slider", tabindex: 0, "data-focus": `${one.name} ${end}`, x: x - (this.flat ? 4 : 9), y: y - (this.flat ? 9 : 4), width: this.flat ? 8 : 18, height: this.flat ? 18 : 8, rx: 2,
          "aria-label": end ? say("{axis}, highest that is kept", { axis: one.title }) : say("{axis}, lowest that is kept", { axis: one.title }),
          "aria-orientation": this.flat ? "horizontal" : "vertical", "aria-valuemin": 0, "aria-valuemax": one.stops.length - 1, "aria-valuenow": at, "aria-valuetext": one.texts[at],
          onkeydown: (event) => this.key(event, one, end, at) });
        this.listen(node, one, i, range[1 - end]);
        return node;
      };
      return el("g", {}, shade, handle(0, low), handle(1, high));
    }

    line(run, i) {
      const points = this.axes.map((one, n) => this.place(n, one.places[i]).map((figure) => figure.toFixed(1)).join(" "));
      const node = el("path", { class: `${run.look} ${this.holds(run.id) ? "" : "off"}`, role: "option", id: `compare-line-${i}`, "aria-selected": "false", d: `M${points.join("L")}`,
        "aria-label": this.told(i), onpointerenter: () => this.look(i), onpointerleave: () => this.look(-1), onclick: () => window.studio.jobs.show(run.id) });
      return node;
    }

    told(i) {
      return `${this.runs[i].label}: ${this.axes.map((one) => `${one.title} ${one.shown[i]}`).join(", ")}`;
    }

    // One line is looked at, from here; -1: none.
    look(i) {
      this.at = i;
      this.said.textContent = i < 0 ? "" : this.told(i);
      this.list[i < 0 ? "removeAttribute" : "setAttribute"]("aria-activedescendant", `compare-line-${i}`);
      this.show(i < 0 ? null : this.runs[i].id);
      this.light(i < 0 ? null : this.runs[i].id);
    }

    // One line is brought to the front.
    show(id) {
      (this.lines || []).forEach((line, i) => {
        const on = this.runs[i]?.id === id;
        line.classList.toggle("hot", on);
        line.classList.toggle("cold", id !== null && !on);
        line.setAttribute("aria-selected", on);
      });
    }

    // --- pointer and keys ------------------------------------------------------------------------------------------
    // A drag over axis `i` keeps what lies between where it began, or `fixed`, and where it ends. A click keeps all.
    listen(node, one, i, fixed = null) {
      let began = null;
      const range = (event) => [fixed ?? began.part, this.part(event)].sort((a, b) => a - b);
      node.addEventListener("pointerdown", (event) => {
        began = { part: this.part(event), x: event.clientX, y: event.clientY };
        this.dragged = true;
        node.setPointerCapture(event.pointerId);
      });
      node.addEventListener("pointermove", (event) => {
        if (!began) return;
        const [low, high] = range(event).map((part) => this.place(i, part));
        for (const [name, figure] of Object.entries(box(low, high, 9))) this.shade.setAttribute(name, figure);
      });
      node.addEventListener("lostpointercapture", () => { // let go of, or taken away
        began = null;
        this.dragged = false;
        this.draw();
      });
      node.addEventListener("pointerup", (event) => {
        if (!began) return;
        const far = Math.hypot(event.clientX - began.x, event.clientY - began.y) >= LEAST;
        const [low, high] = range(event);
        const kept = one.stops.flatMap((stop, n) => (stop >= low - 1e-9 && stop <= high + 1e-9 ? [n] : []));
        if (far && kept.length) this.keep(one, kept[0], kept[kept.length - 1]);
        else if (fixed === null) this.keep(one, 0, one.stops.length - 1);
      });
    }

    key(event, one, end, at) {
      const last = one.stops.length - 1;
      const to = { ArrowUp: at + 1, ArrowRight: at + 1, ArrowDown: at - 1, ArrowLeft: at - 1, Home: 0, End: last, Escape: end ? last : 0 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const range = this.kept(one).map((part) => nearest(one.stops, part));
      range[end] = Math.max(0, Math.min(last, to));
      if (range[0] > range[1]) range[1 - end] = range[end];
      this.keep(one, ...range);
    }

    walk(event) {
      const move = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      if (event.key === "Enter" && this.at >= 0) return window.studio.jobs.show(this.runs[this.at].id);
      if (event.key === "Escape") return this.look(-1);
      if (!move) return;
      event.preventDefault();
      const count = this.runs.length;
      this.look(this.at < 0 ? (move > 0 ? 0 : count - 1) : (this.at + move + count) % count);
    }
  }

  const box = ([x0, y0], [x1, y1], half) => ({ x: Math.min(x0, x1) - (x0 === x1 ? half : 0), y: Math.min(y0, y1) - (y0 === y1 ? half : 0),
    width: Math.abs(x1 - x0) + (x0 === x1 ? 2 * half : 0), height: Math.abs(y1 - y0) + (y0 === y1 ? 2 * half : 0) });

  // The last of the ticks, and those before it that do not touch.
  function apart(ticks, least) {
    const end = ticks[ticks.length - 1];
    let before = -Infinity;
    return ticks.filter((tick) => {
      if (tick !== end && (tick.part - before < least || end.part - tick.part < least)) return false;
      before = tick.part;
      return true;
    });
  }

  // The number of the stop that is nearest to a part.
  const nearest = (stops, part) => stops.reduce((best, stop, n) => (Math.abs(stop - part) < Math.abs(stops[best] - part) ? n : best), 0);

  // An axis of the values of all runs: where each lies (0 to 1), the distinct places, their values and texts, ticks.
  function axis(name, title, values) {
    const figures = values.every((held) => typeof held === "number" && Number.isFinite(held));
    const found = figures ? ofFigures(values) : ofWords(values.map(looks.value));
    const stops = [...new Set(found.places)].sort((a, b) => a - b);
    const held = stops.map((stop) => values[found.places.indexOf(stop)]);
    const texts = stops.map((stop) => found.shown[found.places.indexOf(stop)]);
    const every = stops.map((part, i) => ({ part, text: texts[i] }));
    return { name, title, ...found, stops, held, texts, ticks: every.length <= TICKS || !figures ? every : found.ticks };
  }

  function ofFigures(values) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const logs = low > 0 && high / low >= WIDE;
    const part = (held) => (high === low ? 0.5 : logs ? Math.log(held / low) / Math.log(high / low) : (held - low) / (high - low));
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((at) => ({ part: at, text: format.number(logs ? low * (high / low) ** at : low + at * (high - low)) }));
    return { part, places: values.map(part), shown: values.map((held) => (String(held).length < 8 ? String(held) : format.number(held))), ticks };
  }

  function ofWords(values) {
    const distinct = [...new Set(values)].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const place = (text) => (!distinct.includes(text) ? NaN : distinct.length > 1 ? distinct.indexOf(text) / (distinct.length - 1) : 0.5);
    return { part: (held) => place(looks.value(held)), places: values.map(place), shown: values, ticks: [] };
  }

  window.StudioCompareAxes = Axes;
})();

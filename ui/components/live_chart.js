// A line chart over training steps, drawn as SVG at the width it really has. Knows nothing of jobs.
// new StudioChart({title, series: [{name, label, look}], note, height, controls, link}).set({name: [[step, value]]}, last)
(() => {
  "use strict";
  const { el, segments, format, say } = window.studio;
  const PAD = { left: 48, right: 12, top: 10, bottom: 24 };
  const UNIT = 64; // room for the last figure of the axis, which says of what
  const END = 64; // room for the figures at the lines' ends
  const MOST = 1.5; // points a pixel, before neighbours are taken together

  class Chart {
    constructor({ title, series, height = 190, controls = false, smooth = 0.6, link = null, note = "", onZoom = null }) {
      Object.assign(this, { title, series, height, link });
      this.data = {};
      this.total = 0;
      this.range = null; // [first, last] step while a stretch is looked at
      this.details = null; // its points, closer than in `data`
      this.marks = []; // steps of checkpoints
      this.log = false;
      this.tries = []; // [attempt, step] of those that went on from an earlier one
      this.smooth = controls ? smooth : 0;
      this.cursor = null;
      this.svg = el("svg", { role: "img", tabindex: 0, "aria-label": say("{title}: no figures yet", { title }), height });
      this.tip = el("div", { class: "chart-tip num", hidden: true });
      this.note = el("span", { class: "small muted chart-note", text: note });
      this.box = el("div", { class: "chart-box" }, this.svg, this.tip);
      this.root = el("section", { class: "panel chart" }, el("div", { class: "head" }, el("h2", { text: title }), controls ? el("div", { class: "row" }, this.note, this.toggles()) : this.note), this.box);
      this.band = el("rect", { class: "band", y: PAD.top, height: height - PAD.top - PAD.bottom, width: 0 });
      this.listen();
      if (onZoom) window.StudioChartZoom(this, onZoom);
      if (link) link.add(this);
    }

    toggles() {
      const smooth = segments(say("Smoothing"), { raw: say("Raw"), "0.6": "0.6", "0.9": "0.9" }, this.smooth ? String(this.smooth) : "raw", (name) => {
        this.smooth = Number(name) || 0;
        this.draw();
      });
      const scale = segments(say("Scale"), { linear: say("Linear"), log: say("Logarithmic") }, "linear", (name) => {
        this.log = name === "log";
        this.draw();
      });
      return el("div", { class: "row" }, el("span", { class: "small muted", text: say("smooth") }), smooth, scale);
    }

    listen() {
      new ResizeObserver(() => this.draw()).observe(this.box);
      this.svg.addEventListener("pointermove", (event) => this.point(event.clientX - this.svg.getBoundingClientRect().left));
      this.svg.addEventListener("pointerleave", () => this.at(null, true));
      this.svg.addEventListener("blur", () => this.at(null, true));
      this.svg.addEventListener("keydown", (event) => {
        const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        const steps = this.steps();
        if (event.key === "Escape") return this.at(null, true);
        if (!move || !steps.length) return;
        event.preventDefault();
        const now = this.cursor === null ? (move > 0 ? -1 : steps.length) : steps.findIndex((step) => step >= this.cursor);
        this.at(steps[Math.max(0, Math.min(steps.length - 1, now + move))], true);
      });
    }

    set(data, total, marks = [], tries = []) {
      Object.assign(this, { data, total, marks, tries });
      this.draw();
    }

    // Shows the steps of `range` alone, with `details` {name: points} as soon as they are there; null: all steps.
    zoom(range, details = null) {
      this.range = range;
      this.details = details;
      this.at(null, false);
      this.draw();
    }

    points(name) {
      const all = this.merged(name);
      return this.range ? all.filter(([step]) => step >= this.range[0] && step <= this.range[1]) : all;
    }

    // The details, and what came since they were asked for.
    merged(name) {
      const [close, all] = [this.details && this.details[name], this.data[name] || []];
      if (!close || !close.length) return all;
      const end = close[close.length - 1][0];
      return close.concat(all.filter(([step]) => step > end));
    }

    steps() {
      return this.points(this.series[0].name).map((point) => point[0]);
    }

    // Many figures may come in one frame of the screen: it is drawn once.
    draw() {
      if (this.waiting) return;
      this.waiting = requestAnimationFrame(() => {
        this.waiting = 0;
        const width = Math.floor(this.box.clientWidth);
        if (width > 80) this.paint(width);
      });
    }

    paint(width) {
      this.width = width;
      const known = this.series.map((series) => ({ ...series, points: finite(this.points(series.name), this.log) }));
      const all = known.flatMap((series) => series.points);
      this.svg.setAttribute("width", width);
      this.svg.setAttribute("viewBox", `0 0 ${width} ${this.height}`);
      if (!all.length) return this.blank();
      const last = all.reduce((most, point) => Math.max(most, point[0]), 0);
      [this.x0, this.x1] = this.range || [0, Math.max(last, this.total || 0, 1)];
      const values = all.map((point) => point[1]);
      this.ticks = this.log ? decades(values) : linear(values, this.close());
      const parts = [...this.grid()];
      const ends = [];
      for (const series of known) {
        if (!series.points.length) continue;
        const smoothed = this.smooth && series.smooth !== false ? average(series.points, this.smooth) : null;
        const behind = smoothed && this.faint(series);
        if (behind) parts.push(this.line(series.points, behind));
        parts.push(this.line(smoothed || series.points, series.look || "l1"));
        if (series.dots) for (const point of series.points) parts.push(this.dot(point, 2.5, series));
        const end = (smoothed || series.points)[series.points.length - 1];
        ends.push({ end, series, value: smoothed ? end[1] : series.points[series.points.length - 1][1] });
      }
      if (last < this.x1) parts.push(this.upright(last, "ax", "2 3"));
      parts.push(...this.marks.filter((step) => step >= this.x0 && step <= this.x1).map((step) => this.checkpoint(step)), ...this.beginnings(), this.band);
      parts.push(...this.ends(ends));
      this.mark = el("g");
      parts.push(this.mark);
      this.svg.replaceChildren(...parts);
      this.svg.setAttribute("aria-label", this.summary(known, last));
      if (this.cursor !== null) this.at(this.cursor, false);
    }

    // Whether the lowest figure is the bottom, instead of zero.
    close() {
      return Boolean(this.range);
    }

    // The look of a line behind its smoothed one; null: there is none.
    faint() {
      return "l0";
    }

    // Where a later attempt went on: a line with its number, where there is room for one.
    beginnings() {
      let before = -Infinity;
      return this.tries.filter(([, step]) => step >= this.x0 && step <= this.x1).flatMap(([attempt, step]) => {
        const x = this.x(step);
        const room = x - before > 64 && x < this.width - this.right() - 56;
        if (room) before = x;
        return [this.upright(step, "try", "1 3"), room && el("text", { x: x + 4, y: PAD.top + 4 }, say("attempt {n}", { n: attempt }))].filter(Boolean);
      });
    }

    // A small peg on the axis.
    checkpoint(step) {
      const [x, y] = [this.x(step), this.height - PAD.bottom];
      return el("path", { class: "peg", d: `M${x - 4} ${y}h8l-4 -7z` });
    }

    blank() {
      this.ticks = null;
      this.svg.replaceChildren(...[0.25, 0.5, 0.75, 1].map((part) => {
        const y = PAD.top + part * (this.height - PAD.top - PAD.bottom);
        return el("line", { class: "gr", x1: PAD.left, x2: this.width - PAD.right, y1: y, y2: y });
      }), el("text", { x: this.width / 2, y: this.height / 2 - 4, "text-anchor": "middle", class: "none" }, say("no figures yet")));
    }

    // --- places ------------------------------------------------------------------------------------------------
    x(step) {
      return PAD.left + ((step - this.x0) / (this.x1 - this.x0)) * (this.width - PAD.left - this.right());
    }

    right() {
      return this.series.length > 1 ? END + 44 : PAD.right;
    }

    y(value) {
      const [low, high] = [this.ticks[0], this.ticks[this.ticks.length - 1]];
      const part = this.log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low || 1);
      return PAD.top + (1 - part) * (this.height - PAD.top - PAD.bottom);
    }

    grid() {
      const parts = [];
      for (const tick of this.ticks) {
        const y = Math.round(this.y(tick)) + 0.5;
        parts.push(el("line", { class: "gr", x1: PAD.left, x2: this.width - this.right(), y1: y, y2: y }),
          el("text", { x: PAD.left - 8, y: y + 4, "text-anchor": "end" }, short(tick)));
      }
      const marks = stepTicks(this.x0, this.x1, (this.width - PAD.left) / 90);
      const last = marks[marks.length - 1];
      for (const step of marks) {
        if (step !== last && this.x(last) - this.x(step) < UNIT) continue;
        const at = step === last && this.x(step) > this.width - 60 ? "end" : step === this.x0 ? "start" : "middle";
        parts.push(el("text", { x: this.x(step), y: this.height - 6, "text-anchor": at }, this.tick(step, step === last)));
      }
      return parts;
    }

    tick(step, last) {
      return last ? say("{n} {n:step|steps}", { n: short(step) }) : short(step);
    }

    upright(step, look, dash) {
      const x = Math.round(this.x(step)) + 0.5;
      return el("line", { class: look, x1: x, x2: x, y1: PAD.top, y2: this.height - PAD.bottom, "stroke-dasharray": dash });
    }

    line(points, look) {
      const path = thin(points, MOST * (this.width - PAD.left - this.right())).map(([step, value], i) =>
        `${i ? "L" : "M"}${this.x(step).toFixed(1)} ${this.y(value).toFixed(1)}`).join("");
      return el("path", { class: look, d: path });
    }

    dot([step, value], radius, series) {
      return el("circle", { class: `dot ${series.look || "l1"}`, cx: this.x(step).toFixed(1), cy: this.y(value).toFixed(1), r: radius });
    }

    // The newest figure of each line, beside its end; kept apart where lines end close together.
    ends(ends) {
      let before = -Infinity;
      return ends.sort((a, b) => this.y(a.end[1]) - this.y(b.end[1])).flatMap(({ end, series, value }) => {
        const [x, y] = [this.x(end[0]), this.y(end[1])];
        const inside = x + END > this.width && this.series.length === 1;
        const place = Math.max(inside ? y - 10 : y + 4, before + 14, PAD.top + 2);
        before = place;
        const label = el("text", { class: "lab", x: inside ? Math.min(x, this.width - 4) : x + 8, y: place, "text-anchor": inside ? "end" : "start" }, format.number(value));
        const name = series.label && this.series.length > 1 ? el("text", { x: x + END - 8, y: place }, series.label) : null;
        return [this.dot(end, 4, series), label, name].filter(Boolean);
      });
    }

    // --- the read-out --------------------------------------------------------------------------------------------
    stepAt(px) {
      return Math.round(this.placeAt(px));
    }

    placeAt(px) {
      const part = (px - PAD.left) / (this.width - PAD.left - this.right());
      return this.x0 + Math.max(0, Math.min(1, part)) * (this.x1 - this.x0);
    }

    // Shades the steps between two; null: none.
    stretch(from, to) {
      const [left, right] = from === null || to === null ? [0, 0] : [this.x(Math.min(from, to)), this.x(Math.max(from, to))];
      this.band.setAttribute("x", left);
      this.band.setAttribute("width", right - left);
    }

    point(px) {
      if (!this.ticks) return;
      const wanted = this.stepAt(px);
      const steps = this.steps();
      if (steps.length) this.at(steps[nearest(steps, wanted)], true);
    }

    // Puts the cursor on a step, here and in the charts beside.
    at(step, tell) {
      this.cursor = step;
      if (tell && this.link) for (const other of this.link) if (other !== this) other.at(step, false);
      if (!this.mark) return;
      this.mark.replaceChildren();
      this.tip.hidden = true;
      if (step === null) return;
      const found = this.series.map((series) => this.reading(series, step)).filter(Boolean);
      if (!found.length) return;
      const place = found[0].point[0];
      this.mark.append(this.upright(place, "cur"), ...found.map(({ series, point }) => this.dot(point, 3.5, series)));
      if (!tell) return;
      this.tip.replaceChildren(...this.told(found, place));
      this.tip.hidden = false;
      const x = this.x(place);
      const width = this.tip.offsetWidth;
      this.tip.style.left = `${Math.max(0, Math.min(this.width - width, x + 12 + width > this.width ? x - 12 - width : x + 12))}px`;
    }

    // The point of a line that is nearest to a step; null where it has none.
    reading(series, step) {
      const points = finite(this.points(series.name), this.log);
      const i = points.length ? nearest(points.map((point) => point[0]), step) : -1;
      return i < 0 ? null : { series, point: points[i], smoothed: this.smooth ? average(points.slice(0, i + 1), this.smooth)[i][1] : null };
    }

    told(found, place) {
      return [el("b", { text: say("step {n}", { n: place.toLocaleString("en") }) }),
        ...found.map(({ series, point, smoothed }) => el("span", { text: ` ${series.label || this.title.toLowerCase()} ${format.number(point[1])}` +
          (smoothed === null ? "" : say(", smoothed {n}", { n: format.number(smoothed) })) }))];
    }

    summary(known, last) {
      const parts = known.filter((series) => series.points.length).map(({ label, points }) => {
        const [first, end] = [points[0][1], points[points.length - 1][1]];
        const ends = { first: format.number(first), end: format.number(end) };
        const way = Math.abs(end - first) < 0.01 * Math.abs(first) ? say("from {first}, steady at {end}", ends)
          : end < first ? say("from {first}, falling to {end}", ends) : say("from {first}, rising to {end}", ends);
        return label ? `${label} ${way}` : way;
      });
      return say("{title}, {ways} at step {n}", { title: this.title, ways: parts.join("; "), n: last.toLocaleString("en") });
    }
  }

  // --- figures -----------------------------------------------------------------------------------------------------
  const finite = (points, positive) => points.filter(([, value]) => Number.isFinite(value) && (!positive || value > 0));

  // Exponential average with the start put right, so that it does not begin at zero.
  function average(points, weight) {
    let [sum, mass] = [0, 0];
    return points.map(([step, value]) => {
      sum = weight * sum + (1 - weight) * value;
      mass = weight * mass + (1 - weight);
      return [step, sum / mass];
    });
  }

  // Of each group of neighbours the lowest and the highest point: spikes stay.
  function thin(points, most) {
    if (points.length <= most) return points;
    const size = Math.ceil((2 * points.length) / most);
    const kept = [];
    for (let i = 0; i < points.length; i += size) {
      const group = points.slice(i, i + size);
      const low = group.reduce((a, b) => (b[1] < a[1] ? b : a));
      const high = group.reduce((a, b) => (b[1] > a[1] ? b : a));
      kept.push(...(low === high ? [low] : low[0] < high[0] ? [low, high] : [high, low]));
    }
    return kept;
  }

  // Of more figures than a call takes arguments.
  const least = (values) => values.reduce((a, b) => Math.min(a, b));
  const greatest = (values) => values.reduce((a, b) => Math.max(a, b));

  function round(value) {
    const size = 10 ** Math.floor(Math.log10(value));
    return size * [1, 2, 2.5, 5, 10].find((step) => step * size >= value * 0.999);
  }

  // From zero, or with `close` from the lowest value, in two to five round steps. What is always zero reads as 0 of 0.01.
  function linear(values, close) {
    const low = close ? least(values) : Math.min(0, least(values));
    const most = greatest(values);
    const high = most > low ? most : low + Math.max(0.01, 0.1 * Math.abs(low));
    const step = round((high - low) / 4);
    const ticks = [];
    for (let i = Math.floor(low / step); ticks.length < 2 || ticks[ticks.length - 1] < high * 0.999; i++) ticks.push(Number((i * step).toPrecision(6)));
    return ticks;
  }

  function decades(values) {
    const [low, high] = [least(values), greatest(values)];
    const wide = high / low > 100;
    const steps = wide ? [1] : [1, 2, 5];
    const all = [];
    for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)) + 1; power++) for (const step of steps) all.push(Number((step * 10 ** power).toPrecision(3)));
    const from = all.filter((tick) => tick <= low * 1.001).pop();
    const to = all.find((tick) => tick >= high * 0.999);
    const ticks = all.filter((tick) => tick >= from && tick <= to);
    return ticks.length > 1 ? ticks : [from, from * 10];
  }

  function stepTicks(first, last, most) {
    const step = Math.max(1, Math.round(round((last - first) / Math.max(2, Math.min(5, most)))));
    const ticks = [first];
    for (let i = step * Math.floor(first / step + 1); i <= last; i += step) if (i - first > 0.35 * step) ticks.push(i);
    if (last - ticks[ticks.length - 1] > 0.35 * step) ticks.push(last);
    else if (ticks.length > 1) ticks[ticks.length - 1] = last;
    return ticks;
  }

  function short(value) {
    const size = Math.abs(value);
    if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
    if (size >= 1e3) return `${Number((value / 1e3).toPrecision(3))}k`;
    if (size !== 0 && size < 1e-3) return value.toExponential(1).replace(".0e", "e");
    return String(Number(value.toPrecision(3)));
  }

  function nearest(steps, wanted) {
    let [low, high] = [0, steps.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (steps[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    return low > 0 && wanted - steps[low - 1] < steps[low] - wanted ? low - 1 : low;
  }

  window.StudioChart = Chart;
  Object.assign(Chart, { short, stepTicks, PAD });
})();

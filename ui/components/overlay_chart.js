// One figure of several runs in one chart: a line each, with its number at the end, and all of them read at a step.
(() => {
  "use strict";
  const { el, format, say } = window.studio;
  const NARROW = 16; // px between two numbers at the ends of lines
  const BESIDE = 40; // px; ends that are further apart do not touch
  const RAW = 4; // so many runs may show the unsmoothed line behind the smoothed one

  class OverlayChart extends window.StudioChart {
    constructor(options) {
      super({ height: 260, ...options, series: [] });
      this.axis = null; // {tick(x, last), place(x)} where it does not run over steps
    }

    // runs: [{name: id, label, short, look, smooth}]; data: {id: points}
    show(runs, data, { smooth, log, axis }) {
      Object.assign(this, { series: runs, axis, log });
      this.smooth = runs.some((run) => run.smooth === false) ? 0 : smooth;
      this.set(data, 0);
    }

    paint(width) {
      this.known = null;
      super.paint(width);
      this.light(this.hot);
    }

    // Brings one run to the front; null: none.
    light(id) {
      this.hot = id;
      const wanted = this.series.find((series) => series.name === id);
      for (const line of this.svg.querySelectorAll("path.run")) {
        line.classList.toggle("hot", Boolean(wanted) && line.classList.contains(wanted.mark));
        line.classList.toggle("cold", Boolean(wanted) && !line.classList.contains(wanted.mark));
      }
    }

    steps() {
      this.known = this.known || [...new Set(this.series.flatMap(({ name }) => this.points(name).map(([step]) => step)))].sort((a, b) => a - b);
      return this.known;
    }

    close() {
      return true; // what differs is looked at, not how far it is from zero
    }

    faint({ look }) {
      return this.series.length > RAW ? null : `raw ${look}`;
    }

    right() {
      return 12 + 6.5 * Math.max(2, ...this.series.map((series) => series.short.length));
    }

    tick(step, last) {
      return this.axis ? this.axis.tick(step, last) : super.tick(step, last);
    }

    stepAt(px) {
      return this.axis ? this.placeAt(px) : super.stepAt(px);
    }

    // From the top; a number that would be pushed below the axis is left out: the legend has them all.
    ends(ends) {
      const placed = [];
      return ends.sort((a, b) => this.y(a.end[1]) - this.y(b.end[1])).flatMap(({ end, series }) => {
        const [x, y] = [this.x(end[0]), this.y(end[1])];
        const near = placed.filter((one) => Math.abs(one.x - x) < BESIDE).map((one) => one.place);
        const place = Math.max(y + 4, NARROW + Math.max(-Infinity, ...near));
        const dot = this.dot(end, 3.5, series);
        if (place > this.height - window.StudioChart.PAD.bottom + 4) return [dot];
        placed.push({ x, place });
        return [dot, el("text", { class: "lab", x: x + 7, y: place }, series.short)];
      });
    }

    // A run has no figure before its first point and after its last. Of a smoothed line it is the smoothed one.
    reading(series, step) {
      const points = this.points(series.name);
      if (!points.length || step < points[0][0] || step > points[points.length - 1][0]) return null;
      const found = super.reading(series, step);
      return found && (found.smoothed === null ? found : { ...found, point: [found.point[0], found.smoothed] });
    }

    told(found, place) {
      const rows = [...found].sort((a, b) => b.point[1] - a.point[1]); // as the lines lie
      return [el("b", { text: this.axis ? this.axis.place(place) : say("step {n}", { n: place.toLocaleString("en") }) }),
        el("div", { class: rows.length > 12 ? "reads two" : "reads" }, ...rows.map((row) => el("span", {},
          window.StudioCompareLooks.sample(row.series.look), el("span", { text: row.series.label }), el("span", { class: "num r", text: format.number(row.point[1]) }))))];
    }

    summary(known, last) {
      const ends = known.filter(({ points }) => points.length).map(({ label, points }) => [points[points.length - 1][1], label]).sort((a, b) => a[0] - b[0]);
      const [low, high] = [ends[0], ends[ends.length - 1]];
      return say("{title} of {n} {n:run|runs} up to {place}. At their ends: lowest {low} of {low_run}, highest {high} of {high_run}", {
        title: this.title, n: ends.length, place: this.axis ? this.axis.place(last) : say("step {n}", { n: last.toLocaleString("en") }),
        low: format.number(low[0]), low_run: low[1], high: format.number(high[0]), high_run: high[1] });
    }
  }

  window.StudioOverlayChart = OverlayChart;
})();

// Loss by noise level over the steps of a training: eight rows, most masked on top, the newest figure printed in each.
(() => {
  "use strict";
  const { el, format, segments, say } = window.studio;
  const ROWS = 8; // as LEVELS in jobs/protocol/events.py
  const SHADES = 7; // --h0 to --h6
  const PAD = { left: 48, right: 52, top: 10, bottom: 24 };
  const CELL = 9; // least width of a column, px

  class LevelMap {
    constructor({ height = 190, link = null } = {}) {
      Object.assign(this, { height, link });
      this.level = ROWS - 1; // the row that is read out
      this.sets = { training: [], validation: [] };
      this.shown = "training";
      this.levels = [];
      this.cursor = null;
      this.svg = el("svg", { role: "img", tabindex: 0, height, "aria-label": say("Loss by noise level: no figures yet") });
      this.tip = el("div", { class: "chart-tip num", hidden: true });
      this.box = el("div", { class: "chart-box" }, this.svg, this.tip);
      const scale = el("span", { class: "shades", "aria-hidden": "true" }, ...Array.from({ length: SHADES }, (_, i) => el("i", { class: `h${i}` })));
      this.low = el("span", { class: "num", text: say("low") });
      this.high = el("span", { class: "num", text: say("high") });
      this.choice = segments(say("Rows"), { training: say("Training"), validation: say("Validation") }, this.shown, (name) => {
        this.shown = name;
        this.draw();
      });
      this.choice.hidden = true;
      this.root = el("section", { class: "panel chart levels" },
        el("div", { class: "head" }, el("h2", { text: say("Loss by noise level") }),
          el("div", { class: "row" }, el("span", { class: "small muted legend" }, say("share masked, loss"), this.low, scale, this.high), this.choice)), this.box);
      new ResizeObserver(() => this.draw()).observe(this.box);
      this.svg.addEventListener("pointermove", (event) => this.point(event));
      this.svg.addEventListener("pointerleave", () => this.at(null, true));
      this.svg.addEventListener("blur", () => this.at(null, true));
      this.svg.addEventListener("keydown", (event) => this.key(event));
      if (link) link.add(this);
    }

    // training, validation: [{step, loss, count}]; the rows held out have the same masks each time.
    set(training, validation) {
      this.sets = { training, validation };
      this.choice.hidden = !validation.length;
      this.draw();
    }

    // Shows the steps of `range` alone; null: all.
    zoom(range) {
      this.range = range;
      this.draw();
    }

    draw() {
      if (this.waiting) return;
      this.waiting = requestAnimationFrame(() => {
        this.waiting = 0;
        const width = Math.floor(this.box.clientWidth);
        if (width > 120) this.paint(width);
      });
    }

    paint(width) {
      this.width = width;
      const inside = ({ step }) => !this.range || (step >= this.range[0] && step <= this.range[1]);
      this.levels = this.sets[this.choice.hidden ? "training" : this.shown].filter(inside);
      this.svg.setAttribute("width", width);
      this.svg.setAttribute("viewBox", `0 0 ${width} ${this.height}`);
      const inner = width - PAD.left - PAD.right;
      this.columns = this.levels.length ? columns(this.levels, Math.max(4, Math.floor(inner / CELL))) : [];
      const row = (this.height - PAD.top - PAD.bottom) / ROWS;
      const parts = [];
      const values = this.columns.flatMap((column) => column.loss).filter((value) => value !== null);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      this.low.textContent = values.length ? low.toFixed(2) : say("low");
      this.high.textContent = values.length ? high.toFixed(2) : say("high");
      const wide = this.columns.length ? inner / this.columns.length : 0;
      const latest = latestOf(this.levels);
      for (let level = 0; level < ROWS; level++) {
        const y = PAD.top + (ROWS - 1 - level) * row;
        parts.push(el("text", { x: PAD.left - 8, y: y + row / 2 + 4, "text-anchor": "end" }, `${middle(level)} %`));
        if (!this.columns.length) parts.push(el("rect", { class: "h0", x: PAD.left, y, width: inner, height: row - 1 }));
        // Neighbours of one shade are one rectangle: fewer nodes and no seams.
        for (let i = 0; i < this.columns.length;) {
          const shade = shadeOf(this.columns[i].loss[level], low, high);
          let to = i + 1;
          while (to < this.columns.length && shadeOf(this.columns[to].loss[level], low, high) === shade) to++;
          if (shade !== null) parts.push(el("rect", { class: `h${shade}`, x: (PAD.left + i * wide).toFixed(1), y, width: ((to - i) * wide).toFixed(1), height: row - 1 }));
          i = to;
        }
        if (latest[level] !== null) parts.push(el("text", { class: "lab", x: width - PAD.right + 8, y: y + row / 2 + 4 }, latest[level].toFixed(2)));
      }
      this.mark = el("g");
      parts.push(...this.axis(inner), this.mark);
      this.svg.replaceChildren(...parts);
      this.svg.setAttribute("aria-label", this.levels.length
        ? say("Loss by noise level at step {n}: {list}", { n: this.levels[this.levels.length - 1].step,
          list: latest.map((value, i) => (value === null ? "" : say("{n} % masked {loss}", { n: middle(i), loss: value.toFixed(2) }))).filter(Boolean).reverse().join(", ") })
        : say("Loss by noise level: no figures yet"));
      if (this.cursor !== null) this.at(this.cursor, false);
    }

    axis(inner) {
      if (!this.levels.length) return [el("text", { x: PAD.left + inner / 2, y: this.height - 6, "text-anchor": "middle" }, say("no figures yet"))];
      const [from, to] = [this.levels[0].step, this.levels[this.levels.length - 1].step];
      const y = this.height - 6;
      return [el("text", { x: PAD.left, y, "text-anchor": "start" }, window.StudioChart.short(from)),
        this.levels.length > 2 ? el("text", { x: PAD.left + inner / 2, y, "text-anchor": "middle" }, window.StudioChart.short(this.levels[this.levels.length >> 1].step)) : null,
        el("text", { x: PAD.left + inner, y, "text-anchor": "end" }, to.toLocaleString("en")),
        el("text", { x: this.width - PAD.right + 8, y }, say("latest"))].filter(Boolean);
    }

    point(event) {
      const box = this.svg.getBoundingClientRect();
      const inner = this.width - PAD.left - PAD.right;
      const i = Math.floor(((event.clientX - box.left - PAD.left) / inner) * this.columns.length);
      const level = ROWS - 1 - Math.floor(((event.clientY - box.top - PAD.top) / (this.height - PAD.top - PAD.bottom)) * ROWS);
      const there = this.columns[i] && level >= 0 && level < ROWS;
      if (there) this.level = level;
      this.at(there ? this.columns[i].to : null, true);
    }

    // Arrow keys: sideways through the steps, up and down through the levels.
    key(event) {
      const [aside, up] = [{ ArrowRight: 1, ArrowLeft: -1 }[event.key] || 0, { ArrowUp: 1, ArrowDown: -1 }[event.key] || 0];
      if (event.key === "Escape") return this.at(null, true);
      if (!(aside || up) || !this.columns || !this.columns.length) return;
      event.preventDefault();
      const last = this.columns.length - 1;
      const now = this.cursor === null ? (aside > 0 ? -1 : last + (aside ? 1 : 0)) : this.column(this.cursor);
      this.level = Math.max(0, Math.min(ROWS - 1, this.level + up));
      this.at(this.columns[Math.max(0, Math.min(last, now + aside))].to, true);
    }

    // The column that a step lies in or after.
    column(step) {
      const i = this.columns.findIndex(({ to }) => to >= step);
      return i < 0 ? this.columns.length - 1 : i;
    }

    // Puts the cursor on a step, here and in the charts beside.
    at(step, tell) {
      this.cursor = step;
      if (tell && this.link) for (const other of this.link) if (other !== this) other.at(step, false);
      this.tip.hidden = true;
      if (!this.mark) return;
      this.mark.replaceChildren();
      if (step === null || !this.columns.length) return;
      const i = this.column(step);
      const wide = (this.width - PAD.left - PAD.right) / this.columns.length;
      const row = (this.height - PAD.top - PAD.bottom) / ROWS;
      const x = PAD.left + i * wide;
      this.mark.append(el("rect", { class: "here", x: x.toFixed(1), y: PAD.top, width: wide.toFixed(1), height: this.height - PAD.top - PAD.bottom }));
      if (!tell) return;
      this.mark.append(el("rect", { class: "here", x: x.toFixed(1), y: PAD.top + (ROWS - 1 - this.level) * row, width: wide.toFixed(1), height: row - 1 }));
      this.tell(this.columns[i], x + wide / 2);
    }

    tell(column, x) {
      const [level, loss] = [this.level, column.loss[this.level]];
      const steps = column.from === column.to ? say("step {n}", { n: column.to }) : say("steps {from} to {to}", column);
      this.tip.replaceChildren(el("b", { text: steps }), " " + (loss === null ? say("{n} % masked, no token", { n: middle(level) })
        : say("{n} % masked, loss {loss}, {count} {count:token|tokens}", { n: middle(level), loss: loss.toFixed(3), count: format.number(column.count[level]) })));
      this.tip.hidden = false;
      const width = this.tip.offsetWidth;
      this.tip.style.left = `${Math.max(0, x + 12 + width > this.width ? x - 12 - width : x + 12)}px`;
    }
  }

  const middle = (level) => Math.round((100 * (level + 0.5)) / ROWS);

  // The levels of neighbouring steps as at most `most` columns: mean loss, weighted by the number of tokens.
  function columns(levels, most) {
    const size = Math.ceil(levels.length / most);
    const found = [];
    for (let i = 0; i < levels.length; i += size) {
      const group = levels.slice(i, i + size);
      const count = Array.from({ length: ROWS }, (_, k) => group.reduce((sum, level) => sum + (level.count[k] || 0), 0));
      const loss = count.map((all, k) => (all ? group.reduce((sum, level) => sum + (level.loss[k] ?? 0) * (level.count[k] || 0), 0) / all : null));
      found.push({ from: group[0].step, to: group[group.length - 1].step, loss, count });
    }
    return found;
  }

  function latestOf(levels) {
    return Array.from({ length: ROWS }, (_, k) => {
      for (let i = levels.length - 1; i >= 0; i--) if (Number.isFinite(levels[i].loss[k])) return levels[i].loss[k];
      return null;
    });
  }

  function shadeOf(value, low, high) {
    if (value === null) return null;
    return Math.min(SHADES - 1, Math.floor((SHADES * (value - low)) / (high - low || 1)));
  }

  window.StudioLevelMap = LevelMap;
})();

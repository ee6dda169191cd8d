// One token of the denoise canvas: its classes and text at a frame. Shapes repeat what colours say.
(() => {
  "use strict";
  const { el, say } = window.studio;
  const MASKED = say("masked");
  const GUESS = 4; // characters of a masked cell whose word is not known yet
  const SPECIAL = /^\s*(<[^<>\s]+>|\[[A-Z]+\])\s*$/; // end of text and its like: there, but not loud
  const band = (p) => Math.max(1, Math.min(5, 1 + Math.floor((p - 0.2) / 0.16)));

  class Cells {
    constructor(film) {
      const { grid } = film.start;
      this.film = film;
      this.pinned = new Set(Object.keys((film.start.parent || {}).pins || {}).map(Number));
      this.nodes = film.cells.map((_, i) =>
        el("span", { "data-i": i, tabindex: i ? -1 : 0, class: grid ? gridClass(i, grid) : "t" }));
      this.base = this.nodes.map((node) => node.className);
    }

    // `edit`: what is to be changed there, {pin: text} or {mask: true}; it is shown as if it were done.
    draw(i, frame, colour, edit) {
      const { film } = this;
      const state = film.at(i, frame);
      const masked = edit ? Boolean(edit.mask) : film.isMasked(state);
      const given = state.event === "given" && !edit;
      const closed = state.event === "closed" && !edit;
      const text = masked ? "" : edit ? edit.pin : film.text(i, state);
      const classes = [this.base[i]];
      if (masked) classes.push(edit || state.event === "remasked" ? "m re" : "m");
      else if (edit) classes.push("g pin");
      else if (given) classes.push(this.pinned.has(i) ? "g pin" : "g");
      else if (closed) classes.push("cl eos");
      else {
        classes.push(...this.tint(i, state, colour));
        if (state.event === "edited") classes.push("ed");
        if (SPECIAL.test(text)) classes.push("eos");
      }
      if (edit) classes.push("changed");
      const over = film.done && frame === film.frames;
      if (!masked && !given && !closed && !edit && state.frame === frame && !over) classes.push("new");
      const shown = masked ? film.coming(i) : text;
      if (!film.start.grid && i && !/^\s/.test(shown) && shown !== "" && !SPECIAL.test(shown)) classes.push("joined");
      if (/\n/.test(shown)) classes.push("break");
      this.write(this.nodes[i], classes, masked, text, shown, masked || given || closed || edit ? 0 : state.p);
      if (film.start.grid && !masked && !given && !edit) this.nodes[i].append(el("sup", { text: state.frame }));
    }

    // Redraw what differs between two frames; `edits(i)`: changes that are shown as if they were done.
    move(from, to, colour, edits = () => undefined) {
      const touched = this.film.changed(from, to);
      // Frames of "new in this step" move on with the step.
      for (const frame of [from, to]) for (const delta of frame ? this.film.steps[frame - 1].deltas : []) touched.add(delta[0]);
      for (const i of touched) this.draw(i, to, colour, edits(i));
    }

    write(node, classes, masked, text, shown, p) {
      node.className = classes.join(" ");
      node.style.setProperty("--p", p);
      node.style.setProperty("--w", Math.max(1, (shown.trim() || "x".repeat(GUESS)).length));
      node.textContent = masked ? MASKED : /^\n+$/.test(text) ? "\u21b5" : text.trim() === "" ? "\u00a0" : text.trim();
    }

    tint(i, state, colour) {
      if (colour === "confidence") return [`c${band(state.p)}`];
      if (colour === "step") {
        return [`s${1 + Math.min(4, Math.floor((5 * (state.frame - 1)) / Math.max(1, this.film.frames)))}`];
      }
      const tint = state.block % 2 ? "s3" : "s1";
      return i && this.film.block(i - 1) === state.block ? [tint] : [tint, "first"];
    }
  }

  function gridClass(i, { columns, box_rows, box_columns, rows }) {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const right = (column + 1) % box_columns === 0 && column + 1 < columns;
    const bottom = (row + 1) % box_rows === 0 && row + 1 < rows;
    return `t cell${right ? " box-right" : ""}${bottom ? " box-bottom" : ""}`;
  }

  window.StudioCells = Cells;
})();

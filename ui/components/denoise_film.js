// A trajectory (jobs/protocol/trajectory.py) as frames that can be visited in any order. No DOM in here.
// Frame 0 is the canvas before the first step; frame i is the canvas after the i-th step line.
(() => {
  "use strict";

  class Film {
    constructor() {
      this.start = null;
      this.end = null;
      this.steps = []; // step lines, in order
      this.cells = []; // for each position its states, oldest first: {frame, id, text, p, event, top, entropy, block}
      this.given = new Set();
      this.closed = [0]; // at each frame, positions filled behind the end without asking the model
      this.events = new Set(); // kinds of event that happened
    }

    get frames() {
      return this.steps.length;
    }

    // Seconds from the start to the last step so far.
    get seconds() {
      return this.frames ? this.steps[this.frames - 1].seconds : 0;
    }

    // The frame that was there after so many seconds.
    frameAt(seconds) {
      let [low, high] = [0, this.frames];
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (this.steps[middle - 1].seconds <= seconds) low = middle;
        else high = middle - 1;
      }
      return low;
    }

    get done() {
      return this.end !== null;
    }

    push(line) {
      if (line.type === "start") this._start(line);
      else if (line.type === "step" && this.start) this._step(line);
      else if (line.type === "end") this.end = line;
    }

    _start(line) {
      this.start = line;
      this.end = null;
      this.steps = [];
      this.closed = [0];
      this.events = new Set();
      this.given = new Set(line.given);
      this.cells = line.ids.map((id, i) => [
        { frame: 0, id, text: line.texts[i], p: 1, event: id === line.mask_id ? "masked" : "given", top: [] },
      ]);
    }

    _step(line) {
      this.steps.push(line);
      let closed = this.closed[this.frames - 1];
      for (const [position, id, text, p, event, top, entropy] of line.deltas) {
        this.cells[position].push({ frame: this.frames, id, text, p, event, top, entropy, block: line.block });
        this.events.add(event);
        if (event === "closed") closed += 1;
      }
      this.closed.push(closed);
    }

    // The state of a cell at a frame: the last one written at or before it.
    at(position, frame) {
      const states = this.cells[position];
      let low = 0;
      let high = states.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (states[middle].frame <= frame) low = middle;
        else high = middle - 1;
      }
      return states[low];
    }

    isMasked(state) {
      return state.id === this.start.mask_id;
    }

    // The text to show for a state. Once the end is known, its texts are cut so that split characters read right.
    text(position, state) {
      const states = this.cells[position];
      const isLast = states[states.length - 1] === state;
      return isLast && this.end && this.end.texts[position] ? this.end.texts[position] : state.text;
    }

    // The text that a masked cell will hold, as far as it is known: its width keeps lines from jumping.
    coming(position) {
      const states = this.cells[position];
      const last = states[states.length - 1];
      return this.isMasked(last) ? "" : this.text(position, last);
    }

    // The block in which a position was written last; undefined for those that were given.
    block(position) {
      const states = this.cells[position];
      return states[states.length - 1].block;
    }

    // Positions whose state differs between two frames.
    changed(from, to) {
      const found = new Set();
      const [low, high] = from < to ? [from, to] : [to, from];
      for (let i = low; i < high; i++) for (const delta of this.steps[i].deltas) found.add(delta[0]);
      return found;
    }

    figures(frame) {
      const total = this.cells.length - this.given.size;
      const line = frame ? this.steps[frame - 1] : null;
      const masked = line ? line.masked : total;
      const closed = this.closed[frame];
      const revealed = total - masked - closed;
      const nfe = line ? line.nfe : 0;
      const seconds = line ? line.seconds : 0;
      return {
        given: this.given.size,
        total,
        masked,
        revealed,
        closed,
        nfe,
        seconds,
        step: line ? line.step + 1 : 0,
        steps: this.done ? (this.frames ? this.steps[this.frames - 1].step + 1 : 0) : Math.min(this.start.sampler.steps, total),
        perForward: nfe ? revealed / nfe : 0,
        perSecond: seconds > 0 ? revealed / seconds : 0,
        entropy: line ? line.entropy : null,
      };
    }

    // Positions of a grid that break a rule at a frame: the same symbol twice in a row, column or box.
    conflicts(frame) {
      const { rows, columns, box_rows, box_columns } = this.start.grid;
      const groups = new Map();
      for (let i = 0; i < rows * columns; i++) {
        const state = this.at(i, frame);
        if (this.isMasked(state)) continue;
        const [row, column] = [Math.floor(i / columns), i % columns];
        const box = `${Math.floor(row / box_rows)},${Math.floor(column / box_columns)}`;
        for (const key of [`r${row}`, `c${column}`, `b${box}`]) {
          const name = `${key}:${this.text(i, state).trim()}`;
          if (!groups.has(name)) groups.set(name, []);
          groups.get(name).push(i);
        }
      }
      return new Set([...groups.values()].filter((group) => group.length > 1).flat());
    }
  }

  window.StudioFilm = Film;
})();

// The denoise canvas: a trajectory drawn live, with transport, figures and a pop-over for every token.
(() => {
  "use strict";
  const { el, segments } = window.studio;
  const SPEEDS = { "0.5x": 160, "1x": 80, "2x": 40, live: 0 }; // milliseconds a frame
  const STILL = matchMedia("(prefers-reduced-motion: reduce)");
  const GUESS = 4; // characters of a masked cell whose word is not known yet
  const SPECIAL = /^\s*(<[^<>\s]+>|\[[A-Z]+\])\s*$/; // end of text and its like: there, but not loud
  const band = (p) => Math.max(1, Math.min(5, 1 + Math.floor((p - 0.2) / 0.16)));

  window.studio.components.denoise_canvas = (element, props, watch) => {
    const root = element.querySelector(".denoise") || element;
    const canvas = new Canvas(root, (props.value || {}).compact === true);
    const show = (value) => value && value.request && canvas.follow(value.request);
    const linked = window.studio.params.sample;
    const remembered = linked || localStorage.getItem("studio.sample");
    if (props.value && props.value.request) show(props.value);
    else if (remembered) canvas.follow(remembered, !linked); // what is only remembered may have been deleted
    watch("value", () => show(props.value));
    const opened = (event) => event.detail.sample && canvas.follow(event.detail.sample);
    window.addEventListener("studio:open", opened);
    window.studio.whenGone(root, () => {
      window.removeEventListener("studio:open", opened);
      canvas.leave();
    });
  };

  class Canvas {
    constructor(root, compact) {
      this.root = root;
      this.compact = compact;
      this.film = new window.StudioFilm();
      this.frame = 0;
      this.live = true; // stay on the newest frame
      this.colour = "confidence";
      this.speed = "1x";
      this.playing = 0;
      this.said = 0;
      this.unsubscribe = () => {};
      this.build();
      this.empty();
    }

    // --- parts -----------------------------------------------------------------------------------------------
    build() {
      this.count = el("span", { class: "muted num count" });
      this.colours = segments("Colour by", ["confidence", "step"], this.colour, (name) => {
        this.colour = name;
        this.redraw();
      });
      this.legend = el("div", { class: "legend", "aria-label": "Legend" });
      this.board = el("div", { class: "canvas hero" });
      this.popover = new window.StudioPopover();
      this.message = el("div", { class: "canvas-message", "aria-live": "polite" });
      this.polite = el("p", { class: "sr", role: "status" });
      this.stage = el("div", { class: "stage-box" }, this.board, this.popover.tip);
      this.transport = this.buildTransport();
      this.stats = el("dl", { class: "stats" });
      this.root.replaceChildren(
        el("div", { class: "head" }, el("h2", {}, "Denoising ", this.count),
          el("div", { class: "row" }, el("span", { class: "muted small", text: "Colour by" }), this.colours)),
        this.legend, this.stage, this.message, this.popover.dock, this.transport, this.stats, this.polite);
      this.drawLegend();
      this.listen();
    }

    buildTransport() {
      const button = (name, icon, action) =>
        el("button", { class: "btn sq", type: "button", "aria-label": name, title: name, onclick: action },
          el("span", { class: `i i-${icon}`, "aria-hidden": "true" }));
      this.playButton = button("Play", "play", () => this.play(!this.playing));
      this.curve = el("svg", { viewBox: "0 0 100 28", preserveAspectRatio: "none", "aria-hidden": "true" });
      this.track = el("span", { class: "track" });
      this.range = el("input", { type: "range", min: 0, max: 0, value: 0, step: 1, "aria-label": "Step" });
      this.speeds = segments("Speed", Object.keys(SPEEDS), this.speed, (name) => {
        this.speed = name;
        if (name === "live") this.toEnd();
        else if (this.playing) this.play(true);
      });
      return el("div", { class: "transport" },
        button("One step back", "prev", () => this.go(this.frame - 1)), this.playButton,
        button("One step on", "next", () => this.go(this.frame + 1)),
        el("div", { class: "scrub" }, this.curve, el("span", { class: "cap", text: "mean entropy" }), this.track, this.range),
        el("div", { class: "row speeds" }, el("span", { class: "muted small", text: "Speed" }), this.speeds));
    }

    listen() {
      this.range.addEventListener("input", () => this.go(Number(this.range.value)));
      this.board.addEventListener("pointerover", (event) => this.point(event.target.closest("[data-i]")));
      this.board.addEventListener("pointerleave", () => this.point(null));
      this.board.addEventListener("focusin", (event) => this.point(event.target.closest("[data-i]")));
      this.board.addEventListener("focusout", () => this.point(null));
      this.board.addEventListener("click", (event) => {
        const cell = event.target.closest("[data-i]");
        if (cell) cell.focus({ preventScroll: true });
      });
      this.root.addEventListener("keydown", (event) => this.key(event));
      // What a pointer has opened must close by key too, wherever the focus is.
      this.escape = (event) => event.key === "Escape" && this.point(null);
      document.addEventListener("keydown", this.escape);
    }

    // --- what is shown ---------------------------------------------------------------------------------------
    follow(request, quiet = false) {
      this.unsubscribe();
      this.pause();
      this.request = request;
      this.film = new window.StudioFilm();
      this.clear();
      this.live = true;
      this.setState("waiting");
      this.say(quiet ? "" : "Asking the model server ...");
      localStorage.setItem("studio.sample", request);
      window.studio.remember({ sample: request });
      this.unsubscribe = window.studio.subscribe(`sample:${request}`, (message) => this.receive(message, quiet));
    }

    receive(message, quiet) {
      if (message.error) {
        if (quiet) this.forget();
        else this.fail(message.error);
        return;
      }
      if (message.waiting) return this.say(sentence(message.waiting));
      if (!message.lines) return;
      if (message.reset) this.film = new window.StudioFilm();
      for (const line of message.lines) this.film.push(line);
      if (!this.film.start) {
        if (this.film.end) this.finish();
        return;
      }
      if (message.reset || !this.cells) this.layOut();
      if (!this.film.done) this.setState("live");
      this.schedule();
    }

    // Lines may come faster than the screen is drawn: one drawing a screen frame, always the newest.
    schedule() {
      if (this.drawing) return;
      this.drawing = requestAnimationFrame(() => {
        this.drawing = 0;
        if (!this.film.start) return;
        this.range.max = this.film.frames;
        const replay = this.film.done && !this.root.dataset.seen;
        // Whoever asks for less motion sees the beginning and the end, and goes through the steps by hand.
        if (STILL.matches && !this.film.done) this.drawTransport();
        else if (this.live || replay) this.draw(this.film.frames);
        else this.drawTransport();
        if (this.film.done) this.finish();
      });
    }

    finish() {
      const end = this.film.end;
      this.root.dataset.seen = "1";
      if (this.film.start) this.redraw();
      if (end.reason === "error") return this.fail(end.error || "The model server gave up.");
      this.setState(end.reason === "cancelled" ? "cancelled" : "done");
      if (end.reason === "cancelled") this.say("Stopped. The canvas keeps its last frame.");
      else if (!this.film.start.grid) this.say("");
    }

    forget() {
      localStorage.removeItem("studio.sample");
      window.studio.remember({ sample: null });
      this.empty();
    }

    // Nothing of the former film may be pointed at, scrubbed or coloured anew.
    clear() {
      this.point(null);
      this.cells = null;
      this.frame = 0;
      this.curved = -1;
      this.board.replaceChildren();
      this.count.textContent = "";
    }

    empty() {
      this.clear();
      this.setState("empty");
      this.message.replaceChildren(
        el("div", { class: "empty" }, el("h3", { text: "Nothing written yet" }),
          el("p", { class: "muted", text: "The canvas starts as masks. Each step the model reveals what it is surest of." })));
    }

    say(text) {
      this.message.replaceChildren(...(text ? [el("p", { class: "muted", text })] : []));
    }

    fail(text) {
      this.setState("error");
      this.message.replaceChildren(el("div", { class: "note bad", role: "alert" },
        el("span", { class: "i i-warn", "aria-hidden": "true" }), el("span", { text })));
    }

    setState(state) {
      this.root.dataset.state = state;
      window.dispatchEvent(new CustomEvent("studio:sampling", { detail: { request: this.request, state } }));
    }

    // --- drawing ---------------------------------------------------------------------------------------------
    layOut() {
      const { grid } = this.film.start;
      delete this.root.dataset.seen;
      this.said = 0;
      this.board.className = grid ? "sudoku" : "canvas hero";
      this.board.style.setProperty("--columns", grid ? grid.columns : "");
      this.cells = this.film.cells.map((_, i) =>
        el("span", { "data-i": i, tabindex: i ? -1 : 0, class: grid ? gridClass(i, grid) : "t" }));
      this.base = this.cells.map((cell) => cell.className);
      this.board.replaceChildren(...this.cells);
      this.frame = 0;
      this.redraw();
    }

    redraw() {
      if (!this.cells) return;
      this.drawLegend();
      for (let i = 0; i < this.cells.length; i++) this.cell(i);
      this.drawTransport();
      this.drawConflicts();
    }

    draw(frame) {
      const before = this.frame;
      const to = Math.max(0, Math.min(this.film.frames, frame));
      const touched = this.film.changed(before, to);
      // Frames of "new in this step" move on with the step.
      for (const old of before ? this.film.steps[before - 1].deltas : []) touched.add(old[0]);
      this.frame = to;
      for (const delta of to ? this.film.steps[to - 1].deltas : []) touched.add(delta[0]);
      for (const i of touched) this.cell(i);
      this.drawTransport();
      this.drawConflicts();
      if (this.pointed) this.point(this.pointed);
    }

    cell(i) {
      const node = this.cells[i];
      const state = this.film.at(i, this.frame);
      const masked = this.film.isMasked(state);
      const given = state.event === "given";
      const text = masked ? "" : this.film.text(i, state);
      const classes = [this.base[i]];
      if (masked) classes.push(state.event === "remasked" ? "m re" : "m");
      else if (given) classes.push("g");
      else {
        classes.push(this.tint(state));
        if (state.event === "edited") classes.push("ed");
        if (SPECIAL.test(text)) classes.push("eos");
      }
      const finished = this.film.done && this.frame === this.film.frames;
      if (!masked && !given && state.frame === this.frame && !finished) classes.push("new");
      const shown = masked ? this.film.coming(i) : text;
      if (!this.film.start.grid && i && !/^\s/.test(shown) && shown !== "" && !SPECIAL.test(shown)) classes.push("joined");
      if (/\n/.test(shown)) classes.push("break");
      node.className = classes.join(" ");
      node.style.setProperty("--p", masked || given ? 0 : state.p);
      node.style.setProperty("--w", Math.max(1, (shown.trim() || "x".repeat(GUESS)).length));
      if (masked) node.replaceChildren(el("span", { class: "sr", text: "masked" }));
      else node.textContent = /^\n+$/.test(text) ? "\u21b5" : text.trim() === "" ? "\u00a0" : text.trim();
      if (this.film.start.grid && !masked && !given) node.append(el("sup", { text: state.frame }));
    }

    tint(state) {
      if (this.colour === "confidence") return `c${band(state.p)}`;
      return `s${1 + Math.min(4, Math.floor((5 * (state.frame - 1)) / Math.max(1, this.film.frames)))}`;
    }

    drawLegend() {
      this.legend.replaceChildren(...window.studioLegend(this.colour));
    }

    drawTransport() {
      const f = this.film.figures(this.frame);
      const frames = Math.max(1, this.film.frames);
      this.root.dataset.frame = this.frame;
      this.root.dataset.frames = this.film.frames;
      this.range.max = this.film.frames;
      this.range.value = this.frame;
      this.range.setAttribute("aria-valuetext", `step ${f.step} of ${f.steps}`);
      this.track.style.setProperty("--v", `${(100 * this.frame) / frames}%`);
      this.count.textContent = `${f.revealed} of ${f.total} revealed, ${f.masked} masked, ${f.given} given`;
      const figure = (name, value, unit) =>
        el("div", {}, el("dt", { text: name }), el("dd", { text: value }, unit ? el("small", { text: ` ${unit}` }) : null));
      this.stats.replaceChildren(
        figure("step", f.step, `/ ${f.steps}`), figure("forwards", f.nfe),
        figure("tokens per forward", f.perForward.toFixed(2)), figure("tokens/s", f.perSecond.toFixed(1)),
        figure("elapsed", f.seconds.toFixed(2), "s"),
        figure("mean entropy", f.entropy === null ? "\u2013" : f.entropy.toFixed(2), f.entropy === null ? "" : "nats"));
      this.drawCurve();
      this.announce(f);
    }

    drawCurve() {
      const values = this.film.steps.map((line) => line.entropy);
      if (values.length === this.curved) return;
      this.curved = values.length;
      const top = Math.max(0.1, ...values.filter((v) => v !== null));
      const points = values
        .map((v, i) => (v === null ? null : `${((100 * (i + 0.5)) / values.length).toFixed(2)},${(26 - (24 * v) / top).toFixed(2)}`))
        .filter(Boolean);
      this.curve.replaceChildren(el("polyline", { points: points.join(" "), class: "l1", "vector-effect": "non-scaling-stroke" }));
    }

    drawConflicts() {
      if (!this.film.start.grid) return;
      const wrong = this.film.conflicts(this.frame);
      this.cells.forEach((cell, i) => cell.classList.toggle("wrong", wrong.has(i)));
      const open = this.film.figures(this.frame).masked;
      const text = wrong.size
        ? `${wrong.size} cells break a rule: the same digit stands twice in a row, column or box.`
        : open ? "No row, column or box breaks a rule so far." : "Solved: no row, column or box breaks a rule.";
      if (this.film.done || wrong.size || this.frame) {
        this.message.replaceChildren(el("div", { class: `note ${wrong.size ? "bad" : "info"}` },
          el("span", { class: `i i-${wrong.size ? "warn" : "ok"}`, "aria-hidden": "true" }), el("span", { text })));
      }
      this.root.dataset.conflicts = wrong.size;
    }

    // Screen readers hear how far it is, at most every five seconds and once at the end.
    announce(figures) {
      if (this.film.done ? this.said === Infinity : Date.now() - this.said < 5000) return;
      this.said = this.film.done ? Infinity : Date.now();
      this.polite.textContent = `step ${figures.step} of ${figures.steps}, ${figures.revealed} revealed`;
    }

    // --- moving through time ---------------------------------------------------------------------------------
    go(frame) {
      this.pause();
      if (!this.cells) return;
      this.live = frame >= this.film.frames && !this.film.done;
      this.draw(frame);
    }

    toEnd() {
      this.pause();
      this.live = true;
      if (this.cells) this.draw(this.film.frames);
    }

    play(on) {
      this.pause();
      if (!on || !this.cells) return;
      if (this.frame >= this.film.frames) this.draw(0);
      this.live = false;
      const wait = SPEEDS[this.speed] || SPEEDS["1x"];
      this.playing = setInterval(() => {
        if (!this.root.isConnected) return this.pause();
        if (this.frame < this.film.frames) this.draw(this.frame + 1);
        else if (this.film.done) this.pause();
      }, wait);
      this.playIcon(true);
    }

    pause() {
      clearInterval(this.playing);
      this.playing = 0;
      this.playIcon(false);
    }

    playIcon(on) {
      this.playButton.setAttribute("aria-label", on ? "Pause" : "Play");
      this.playButton.title = on ? "Pause" : "Play";
      this.playButton.firstElementChild.className = `i i-${on ? "pause" : "play"}`;
    }

    key(event) {
      if (!this.cells || event.target === this.range || event.target.closest("[role=radiogroup]")) return;
      const at = this.cells.indexOf(document.activeElement);
      const columns = this.film.start.grid ? this.film.start.grid.columns : 0;
      const move = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
      if (event.key === " " && event.target.tagName !== "BUTTON") this.play(!this.playing);
      else if (at >= 0 && move) this.cells[Math.max(0, Math.min(this.cells.length - 1, at + move))].focus();
      else if (at < 0 && Math.abs(move) === 1) this.go(this.frame + move);
      else return;
      event.preventDefault();
    }

    // What stood where the pointer, the focus or a finger is.
    point(node) {
      const i = node && this.cells ? Number(node.dataset.i) : null;
      const state = i === null ? null : this.film.at(i, this.frame);
      if (this.pointed) this.pointed.classList.remove("hover");
      this.pointed = null;
      if (!state || this.film.isMasked(state) || state.event === "given") return this.popover.hide();
      this.pointed = node;
      node.classList.add("hover");
      this.popover.show(node, i, this.film.text(i, state), state);
    }

    leave() {
      document.removeEventListener("keydown", this.escape);
      this.pause();
      this.unsubscribe();
    }
  }

  function gridClass(i, { columns, box_rows, box_columns, rows }) {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const right = (column + 1) % box_columns === 0 && column + 1 < columns;
    const bottom = (row + 1) % box_rows === 0 && row + 1 < rows;
    return `t cell${right ? " box-right" : ""}${bottom ? " box-bottom" : ""}`;
  }

  const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : " ...");
})();

// The denoise canvas: a trajectory drawn live, with transport, figures and a pop-over for every token.
(() => {
  "use strict";
  const { el, segments, say, told } = window.studio;
  const SPEEDS = { "0.5x": 160, "1x": 80, "2x": 40, "4x": 20, live: 0 }; // milliseconds a frame
  const STILL = matchMedia("(prefers-reduced-motion: reduce)");

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
      root.setAttribute("aria-label", say("Denoising canvas"));
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
      this.colours = segments(say("Colour by"), { confidence: say("Confidence"), step: say("Step"), block: say("Block") }, this.colour, (name) => {
        this.colour = name;
        this.redraw();
      });
      this.legend = el("div", { class: "legend", "aria-label": say("Legend") });
      this.board = el("div", { class: "canvas hero" });
      this.popover = new window.StudioPopover();
      this.message = el("div", { class: "canvas-message", "aria-live": "polite" });
      this.polite = el("p", { class: "sr", role: "status" });
      this.stage = el("div", { class: "stage-box" }, this.board, this.popover.tip);
      this.transport = this.buildTransport();
      this.edits = new window.StudioEdits((i) => this.cell(i));
      this.readings = new window.StudioReadings((frame) => this.go(frame));
      this.share = new window.StudioShare();
      this.actions = el("div", { class: "row actions" }, this.share.box); // what can be done with the whole film
      this.tree = new window.StudioBranchTree((request) => this.follow(request));
      this.hold = el("button", { class: "btn small hold", type: "button", hidden: true, onclick: () => this.holdOn(!this.held) });
      this.root.replaceChildren(
        el("div", { class: "head" }, el("div", { class: "row" }, el("h2", {}, say("Denoising"), " ", this.count), this.hold),
          el("div", { class: "row" }, el("span", { class: "muted small", text: say("Colour by") }), this.colours)),
        this.legend, this.stage, this.message, this.popover.dock, this.transport.bar, this.actions, this.edits.box,
        this.tree.box, this.transport.stats, this.readings.box, this.polite);
      this.drawLegend();
      this.listen();
    }

    buildTransport() {
      return new window.StudioTransport(Object.keys(SPEEDS), this.speed, {
        back: () => this.go(this.frame - 1),
        on: () => this.go(this.frame + 1),
        toggle: () => this.play(!this.playing),
        go: (frame) => this.go(frame),
        speed: (name) => {
          this.speed = name;
          if (name === "live") this.toEnd();
          else if (this.playing) this.play(true);
        },
      });
    }

    listen() {
      this.board.addEventListener("pointerover", (event) => this.point(event.target.closest("[data-i]")));
      this.board.addEventListener("pointerleave", () => this.point(null));
      this.board.addEventListener("focusin", (event) => this.point(event.target.closest("[data-i]")));
      this.board.addEventListener("focusout", () => this.point(null));
      this.board.addEventListener("click", (event) => {
        const cell = event.target.closest("[data-i]");
        if (!cell) return;
        cell.focus({ preventScroll: true });
        this.edit(Number(cell.dataset.i));
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
      this.say(quiet ? "" : say("Asking the model server ..."));
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
      if (message.waiting) return this.say(sentence(told(message.waiting)));
      if (!message.lines) return;
      if (message.reset) this.film = new window.StudioFilm();
      for (const line of message.lines) this.film.push(line);
      if (!this.film.start) {
        if (this.film.end) this.finish();
        return;
      }
      if (message.reset || !this.cells) this.layOut();
      if (!this.film.done) this.setState(this.held ? "paused" : "live");
      this.schedule();
    }

    // Lines may come faster than the screen is drawn: one drawing a screen frame, always the newest.
    schedule() {
      if (this.drawing) return;
      this.drawing = requestAnimationFrame(() => {
        this.drawing = 0;
        if (!this.film.start) return;
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
      if (end.reason === "error") return this.fail(end.error || say("The model server gave up."));
      this.setState(end.reason === "cancelled" ? "cancelled" : "done");
      if (!this.tree.box.hidden) this.tree.show(this.request, this.film.start);
      if (end.reason === "cancelled") this.say(say("Stopped. The canvas keeps its last frame."));
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
      for (const told of ["frame", "frames", "seen"]) delete this.root.dataset[told];
      this.transport.clear();
      this.edits.clear();
      this.readings.clear();
      this.held = false;
      this.hold.hidden = true;
      this.board.replaceChildren();
      this.count.textContent = "";
    }

    empty() {
      this.clear();
      this.setState("empty");
      this.message.replaceChildren(
        el("div", { class: "empty" }, el("h3", { text: say("Nothing written yet") }),
          el("p", { class: "muted", text: say("The canvas starts as masks. Each step the model reveals what it is surest of.") })));
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
      this.share.show(this.request, state === "empty" ? null : this.film);
      this.hold.hidden = state !== "live" && state !== "paused";
      this.hold.textContent = this.held ? say("Resume") : say("Pause");
      window.dispatchEvent(new CustomEvent("studio:sampling", { detail: { request: this.request, state } }));
    }

    // --- drawing ---------------------------------------------------------------------------------------------
    layOut() {
      const { grid } = this.film.start;
      delete this.root.dataset.seen;
      this.said = 0;
      this.board.className = grid ? "sudoku" : "canvas hero";
      this.board.style.setProperty("--columns", grid ? grid.columns : "");
      this.drawn = new window.StudioCells(this.film);
      this.cells = this.drawn.nodes;
      this.board.replaceChildren(...this.cells);
      this.frame = 0;
      this.redraw();
      this.tree.show(this.request, this.film.start);
      if (!this.film.done) this.askWhetherHeld();
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
      this.frame = to;
      this.drawn.move(before, to, this.colour, (i) => this.edits.at(i));
      this.drawTransport();
      this.drawConflicts();
      if (this.pointed) this.point(this.pointed);
    }

    cell(i) {
      this.drawn.draw(i, this.frame, this.colour, this.edits.at(i));
    }

    drawLegend() {
      this.explained = this.film.events.size;
      this.legend.replaceChildren(...window.studioLegend(this.colour, this.film));
    }

    drawTransport() {
      const f = this.film.figures(this.frame);
      this.root.dataset.frame = this.frame;
      this.root.dataset.frames = this.film.frames;
      const closed = f.closed ? say(", {n} closed after the end", { n: f.closed }) : "";
      this.count.textContent = say("{revealed} of {total} revealed, {masked} masked, {given} given", f) + closed;
      this.transport.draw(this.film, this.frame, f);
      this.edits.show(this.film, this.frame, this.request);
      this.readings.show(this.film, this.frame);
      if (this.explained !== this.film.events.size) this.drawLegend();
      this.announce(f);
    }

    drawConflicts() {
      if (!this.film.start.grid) return;
      const wrong = this.film.conflicts(this.frame);
      this.cells.forEach((cell, i) => cell.classList.toggle("wrong", wrong.has(i)));
      const open = this.film.figures(this.frame).masked;
      const text = wrong.size
        ? say("{n} {n:cell breaks|cells break} a rule: the same digit stands twice in a row, column or box.", { n: wrong.size })
        : open ? say("No row, column or box breaks a rule so far.") : say("Solved: no row, column or box breaks a rule.");
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
      this.polite.textContent = say("step {step} of {steps}, {revealed} revealed", figures);
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
      this.transport.playing(true);
    }

    pause() {
      clearInterval(this.playing);
      this.playing = 0;
      this.transport.playing(false);
    }

    key(event) {
      if (!this.cells || event.target === this.transport.range || event.target.closest("[role=radiogroup]")) return;
      const at = this.cells.indexOf(document.activeElement);
      const columns = this.film.start.grid ? this.film.start.grid.columns : 0;
      const move = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
      if (event.target.closest("summary, input")) return;
      if (event.key === " " && event.target.tagName !== "BUTTON") this.play(!this.playing);
      else if (event.key === "Home") this.go(0);
      else if (event.key === "End") this.go(this.film.frames);
      else if (at >= 0 && move) this.cells[Math.max(0, Math.min(this.cells.length - 1, at + move))].focus();
      else if (at >= 0 && event.key === "Enter") this.edit(at, true);
      else if (at < 0 && Math.abs(move) === 1) this.go(this.frame + move);
      else if (event.key === "b" && !event.ctrlKey && !event.metaKey && !event.altKey) this.edits.go.click(); // a spent one does nothing
      else return;
      event.preventDefault();
    }

    // --- branches ----------------------------------------------------------------------------------------------
    edit(position, focus = false) {
      this.pause();
      this.live = false;
      this.edits.choose(position, focus);
    }

    async holdOn(on) {
      try {
        await window.studio.call("POST", `/api/samples/${this.request}/${on ? "pause" : "resume"}`);
      } catch (error) {
        return window.studio.toast(error.message, "bad");
      }
      this.setHeld(on);
    }

    setHeld(on) {
      if (this.film.done) return;
      this.held = on;
      this.setState(on ? "paused" : "live");
      this.say(on ? say("Paused. Resume, or change tokens and go on from here as a branch.") : "");
      if (!on) this.toEnd();
    }

    // A page that was opened anew does not know whether somebody paused it.
    async askWhetherHeld() {
      const request = this.request;
      const { requests } = await window.studio.call("GET", "/api/serving").catch(() => ({ requests: [] }));
      const found = requests.find((one) => one.request === request);
      if (this.request === request && found && found.state === "paused") this.setHeld(true);
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

  const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : " ...");
})();
